"""Which cells of a table may be told, so that no cell under the smallest size can be had, not even by subtraction.

The cells of a partition are never too small, as small ones are told together. What remains are tables of such rows by
the parts of an outcome. There a row is told completely or not at all, and rows that are not told are at least two, with
a sum that is large enough in every part. For them
`width = min(n_i, S_c, N - n_i, N - S_c)` is the width of the interval that the visible numbers
leave for the cell of row i (n_i persons) and part c, where S_c and N are the sums over
the rows that are not told: each of the four is at least the smallest size (complementary suppression, Cox 1980; the
interval is that of a transport polytope).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.cohort import MIN_CELL, Extent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_FEWEST_HIDDEN = 2


def visible_rows(
    table: NDArray[np.int64], barred: NDArray[np.bool_] | None = None, minimum: int = MIN_CELL
) -> NDArray[np.bool_]:
    """Which rows of a table can be told, when its row sums and column sums are.

    Args:
        table: Counts of rows by the parts of an outcome, two parts or more; int64, (r, k). Row sums are at least
            `minimum`.
        barred: Rows that must not be told, whatever their counts; bool, (r,).
        minimum: Smallest size of a cell.

    Returns:
        Whether a row is told; bool, (r,). Nothing is, if a column sum is too small.
    """
    hidden = np.zeros(len(table), dtype=np.bool_) if barred is None else barred.copy()
    hidden |= (table < minimum).any(axis=1)
    if (table.sum(axis=0) < minimum).any():
        return np.zeros(len(table), dtype=np.bool_)
    while hidden.any():
        pooled = table[hidden].sum(axis=0)
        if hidden.sum() >= _FEWEST_HIDDEN and (pooled >= minimum).all():
            break
        if hidden.all():
            break
        sizes = np.where(hidden, np.iinfo(np.int64).max, table.sum(axis=1))
        hidden[int(np.argmin(sizes))] = True
    return np.asarray(~hidden)


def coarse_parts(counts: Sequence[int], minimum: int = MIN_CELL) -> tuple[tuple[int, ...], ...]:
    """Neighbouring parts told as one until each is large enough.

    Args:
        counts: Size of each part, in their order.
        minimum: Smallest size of a cell.

    Returns:
        Places of the parts that are told together, in their order; one entry if nothing can be told apart.
    """
    groups: list[tuple[int, ...]] = [(place,) for place in range(len(counts))]
    while len(groups) > 1:
        sizes = [sum(counts[place] for place in group) for group in groups]
        small = min(range(len(groups)), key=lambda i: (sizes[i], i))
        if sizes[small] >= minimum:
            break
        beside = [i for i in (small - 1, small + 1) if 0 <= i < len(groups)]
        other = min(beside, key=lambda i: (sizes[i], i))
        first, second = sorted((small, other))
        groups[first : second + 1] = [groups[first] + groups[second]]
    return tuple(groups)


def extent_of(count: int, n: int, minimum: int = MIN_CELL) -> Extent:
    """How many of n, in a word."""
    if count < minimum:
        return Extent.FEW
    return Extent.NEARLY_ALL if n - count < minimum else Extent.SOME


def nested_too_closely(sets: Mapping[str, NDArray[np.bool_]], minimum: int = MIN_CELL) -> frozenset[str]:
    """Sets whose size must not be told, because one within another leaves too few.

    Of two sets, one within the other and larger by 1 to minimum - 1, the smaller is named: told, the difference of both
    sizes would be that of a small group.

    Args:
        sets: Name to membership of each person; bool, (n,).
        minimum: Smallest size of a cell.
    """
    names = sorted(sets)
    if not names:
        return frozenset()
    members = np.array([sets[name] for name in names], dtype=np.float32)
    common = np.rint(members @ members.T).astype(np.int64)  # exact: counts far below 2^24
    sizes = np.diag(common)
    within = common == sizes[:, None]  # row within column
    gap = sizes[None, :] - sizes[:, None]
    close = within & (gap > 0) & (gap < minimum)
    return frozenset(names[i] for i in np.flatnonzero(close.any(axis=1)))
