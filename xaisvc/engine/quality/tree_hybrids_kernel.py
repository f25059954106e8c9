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
_MANY: Final = 4
"""Background rows for each word of mixed rows, from which all nodes are looked at (measured: 1.8 times as fast)."""
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
def _sorted_by_donor(donors, keep, order, keeps, parts, bits):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Puts all mixed rows of one explained row into words of 64 in the order of their background rows.

    Args:
        donors: int64, (h,) with h = m d.
        keep: bool, (m, p).
        order: Places of mixed rows by donor; int64, (h,).
        keeps: Written to: the bits whose mixed rows keep a player; uint64, (p, words).
        parts: Written to: background row and word of each part of a word with one background row; int64, (h, 2).
        bits: Written to: the bits of each part; uint64, (h,).

    Returns:
        Number of parts.
    """
    h, p = donors.size, keep.shape[1]
    d = h // keep.shape[0]
    keeps[:] = _ZERO
    count = 0
    for place in range(h):
        word, bit = place >> 6, _ONE << np.uint64(place & 63)
        donor = donors[order[place]]
        if count == 0 or parts[count - 1, 0] != donor or parts[count - 1, 1] != word:
            parts[count, 0], parts[count, 1], bits[count] = donor, word, _ZERO
            count += 1
        bits[count - 1] |= bit
        mask = order[place] // d
        for j in range(p):
            if keep[mask, j]:
                keeps[j, word] |= bit
    return count


@compiled()
def _flood(start, size, own_true, back_true, parts, bits, keeps, routes, holds, reach, sums):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Adds what one tree gives to each mixed row to `sums`, by looking at every node once for all of them.

    Where a row meets many background rows, each with few mixed rows, that is less than a walk for each of them.

    Args:
        start: Root of the tree, whose nodes follow each other, children after their parents.
        size: Nodes of the tree.
        own_true: Whether each test holds for the explained row; uint8, (t,).
        back_true: The same for background rows; uint8, (b, t).
        parts: See `_sorted_by_donor`; only those there are.
        bits: The same.
        keeps: The same.
        routes: See `add_trees`.
        holds: Room for which mixed rows have a background row for which a node's test holds; uint64, (words, nodes),
            as `reach` for the largest tree, without strides, so that nodes can be looked at several at a time.
        reach: Room for which mixed rows reach a node; those that reach the root are given; uint64, (nodes, words).
        sums: Added to; float64, (64 words,).
    """
    player, children, value = routes
    words = holds.shape[0]
    holds[:, :size] = _ZERO
    for part in range(bits.size):
        truth, line, here = back_true[parts[part, 0], start : start + size], holds[parts[part, 1]], bits[part]
        for place in range(size):
            line[place] |= (_ZERO - np.uint64(truth[place])) & here
    for place in range(size):
        node = start + place
        tested = player[node]
        if tested == LEAF:
            leaf = value[node]
            for word in range(words):
                left = reach[place, word]
                while left != _ZERO:
                    lowest = left & (~left + _ONE)
                    sums[(word << 6) + _PLACE[(lowest * _DE_BRUIJN) >> _SHIFT]] += leaf
                    left ^= lowest
            continue
        own = _ZERO - np.uint64(own_true[node])
        fails, passes = children[node, 0] - start, children[node, 1] - start
        for word in range(words):
            kept = keeps[tested, word]
            true = (kept & own) | (~kept & holds[word, place])
            here = reach[place, word]
            reach[fails, word] = here & ~true
            reach[passes, word] = here & true


@compiled()
def _n_different(donors, order):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Number of background rows among some."""
    found = 1 if order.size else 0
    for place in range(1, order.size):
        found += donors[order[place]] != donors[order[place - 1]]
    return found


@compiled()
def add_trees(row_true, back_true, donors, keep, roots, routes, depth, sizes, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
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
        sizes: Nodes of each tree, where they follow each other in every tree, children after their parents, and are
            few enough to be looked at all; int64, (trees,). Empty to walk always.
        found: Added to; float64, (c, m, d).
    """
    c, m, d = donors.shape
    h = m * d
    nodes, waiting = np.empty(depth + 2, np.int32), np.empty(depth + 2, np.uint64)
    first, everybody = np.empty(h + 1, np.int64), np.empty(h, np.uint64)
    n_words = (h + _WORD - 1) // _WORD
    keeps, sums = np.empty((h, keep.shape[2]), np.uint64), np.empty(n_words * _WORD)
    all_keeps, parts, bits = np.empty((keep.shape[2], n_words), np.uint64), np.empty((h, 2), np.int64), everybody
    holds = np.empty((n_words, sizes.max() if sizes.size else 0), np.uint64)
    reach = np.empty((holds.shape[1], n_words), np.uint64)
    for row in range(c):
        of_row = donors[row].copy().reshape(h)
        order = np.argsort(of_row)
        if sizes.size and _n_different(of_row, order) >= _MANY * n_words:
            count = _sorted_by_donor(of_row, keep[row], order, all_keeps, parts, bits)
            sums[:] = 0.0
            for tree in range(roots.size):
                reach[0] = ~_ZERO
                if h % _WORD:
                    reach[0, n_words - 1] = (_ONE << np.uint64(h % _WORD)) - _ONE
                _flood(
                    roots[tree],
                    sizes[tree],
                    row_true[row],
                    back_true,
                    parts[:count],
                    bits[:count],
                    all_keeps,
                    routes,
                    holds,
                    reach,
                    sums,
                )
            for place in range(h):
                found[row, order[place] // d, order[place] % d] += sums[place]
            continue
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
