"""The compiled inner loop of exact Shapley interaction values of trees.

As in `tree_kernel`, the game of one explained row x and one background row b at a leaf of value w is w for a coalition
that holds all of X (the a players that pass with x only) and none of N (the c players that pass with b only), else 0.
All other players are dummies. The pairwise Shapley interaction index of a game v of m = a + c players is

    I(i, j) = sum over S without i, j of |S|! (m - |S| - 2)! / (m - 1)! * (v(S+i+j) - v(S+i) - v(S+j) + v(S))

(Grabisch and Roubens, "An axiomatic approach to the concept of interaction among players in cooperative games", 1999).
Here exactly one S gives a difference that is not 0, so

    both in X:          S = X - i - j,  I =  w (a - 2)! c! / (a + c - 1)!
    both in N:          S = X,          I =  w a! (c - 2)! / (a + c - 1)!
    i in X and j in N:  S = X - i,      I = -w (a - 1)! (c - 1)! / (a + c - 1)!
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.tree_kernel import MOST_PLAYERS, weight_tables
from xaisvc.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COUNTED = 16
"""Patterns of fewer bits than this may be sorted by counting them: 0.5 MB of counts at most."""
_WORTH_COUNTING = 4
"""Counting pays while there are at most this many possible patterns for each pattern given."""


def single_weights() -> NDArray[np.float64]:
    """Shapley weights of one player.

    Returns:
        `[0, a, c] = (a - 1)! c! / (a + c)!` for a player of X, `[1, a, c] = -a! (c - 1)! / (a + c)!` for one of N;
        float64, (2, MOST_PLAYERS + 1, MOST_PLAYERS + 1), 0 where there is no such player.
    """
    gain, loss = weight_tables()
    return np.stack([gain, -loss])


def pair_weights() -> NDArray[np.float64]:
    """Shapley interaction indices of two players.

    Returns:
        I(i, j) / w of the module's formulas: `[0, a, c]` both in X, `[1, a, c]` one in each, `[2, a, c]` both in N;
        float64, (3, MOST_PLAYERS + 1, MOST_PLAYERS + 1), 0 where there is no such pair.
    """
    size = MOST_PLAYERS + 1
    found = np.zeros((3, size, size))
    for a in range(size):
        for c in range(size - a):
            m = a + c
            if a > 1:
                found[0, a, c] = 1.0 / ((m - 1) * comb(m - 2, c))
            if a and c:
                found[1, a, c] = -1.0 / ((m - 1) * comb(m - 2, c - 1))
            if c > 1:
                found[2, a, c] = 1.0 / ((m - 1) * comb(m - 2, a))
    return found


@compiled()
def _sort(patterns, used, starts, order, ordered):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Sorts patterns of `used` bits into `ordered`, with the place each came from in `order`.

    Counts them where there are few possible patterns, else a Shell sort: numba's own sorts take seconds to compile.
    """
    if used < _COUNTED and (1 << used) <= _WORTH_COUNTING * patterns.size:
        starts[: (1 << used) + 1] = 0
        for i in range(patterns.size):
            starts[patterns[i] + 1] += 1
        for pattern in range(1 << used):
            starts[pattern + 1] += starts[pattern]
        for i in range(patterns.size):
            place = starts[patterns[i]]
            starts[patterns[i]] += 1
            ordered[place], order[place] = patterns[i], i
        return
    for i in range(patterns.size):
        order[i], ordered[i] = i, patterns[i]
    gap = 1
    while gap < patterns.size // 9:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, patterns.size):
            key, place = ordered[i], order[i]
            j = i
            while j >= gap and ordered[j - gap] > key:
                ordered[j], order[j] = ordered[j - gap], order[j - gap]
                j -= gap
            ordered[j], order[j] = key, place
        gap //= 3


@compiled()
def _compress(ordered, kinds, times):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """The distinct values of a sorted array and how often each occurs; returns their number."""
    found = 0
    for i in range(ordered.size):
        if i == 0 or ordered[i] != ordered[i - 1]:
            kinds[found] = ordered[i]
            times[found] = 0
            found += 1
        times[found - 1] += 1
    return found


@compiled()
def _share(own, other, times, used, single, pair, shares, squares):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Adds the values of the game of two patterns, counted `times` times, for a leaf of value 1.

    `shares[i]` takes the Shapley value of the path's player i, `squares[i, j]` with i < j the interaction index.
    """
    a, c = 0, 0
    for i in range(used):
        if (own & ~other) >> i & 1:
            a += 1
        elif (other & ~own) >> i & 1:
            c += 1
    for i in range(used):
        in_own, in_other = own >> i & 1, other >> i & 1
        if in_own == in_other:
            continue
        kind_i = 0 if in_own else 1
        shares[i] += times * single[kind_i, a, c]
        for j in range(i + 1, used):
            if (own >> j & 1) == (other >> j & 1):
                continue
            kind_j = 0 if own >> j & 1 else 1
            squares[i, j] += times * pair[kind_i + kind_j, a, c]


@compiled()
def _leaf(value, row_bits, back_bits, path, used, single, pair, singles, pairs, work):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917, C901 (compiled)
    """Adds one leaf's values, summed over the background, to `singles` and `pairs`."""
    everyone = (np.int64(1) << np.int64(used)) - np.int64(1)
    rows = row_bits.size
    row_order, row_sorted, back_order, back_sorted, kinds, times, starts = work
    _sort(back_bits, used, starts, back_order, back_sorted)
    distinct = _compress(back_sorted, kinds, times)
    _sort(row_bits, used, starts, row_order, row_sorted)
    shares = np.zeros(used)
    squares = np.zeros((used, used))
    i = 0
    while i < rows:
        own = row_sorted[i]
        last = i
        while last < rows and row_sorted[last] == own:
            last += 1
        touched = False
        for k in range(distinct):
            if (own | kinds[k]) != everyone or own == kinds[k]:
                continue
            if not touched:
                shares[:] = 0.0
                squares[:] = 0.0
                touched = True
            _share(own, kinds[k], times[k], used, single, pair, shares, squares)
        if touched:
            for place in range(i, last):
                row = row_order[place]
                for one in range(used):
                    singles[row, path[one]] += value * shares[one]
                    for two in range(one + 1, used):
                        amount = value * squares[one, two]
                        if amount != 0.0:
                            low, high = min(path[one], path[two]), max(path[one], path[two])
                            pairs[row, low, high] += amount
        i = last


