"""How sampled Shapley methods run: shared designs, budgets in stages, equal rows once, the answer.

A method brings its `Sampler`, which decides on coalitions and on what to make of their values; all else is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from xaisvc.attribution.coalitions import all_pairs_values
from xaisvc.attribution.masking import PREFERRED_BATCH_ROWS
from xaisvc.attribution.plain_games import PlainGames, PlainPairs
from xaisvc.attribution.projecting import project
from xaisvc.types import Attribution, Deadline, ErrorTarget
from xaisvc.types.sampling import CoalitionDesign, PairValues, Projected

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.attribution.budgets import BudgetRange
    from xaisvc.types import Problem, Settings, Table
    from xaisvc.types.sampling import CoalitionGames, PairFunction, Projection

# Coalition values held at a time while a call runs: 32 MB each for the two coalitions of a pair.
_MOST_PAIR_VALUES = 4_000_000
ONE_PLAYER = "one player gets all of f(x) - v0, which takes no coalitions and is exact."
_GROWTH = 2.0**0.5  # between the sizes that a deadline can stop at


class Sampler(Protocol):
    """A method's choices for p players; what it returns depends on nothing else than it was made from."""

    @property
    def p(self) -> int:
        """Number of players."""
        ...

    def design(self, n_coalitions: int) -> CoalitionDesign:
        """The pairs of a budget; those of a larger one go on from them."""
        ...

    def projection(self, n_coalitions: int) -> Projection | None:
        """The map from the design's values to attributions; None if the design holds all pairs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What sampling made of the n rows of a call.

    Attributes:
        values: float64, (n, p).
        standard_errors: float64, (n, p).
        outputs: float64, (n,).
        none: v0.
        n_coalitions: Distinct coalitions evaluated for each row; int64, (n,).
        model_evaluations: int64, (n,).
        exact: bool, (n,).
        missed: Whether a row reached the cap before its error target; bool, (n,).
        late: Whether the deadline had passed when the fewest coalitions that give values were done.
        game: How the coalitions were evaluated; empty if there is nothing to say.
        background: The background in words.
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    outputs: NDArray[np.float64]
    none: float
    n_coalitions: NDArray[np.int64]
    model_evaluations: NDArray[np.int64]
    exact: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    late: bool
    game: str
    background: str

    def attribution(self, method: str, describe: Callable[[Sampled], str], allowed: BudgetRange) -> Attribution:
        """As an answer.

        Args:
            method: Name of the method.
            describe: Says how some rows were sampled; extended by what is common to all sampled methods.
            allowed: The method's budgets.
        """
        return Attribution(
            values=self.values,
            base_values=np.full(len(self.values), self.none),
            outputs=self.outputs,
            standard_errors=self.standard_errors,
            method=method,
            exact=bool(self.exact.all()),
            model_evaluations=self.model_evaluations,
            detail=_told(self, describe, allowed),
            own=self._own(describe, allowed),
        )

    def _own(self, describe: Callable[[Sampled], str], allowed: BudgetRange) -> tuple[tuple[bool, str], ...]:
        """Each row's own detail, so that a row's answer does not tell of the rows around it; empty if all are alike."""
        treated = np.stack((self.n_coalitions, self.model_evaluations, self.exact, self.missed))
        if (treated == treated[:, :1]).all():
            return ()
        _, first, kind = np.unique(treated, axis=1, return_index=True, return_inverse=True)
        told = [(bool(self.exact[i]), _told(self._row(i), describe, allowed)) for i in first]
        return tuple(told[k] for k in kind.ravel())

    def _row(self, index: int) -> Sampled:
        one = slice(index, index + 1)
        return replace(
            self,
            values=self.values[one],
            standard_errors=self.standard_errors[one],
            outputs=self.outputs[one],
            n_coalitions=self.n_coalitions[one],
            model_evaluations=self.model_evaluations[one],
            exact=self.exact[one],
            missed=self.missed[one],
        )

    @property
    def coalitions(self) -> str:
        """How many coalitions the rows took, for example `26 to 200`."""
        low, high = int(self.n_coalitions.min(initial=2**62)), int(self.n_coalitions.max(initial=0))
        return f"{high:,}" if low >= high else f"{low:,} to {high:,}"


def _told(some: Sampled, describe: Callable[[Sampled], str], allowed: BudgetRange) -> str:
    """How some rows were sampled, in sentences."""
    n_missed = int(some.missed.sum())
    missed = (
        f" {n_missed} of {len(some.missed)} rows reached the cap of {allowed.cap:,} {allowed.unit} before the "
        "error target."
    )
    late = f" The deadline had passed before the fewest {allowed.unit} that give values and errors were done."
    return (
        describe(some)
        + (missed if n_missed else "")
        + (late if some.late else "")
        + (f" {some.game}" if some.game else "")
    )


def array_bytes(kept: object) -> int:
    """Size of the arrays of a design or a projection, in bytes."""
    arrays = (getattr(kept, part.name) for part in fields(cast("CoalitionDesign | Projection", kept)))
    return sum(array.nbytes for array in arrays if array is not None)


def games_of(problem: Problem, settings: Settings) -> CoalitionGames:
    """What evaluates coalitions: the problem's own games, or the plain way."""
    return problem.games or PlainGames(problem, settings.max_batch_rows, settings.threads)


