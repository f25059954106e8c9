"""Column values as ranks: whole numbers that decide every test of the trees.

Between two neighbouring edges of a column all tests of all branches answer the same, so a value is as good as its rank,
the number of edges at or below it. Ranks are 16 bits wide and compare sixteen or more at a time. A missing value has
the rank -1 modulo 2^16, next to the lowest and to the highest, so that almost every test, whichever way it sends
missing values, holds on one interval of ranks modulo 2^16; the others are looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import TreeMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import TreeEnsemble

MOST_EDGES = 65_533
"""Ranks 0 to the number of edges, and 65535 for missing values."""

_BELOW = (TreeMode.LT, TreeMode.GTE)
_ABOVE = (TreeMode.LEQ, TreeMode.GT)
_SETS = (TreeMode.MEMBER, TreeMode.WHOLE_MEMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The tests of all branches on ranks.

    A branch whose `table` is negative holds if (rank - first) modulo 2^16 <= span; any other holds if
    holds[table + (rank + 1) modulo 2^16].

    Attributes:
        columns: Columns that some branch tests, in rising order; int64, (u,).
        start: First edge of each of these columns and the end of the last; int64, (u + 1,).
        edges: Rising within a column; float64.
        place: Position in `columns` of a branch's column; int32, (t,).
        first: uint16, (t,).
        span: uint16, (t,).
        table: int64, (t,).
        holds: uint8.
        too_many: Whether a branch's column has more edges than ranks can tell apart; bool, (t,).
    """

    columns: NDArray[np.int64]
    start: NDArray[np.int64]
    edges: NDArray[np.float64]
    place: NDArray[np.int32]
    first: NDArray[np.uint16]
    span: NDArray[np.uint16]
    table: NDArray[np.int64]
    holds: NDArray[np.uint8]
    too_many: NDArray[np.bool_]


def read_cells(trees: TreeEnsemble, *, double: bool) -> Cells:
    """Edges of all columns, and every branch's test on ranks.

    Args:
        trees: The trees.
        double: Whether values are compared as float64; otherwise they are float32 numbers.
    """
    size = trees.mode.size
    branches = np.flatnonzero(trees.mode != TreeMode.LEAF)
    columns = np.unique(trees.column[branches]).astype(np.int64)
    place = np.searchsorted(columns, trees.column).astype(np.int32)
    first, span = np.zeros(size, dtype=np.uint16), np.zeros(size, dtype=np.uint16)
    table = np.full(size, -1, dtype=np.int64)
    too_many = np.zeros(size, dtype=bool)
    start, edges, tables = [0], [np.empty(0)], _Tables()
    order = branches[np.argsort(trees.column[branches], kind="stable")]
    bounds = np.searchsorted(trees.column[order], [*columns, columns[-1] + 1 if columns.size else 0])
    for i in range(columns.size):
        nodes = order[bounds[i] : bounds[i + 1]]
        here = _edges(trees, nodes, double=double)
        if here.size > MOST_EDGES:
            too_many[nodes] = True
            here = here[:0]
        else:
            _intervals(trees, nodes, here, first, span, table, tables, double=double)
        edges.append(here)
        start.append(start[-1] + here.size)
    return Cells(
        columns=columns,
        start=np.array(start, dtype=np.int64),
        edges=np.concatenate(edges),
        place=place,
        first=first,
        span=span,
        table=table,
        holds=tables.all(),
        too_many=too_many,
    )


class _Tables:
    """Outcomes of the tests that are no interval, one after the other."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.uint8]] = []
        self._size = 0

    def add(self, outcomes: NDArray[np.bool_]) -> int:
        """Keeps a test's outcomes by rank, that of a missing value first, and says where they begin."""
        start = self._size
        self._parts.append(outcomes.astype(np.uint8))
        self._size += outcomes.size
        return start

    def all(self) -> NDArray[np.uint8]:
        return np.concatenate([*self._parts, np.zeros(1, dtype=np.uint8)])


def _next(values: NDArray[np.float64], *, double: bool) -> NDArray[np.float64]:
    """The smallest number above each value; among float32 numbers unless double, where no value lies between."""
    with np.errstate(over="ignore", under="ignore"):
        narrow = values.astype(np.float32)
        exact = np.nextafter(values, np.inf)
        coarse = np.nextafter(narrow, np.float32(np.inf)).astype(np.float64)
    return exact if double else np.where(narrow == values, coarse, exact)


