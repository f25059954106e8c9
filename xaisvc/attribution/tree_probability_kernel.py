"""The compiled inner loop of exact SHAP values of a probability that is a link of sums of trees and linear terms.

For one explained row x and one background row b a sum is a set function of the coalition S that keeps the values of x.
Walking a tree with both rows at once, and along both ways where they part, gives its leaves with the players X whose
conditions only x passes and N whose conditions only b passes; such a leaf counts w if S holds all of X and none of N:

    w [X in S] [N outside S]  =  sum over T in N of (-1)^|T| w [X + T in S]          2^|N| Moebius coefficients
                              =  sum over T in X of (-1)^|T| w [N + T outside S]     2^|X| of the mirrored game

The shorter form is taken for each leaf. One zeta transform for each of the two arrays (Yates' algorithm, k 2^(k-1)
additions for k players) then gives the sum for all 2^k coalitions, where scoring the model would need as many rows. The
link is applied to each, and the Shapley values follow from their definition. Players whose tests all agree between x
and b are dummies of this pair and are left out, so k is the number of players in which the two differ.

A sum is at most sum over leaves of |w| 2^min(|X|, |N|) in absolute terms, so float64 loses about 1e-16 of that: below
1e-11 for hundreds of trees of 31 leaves.
"""

from __future__ import annotations

import numpy as np

from xaisvc.compiled import compiled

_UNROLLED = 3
"""Lowest bits that are transformed together, eight numbers at a time."""


@compiled()
def _count(bits):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Number of bits set."""
    found = 0
    while bits:
        bits &= bits - 1
        found += 1
    return found


@compiled()
def _zeta(numbers, k):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Replaces numbers[S] by the sum of numbers[T] over all T in S; the first 2^k numbers."""
    size = 1 << k
    first = 0
    if k >= _UNROLLED:
        for base in range(0, size, 8):
            n0, n1, n2, n3 = numbers[base], numbers[base + 1], numbers[base + 2], numbers[base + 3]
            n4, n5, n6, n7 = numbers[base + 4], numbers[base + 5], numbers[base + 6], numbers[base + 7]
            n1, n3, n5, n7 = n1 + n0, n3 + n2, n5 + n4, n7 + n6
            n2, n3, n6, n7 = n2 + n0, n3 + n1, n6 + n4, n7 + n5
            n4, n5, n6, n7 = n4 + n0, n5 + n1, n6 + n2, n7 + n3
            numbers[base + 1], numbers[base + 2], numbers[base + 3] = n1, n2, n3
            numbers[base + 4], numbers[base + 5], numbers[base + 6], numbers[base + 7] = n4, n5, n6, n7
        first = _UNROLLED
    for bit in range(first, k):
        step = 1 << bit
        for base in range(0, size, 2 * step):
            # Two views: the compiler sees that they do not overlap, and adds eight numbers at a time.
            without, with_ = numbers[base : base + step], numbers[base + step : base + 2 * step]
            for low in range(step):
                with_[low] += without[low]


@compiled()
def _scatter(gained, lost, value, up, down):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Adds a leaf to the Moebius coefficients `up`, or where that is shorter to the mirrored ones, `down`."""
    if _count(lost) <= _count(gained):
        target, fixed, free = up, gained, lost
    else:
        target, fixed, free = down, lost, gained
    part = np.int64(0)
    while True:
        target[fixed | part] += -value if _count(part) & 1 else value
        part = (part - free) & free  # the next subset of `free`; 0 after the last
        if part == 0:
            break


@compiled()
def _walk(  # type: ignore[no-untyped-def] # noqa: ANN202, PLR0913, PLR0917 (compiled)
    first,  # noqa: ANN001
    last,  # noqa: ANN001
    row_true,  # noqa: ANN001
    back_true,  # noqa: ANN001
    roots,  # noqa: ANN001
    player,  # noqa: ANN001
    is_leaf,  # noqa: ANN001
    true_child,  # noqa: ANN001
    false_child,  # noqa: ANN001
    value,  # noqa: ANN001
    place,  # noqa: ANN001
    stack,  # noqa: ANN001
    up,  # noqa: ANN001
    down,  # noqa: ANN001
):
    """Adds the leaves of trees first to last - 1 that some coalition of the pair reaches."""
    for tree in range(first, last):
        stack[0, 0], stack[0, 1], stack[0, 2] = roots[tree], 0, 0
        level = 0
        while level >= 0:
            node, gained, lost = stack[level, 0], stack[level, 1], stack[level, 2]
            level -= 1
            while not is_leaf[node]:
                own, other = row_true[node], back_true[node]
                if own != other:
                    bit = np.int64(1) << place[player[node]]
                    if lost & bit:
                        own = other
                    elif not gained & bit:
                        # Both ways are open: this player's value of b later, that of x now.
                        level += 1
                        stack[level, 0] = true_child[node] if other else false_child[node]
                        stack[level, 1], stack[level, 2] = gained, lost | bit
                        gained |= bit
                node = true_child[node] if own else false_child[node]
            if value[node] != 0.0:
                _scatter(gained, lost, value[node], up, down)


@compiled()
def differing(row_true, back_true, row_linear, back_linear, nodes, starts):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Players in which one row differs from background rows for the model, one bit each.

    Args:
        row_true: Tests of the explained row; bool, (t,).
        back_true: Tests of b background rows; bool, (b, t).
        row_linear: What each of q players adds to each of m sums through linear terms; float64, (m, q).
        back_linear: The same of the background rows; float64, (b, m, q).
        nodes: Branches in the order of their players; int64.
        starts: First entry in `nodes` of each player, and the end; int64, (q + 1,).

    Returns:
        int64, (b,).
    """
    masks = np.zeros(back_true.shape[0], dtype=np.int64)
    for pair in range(masks.size):
        for who in range(starts.size - 1):
            differs = False
            for which in range(row_linear.shape[0]):
                differs = differs or row_linear[which, who] != back_linear[pair, which, who]
            i = starts[who]
            while not differs and i < starts[who + 1]:
                differs = row_true[nodes[i]] != back_true[pair, nodes[i]]
                i += 1
            if differs:
                masks[pair] |= np.int64(1) << who
    return masks