def sample(  # noqa: PLR0913, PLR0917 - all that an answer depends on
    problem: Problem, games: CoalitionGames, rows: Table, settings: Settings, allowed: BudgetRange, sampler: Sampler
) -> Sampled:
    """Attributes n rows within a budget that was checked before.

    Raises:
        ModelOutputError: If the model's answers are not finite numbers, one per row.
        AbandonedError: If nobody waits any more.
    """
    distinct = rows.distinct()
    unlike = rows if distinct is None else rows.take(distinct[0])
    place = np.arange(len(rows)) if distinct is None else distinct[1]
    run = _Run(problem, games, unlike, settings, sampler)
    if isinstance(settings.budget, ErrorTarget):
        run.until_error(settings.budget.standard_error, allowed)
    elif isinstance(settings.budget, Deadline):
        run.until_deadline(settings.budget.seconds, allowed)
    else:
        run.at_once(allowed.default if settings.budget is None else settings.budget)
    b = len(problem.background)
    each = run.rows_per_coalition
    return Sampled(
        values=run.values[place],
        standard_errors=run.standard_errors[place],
        outputs=run.outputs[place],
        none=games.none,
        n_coalitions=run.n_coalitions[place],
        # Its coalitions, itself once in every stage that evaluated some, and the background.
        model_evaluations=(run.n_evaluations + b)[place],
        exact=run.exact[place],
        missed=run.missed[place],
        late=run.late,
        game=run.detail,
        background=f"{b} background row{'s' * (b != 1)}" + (f", {each} of them for each pair" if each < b else ""),
    )


