"""The compiled making of tables: what the leaves of a subtree give to each player, for every pattern of a row.

Take a leaf of value 1 whose path puts conditions on k players, a row that passes those in A, and a background row that
fails exactly those in X. The leaf counts for this pair only if A holds all of X (somebody must pass each condition);
then the players in X gain `gain[|X|, k - |A|]` each and those outside A lose `loss[|X|, k - |A|]` each (see
`tree_kernel`). With U_m(A), the number of background rows with X inside A and |X| = m, which subset sums over the
histogram of the background's patterns give for all A at once, the leaf's values are

    player j in A:      sum over m of gain[m, k - |A|] (U_m(A) - U_m(A without j))
    player j not in A:  - sum over m of loss[m, k - |A|] U_m(A)

so three numbers per A hold them all: the first sum for A, the same sum for A as the "without j" of a larger set, and
the second. Making them takes k^2 2^k steps, whatever the number of background rows.
"""

from __future__ import annotations

import numpy as np

from xaisvc.compiled import compiled


@compiled()
def _share_patterns(counts, players, gain, loss, sums, own, without, lost):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, C901, PLR0913, PLR0917 (compiled)
    """Writes the three numbers per set A of one leaf from the number of background rows per pattern."""
    size = 1 << players
    ones = np.zeros(size, dtype=np.int64)
    for a in range(size):
        for m in range(players + 1):
            sums[a, m] = 0.0
        if a:
            ones[a] = ones[a >> 1] + (a & 1)
        sums[a, ones[a]] = counts[size - 1 - a]
    for bit in range(players):
        half = 1 << bit
        for start in range(half, size, 2 * half):
            for a in range(start, start + half):
                for m in range(players + 1):
                    sums[a, m] += sums[a - half, m]
    for a in range(size):
        outside = players - ones[a]
        gained, less, taken = 0.0, 0.0, 0.0
        for m in range(players + 1):
            gained += gain[m, outside] * sums[a, m]
            taken += loss[m, outside] * sums[a, m]
        if outside > 0:
            for m in range(players + 1):
                less += gain[m, outside - 1] * sums[a, m]
        own[a], without[a], lost[a] = gained, less, taken


@compiled()
def share_leaves(laid, held, gain, loss):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """What every leaf of a tree gives, summed over the background, for every set of players that a row passes.

    Args:
        laid: See `tree_paths.lay_out`.
        held: Whether each background row passes each branch's test; uint16, all bits or none, (branches, b).
        gain: See `tree_kernel.weight_tables`.
        loss: See `tree_kernel.weight_tables`.

    Returns:
        Where a leaf's numbers begin; int64, (leaves + 1,). The three numbers per set; float64, (3, sum of 2^k). Number
        of background rows that reach each leaf; int64, (leaves,).
    """
    items, rows = laid.shape[1], held.shape[1]
    leaves = (items + 1) // 2
    start = np.zeros(leaves + 1, dtype=np.int64)
    deepest, most = 0, 0
    for item in range(items):
        deepest = max(deepest, laid[3, item])
        if laid[4, item] < 0:
            start[-laid[4, item]] = 1 << laid[7, item]
            most = max(most, laid[7, item])
    start = np.cumsum(start)
    shared = np.empty((3, start[leaves]))
    reached = np.zeros(leaves, dtype=np.int64)
    patterns = np.zeros((deepest + 1, rows), dtype=np.uint16)
    counts = np.zeros(1 << most)
    sums = np.empty((1 << most, most + 1))
    for item in range(items):
        depth = laid[3, item]
        if depth > 0:
            parent = laid[1, item]
            extend(patterns, depth, held, laid[4, parent], laid[2, item], laid[5, item], laid[6, item], rows)
        if laid[4, item] < 0:
            leaf = -1 - laid[4, item]
            players = laid[7, item]
            counts[: 1 << players] = 0.0
            for row in range(rows):
                counts[patterns[depth, row]] += 1.0
            reached[leaf] = int(counts[(1 << players) - 1])
            here = slice(start[leaf], start[leaf + 1])
            _share_patterns(counts, players, gain, loss, sums, shared[0, here], shared[1, here], shared[2, here])
    return start, shared, reached


