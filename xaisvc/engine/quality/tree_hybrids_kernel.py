"""The compiled inner loop of `tree_hybrids`: one walk of the trees answers for 64 mixed rows.

A mixed row takes each player's values from an explained row x or from a background row z. At a branch where the tests
of x and z come out alike all mixed rows of the pair go the same way; where they part, those that keep the tested player
go with x and the others with z. The mixed rows at a node are the bits of one word, so that a walk costs as many nodes
as any of them reaches and not as many as all of them together.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from xaisvc.compiled import compiled

LEAF: Final = -2
"""In the place of a tested player."""
_WORD: Final = 64
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_DE_BRUIJN: Final = np.uint64(0x03F79D71B4CB0A89)
_SHIFT: Final = np.uint64(58)
_PLACE: Final = np.array([((int(_DE_BRUIJN) << place) & (2**64 - 1)) >> 58 for place in range(64)]).argsort()
"""Of the lowest bit, from the top six bits of its product with a de Bruijn sequence."""


@compiled()
def _grouped(donors, keep, order, first, everybody, keeps):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Puts the mixed rows of one explained row into words of up to 64 with the same background row.

    Args:
        donors: int64, (h,) with h = m d.
        keep: bool, (m, p).
        order: Places of mixed rows by donor; int64, (h,).
        first: Written to: where each word starts in `order`; int64, (h + 1,).
        everybody: Written to: the bits in use; uint64, (h,).
        keeps: Written to: the bits whose mixed rows keep a player; uint64, (h, p).

    Returns:
        Number of words.
    """
    h, p = donors.size, keep.shape[1]
    d = h // keep.shape[0]
    words = 0
    start = 0
    while start < h:
        stop = start
        first[words] = start
        everybody[words] = _ZERO
        keeps[words] = _ZERO
        while stop < h and stop - start < _WORD and donors[order[stop]] == donors[order[start]]:
            bit = _ONE << np.uint64(stop - start)
            everybody[words] |= bit
            mask = order[stop] // d
            for j in range(p):
                if keep[mask, j]:
                    keeps[words, j] |= bit
            stop += 1
        words += 1
        start = stop
    first[words] = h
    return words


@compiled()
def _walk(root, bits, keeps, own_true, other_true, routes, nodes, waiting, sums):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Adds what each mixed row of a word gets from one tree to `sums`, (up to 64,)."""
    player, children, value = routes
    nodes[0], waiting[0] = root, bits
    level = 0
    while level >= 0:
        node, bits = nodes[level], waiting[level]
        level -= 1
        tested = player[node]
        while tested != LEAF:
            own, other = own_true[node], other_true[node]
            if own != other:
                with_own = bits & keeps[tested]
                with_other = bits ^ with_own
                if with_own == _ZERO:
                    own = other
                elif with_other != _ZERO:
                    level += 1
                    nodes[level], waiting[level] = children[node, other], with_other
                    bits = with_own
            node = children[node, own]
            tested = player[node]
        leaf = value[node]
        while bits != _ZERO:
            lowest = bits & (~bits + _ONE)
            sums[_PLACE[(lowest * _DE_BRUIJN) >> _SHIFT]] += leaf
            bits ^= lowest


@compiled()
def add_trees(row_true, back_true, donors, keep, roots, routes, depth, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Adds the sum of the trees of mixed rows.

    Args:
        row_true: Whether each test holds for each explained row; uint8, (c, t).
        back_true: The same for background rows; uint8, (b, t).
        donors: Background row of each mixed row; int64, (c, m, d).
        keep: Players that keep the explained row's values; bool, (c, m, p).
        roots: Root node of each tree; int32, (trees,).
        routes: Player that each node tests, `LEAF` for a leaf; its children, where the test fails first; and its value:
            int32, (t,), int32, (t, 2), and float64, (t,).
        depth: Branches on the longest path.
        found: Added to; float64, (c, m, d).
    """
    c, m, d = donors.shape
    h = m * d
    nodes, waiting = np.empty(depth + 2, np.int32), np.empty(depth + 2, np.uint64)
    first, everybody = np.empty(h + 1, np.int64), np.empty(h, np.uint64)
    keeps, sums = np.empty((h, keep.shape[2]), np.uint64), np.empty(h)
    for row in range(c):
        of_row = donors[row].copy().reshape(h)
        order = np.argsort(of_row)
        words = _grouped(of_row, keep[row], order, first, everybody, keeps)
        sums[:] = 0.0
        for tree in range(roots.size):  # one tree after the other, because it stays in the cache
            for word in range(words):
                start, stop = first[word], first[word + 1]
                _walk(
                    roots[tree],
                    everybody[word],
                    keeps[word],
                    row_true[row],
                    back_true[of_row[order[start]]],
                    routes,
                    nodes,
                    waiting,
                    sums[start:stop],
                )
        for place in range(h):
            found[row, order[place] // d, order[place] % d] += sums[place]
