"""The other values that one row can be offered of one feature, nearest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.counterfactuals.axes import Axis
    from xaisvc.types.table import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Values of one feature in one direction from a row's own value. A rung holds values of one cell.

    Attributes:
        axis: The feature.
        own: The row's own value.
        values: Other values, nearest first; float64, or object for categories, in declared order; (v,).
        starts: Where each rung starts among the values; the value there stands for the rung; intp, (k,).
        sizes: Values of each rung; intp, (k,).
        costs: How far the start of each rung is from the own value, in spreads of the background; 1 for a category;
            float64, (k,), never descending.
    """

    axis: Axis
    own: float | str
    values: Column
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]
    costs: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of rungs k."""
        return len(self.starts)

    @property
    def is_ordered(self) -> bool:
        """Whether values between two others belong to a region with them."""
        return not self.axis.targets

    def below(self, cost: float) -> Ladder:
        """The rungs that are nearer than a cost."""
        rungs = int(np.searchsorted(self.costs, cost, side="left"))
        if rungs == len(self):
            return self
        end = int(self.starts[rungs])
        return replace(
            self,
            values=self.values[:end],
            starts=self.starts[:rungs],
            sizes=self.sizes[:rungs],
            costs=self.costs[:rungs],
        )


def make_ladders(axis: Axis, own: float | str | None) -> tuple[Ladder, ...]:
    """The ladders of a row, none without an own value: finding a missing value is no change of it.

    Args:
        axis: The feature.
        own: The row's own value; None or NaN if it is missing.
    """
    if own is None or own != own:  # noqa: PLR0124 - only a NaN differs from itself
        return ()
    if isinstance(own, str):
        targets = np.array([target for target in axis.targets if target != own], dtype=np.object_)
        return (_ladder(axis, own, targets, np.arange(len(targets)), np.ones(len(targets))),) if len(targets) else ()
    found = []
    if axis.up:
        first = int(np.searchsorted(axis.values, own, side="right"))
        found.append(_numbers(axis, own, axis.values[first:], axis.cells[first:]))
    if axis.down:
        end = int(np.searchsorted(axis.values, own, side="left"))
        found.append(_numbers(axis, own, axis.values[:end][::-1], axis.cells[:end][::-1]))
    return tuple(ladder for ladder in found if len(ladder))


def _numbers(axis: Axis, own: float, values: NDArray[np.float64], cells: NDArray[np.intp]) -> Ladder:
    return _ladder(axis, own, values, cells, np.abs(values - own) / axis.spread)


def _ladder(
    axis: Axis, own: float | str, values: Column, cells: NDArray[np.intp], costs: NDArray[np.float64]
) -> Ladder:
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(cells), 1), np.bool_), cells[1:] != cells[:-1]]))
    sizes = np.diff(np.append(starts, len(cells)))
    return Ladder(axis=axis, own=own, values=values, starts=starts, sizes=sizes, costs=costs[starts])