def _edges(trees: TreeEnsemble, nodes: NDArray[np.int64], *, double: bool) -> NDArray[np.float64]:
    """Where the answer of some of these branches changes: x < edge on one side, x >= edge on the other."""
    mode, limit = trees.mode[nodes], trees.threshold[nodes].astype(np.float64)
    below, above = limit[np.isin(mode, _BELOW)], limit[np.isin(mode, _ABOVE)]
    # Nothing is above infinity, and no number compares with NaN.
    above = above[above < np.inf]
    equal = [limit[np.isin(mode, [TreeMode.EQ, TreeMode.NEQ])], _of_sets(trees, nodes[mode == TreeMode.MEMBER])]
    whole = _of_sets(trees, nodes[mode == TreeMode.WHOLE_MEMBER])
    bounds = np.concatenate(
        [*_ranges(np.concatenate(equal), whole=False, double=double), *_ranges(whole, whole=True, double=double)]
    )
    return np.unique(np.concatenate([below[~np.isnan(below)], _next(above, double=double), bounds[~np.isnan(bounds)]]))


def _of_sets(trees: TreeEnsemble, nodes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The members of the sets of some branches, one after the other."""
    return np.array([value for node in nodes.tolist() for value in trees.members[node]], dtype=np.float64)


def _ranges(
    values: NDArray[np.float64], *, whole: bool, double: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The numbers that are equal to one of some values: ranges [low, high); `high` is NaN where nothing is above.

    If `whole`, the decimals of the numbers are cut off first, towards 0: 2 stands for [2, 3), -2 for (-3, -2] and 0 for
    (-1, 1).
    """
    values = values[~np.isnan(values)]
    if whole:
        low = np.where(values > 0, values, _next(values - 1, double=double))
        return low, np.where(values < 0, _next(values, double=double), values + 1)
    return values, np.where(values < np.inf, _next(values, double=double), np.nan)


def _intervals(  # noqa: PLR0913, PLR0917 (fills the arrays of `read_cells`)
    trees: TreeEnsemble,
    nodes: NDArray[np.int64],
    edges: NDArray[np.float64],
    first: NDArray[np.uint16],
    span: NDArray[np.uint16],
    table: NDArray[np.int64],
    tables: _Tables,
    *,
    double: bool,
) -> None:
    """Writes the tests of one column's branches."""
    top = edges.size
    mode, limit = trees.mode[nodes], trees.threshold[nodes].astype(np.float64)
    missing = trees.missing_true[nodes]
    at = np.searchsorted(edges, limit)  # ranks 0 to `at` are below the limit
    over = np.where(limit < np.inf, np.searchsorted(edges, _next(limit, double=double)), top)  # ... not above it
    last = np.where(mode == TreeMode.LT, at, over)
    lowest = np.where(mode == TreeMode.GTE, at, over) + 1
    is_low = np.isin(mode, [TreeMode.LEQ, TreeMode.LT])
    is_high = np.isin(mode, [TreeMode.GTE, TreeMode.GT])
    plain = (is_low | is_high) & ~np.isnan(limit)
    begin = np.where(is_low, np.where(missing, -1, 0), lowest)
    end = np.where(is_low, last, np.where(missing, 65535, np.maximum(top, lowest)))
    empty = plain & is_high & (lowest > top)
    plain &= ~empty
    first[nodes[plain]] = (begin[plain] % 65536).astype(np.uint16)
    span[nodes[plain]] = (end[plain] - begin[plain]).astype(np.uint16)
    ranks = np.arange(top + 1)
    for i in np.flatnonzero(~plain).tolist():
        node = int(nodes[i])
        outcomes = np.zeros(top + 2, dtype=bool)
        outcomes[0] = missing[i]
        equal = outcomes[1:]
        values = limit[i : i + 1] if mode[i] in {TreeMode.EQ, TreeMode.NEQ} else np.empty(0)
        if mode[i] in _SETS:
            values = _of_sets(trees, nodes[i : i + 1])
        low, high = _ranges(values, whole=mode[i] == TreeMode.WHOLE_MEMBER, double=double)
        last = np.where(np.isnan(high), top, np.searchsorted(edges, high))
        for before, end in zip(np.searchsorted(edges, low).tolist(), last.tolist(), strict=True):
            equal |= (ranks > before) & (ranks <= end)
        if mode[i] == TreeMode.NEQ:
            outcomes[1:] = ~equal
        table[node] = tables.add(outcomes)
