"""LIME around the row: numbers are perturbed by a normal centred at the explained row, not cut into bins.

As the lime package with `discretize_continuous=False, sample_around_instance=True`. A draw is x + sd * e for numbers,
e standard normal and sd the background's standard deviation, and a value drawn by its frequency for categories. The
surrogate's columns are e for numbers and 1 for a category that agrees with the row.

The e are seeded by the plan and shared by all rows, so that with numbers alone the columns, the weights of the draws
and with them the whole ridge solution are constant: a surrogate is one matrix times the row's answers. Categories are
drawn once for all rows too; their columns depend on the row's own categories, so rows with the same ones share a
solution.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.lime import sample_range
from xaisvc.attribution.lime_batch import DIAGNOSTICS, DistinctRows, Fits, answer, size_text, spend_on_rows
from xaisvc.attribution.lime_columns import CategoryColumn, NumericColumn
from xaisvc.attribution.lime_sample import SAMPLE_ROWS, generator_of, kept, learn
from xaisvc.attribution.masking import score
from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.surrogate import SETS_TOGETHER, SurrogateFitter, draw_resamples, kernel_width, weights_at
from xaisvc.errors import MethodNotApplicableError
from xaisvc.types import CloudDraws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Attribution, Cloud, Problem, Settings, Table

# Samples that a caller may ask for: with 100 features the columns and steps take about 0.3 GB.
LARGEST_SAMPLES = 100_000
# Rows that a thread takes at a time; changes no number.
_ROWS_TOGETHER = 16
MOST_DRAWS = 1024
"""Draws in a call of the model: few enough that tensors and intermediates stay in the cache of a core."""


@dataclass(frozen=True, slots=True)
class LimeContinuousMethod:
    """LIME in the continuous mode around the instance, without feature selection.

    A value is lime's coefficient on its scaled columns. For a number it is the surrogate's slope: output units per
    standard deviation of the background; it is not multiplied by how far the row is from anything. For a category it is
    what agreeing with the row adds. The base value is lime's intercept: the surrogate's answer where every number is at
    its background mean and no category agrees. So base value and values do not sum to the surrogate's answer for the
    row, which is the diagnostic `local_prediction`.

    A feature whose background holds whole numbers only is rounded before the model sees it; a number with at most two
    distinct background values is a category; a number that the row lacks stays missing in every draw.
    """

    name: str = field(default="lime_continuous", init=False)
    exact: bool = field(default=False, init=False)

    def why_not(self, problem: Problem) -> str:
        """Why a problem cannot be explained this way, one sentence; empty if it can."""
        columns = learn(problem)
        for name, members in zip(problem.players.names, problem.players.members, strict=True):
            if len(members) > 1 and any(isinstance(columns[member], NumericColumn) for member in members):
                return f"a slope belongs to one number and {name!r} is a group with numbers"
        return ""

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Fits a surrogate around each of n rows.

        Raises:
            MethodNotApplicableError: If `why_not` is not empty.
            InvalidRequestError: If the budget is not a number, an error target or a deadline that makes sense.
            BudgetTooSmallError: If the budget is below the minimum, which the message names.
            LimitExceededError: If the budget is above the limit, which the message names.
            ModelOutputError: If the model's answers are not finite numbers, one per row.
        """
        reason = self.why_not(problem)
        if reason:
            raise MethodNotApplicableError.of(
                "method", f"'{self.name}' cannot be used: {reason}; use 'lime'", "NOT_APPLICABLE"
            )
        p = len(problem.players)
        allowed = replace(sample_range(p), largest=max(LARGEST_SAMPLES, sample_range(p).minimum))
        allowed.check(settings.budget)
        distinct = DistinctRows.of(rows)
        batch = _Batch(problem, distinct.rows, settings)
        spent = spend_on_rows(settings, allowed, len(distinct.rows), p, batch.fit)
        return answer(
            problem,
            distinct,
            spent,
            batch.outputs,
            method=self.name,
            detail=(
                f"LIME around the row from {size_text(spent)} samples per row, kernel width {kernel_width(p):.3g}, "
                f"ridge 1. A number's value is the slope of a local surrogate, in output units per standard deviation "
                f"of {len(problem.background)} background rows; a category's is what agreeing with the row adds; "
                "values do not sum to the output; standard errors by the bootstrap."
            ),
            allowed=allowed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draws:
    """m draws that all rows share; the first stands for the row.

    Attributes:
        steps: Standard normals of each numeric feature, 0 in the first draw; float64, (m,) each.
        bins: Bin of each category feature; intp, (m,) each.
        size: m.
        cloud: The draws made ready for the model, or as they are if there is nothing faster than rows.
    """

    size: int
    steps: dict[str, NDArray[np.float64]]
    bins: dict[str, NDArray[np.intp]]
    cloud: Cloud | CloudDraws

    @property
    def n_bytes(self) -> int:
        """Memory that they take."""
        held = sum(values.nbytes for part in (self.steps, self.bins) for values in part.values())
        return held + self.cloud.n_bytes


class _Batch:
    """The distinct rows of one call. Lives for that call and is never shared between calls."""

    def __init__(self, problem: Problem, rows: Table, settings: Settings) -> None:
        self._problem = problem
        self._rows = rows
        self._settings = settings
        columns = learn(problem)
        self._numbers = {name: column for name, column in columns.items() if isinstance(column, NumericColumn)}
        self._categories = {name: column for name, column in columns.items() if isinstance(column, CategoryColumn)}
        self._own_bins = {name: column.bins_of(rows.columns[name]) for name, column in self._categories.items()}
        self._resamples = draw_resamples(generator_of(settings.plan_seed, 1))
        self._answers: dict[int, NDArray[np.float64]] = {}
        self._staged = settings.budget is not None and not isinstance(settings.budget, int)
        self.outputs = np.empty(len(rows))

    def fit(self, places: NDArray[np.intp], size: int) -> Fits:
        """See `FitFunction`."""
        settings = self._settings
        key = f"lime_continuous {settings.plan_seed.hex()} {size}"
        draws = kept(self._problem, key, lambda: self._draw(size), lambda found: found.n_bytes)
        found = Fits.empty(len(places), len(self._problem.players))

        # Without categories all rows share a solution.
        shared = None if self._categories or not len(places) else self._fitter(draws, size, int(places[0]))

        def chunk(indices: NDArray[np.intp]) -> None:
            fitter = shared or self._fitter(draws, size, int(places[indices[0]]))
            for start in range(0, len(indices), SETS_TOGETHER):
                self._fit_few(draws, fitter, places, indices[start : start + SETS_TOGETHER], found)

        in_threads(chunk, self._alike(places), settings.threads)
        return found

    def _alike(self, places: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Positions in `places` of rows with the same categories, a few at a time."""
        groups: dict[bytes, list[int]] = {}
        own = np.array([bins[places] for bins in self._own_bins.values()]).T
        for index in range(len(places)):
            groups.setdefault(own[index].tobytes() if len(own) else b"", []).append(index)
        return [
            np.array(group[start : start + _ROWS_TOGETHER], dtype=np.intp)
            for group in groups.values()
            for start in range(0, len(group), _ROWS_TOGETHER)
        ]

    def _draw(self, size: int) -> _Draws:
        # One row of numbers for each draw, so that a larger sample begins with the smaller one.
        steps = generator_of(self._settings.plan_seed, 2).standard_normal((size, len(self._numbers)))
        uniforms = generator_of(self._settings.plan_seed, 3).random((size, len(self._categories)))
        steps[0] = 0.0
        by_name = {name: np.ascontiguousarray(steps[:, i]) for i, name in enumerate(self._numbers)}
        drawn = {name: column.draw(uniforms[:, i]) for i, (name, column) in enumerate(self._categories.items())}
        cloud = CloudDraws(
            size=size,
            moves={name: column.std * by_name[name] for name, column in self._numbers.items()},
            whole=frozenset(name for name, column in self._numbers.items() if column.whole),
            values={name: values for name, (_, values) in drawn.items()},
        )
        clouds = self._problem.clouds
        return _Draws(
            size=size,
            steps=by_name,
            bins={name: bins for name, (bins, _) in drawn.items()},
            cloud=cloud if clouds is None else clouds.prepare(cloud),
        )

    def _fitter(self, draws: _Draws, size: int, place: int) -> SurrogateFitter:
        """The solution that all rows with the categories of the row at `place` share."""
        players = self._problem.players.members
        design = np.empty((size, len(players)))
        for index, members in enumerate(players):
            if members[0] in self._numbers:
                design[:, index] = draws.steps[members[0]]
            else:
                agrees = [draws.bins[name] == self._own_bins[name][place] for name in members]
                design[:, index] = np.all(agrees, axis=0)
                design[0, index] = 1.0
        distances = ((design - design[0]) ** 2).sum(axis=1)
        return SurrogateFitter(design, weights_at(distances, len(players)), self._resamples)

    def _fit_few(
        self,
        draws: _Draws,
        fitter: SurrogateFitter,
        places: NDArray[np.intp],
        indices: NDArray[np.intp],
        found: Fits,
    ) -> None:
        """Asks and fits rows that share a solution; `indices` are their positions in `places` and in `found`."""
        chosen = places[indices]
        answers = np.array([self._ask(draws, int(place)) for place in chosen])
        self.outputs[chosen] = answers[:, 0]
        surrogates = fitter.fit(answers)
        # lime's columns are (x + sd e - mean) / sd: the same slopes, from another origin.
        origins = np.zeros(len(indices))
        for player, members in enumerate(self._problem.players.members):
            column = self._numbers.get(members[0])
            if column is not None:
                values = self._rows.columns[members[0]][chosen].astype(np.float64)
                shares = surrogates.weights[:, player] * (values - column.mean) / column.std
                origins += np.where(np.isnan(values), 0.0, shares)
        intercepts = surrogates.intercepts - origins
        numbers = {**surrogates.diagnostics, "intercept": intercepts}
        diagnostics = np.column_stack([numbers[name] for name in DIAGNOSTICS])
        few = Fits(
            weights=surrogates.weights,
            standard_errors=surrogates.standard_errors,
            intercepts=intercepts,
            diagnostics=diagnostics,
        )
        found.put(indices, few)

    def _ask(self, draws: _Draws, place: int) -> NDArray[np.float64]:
        """The model's answers to all draws around a row, what an earlier stage asked not again."""
        before, size = self._answers.get(place, np.empty(0)), draws.size
        most = MOST_DRAWS if isinstance(draws.cloud, CloudDraws) else draws.cloud.most_draws
        largest = min(self._settings.max_batch_rows, most)
        n_pieces = -(-(size - len(before)) // largest)
        pieces = [before]
        for start, stop in pairwise(np.linspace(len(before), size, n_pieces + 1).astype(np.intp).tolist()):
            self._settings.check()
            chunk = slice(start, stop)
            if isinstance(draws.cloud, CloudDraws):
                around = draws.cloud.around(self._rows, place, chunk, self._rows.feature_ids)
                pieces.append(score(self._problem, around, SAMPLE_ROWS))
            else:
                pieces.append(draws.cloud(self._rows, place, chunk))
        answers = np.concatenate(pieces)
        if self._staged:
            self._answers[place] = answers
        return answers
