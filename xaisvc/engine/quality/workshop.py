"""What the measurements of a report share: rows, the reference, and what the model answers when features go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from xaisvc.engine.interruption import Interruptible, Wanted
from xaisvc.engine.quality.donors import ConditionalReplacement
from xaisvc.engine.quality.methods import METHODS_BY_NAME
from xaisvc.engine.quality.row_cost import MOST_MODEL_ROWS, affordable_model_rows
from xaisvc.engine.quality.subject import open_subject, with_background, with_other_model
from xaisvc.engine.quality.tree_hybrids import TreeHybrids
from xaisvc.errors import XaisvcError
from xaisvc.evaluation import (
    BackgroundReplacement,
    Removal,
    Removed,
    draw_weights,
    measure,
    measure_by,
    randomise_model,
    step_counts,
    subset_masks,
)
from xaisvc.evaluation.faithfulness import importance_towards
from xaisvc.evaluation.removal import top_masks
from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.bundles import Bundle
    from xaisvc.engine.quality.method import QualityMethod
    from xaisvc.engine.quality.subject import Subject
    from xaisvc.evaluation import Measure, Replacement, RowScores
    from xaisvc.types import Device
    from xaisvc.types.table import Column

    Floats = NDArray[np.float64]

REPLACEMENTS: Final = ("background", "conditional")
SUBSETS: Final = 32
"""Sets of players taken away, the same for all rows and methods."""
STEPS: Final = 10
"""Most inner steps of a curve."""
MOST_KEPT_ROWS: Final = 2000
"""Rows up to which resamples are kept: 16 MB for each number of rows."""
REMOVAL_ROWS: Final = 250
"""Rows for what takes features away: it costs most of a report."""
DRAWS: Final = 8
"""Draws of what stands in for each row and mask. Always as many: with fewer, what is left of their chance would lower
correlations and raise infidelity, and reports on more or fewer rows could not be compared."""
REFERENCE_ROWS: Final = 32
REFERENCE_FACTOR: Final = 4
"""A sampled reference gets this many times the budget of what is measured by it."""
MOST_ENUMERATED: Final = 40
"""Players up to which coalitions are counted; nobody asks about more than 2^40."""
LEAST_ROWS: Final = 4
LIME_SAMPLES: Final = 5000
STEP_SHARE: Final = 0.02
"""Standard deviation of a neighbour's step, in standard deviations of the feature."""


