"""The compiled inner loop of exact interventional SHAP for trees.

For one leaf with value w, let x be the explained row, b a background row, and let a player pass with x (or b) if all
the conditions that the path puts on its columns hold for x (or b). The coalition game of (x, b) at this leaf is w if
every player of the path passes with the row it takes its values from, else 0. Let X be the players that pass with x
only, a of them, and N those that pass with b only, c of them. If a player passes with neither, the leaf never counts;
players that pass with both are dummies. What is left is worth w to a coalition that holds all of X and none of N, and
its Shapley values are

    w * (a - 1)! c! / (a + c)!   for players in X,
   -w * a! (c - 1)! / (a + c)!   for players in N

(Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
Intelligence 2020, supplement, algorithm 3; Laberge and Pequignot, "Understanding interventional TreeSHAP", 2022,
theorem 3). Averaged over the background and summed over leaves they are the interventional SHAP values.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.tree_branches import LEAF, ask
from xaisvc.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PLAYERS = 62
"""Players on one path: one bit each in a signed 64-bit pattern, which numba keeps integer through every operation."""

_WORTH_SORTING = 8
"""From this many rows on, all background patterns are sorted at once; before, it is quicker to sort those that count,
row by row. Either way they are added in the order of the patterns, so that a row has the same bits in any company."""

_FIRST, _DONE = 0, 2
"""Phases of a branch: neither child walked yet, and both."""


def weight_tables() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shapley weights of a leaf's players.

    Returns:
        `gain[a, c] = (a - 1)! c! / (a + c)!` for players that only the row passes, and
        `loss[a, c] = a! (c - 1)! / (a + c)!` for those that only the background row passes; float64,
        (MOST_PLAYERS + 1, MOST_PLAYERS + 1), 0 where no player is of that kind.
    """
    size = MOST_PLAYERS + 1
    gain, loss = np.zeros((size, size)), np.zeros((size, size))
    for a in range(size):
        for c in range(size - a):
            if a:
                gain[a, c] = 1.0 / (a * comb(a + c, a))
            if c:
                loss[a, c] = 1.0 / (c * comb(a + c, c))
    return gain, loss


@compiled()
def _count(bits):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Number of bits set."""
    found = 0
    while bits:
        bits &= bits - 1
        found += 1
    return found


@compiled()
def _sort(keys, places):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Shell sort of `keys`, carrying `places` along. numba's own sorts take seconds to compile, this one does not."""
    gap = 1
    while gap < keys.size // 9:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, keys.size):
            key, place = keys[i], places[i]
            j = i
            while j >= gap and keys[j - gap] > key:
                keys[j], places[j] = keys[j - gap], places[j - gap]
                j -= gap
            keys[j], places[j] = key, place
        gap //= 3


@compiled()
def _share_leaf(value, row_bits, back_bits, path, used, gain, loss, values, shares):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0912, PLR0913, PLR0917, C901 (compiled)
    """Adds one leaf's Shapley values, summed over the background, to `values`."""
    everyone = (np.int64(1) << np.int64(used)) - np.int64(1)
    rows = row_bits.size
    if rows == 0:
        return
    order = np.arange(rows)
    own_bits = row_bits.copy()
    _sort(own_bits, order)
    ordered = back_bits.copy()
    places = np.arange(ordered.size)
    count = ordered.size
    if rows >= _WORTH_SORTING:
        _sort(ordered, places)
    i = 0
    while i < rows:
        own = own_bits[i]
        last = i
        while last < rows and own_bits[last] == own:
            last += 1
        for bit in range(used):
            shares[bit] = 0.0
        if rows < _WORTH_SORTING:
            count = 0
            for other in back_bits:
                if (own | other) == everyone and own != other:
                    ordered[count] = other
                    count += 1
            _sort(ordered[:count], places)
        touched = False
        j = 0
        while j < count:
            other = ordered[j]
            k = j
            while k < count and ordered[k] == other:
                k += 1
            times = k - j
            j = k
            if (own | other) != everyone or own == other:
                continue
            touched = True
            gained, lost = own & ~other, other & ~own
            a, c = _count(gained), _count(lost)
            up, down = times * gain[a, c], times * loss[a, c]
            for bit in range(used):
                if (gained >> bit) & 1:
                    shares[bit] += up
                elif (lost >> bit) & 1:
                    shares[bit] -= down
        if touched:
            for bit in range(used):
                if shares[bit]:
                    amount = value * shares[bit]
                    for place in range(i, last):
                        values[order[place], path[bit]] += amount
        i = last