@compiled()
def extend(patterns, depth, held, branch, side, bit, fresh, rows):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Patterns of an item from those of its parent: one more condition, on a new player or on one met before."""
    above, here, test = patterns[depth - 1], patterns[depth], held[branch]
    one = np.uint16(1 << bit)
    flip = np.uint16(0) if side else np.uint16(65535)
    if fresh:
        for row in range(rows):
            here[row] = above[row] | ((test[row] ^ flip) & one)
    else:
        rest = np.uint16(65535 - (1 << bit))
        for row in range(rows):
            here[row] = above[row] & ((test[row] ^ flip) | rest)


@compiled()
def fill_cut(laid, item, inner, start, shared, weights, lane_of, player_at, lanes, table, table_at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0912, PLR0913, PLR0915, PLR0917, C901 (compiled)
    """Makes the table of one subtree: the sum of its leaves' values for every code.

    A code has one bit for each player on the path to the subtree, 1 where the player passes, and above these one for
    each branch of the subtree in preorder, 1 where its test holds.

    Args:
        laid: See `tree_paths.lay_out`.
        item: Root of the subtree.
        inner: Branches in the subtree.
        start: See `share_leaves`.
        shared: See `share_leaves`.
        weights: What a leaf is worth, divided by the number of background rows; float64, (outputs, leaves).
        lane_of: Place of each player in an entry; int64, (p,).
        player_at: Player of each branch of the tree, by ordinal; int64.
        lanes: Numbers in an entry.
        table: Written to; float32, (outputs, size).
        table_at: Where the entry of code 0 begins; the others follow it.
    """
    given = laid[7, item]
    first = laid[4, item]
    leaves = inner + 1
    outputs = weights.shape[0]
    end = item + 2 * inner + 1
    most_tests = 1
    for i in range(item, end):
        most_tests = max(most_tests, laid[3, i] - laid[3, item])
    tests = np.zeros(leaves, dtype=np.int64)
    test_bit = np.zeros((leaves, most_tests), dtype=np.int64)
    test_value = np.zeros((leaves, most_tests), dtype=np.int64)
    test_mask = np.zeros((leaves, most_tests), dtype=np.int64)
    players = np.zeros(leaves, dtype=np.int64)
    begin = np.zeros(leaves, dtype=np.int64)
    place = np.zeros(leaves, dtype=np.int64)
    lane = np.zeros((leaves, 64), dtype=np.int64)
    leaf = 0
    for i in range(item, end):
        if laid[4, i] >= 0:
            continue
        place[leaf] = -1 - laid[4, i]
        begin[leaf] = start[place[leaf]]
        players[leaf] = laid[7, i]
        at = i
        while laid[1, at] >= 0:
            parent = laid[1, at]
            if laid[6, at]:
                lane[leaf, laid[5, at]] = lane_of[player_at[laid[4, parent]]]
            if at > item:
                test_bit[leaf, tests[leaf]] = given + laid[4, parent] - first
                test_value[leaf, tests[leaf]] = laid[2, at]
                test_mask[leaf, tests[leaf]] = ~(np.int64(1) << np.int64(laid[5, at]))
                tests[leaf] += 1
            at = parent
        leaf += 1
    low = (1 << given) - 1
    entry = np.zeros((outputs, lanes))
    for code in range(1 << (given + inner)):
        entry[:] = 0.0
        for leaf in range(leaves):
            everyone = (np.int64(1) << players[leaf]) - 1
            passed = (code & low) | (everyone & ~low)
            for t in range(tests[leaf]):
                if (code >> test_bit[leaf, t]) & 1 != test_value[leaf, t]:
                    passed &= test_mask[leaf, t]
            at = begin[leaf] + passed
            gained, lost = shared[0, at], shared[2, at]
            if gained == 0.0 and lost == 0.0:
                continue
            for bit in range(players[leaf]):
                one = np.int64(1) << bit
                less = shared[1, begin[leaf] + (passed & ~one)]
                value = gained - less if passed & one else -lost
                for output in range(outputs):
                    entry[output, lane[leaf, bit]] += weights[output, place[leaf]] * value
        at = table_at + code * lanes
        for output in range(outputs):
            for k in range(lanes):
                table[output, at + k] = entry[output, k]


@compiled()
def fill_tree(  # type: ignore[no-untyped-def] # noqa: ANN201, PLR0913, PLR0917 (compiled)
    laid,  # noqa: ANN001
    cuts,  # noqa: ANN001
    inner,  # noqa: ANN001
    deep,  # noqa: ANN001
    held,  # noqa: ANN001
    gain,  # noqa: ANN001
    loss,  # noqa: ANN001
    weights,  # noqa: ANN001
    lane_of,  # noqa: ANN001
    lanes,  # noqa: ANN001
    player_at,  # noqa: ANN001
    table,  # noqa: ANN001
    table_at,  # noqa: ANN001
):
    """Makes the tables of one tree's subtrees.

    A deep leaf alone keeps its three numbers for each pattern, times its value: first and third side by side, then all
    of the second.

    Args:
        laid: See `tree_paths.lay_out`.
        cuts: Root item of each subtree.
        inner: Branches in each.
        deep: Whether each is a deep leaf; bool, (cuts,).
        held: See `share_leaves`.
        gain: See `tree_kernel.weight_tables`.
        loss: See `tree_kernel.weight_tables`.
        weights: See `fill_cut`.
        lane_of: Place of each player in the entries of each subtree; int64, (cuts, p).
        lanes: Numbers in an entry of each subtree; int64, (cuts,).
        player_at: See `fill_cut`.

        table: Entries of all tables, written to; float32, (outputs, size).
        table_at: Where each subtree's begin; int64, (cuts,).

    Returns:
        Background rows that reach each leaf; int64, (leaves,).
    """
    start, shared, reached = share_leaves(laid, held, gain, loss)
    for c in range(cuts.size):
        item, at = cuts[c], table_at[c]
        if deep[c]:
            leaf = -1 - laid[4, item]
            size = np.int64(1) << laid[7, item]
            for output in range(weights.shape[0]):
                for passed in range(size):
                    own = start[leaf] + passed
                    table[output, at + 2 * passed] = weights[output, leaf] * shared[0, own]
                    table[output, at + 2 * passed + 1] = weights[output, leaf] * shared[2, own]
                    table[output, at + 2 * size + passed] = weights[output, leaf] * shared[1, own]
        else:
            fill_cut(laid, item, inner[c], start, shared, weights, lane_of[c], player_at, lanes[c], table, at)
    return reached