class _Run:
    """The rows of one call on their way. Lives for one call and is never shared."""

    def __init__(
        self, problem: Problem, games: CoalitionGames, rows: Table, settings: Settings, sampler: Sampler
    ) -> None:
        n, self._p = len(rows), sampler.p
        self._problem, self._games = problem, games
        self._rows, self._settings, self._sampler = rows, settings, sampler
        b = len(problem.background)
        self.rows_per_coalition = b
        self.values = np.zeros((n, self._p))
        self.standard_errors = np.zeros((n, self._p))
        self.outputs = np.zeros(n)
        self.n_coalitions = np.zeros(n, dtype=np.int64)
        self.n_evaluations = np.zeros(n, dtype=np.int64)
        self.exact = np.ones(n, dtype=np.bool_)
        self.missed = np.zeros(n, dtype=np.bool_)
        self.late = False
        self.detail = ""

    def at_once(self, size: int) -> None:
        """A fixed number of coalitions for every row."""
        design, projection = self._ready(size)
        if projection is None:
            pairs = self._evaluate(design)
            self.detail = pairs.detail
            for places in self._pieces(len(design)):
                found = pairs(self._rows.take(places), self._settings.check)
                whole = _enumerated(design, found, self._games.none)
                self._put(places, whole, design, self._rows_of(design), exact=True)
            return
        attribute = self._games.attribute(design, projection)
        self.detail = attribute.detail
        for places in self._pieces(len(design)):
            projected = attribute(self._rows.take(places), self._settings.check)
            self._put(places, projected, design, self._rows_of(design), exact=False)

    def until_error(self, target: float, allowed: BudgetRange) -> None:
        """Doubles the coalitions of the rows that miss the target."""
        # Rows of a piece go on together; its size bounds the values held at the cap.
        for piece in self._pieces(allowed.cap // 2):
            places = np.arange(piece.start, piece.stop)
            stages = _Stages(
                self._evaluate, self._rows_of, self._games.none, self._rows.take(piece), self._settings.check
            )
            size = allowed.first_stage
            while True:
                design, projection = self._ready(size)
                found = stages.go_on(design, projection)
                self._put(places, found, design, stages.n_evaluations, exact=projection is None)
                missing = found.standard_errors.max(axis=1, initial=0.0) > target
                self.detail = stages.detail
                if projection is None or not missing.any():
                    break
                if size >= allowed.cap:
                    self.missed[places[missing]] = True
                    break
                stages.keep(missing)
                places = places[missing]
                size = min(2 * size, allowed.cap)

    def until_deadline(self, seconds: float, allowed: BudgetRange) -> None:
        """Takes all rows on together as far as time allows."""
        clock = self._settings.clock
        end = clock() + seconds
        places = np.arange(len(self._rows))
        stages = _Stages(self._evaluate, self._rows_of, self._games.none, self._rows, self._settings.check)
        size = allowed.minimum
        while True:
            begun = clock()
            design, projection = self._ready(size)
            planned = clock()
            n_before = stages.n_pairs
            found = stages.go_on(design, projection)
            self._put(places, found, design, stages.n_evaluations, exact=projection is None)
            now = clock()
            self.detail = stages.detail
            self.late |= size == allowed.minimum and now > end
            if projection is None or size >= allowed.cap or now >= end:
                return
            # The stage just done predicts the next: values by their number, the plan by the cube of its size.
            each = (now - planned) / max(1, stages.n_pairs - n_before)
            for factor in (2.0, _GROWTH):
                grown = min(int(size * factor), allowed.cap)
                if now + (grown - size) / 2 * each + (planned - begun) * (grown / size) ** 3 <= end:
                    size = grown
                    break
            else:
                return

    def _evaluate(self, design: CoalitionDesign) -> PairFunction:
        """Makes a design ready; without coalitions, as one player has none, only f(x) is left, which takes no graph."""
        if len(design):
            return self._games.evaluate(design)
        batch_rows = min(self._settings.max_batch_rows, PREFERRED_BATCH_ROWS)
        return PlainPairs(self._problem, design, batch_rows, self._settings.threads)

    def _ready(self, size: int) -> tuple[CoalitionDesign, Projection | None]:
        design = self._sampler.design(size)
        self.rows_per_coalition = _rows_each(design, self._problem)
        return design, self._sampler.projection(size)

    def _rows_of(self, design: CoalitionDesign) -> int:
        """Model rows of a design: its coalitions, and the explained row itself."""
        return 2 * len(design) * _rows_each(design, self._problem) + 1

    def _pieces(self, n_pairs: int) -> list[slice]:
        step = max(1, _MOST_PAIR_VALUES // max(1, n_pairs))
        return [slice(start, min(start + step, len(self._rows))) for start in range(0, len(self._rows), step)]

    def _put(
        self,
        places: NDArray[np.intp] | slice,
        found: Projected,
        design: CoalitionDesign,
        n_evaluations: int,
        *,
        exact: bool,
    ) -> None:
        # Rounding, and the float32 of a graph, leave a defect of efficiency: it is shared by all players.
        defect = found.outputs - self._games.none - found.values.sum(axis=1)
        self.values[places] = found.values if exact else found.values + defect[:, None] / self._p
        self.standard_errors[places] = found.standard_errors
        self.outputs[places] = found.outputs
        self.n_coalitions[places] = 2 * len(design)
        self.n_evaluations[places] = n_evaluations
        self.exact[places] = exact


class _Stages:
    """Coalition values of some rows, design after larger design."""

    def __init__(
        self,
        evaluate: Callable[[CoalitionDesign], PairFunction],
        rows_of: Callable[[CoalitionDesign], int],
        none: float,
        rows: Table,
        check: Callable[[], None],
    ) -> None:
        self._rows_of = rows_of
        self._evaluate, self._none, self._rows, self._check = evaluate, none, rows, check
        self._values = PairValues(
            on=np.empty((len(rows), 0)), off=np.empty((len(rows), 0)), outputs=np.empty(len(rows))
        )
        self._rows_each: int | None = None
        self.n_evaluations = 0
        self.detail = ""

    @property
    def n_pairs(self) -> int:
        """Pairs evaluated so far."""
        return int(self._values.on.shape[1])

    def go_on(self, design: CoalitionDesign, projection: Projection | None) -> Projected:
        """Evaluates what a design has more than the one before, if anything: more orders may bring no new coalition.

        Where pairs see other background rows than before, values are of no use and all are evaluated anew.
        """
        each = None if design.background is None else design.background.shape[1]
        if self.n_evaluations and each != self._rows_each:
            self._forget()
        self._rows_each = each
        if len(design) > self.n_pairs or not self.n_evaluations:
            self._add(design)
        if projection is None:
            return _enumerated(design, self._values, self._none)
        return project(projection, self._values, self._none)

    def keep(self, wanted: NDArray[np.bool_]) -> None:
        """Lets the other rows go."""
        self._rows = self._rows.take(np.flatnonzero(wanted))
        old = self._values
        self._values = PairValues(on=old.on[wanted], off=old.off[wanted], outputs=old.outputs[wanted])

    def _forget(self) -> None:
        nothing = np.empty((len(self._rows), 0))
        self._values = PairValues(on=nothing, off=nothing, outputs=self._values.outputs)

    def _add(self, design: CoalitionDesign) -> None:
        rest = slice(self.n_pairs, len(design))
        added = CoalitionDesign(
            masks=design.masks[rest], background=None if design.background is None else design.background[rest]
        )
        pairs = self._evaluate(added)
        found, old = pairs(self._rows, self._check), self._values
        self.detail = pairs.detail
        self.n_evaluations += self._rows_of(added)
        self._values = PairValues(
            on=np.concatenate([old.on, found.on], axis=1),
            off=np.concatenate([old.off, found.off], axis=1),
            outputs=found.outputs,
        )


def _rows_each(design: CoalitionDesign, problem: Problem) -> int:
    """Background rows that a coalition is averaged over."""
    return len(problem.background) if design.background is None else int(design.background.shape[1])


def _enumerated(design: CoalitionDesign, pairs: PairValues, none: float) -> Projected:
    """The Shapley values themselves, from the values of all pairs."""
    values = np.array(
        [
            all_pairs_values(design.masks, on, off, none, float(output))
            for on, off, output in zip(pairs.on, pairs.off, pairs.outputs, strict=True)
        ]
    ).reshape(-1, design.masks.shape[1])
    return Projected(values=values, standard_errors=np.zeros_like(values), outputs=pairs.outputs)