@compiled()
def attribute_trees(  # type: ignore[no-untyped-def] # noqa: ANN201, PLR0913, PLR0915, PLR0917, C901, PLR0912 (one compiled walk)
    rows,  # noqa: ANN001
    background,  # noqa: ANN001
    player_of,  # noqa: ANN001
    roots,  # noqa: ANN001
    branches,  # noqa: ANN001
    true_child,  # noqa: ANN001
    false_child,  # noqa: ANN001
    leaf_value,  # noqa: ANN001
    depth,  # noqa: ANN001
    gain,  # noqa: ANN001
    loss,  # noqa: ANN001
    values,  # noqa: ANN001
):
    """Walks all trees depth first, carrying one bit per player and row, and shares out every leaf.

    Args:
        rows: Column matrix of the explained rows; float64, (n, c). Already rounded to the dtype the graph compares in.
        background: Column matrix of background rows; float64, (b, c).
        player_of: Player that owns each column, -1 for a column that is the same in every row; int64, (c,).
        roots: Root node of each tree; int32.
        branches: What the nodes test, see `tree_branches.Branches`.
        true_child: Next node if the test holds; int32.
        false_child: Next node if it does not; int32.
        leaf_value: Value of a leaf; float64.
        depth: Branches on the longest path.
        gain: See `weight_tables`.
        loss: See `weight_tables`.
        values: Sum over the background of the Shapley values, added to; float64, (n, p).

    Returns:
        Sum over trees and background rows of the leaf reached: b times the mean output over this background.
    """
    column, mode, threshold, missing_true, start, end, members = branches
    n, b = rows.shape[0], background.shape[0]
    levels = depth + 2
    row_bits = np.zeros((levels, n), dtype=np.int64)
    back_bits = np.zeros((levels, b), dtype=np.int64)
    row_true = np.zeros((levels, n), dtype=np.bool_)
    back_true = np.zeros((levels, b), dtype=np.bool_)
    node_at = np.zeros(levels, dtype=np.int64)
    phase = np.zeros(levels, dtype=np.int64)
    added = np.zeros(levels, dtype=np.bool_)
    bit_of = np.full(values.shape[1], -1, dtype=np.int64)
    path = np.zeros(MOST_PLAYERS + 1, dtype=np.int64)
    shares = np.zeros(MOST_PLAYERS + 1)
    total = 0.0
    for tree in range(roots.size):
        level, used = 0, 0
        node_at[0] = roots[tree]
        phase[0] = _FIRST
        added[0] = False
        for k in range(n):
            row_bits[0, k] = 0
        for k in range(b):
            back_bits[0, k] = 0
        while level >= 0:
            node = node_at[level]
            if mode[node] == LEAF:
                if leaf_value[node] != 0.0:
                    everyone = (np.int64(1) << np.int64(used)) - np.int64(1)
                    for k in range(b):
                        if back_bits[level, k] == everyone:
                            total += leaf_value[node]
                    _share_leaf(
                        leaf_value[node], row_bits[level], back_bits[level], path, used, gain, loss, values, shares
                    )
                phase[level] = _DONE
            if phase[level] == _DONE:
                if added[level]:
                    used -= 1
                    bit_of[path[used]] = -1
                level -= 1
                continue
            tested = column[node]
            player = player_of[tested]
            if phase[level] == _FIRST:
                kind, limit, missing = mode[node], threshold[node], missing_true[node]
                own = members[start[node] : end[node]]
                ask(rows[:, tested], kind, limit, missing, own, row_true[level])
                ask(background[:, tested], kind, limit, missing, own, back_true[level])
            wanted = phase[level] == _FIRST
            child = true_child[node] if wanted else false_child[node]
            phase[level] += 1
            below = level + 1
            if player < 0:
                # The column is the same in every row: one branch is taken by all of them.
                if b == 0 or back_true[level, 0] != wanted:
                    continue
                for k in range(n):
                    row_bits[below, k] = row_bits[level, k]
                for k in range(b):
                    back_bits[below, k] = back_bits[level, k]
                added[below] = False
            else:
                bit = bit_of[player]
                added[below] = bit < 0
                if bit < 0:
                    bit = used
                    bit_of[player] = bit
                    path[used] = player
                    used += 1
                    new = np.int64(1) << bit
                else:
                    new = np.int64(0)
                keep = ~(np.int64(1) << bit)
                alive = False
                for k in range(n):
                    if row_true[level, k] == wanted:
                        row_bits[below, k] = row_bits[level, k] | new
                        alive = alive or (row_bits[below, k] >> bit) & 1 == 1
                    else:
                        row_bits[below, k] = row_bits[level, k] & keep
                for k in range(b):
                    if back_true[level, k] == wanted:
                        back_bits[below, k] = back_bits[level, k] | new
                        alive = alive or (back_bits[below, k] >> bit) & 1 == 1
                    else:
                        back_bits[below, k] = back_bits[level, k] & keep
                if not alive:
                    # Nobody passes this player's conditions any more: no leaf below can count.
                    if added[below]:
                        used -= 1
                        bit_of[path[used]] = -1
                    continue
            node_at[below] = child
            phase[below] = _FIRST
            level = below
    return total
