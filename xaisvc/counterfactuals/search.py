"""Searches the declared changes of rows for those on which the model decides otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.counterfactuals.grids import Grid
from xaisvc.counterfactuals.judging import Judge, Trials
from xaisvc.counterfactuals.ladders import make_ladders
from xaisvc.counterfactuals.offers import ask, offer_of
from xaisvc.types import keep_going
from xaisvc.types.counterfactual import RowCounterfactuals, Tried

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

    from xaisvc.counterfactuals.axes import Axis
    from xaisvc.counterfactuals.judging import Goal
    from xaisvc.counterfactuals.ladders import Ladder
    from xaisvc.counterfactuals.offers import Offer
    from xaisvc.types import Alternative, ModelFunction, SupportFunction, Table

_PAIR = 2
_MODEL_ROWS_AT_ONCE = 2**17
"""Rows that are tried together: bounds memory, and is far more than a runtime needs to be quick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is scored at most.

    Attributes:
        single: Values of one feature in one direction.
        pair: Combinations of two features, each in one direction.
        pairs: Combinations of two features for one row, all pairs together, where that leaves `floor` for each.
        floor: Combinations of two features at least.
    """

    single: int = 256
    pair: int = 4096
    pairs: int = 16384
    floor: int = 64

    def per_pair(self, axes: Sequence[Axis]) -> int:
        """Combinations of each pair of directions: a matter of the bundle, never of a row."""
        return max(self.floor, min(self.pair, self.pairs // max(_pairs_of(axes), 1)))

    def for_part_of(self, axes: Sequence[Axis]) -> Effort:
        """The effort with which only some of these axes are searched: as much for each pair as with all of them."""
        each = self.per_pair(axes)
        return replace(self, pair=each, pairs=each * max(_pairs_of(axes), 1))

    def per_row(self, axes: Sequence[Axis], max_changes: int) -> int:
        """Bound of the model rows for one row, without those that narrow a change down or cut a region."""
        alone = sum(axis.sides for axis in axes) * self.single
        return alone + (_pairs_of(axes) * self.per_pair(axes) if max_changes >= _PAIR else 0)


def _pairs_of(axes: Sequence[Axis]) -> int:
    """Pairs of directions of different features."""
    sides = sum(axis.sides for axis in axes)
    within = sum(axis.sides * (axis.sides - 1) // 2 for axis in axes)
    return sides * (sides - 1) // 2 - within


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, and of whom.

    Attributes:
        axes: What may be offered.
        goal: What is wanted.
        score: The model in the unit of the output tensor; NaN where it has no answer.
        support: The background's support.
        max_changes: Most features that change together, 1 or 2.
        limit: Most alternatives to choose.
        effort: How much is scored at most.
    """

    axes: tuple[Axis, ...]
    goal: Goal
    score: ModelFunction
    support: SupportFunction
    max_changes: int = 2
    limit: int = 3
    effort: Effort = Effort()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found for n rows.

    Attributes:
        rows: One answer per row.
        model_rows: Rows that the model scored for it.
    """

    rows: tuple[RowCounterfactuals, ...]
    model_rows: int


def search(
    rows: Table,
    predictions: NDArray[np.float64],
    question: Question,
    check: Callable[[], None] = keep_going,
) -> Found:
    """Finds regions of other inputs on which the model decides otherwise.

    Every rung of every ladder is scored, each feature alone first. Then each with each, of two features those values
    that are nearer than what is enough alone. Where there are more rungs than `Effort` allows, evenly spread ones are,
    and the smallest change is narrowed down between the last bad and the first good one; what is good between two bad
    ones can be missed then, and the answer says that it is not complete. Each row's answer is its own: it does not
    depend on the rows beside it, nor on features that are not part of a set.

    Args:
        rows: n rows.
        predictions: The model's answers to them, in the unit of the output tensor; float64, (n,).
        question: What is asked.
        check: Called between pieces of work; raises once nobody waits.

    Returns:
        One answer per row, in order.
    """
    adverse = question.goal.is_adverse(predictions)
    answers = [
        RowCounterfactuals(
            adverse=False,
            prediction=float(prediction),
            candidates=(),
            tried=(),
            max_changes=question.max_changes,
            limit=question.limit,
        )
        for prediction in predictions
    ]
    model_rows = 0
    places = np.flatnonzero(adverse)
    together = max(1, _MODEL_ROWS_AT_ONCE // max(question.effort.per_row(question.axes, question.max_changes), 1))
    for start in range(0, len(places), together):
        check()
        some = places[start : start + together]
        block = _Block(rows.take(some), question)
        found = block.search(check)
        model_rows += block.model_rows
        for place, (candidates, tried) in zip(some, found, strict=True):
            answers[place] = RowCounterfactuals(
                adverse=True,
                prediction=float(predictions[place]),
                candidates=candidates,
                tried=tried,
                max_changes=question.max_changes,
                limit=question.limit,
            )
    return Found(rows=tuple(answers), model_rows=model_rows)


class _Block:
    """Some adverse rows, searched together."""

    def __init__(self, rows: Table, question: Question) -> None:
        self._rows = rows
        self._question = question
        self._judge = Judge(rows, question.axes, question.goal, question.score, question.support)
        self._place = {axis.feature: i for i, axis in enumerate(question.axes)}

    @property
    def model_rows(self) -> int:
        """Rows that the model scored."""
        return self._judge.model_rows

    def search(self, check: Callable[[], None]) -> list[tuple[tuple[Alternative, ...], tuple[Tried, ...]]]:
        """Candidates and what was tried, row by row."""
        singles = self._singles()
        self._try([grid for row in singles for grids in row for grid in grids])
        check()
        pairs = self._pairs(singles) if self._question.max_changes >= _PAIR else []
        self._try(pairs)
        check()
        grids: list[dict[tuple[int, ...], list[Grid]]] = [{(i,): own for i, own in enumerate(row)} for row in singles]
        for grid in pairs:
            key = tuple(self._place[ladder.axis.feature] for ladder in grid.ladders)
            grids[grid.row].setdefault(key, []).append(grid)
        offers = self._offers(grids)
        return [
            (
                tuple(offer.alternative(self._question.goal) for offer in own),
                tuple(self._tried(key, row[key]) for key in sorted(row, key=_rank)),
            )
            for row, own in zip(grids, offers, strict=True)
        ]

    def _singles(self) -> list[list[list[Grid]]]:
        """The grids of each feature alone: by row, then by axis."""
        known: dict[Hashable, tuple[Ladder, ...]] = {}
        most = self._question.effort.single
        found: list[list[list[Grid]]] = [[] for _ in range(len(self._rows))]
        for i, axis in enumerate(self._question.axes):
            column = self._rows.columns[axis.feature].tolist()
            for row, own in enumerate(column):
                key = (i, own)
                if key not in known:
                    known[key] = make_ladders(axis, own)
                found[row].append([Grid.of(row, (ladder,), most) for ladder in known[key]])
        return found

    def _pairs(self, singles: list[list[list[Grid]]]) -> list[Grid]:
        """The grids of two features each, of values that are not enough alone."""
        most = self._question.effort.per_pair(self._question.axes)
        found = []
        for row, own in enumerate(singles):
            left = [_not_enough(grids) for grids in own]
            for one, other in combinations(left, _PAIR):
                found += [Grid.of(row, pair, most) for pair in product(one, other) if all(map(len, pair))]
        return found

    def _try(self, grids: list[Grid]) -> None:
        """Scores grids, and narrows the smallest good change down where not all rungs were tried."""
        if not grids:
            return
        trials = Trials()
        for grid in grids:
            grid.enter(trials)
        verdicts = self._judge(trials)
        for grid in grids:
            grid.read(verdicts)
        coarse = [grid for grid in grids if grid.corner is not None and not grid.is_full]
        for side in range(max((len(grid.ladders) for grid in coarse), default=0)):
            self._narrow([grid for grid in coarse if side < len(grid.ladders)], side)

    def _narrow(self, grids: list[Grid], side: int) -> None:
        """Halves the gap between the last bad and the first good rung along one ladder until there is none."""
        gaps = {i: gap for i, grid in enumerate(grids) if (gap := grid.gap(side)) is not None}
        while gaps:
            trials = Trials()
            at = {i: grids[i].enter_one(trials, side, (low + high) // 2) for i, (low, high) in gaps.items()}
            verdicts = self._judge(trials)
            halved = {}
            for i, (low, high) in gaps.items():
                middle = (low + high) // 2
                gap = (low, middle) if verdicts.good[at[i].start] else (middle, high)
                if gap[1] - gap[0] > 1:
                    halved[i] = gap
                else:
                    grids[i].move_corner(side, gap[1])
            gaps = halved

    def _offers(self, grids: list[dict[tuple[int, ...], list[Grid]]]) -> list[list[Offer]]:
        """The regions to offer, best first: one for each set of features, in the better of its directions.

        Of two features only where the change is smaller than that of either alone.
        """
        best = [found for row in grids for found in _smallest(row)]
        effort, axes = self._question.effort, self._question.axes
        asked = ask([offer_of(grid) for grid in best], self._judge, Trials, (effort.single, effort.per_pair(axes)))
        found: list[list[Offer]] = [[] for _ in grids]
        for offer in asked:
            if offer is not None:
                found[offer.row].append(offer)
        for own in found:
            own.sort(key=lambda offer: (len(offer.ladders), offer.cost))  # stable: the order of the schema
        return found

    def _tried(self, key: tuple[int, ...], grids: list[Grid]) -> Tried:
        known, reached, good = (sum(grid.tally[i] for grid in grids) for i in range(3))
        return Tried(
            features=tuple(self._question.axes[i].feature for i in key),
            combinations=sum(grid.combinations for grid in grids),
            scored=sum(grid.scored for grid in grids),
            responsiveness=good / known if known else 0.0,
            unsupported=(reached - good) / known if known else 0.0,
            complete=all(grid.is_known for grid in grids),
        )


def _not_enough(grids: list[Grid]) -> list[Ladder]:
    """The ladders of one feature as far as they are nearer than what is enough alone, in either direction."""
    enough = min((grid.cost for grid in grids), default=0.0)
    return [grid.ladders[0].below(enough) for grid in grids]


def _smallest(grids: dict[tuple[int, ...], list[Grid]]) -> list[Grid]:
    """The grid with the smallest good change for each set of features of a row, where it is worth offering."""
    best = {key: min(own, key=lambda grid: grid.cost) for key, own in grids.items() if own}
    enough = {key[0]: grid.cost for key, grid in best.items() if len(key) == 1}
    return [
        best[key]
        for key in sorted(best, key=_rank)
        if best[key].corner is not None
        and (len(key) == 1 or best[key].cost < min(enough.get(axis, float("inf")) for axis in key))
    ]


def _rank(key: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(key), key