@compiled()
def add_shapley(values, players, weights, sizes, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Adds the Shapley values of a game of k players to `found`.

    Args:
        values: v of every coalition, bit i for players[i]; float64, (2^k,).
        players: int64, (k,).
        weights: `weights[s] = s! (k - s - 1)! / k!`; float64, (k,) or longer.
        sizes: Players in each coalition; uint8, (2^k,) or longer.
        found: Added to, at `players`; float64, (q,).
    """
    for bit in range(players.size):
        step = 1 << bit
        total = 0.0
        for base in range(0, values.size, 2 * step):
            part = 0.0
            for low in range(base, base + step):
                part += weights[sizes[low]] * (values[low + step] - values[low])
            total += part
        found[players[bit]] += total


@compiled()
def fill_sums(  # type: ignore[no-untyped-def] # noqa: ANN201, PLR0913, PLR0917 (one compiled pass)
    pairs,  # noqa: ANN001
    players,  # noqa: ANN001
    row_true,  # noqa: ANN001
    back_true,  # noqa: ANN001
    row_linear,  # noqa: ANN001
    back_linear,  # noqa: ANN001
    constant,  # noqa: ANN001
    first,  # noqa: ANN001
    last,  # noqa: ANN001
    roots,  # noqa: ANN001
    player,  # noqa: ANN001
    is_leaf,  # noqa: ANN001
    true_child,  # noqa: ANN001
    false_child,  # noqa: ANN001
    value,  # noqa: ANN001
    depth,  # noqa: ANN001
    sums,  # noqa: ANN001
):
    """Works out one sum for every coalition of one row and some background rows.

    Args:
        pairs: Background rows that differ from the row in the same k players; int64, (c,).
        players: Those players, ascending; int64, (k,).
        row_true: Tests of the explained row; bool, (t,).
        back_true: Tests of the background rows; bool, (b, t).
        row_linear: What each of q players adds to the sum through linear terms; float64, (q,).
        back_linear: The same of the background rows; float64, (b, q).
        constant: Constant of the sum.
        first: First tree of the sum.
        last: One past its last tree.
        roots: See `tree_routing.Routes`, for all arguments to `depth`.
        player: Here 0 to q - 1.
        is_leaf: Whether a node is a leaf.
        true_child: Child where the test holds.
        false_child: Child where it does not.
        value: Value of a leaf.
        depth: Branches on the longest path.
        sums: Written to; float64, (c, 2^k). Bit i of a coalition's index stands for players[i].
    """
    k, size = players.size, sums.shape[1]
    down = np.zeros(size)
    place = np.zeros(row_linear.size, dtype=np.int64)
    for i in range(k):
        place[players[i]] = i
    stack = np.zeros((depth + 2, 3), dtype=np.int64)
    for entry in range(pairs.size):
        pair = pairs[entry]
        up = sums[entry]
        up[:] = 0.0
        down[:] = 0.0
        start = constant
        for who in range(row_linear.size):
            start += back_linear[pair, who]
        up[0] = start
        for i in range(k):
            up[1 << i] = row_linear[players[i]] - back_linear[pair, players[i]]
        _walk(
            first,
            last,
            row_true,
            back_true[pair],
            roots,
            player,
            is_leaf,
            true_child,
            false_child,
            value,
            place,
            stack,
            up,
            down,
        )
        _zeta(up, k)
        _zeta(down, k)
        up += down[::-1]
