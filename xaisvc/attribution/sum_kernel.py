"""Compiled loops over coalitions for models that are sums: weighted columns, and leaves of trees.

Every number is worked out in an order that the model and the design alone decide, whatever rows are beside it.
"""

from __future__ import annotations

import numpy as np

from xaisvc.compiled import compiled

_BLOCK_NUMBERS = 2**18
"""Counts of leaves that are gone through for all rows before the next: they stay in the second-level cache."""


@compiled()
def add_columns(matrix, weights, players, parts):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """parts[i, players[c]] += matrix[i, c] * weights[c], column after column.

    Args:
        matrix: float64, (n, at least c).
        weights: float64, (c,).
        players: Where a column is added; a column of weight 0 is left alone; int64, (c,).
        parts: Added to; float64, (n, p).
    """
    for row in range(matrix.shape[0]):
        own, part = matrix[row], parts[row]
        for column in range(weights.size):
            if weights[column] != 0.0:
                part[players[column]] += own[column] * weights[column]


@compiled()
def add_parts(parts, masks, totals):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """totals[i, k] += sum of the parts of row i that coalition k holds, player after player.

    Args:
        parts: float64, (n, p).
        masks: 1 where a coalition holds a player; float64, (p, m).
        totals: Added to; float64, (n, m).
    """
    players = masks.shape[0]
    for row in range(parts.shape[0]):
        total, own = totals[row], parts[row]
        for i in range(0, players - 3, 4):
            a, b, c, d = own[i], own[i + 1], own[i + 2], own[i + 3]
            first, second, third, fourth = masks[i], masks[i + 1], masks[i + 2], masks[i + 3]
            for k in range(total.size):
                total[k] = total[k] + first[k] * a + second[k] * b + third[k] * c + fourth[k] * d
        for i in range(players // 4 * 4, players):
            for k in range(total.size):
                total[k] += masks[i, k] * own[i]


@compiled()
def list_conditions(laid, owners):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """The tests on the way to each leaf of one tree.

    Args:
        laid: See `tree_paths.lay_out`.
        owners: Player of the column that each item tests; int64, (items,).

    Returns:
        Where each leaf's tests begin and the last end; int64, (leaves + 1,). Of each test its branch's node, whether
        the leaf lies on its true side, and the player; int64, (3, tests). Node of each leaf; int64, (leaves,).
    """
    items = laid.shape[1]
    leaves, tests = 0, 0
    for item in range(items):
        if laid[4, item] < 0:
            leaves += 1
            tests += laid[3, item]
    start = np.zeros(leaves + 1, dtype=np.int64)
    found = np.empty((3, tests), dtype=np.int64)
    nodes = np.empty(leaves, dtype=np.int64)
    leaf, at = 0, 0
    for item in range(items):
        if laid[4, item] >= 0:
            continue
        nodes[leaf] = laid[0, item]
        here = item
        while laid[1, here] >= 0:
            parent = laid[1, here]
            found[0, at], found[1, at], found[2, at] = laid[0, parent], laid[2, here], owners[parent]
            at += 1
            here = parent
        leaf += 1
        start[leaf] = at
    return start, found, nodes


@compiled()
def find_failed(held, start, branch, side, bit, failed):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """The players whose values keep each row from each leaf, as bits.

    Args:
        held: Whether a row passes a branch's test, all bits or none; uint16, (branches, at least n).
        start: Where a leaf's tests begin and the last end; int64, (leaves + 1,).
        branch: Branch of each test; int64, (tests,).
        side: Whether the leaf lies on its true side; uint16, all bits or none, (tests,).
        bit: Bit of the test's player; uint16, (tests,).
        failed: Written to; uint16, (leaves, n).
    """
    rows = failed.shape[1]
    for leaf in range(failed.shape[0]):
        own = failed[leaf]
        own[:] = 0
        for test in range(start[leaf], start[leaf + 1]):
            holds, wanted, one = held[branch[test]], side[test], bit[test]
            for row in range(rows):
                own[row] |= (holds[row] ^ wanted) & one


@compiled()
def fill_patterns(masks, start, players, patterns):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Which players of each set a coalition holds, as bits.

    Args:
        masks: Whether a coalition holds a player; bool, (p, m).
        start: Where a set's players begin and the last end; int64, (sets + 1,).
        players: Players of the sets in the order of their bits; int64.
        patterns: Written to; uint16, (sets, m).
    """
    for k in range(patterns.shape[0]):
        own = patterns[k]
        own[:] = 0
        for place in range(start[k], start[k + 1]):
            one = np.uint16(1 << (place - start[k]))
            member = masks[players[place]]
            for m in range(own.size):
                if member[m]:
                    own[m] |= one


@compiled()
def count_passing(failed, size, set_of, patterns, picks, first, order, counts):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0912, PLR0913, PLR0917 (compiled)
    """How many of a coalition's background rows reach a leaf as far as the absent players decide.

    Coalitions that share their background rows are a group. Where a group is large, its rows are counted once for each
    pattern of players that keep them from the leaf, and the counts are summed over all subsets of a pattern.

    Args:
        failed: See `find_failed`, of the background; uint16, (leaves, b).
        size: Number of players on the way to a leaf; int64, (leaves,).
        set_of: Set of a leaf's players; int64, (leaves,).
        patterns: See `fill_patterns`.
        picks: Background rows of each group; int64, (groups, d).
        first: Where a group's coalitions begin in `order` and the last end; int64, (groups + 1,).
        order: Coalitions, group after group; int64, (m,).
        counts: Written to; unsigned, (leaves, m).
    """
    d = picks.shape[1]
    most = 0
    for leaf in range(size.size):
        most = max(most, size[leaf])
    reached = np.zeros(1 << most, dtype=np.int64)
    for leaf in range(failed.shape[0]):
        bits, own, fails = size[leaf], patterns[set_of[leaf]], failed[leaf]
        codes = 1 << bits
        for group in range(picks.shape[0]):
            begin, end = first[group], first[group + 1]
            if (end - begin) * d > d + codes * (bits + 1) + (end - begin):
                reached[:codes] = 0
                for z in range(d):
                    reached[fails[picks[group, z]]] += 1
                for bit in range(bits):
                    one = 1 << bit
                    for code in range(codes):
                        if code & one:
                            reached[code] += reached[code ^ one]
                for place in range(begin, end):
                    counts[leaf, order[place]] = reached[own[order[place]]]
            else:
                for place in range(begin, end):
                    absent = ~own[order[place]]
                    total = 0
                    for z in range(d):
                        if fails[picks[group, z]] & absent == 0:
                            total += 1
                    counts[leaf, order[place]] = total


@compiled()
def add_leaves(failed, worth, set_of, patterns, counts, totals):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """totals[i, k] += sum of worth[l] * counts[l, k] over the leaves l that row i's own values do not rule out.

    Args:
        failed: See `find_failed`, of the rows; uint16, (leaves, at least n).
        worth: Value of a leaf, divided by the number of background rows of a coalition; float64, (leaves,).
        set_of: Set of a leaf's players; int64, (leaves,).
        patterns: See `fill_patterns`.
        counts: See `count_passing`.
        totals: Added to; float64, (n, m).
    """
    leaves, count = counts.shape
    block = max(1, _BLOCK_NUMBERS // max(1, count))
    for start in range(0, leaves, block):
        for row in range(totals.shape[0]):
            total = totals[row]
            for leaf in range(start, min(start + block, leaves)):
                fails, value = failed[leaf, row], worth[leaf]
                own, among = patterns[set_of[leaf]], counts[leaf]
                if fails == 0:
                    for k in range(count):
                        total[k] += value * among[k]
                else:
                    for k in range(count):
                        total[k] += value * (among[k] if own[k] & fails == 0 else 0)