def generator(seed: int, *words: str) -> np.random.Generator:
    """Randomness that depends on a seed and on what it is for, not on what was done before."""
    digest = hashlib.blake2b("\x1f".join((str(seed), *words)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What errors are measured against, for the first rows.

    Attributes:
        method: That made it.
        exact: Whether it is the truth.
        values: float64, (t, p).
        relative_standard_error: Of the values; 0 where they are exact.
    """

    method: str
    exact: bool
    values: Floats
    relative_standard_error: float


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Everything is made when first asked for and kept; nothing depends on the order in which it is asked.

    Attributes:
        bundle: The bundle.
        subject: Its model.
        rows: The n rows, in the order in which methods that explain fewer take them.
        seed: Of everything random.
        budget: Coalitions per row of sampled methods.
        threads: Threads.
        device: Where the model runs.
        clock: Monotonic clock in seconds.
        cancel: Asked between pieces of work.
    """

    bundle: Bundle
    subject: Subject
    rows: Table
    seed: int
    budget: int
    threads: int
    device: Device
    clock: Callable[[], float]
    cancel: Callable[[], bool]

    def interval(self, scores: RowScores) -> Measure | None:
        """A metric's number with its interval, from the same resamples for every metric and method on as many rows.

        What differs between methods is then not the draw.
        """
        n = len(scores.numerators)
        if n > MOST_KEPT_ROWS:
            return measure(scores, generator(self.seed, "bootstrap", str(n)))
        if n not in self._weights:
            self._weights[n] = draw_weights(n, generator(self.seed, "bootstrap", str(n)))
        return measure_by(scores, self._weights[n])

    @cached_property
    def _weights(self) -> dict[int, Floats]:
        return {}

    @cached_property
    def outputs(self) -> Floats:
        """f(x) of each row; float64, (n,)."""
        return self.subject.problem.model(self.rows)

    @cached_property
    def truth(self) -> Truth:
        """Exact values of all rows where there is an exact method, else a sampled reference of some."""
        for name in ("linear", "tree", "exact"):
            rows = self.rows if name != "exact" else self.rows.take(slice(0, self._enumerable))
            try:
                found = METHODS_BY_NAME[name].attribute(self.subject, rows, None, self.seed, self.cancel)
            except XaisvcError as error:
                if self.cancel():
                    raise error from None
                continue
            return Truth(method=name, exact=True, values=found.values, relative_standard_error=0.0)
        some = self.rows.take(slice(0, REFERENCE_ROWS))
        budget = self.budget * REFERENCE_FACTOR
        # Another seed than the measured methods have: shared draws would hide shared errors.
        repeats = [
            METHODS_BY_NAME["kernel"]
            .attribute(self.subject, some, budget, self.seed + 1_000_003 + i, self.cancel)
            .values
            for i in range(2)
        ]
        values = (repeats[0] + repeats[1]) / 2.0
        apart = np.abs(repeats[0] - repeats[1]) / 2.0
        share = float(np.sqrt((apart**2).sum() / max((values**2).sum(), np.finfo(float).tiny)))
        return Truth(
            method=f"kernel, {2 * budget:,} coalitions", exact=False, values=values, relative_standard_error=share
        )

    @cached_property
    def _model_rows(self) -> int:
        return affordable_model_rows(self.subject.problem, self.bundle.model)

    @property
    def _coalitions(self) -> int:
        """All that there are."""
        return 1 << min(len(self.subject.members), MOST_ENUMERATED)

    @property
    def _enumerable(self) -> int:
        """Rows whose coalitions can all be asked about, for a reference, which is made once."""
        most = min(10 * self._model_rows, 2 * MOST_MODEL_ROWS)
        return max(LEAST_ROWS, most // (len(self.subject.problem.background) * self._coalitions))

    def is_whole(self, method: QualityMethod) -> bool:
        """Whether a method explains any number of rows at once, because it does not sample here."""
        planned = method.name == "auto" and self.truth.exact and self.truth.method != "exact"
        return planned or not method.is_sampled

    def affordable(self, method: QualityMethod, most: int, coalitions: int | None = None) -> int:
        """How many of the first rows a method is asked about.

        Args:
            method: The method.
            most: Rows that would be wanted.
            coalitions: Per row; the report's budget by default.
        """
        most = min(most, len(self.rows))
        if self.is_whole(method):
            return most
        each = LIME_SAMPLES
        if method.is_shapley:
            each = min(coalitions or self.budget, self._coalitions) * len(self.subject.problem.background)
        limit = max(LEAST_ROWS, self._model_rows // each)
        return min(most, limit, method.most_rows or most)

    @cached_property
    def _removals(self) -> dict[str, Removal]:
        some, background = self.rows.take(slice(0, REMOVAL_ROWS)), self.subject.problem.background
        rng = generator(self.seed, "donors")
        made: dict[str, Replacement] = {
            "background": BackgroundReplacement.of(len(some), len(background), DRAWS, rng),
            "conditional": ConditionalReplacement.of(some, background, self.subject.members, DRAWS, rng),
        }
        check = Wanted(self.cancel)
        hybrids = TreeHybrids.of(self.subject.problem, some, self.threads, check)
        return {
            name: Removal(
                model=Interruptible(self.subject.problem.model, check),
                rows=some,
                background=background,
                members=self.subject.members,
                replacement=replacement,
                hybrids=hybrids,
            )
            for name, replacement in made.items()
        }

    @cached_property
    def _masks(self) -> NDArray[np.bool_]:
        return subset_masks(len(self.subject.members), SUBSETS, generator(self.seed, "subsets"))

    @cached_property
    def _empty(self) -> dict[str, Floats]:
        nobody = np.zeros((1, len(self.subject.members)), dtype=np.bool_)
        return {name: removal.outputs(nobody).mean(axis=(1, 2)) for name, removal in self._removals.items()}

    @cached_property
    def _shared(self) -> dict[str, tuple[Floats, Floats]]:
        """What taking away sets and single players does, which is the same for every method."""
        p = len(self.subject.members)
        keep = np.concatenate([~self._masks, ~np.eye(p, dtype=np.bool_)])
        found = {}
        for name, removal in self._removals.items():
            drops = self.outputs[:REMOVAL_ROWS, None] - removal.outputs(keep).mean(axis=2)
            found[name] = (drops[:, :SUBSETS], drops[:, SUBSETS:])
        return found

    def removed(self, replacement: str, values: Floats) -> Removed:
        """What the model answers when players go in the order of some attributions.

        Args:
            replacement: `background` or `conditional`.
            values: Attributions of the first rows, at most `REMOVAL_ROWS`; float64, (c, p).
        """
        c, p = values.shape
        removal = self._removals[replacement]
        some = replace(removal, rows=self.rows.take(slice(0, c)))
        counts = step_counts(p, STEPS)
        empty = self._empty[replacement][:c]
        towards = top_masks(importance_towards(values, self.outputs[:c], empty), counts)
        largest = top_masks(np.abs(values), counts)
        found = some.outputs(np.concatenate([towards, ~towards, ~largest, largest], axis=1))
        inserted, deleted, important, unimportant = np.split(found, 4, axis=1)
        drops, single = self._shared[replacement]
        return Removed(
            removed=self._masks,
            drops=drops[:c],
            single_drops=single[:c],
            empty=empty,
            shares=counts / p,
            inserted=inserted.mean(axis=2),
            deleted=deleted.mean(axis=2),
            important=important,
            unimportant=unimportant,
        )

    @cached_property
    def halves(self) -> tuple[Subject, ...]:
        """The same model on two halves of the background that share no row."""
        order = generator(self.seed, "halves").permutation(len(self.bundle.background))
        half = len(order) // 2
        return tuple(self._open(with_background(self.bundle, np.sort(part))) for part in (order[:half], order[half:]))

    @cached_property
    def randomised(self) -> Subject:
        """The same graph with its learnt numbers shuffled.

        Raises:
            MethodNotApplicableError: If the graph holds none.
        """
        model = randomise_model(self.bundle.model, generator(self.seed, "randomised"))
        return self._open(with_other_model(self.bundle, model))

    def _open(self, bundle: Bundle) -> Subject:
        return open_subject(
            bundle,
            self.subject.output,
            threads=self.threads,
            device=self.device,
            clock=self.clock,
            players=self.subject.players,
        )

    def neighbours(self, n_rows: int, per_row: int) -> Table:
        """Rows close to the first ones: numeric features moved a little, within what the background has seen.

        Whole numbers stay whole and categories stay. In the order row by row; n_rows * per_row rows.
        """
        some = self.rows.take(np.repeat(np.arange(n_rows), per_row))
        columns: dict[str, Column] = {}
        rng = generator(self.seed, "neighbours")
        for name, values in some.columns.items():
            background = self.subject.problem.background.columns[name]
            if values.dtype == np.object_:
                columns[name] = values
                continue
            numbers, seen = cast("Floats", values), cast("Floats", background)
            known = seen[np.isfinite(seen)]
            step = rng.normal(size=len(numbers)) * STEP_SHARE * (known.std() if len(known) else 0.0)
            if len(known) and np.array_equal(known, np.rint(known)):
                step = np.rint(step)
            low, high = (known.min(), known.max()) if len(known) else (-np.inf, np.inf)
            # a row outside of what the background has seen stays where it is
            moved = np.clip(numbers + step, np.minimum(low, numbers), np.maximum(high, numbers))
            columns[name] = np.where(np.isnan(numbers), numbers, moved)
        return Table(columns)

    @staticmethod
    def numbers(table: Table) -> Floats:
        """The numeric features of rows, missing as 0; float64, (n, c)."""
        found = [np.nan_to_num(cast("Floats", v)) for v in table.columns.values() if v.dtype != np.object_]
        return np.column_stack(found) if found else np.zeros((len(table), 1))