@compiled()
def add_interactions(  # type: ignore[no-untyped-def] # noqa: ANN201, PLR0913, PLR0915, PLR0917, C901, PLR0912 (one compiled walk)
    row_true,  # noqa: ANN001
    back_true,  # noqa: ANN001
    roots,  # noqa: ANN001
    player,  # noqa: ANN001
    is_leaf,  # noqa: ANN001
    true_child,  # noqa: ANN001
    false_child,  # noqa: ANN001
    value,  # noqa: ANN001
    depth,  # noqa: ANN001
    single,  # noqa: ANN001
    pair,  # noqa: ANN001
    singles,  # noqa: ANN001
    pairs,  # noqa: ANN001
):
    """Walks all trees depth first, carrying one bit per player of the path and row, and shares out every leaf.

    Args:
        row_true: Tests of the n explained rows; bool, (t, n). See `tree_routing.Routes`, for all arguments to `depth`.
        back_true: Tests of b background rows; bool, (t, b).
        roots: Root of each tree.
        player: Player of each branch.
        is_leaf: Whether a node is a leaf.
        true_child: Child where the test holds.
        false_child: Child where it does not.
        value: Value of a leaf.
        depth: Branches on the longest path.
        single: See `single_weights`.
        pair: See `pair_weights`.
        singles: Sum over the background of the Shapley values, added to; float64, (n, p).
        pairs: Sum over the background of I(i, j) for i < j, added to; float64, (n, p, p).
    """
    n, b = row_true.shape[1], back_true.shape[1]
    row_bits = np.zeros((depth + 2, n), dtype=np.int64)
    back_bits = np.zeros((depth + 2, b), dtype=np.int64)
    node_at = np.zeros(depth + 2, dtype=np.int64)
    turns = np.zeros(depth + 2, dtype=np.int64)  # children of this level's branch that were walked
    added = np.zeros(depth + 2, dtype=np.bool_)
    bit_of = np.full(singles.shape[1], -1, dtype=np.int64)
    path = np.zeros(MOST_PLAYERS + 1, dtype=np.int64)
    work = (
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(b, dtype=np.int64),
        np.zeros(b, dtype=np.int64),
        np.zeros(b, dtype=np.int64),
        np.zeros(b, dtype=np.int64),
        np.zeros((1 << _COUNTED) + 1, dtype=np.int64),
    )
    for tree in range(roots.size):
        level, used = 0, 0
        node_at[0], turns[0], added[0] = roots[tree], 0, False
        row_bits[0, :] = 0
        back_bits[0, :] = 0
        while level >= 0:
            node = node_at[level]
            if is_leaf[node] and turns[level] == 0:
                if value[node] != 0.0:
                    _leaf(
                        value[node], row_bits[level], back_bits[level], path, used, single, pair, singles, pairs, work
                    )
                turns[level] = 2
            if turns[level] == 2:  # noqa: PLR2004 (both children)
                if added[level]:
                    used -= 1
                    bit_of[path[used]] = -1
                level -= 1
                continue
            wanted = turns[level] == 0
            turns[level] += 1
            below = level + 1
            party = player[node]
            bit = bit_of[party] if party >= 0 else -1
            new = party >= 0 and bit < 0
            if new:
                bit = used
            alive = False
            for k in range(n):
                bits = row_bits[level, k]
                passes = row_true[node, k] == wanted
                if bit >= 0:
                    if new and passes:
                        bits |= np.int64(1) << bit
                    elif not passes:
                        bits &= ~(np.int64(1) << bit)
                    alive = alive or (bits >> bit & 1) == 1
                else:
                    alive = alive or passes
                row_bits[below, k] = bits
            for k in range(b):
                bits = back_bits[level, k]
                passes = back_true[node, k] == wanted
                if bit >= 0:
                    if new and passes:
                        bits |= np.int64(1) << bit
                    elif not passes:
                        bits &= ~(np.int64(1) << bit)
                    alive = alive or (bits >> bit & 1) == 1
                else:
                    alive = alive or passes
                back_bits[below, k] = bits
            # Where nobody passes this player's conditions no leaf below can count. A column that is the same in every
            # row sends all rows one way, so the other way dies here too.
            if not alive:
                continue
            added[below] = new
            if new:
                bit_of[party] = bit
                path[used] = party
                used += 1
            node_at[below], turns[below] = false_child[node] if not wanted else true_child[node], 0
            level = below
