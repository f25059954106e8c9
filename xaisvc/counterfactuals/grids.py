"""The combinations of one row that are tried for one or two ladders, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.counterfactuals.regions import evenly, shares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xaisvc.counterfactuals.judging import Trials, Verdicts
    from xaisvc.counterfactuals.ladders import Ladder
    from xaisvc.types.table import Column


def product(ladders: tuple[Ladder, ...], places: tuple[NDArray[np.intp], ...]) -> Mapping[str, Column]:
    """All combinations of values, the last ladder running fastest.

    Args:
        ladders: One or two ladders of different features.
        places: Places among the values of each.
    """
    chosen = [ladder.values[part] for ladder, part in zip(ladders, places, strict=True)]
    names = [ladder.axis.feature for ladder in ladders]
    if len(chosen) == 1:
        return {names[0]: chosen[0]}
    first, second = chosen
    shape = (len(first), len(second))
    return {
        names[0]: cast("Column", np.broadcast_to(first[:, None], shape).ravel()),
        names[1]: cast("Column", np.broadcast_to(second, shape).ravel()),
    }


@dataclass(slots=True, kw_only=True)
class Grid:
    """Rungs of one or two ladders of a row, each with each.

    Attributes:
        row: Place of the row.
        ladders: The ladders, in the order of the schema.
        rungs: The rungs tried along each.
        at: Where the combinations stand among the trials.
        predictions: The model's answers; float64, one axis per ladder.
        reached: Whether they are favourable; bool, likewise.
        good: Whether they are, in a supported row; bool, likewise.
        corner: Rungs of the smallest good change, where there is one.
        tally: Combinations of values that those tried stand for; those of them with a favourable answer, and those that
            are good.
        is_known: Whether the answer to all combinations is known. A value that stands for others has their answer, but
            not their place among the background's rows.
    """

    row: int
    ladders: tuple[Ladder, ...]
    rungs: tuple[NDArray[np.intp], ...]
    at: slice = field(default_factory=lambda: slice(0))
    predictions: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    reached: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    good: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    corner: tuple[int, ...] | None = None
    tally: tuple[int, int, int] = (0, 0, 0)
    is_known: bool = False

    @classmethod
    def of(cls, row: int, ladders: tuple[Ladder, ...], most: int) -> Grid:
        """The grid of at most `most` combinations, evenly spread over all rungs."""
        counts = shares([len(ladder) for ladder in ladders], most)
        rungs = tuple(evenly(len(ladder), count) for ladder, count in zip(ladders, counts, strict=True))
        return cls(row=row, ladders=ladders, rungs=rungs)

    @property
    def is_full(self) -> bool:
        """Whether all rungs are tried."""
        return all(len(rungs) == len(ladder) for rungs, ladder in zip(self.rungs, self.ladders, strict=True))

    @property
    def scored(self) -> int:
        """Combinations tried."""
        return prod(map(len, self.rungs))

    @property
    def combinations(self) -> int:
        """Combinations of values that there are."""
        return prod(len(ladder.values) for ladder in self.ladders)

    @property
    def cost(self) -> float:
        """The smallest good change, in spreads of the background; infinite if there is none."""
        if self.corner is None:
            return float("inf")
        return float(sum(ladder.costs[rung] for ladder, rung in zip(self.ladders, self.corner, strict=True)))

    def enter(self, trials: Trials) -> None:
        """Puts the combinations among the trials."""
        starts = tuple(ladder.starts[rungs] for ladder, rungs in zip(self.ladders, self.rungs, strict=True))
        self.at = trials.add(self.row, product(self.ladders, starts))

    def read(self, verdicts: Verdicts) -> None:
        """Takes the verdicts on them, and finds the smallest good change: the first where several cost the same."""
        shape = tuple(len(rungs) for rungs in self.rungs)
        self.predictions = verdicts.predictions[self.at].reshape(shape)
        self.reached = verdicts.reached[self.at].reshape(shape)
        self.good = verdicts.good[self.at].reshape(shape)
        sizes = [ladder.sizes[rungs] for ladder, rungs in zip(self.ladders, self.rungs, strict=True)]
        weights = sizes[0] if len(sizes) == 1 else np.multiply.outer(*sizes)
        self.tally = (int(weights.sum()), int(weights[self.reached].sum()), int(weights[self.good].sum()))
        self.is_known = self.is_full and not bool((weights[self.reached & ~self.good] > 1).any())
        if self.good.any():
            costs = [ladder.costs[rungs] for ladder, rungs in zip(self.ladders, self.rungs, strict=True)]
            total = costs[0] if len(costs) == 1 else np.add.outer(*costs)
            best = np.unravel_index(int(np.where(self.good, total, np.inf).argmin()), shape)
            self.corner = tuple(int(rungs[place]) for rungs, place in zip(self.rungs, best, strict=True))

    def gap(self, side: int) -> tuple[int, int] | None:
        """The last rung tried before the corner along a ladder, and the corner's; None if nothing lies between."""
        if self.corner is None or not self.ladders[side].is_ordered:
            return None
        high = self.corner[side]
        before = self.rungs[side][self.rungs[side] < high]
        low = int(before[-1]) if len(before) else -1
        return (low, high) if high - low > 1 else None

    def enter_one(self, trials: Trials, side: int, rung: int) -> slice:
        """Puts the corner among the trials, with another rung along one ladder."""
        if self.corner is None:
            raise AssertionError("only a corner is moved")
        rungs = [rung if i == side else own for i, own in enumerate(self.corner)]
        starts = tuple(ladder.starts[[one]] for ladder, one in zip(self.ladders, rungs, strict=True))
        return trials.add(self.row, product(self.ladders, starts))

    def move_corner(self, side: int, rung: int) -> None:
        """Takes another rung along one ladder for the corner's."""
        if self.corner is None:
            raise AssertionError("only a corner is moved")
        self.corner = tuple(rung if i == side else own for i, own in enumerate(self.corner))
