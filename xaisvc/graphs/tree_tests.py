"""Tests of tree branches as sums of comparisons `x < limit`, which are 0 for a missing value.

A test, or several tests of one column that must all hold, is a set of the column's ranks (see `RankTests`). Any such
set is a sum of comparisons with weights 1 and -1 and a constant: [a, b) is `x < edge b` minus `x < edge a`, and a set
that holds for a missing value is 1 minus its complement. So a graph needs one kind of comparison, `Less`, on the
columns and on the columns times -1, and neither NaN nor the kind of branch needs a node of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

RankSet: TypeAlias = tuple[bool, tuple[tuple[int, int], ...]]
"""Whether a missing value belongs to it, and the ranks that do, as rising intervals [low, high) that do not touch."""

Comparison: TypeAlias = tuple[bool, int, float]
"""Whether the column is taken times -1; the column, by its place in `columns`; the limit. Holds where it is below."""

Weighted: TypeAlias = tuple[int, dict[Comparison, int]]
"""A constant and the comparisons that are added to it, each with weight 1 or -1."""

_RANKS = 65_536


class RankTests:
    """The tests of a plan's branches. The rank of a value is the number of its column's edges at or below it.

    Args:
        arrays: Of the plan: `start`, `edges`, `place`, `first`, `span`, `table_of` and `holds`.
        double: Whether values are compared as float64 numbers; otherwise they are float32 numbers.
    """

    def __init__(self, arrays: Arrays, *, double: bool) -> None:
        self._start: list[int] = arrays["start"].tolist()
        self._place: list[int] = arrays["place"].tolist()
        self._first: list[int] = arrays["first"].tolist()
        self._span: list[int] = arrays["span"].tolist()
        self._table: list[int] = arrays["table_of"].tolist()
        self._holds: list[int] = arrays["holds"].tolist()
        below = _at_or_above(np.asarray(arrays["edges"], dtype=np.float64), double=double)
        dtype = below.dtype.type
        self._below: list[float] = below.tolist()
        # x >= e is -x <= -e: -x below the next number. Nothing is below minus infinity, so there every value holds.
        with np.errstate(over="ignore"):  # the number after the largest is infinity
            self._above: list[float] = np.nextafter(-below, dtype(np.inf)).tolist()
        self._least = float(np.nextafter(dtype(0.0), dtype(1.0)))

    def column(self, node: int) -> int:
        """Column of a branch, by its place in `columns`."""
        return self._place[node]

    def holds(self, node: int) -> RankSet:
        """Ranks for which a branch's test holds."""
        top = self._top(self._place[node])
        table = self._table[node]
        if table >= 0:
            outcomes = np.asarray(self._holds[table : table + top + 2], dtype=np.int8)
            changes = np.flatnonzero(np.diff(outcomes[1:], prepend=0, append=0)).tolist()
            return bool(outcomes[0]), tuple(zip(changes[::2], changes[1::2], strict=True))
        # Ranks are numbers modulo 2^16 here and a missing value is -1: the test holds on one interval of them.
        begin, span = (self._first[node] + 1) % _RANKS, self._span[node]
        found = []
        for low in (begin - _RANKS, begin):
            inside = (max(low, 1) - 1, min(low + span, top + 1))
            if inside[0] < inside[1]:
                found.append(inside)
        return (-begin) % _RANKS <= span, tuple(found)

    def fails(self, node: int) -> RankSet:
        """Ranks for which it does not hold."""
        return self._rest(self.holds(node), self._place[node])

    def weighted(self, column: int, ranks: RankSet) -> Weighted:
        """A set of a column's ranks as comparisons; their sum is 1 inside and 0 outside."""
        missing, intervals = ranks
        if missing:
            constant, parts = self.weighted(column, self._rest(ranks, column))
            return 1 - constant, {comparison: -weight for comparison, weight in parts.items()}
        found: dict[Comparison, int] = {}

        def add(comparison: Comparison, weight: int) -> None:
            found[comparison] = found.get(comparison, 0) + weight
            if not found[comparison]:
                del found[comparison]

        first, end = self._start[column] - 1, self._top(column) + 1
        for low, high in intervals:
            if high < end:
                add((False, column, self._below[first + high]), 1)
                if low > 0:
                    add((False, column, self._below[first + low]), -1)
            elif low > 0 and self._below[first + low] > -np.inf:
                add((True, column, self._above[first + low]), 1)
            else:  # every value that is not missing
                add((False, column, 0.0), 1)
                add((True, column, self._least), 1)
        return 0, found

    def _rest(self, ranks: RankSet, column: int) -> RankSet:
        missing, intervals = ranks
        bounds = [0, *(bound for interval in intervals for bound in interval), self._top(column) + 1]
        gaps = zip(bounds[::2], bounds[1::2], strict=True)
        return not missing, tuple((low, high) for low, high in gaps if low < high)

    def _top(self, column: int) -> int:
        return self._start[column + 1] - self._start[column]


def both(one: RankSet, other: RankSet) -> RankSet:
    """Ranks that belong to two sets."""
    found = []
    for low, high in one[1]:
        for begin, end in other[1]:
            if max(low, begin) < min(high, end):
                found.append((max(low, begin), min(high, end)))
    return one[0] and other[0], tuple(found)


def _at_or_above(edges: NDArray[np.float64], *, double: bool) -> NDArray[np.float32] | NDArray[np.float64]:
    """The smallest number at or above each edge, among those that are compared."""
    if double:
        return edges
    with np.errstate(over="ignore"):  # beyond the largest float32 number comes infinity
        narrow = edges.astype(np.float32)
        return np.where(narrow.astype(np.float64) < edges, np.nextafter(narrow, np.float32(np.inf)), narrow)
