"""The compiled look-up: ranks of a row's values, outcomes of the branches, codes of the subtrees, sums of entries.

Blocks of rows go tree by tree, so that a tree's tables stay in the processor's cache, and rows lie side by side, so
that tests and codes of many rows are worked out at once. A row's numbers are added in an order that the trees alone
decide: they are the same bits alone, in any batch and in any number of threads.
"""

from __future__ import annotations

import numpy as np

from xaisvc.attribution.tree_tables import extend
from xaisvc.attribution.tree_vectors import ROWS_AT_ONCE, add_entries, add_entry, fetch_entries, test_ranks
from xaisvc.compiled import compiled

BLOCK_ROWS = 1024
"""Rows worked on together: their outcomes and codes for one tree stay in the first two levels of cache."""

TOGETHER = 4
"""Codes per row whose entries are added in one go."""

AHEAD = 64
"""Rows whose entries are on their way from memory while others are added; measured."""

ONE, TWO, THREE = 8, 16, 24
"""Lanes of an entry; all others have 32. The loops name them as constants, so that they become registers."""

_MISSING = 65535


@compiled()
def rank_rows(matrix, columns, start, edges, ranks):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Ranks of all values: number of the column's edges at or below each, 65535 for NaN.

    Args:
        matrix: float64, (n, c).
        columns: See `tree_cells.Cells`.
        start: See `tree_cells.Cells`.
        edges: See `tree_cells.Cells`.
        ranks: Written to; uint16, (u, at least n).
    """
    for k in range(columns.size):
        low, size = start[k], start[k + 1] - start[k]
        widest = 1
        while 2 * widest <= size:
            widest *= 2
        for row in range(matrix.shape[0]):
            value = matrix[row, columns[k]]
            rank = 0
            step = widest if size > 0 else 0
            while step > 0:
                ahead = rank + step
                if ahead <= size and edges[low + ahead - 1] <= value:
                    rank = ahead
                step >>= 1
            ranks[k, row] = _MISSING if np.isnan(value) else rank


@compiled()
def test_rows(ranks, at, rows, first, span, table, holds, held, held_at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Whether rows pass one branch's test: all bits or none in `held`; both arrays flat and padded to whole vectors."""
    if table < 0:
        for row in range(0, rows, ROWS_AT_ONCE):
            test_ranks(ranks, at + row, first, span, held, held_at + row)
    else:
        for row in range(rows):
            held[held_at + row] = 65535 * holds[table + np.uint16(ranks[at + row] + 1)]


@compiled()
def test_nodes(ranks, place, first, span, table, holds, nodes, held):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """As `test_rows`, for several branches; `ranks` is (u, n) and `held` (nodes, n), n whole vectors."""
    rows = ranks.shape[1]
    flat, held_flat = ranks.reshape(-1), held.reshape(-1)
    for k in range(nodes.size):
        node = nodes[k]
        test_rows(flat, place[node] * rows, rows, first[node], span[node], table[node], holds, held_flat, k * rows)


@compiled()
def _add(lanes, sums, table, codes, table_at, waiting, rows):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, C901, PLR0912, PLR0913, PLR0917 (compiled)
    """Adds the entries of up to four codes per row, one after the other in either way."""
    if waiting == TOGETHER:
        a, b, c, d = table_at[0], table_at[1], table_at[2], table_at[3]
        p, q, r, s = codes[0], codes[1], codes[2], codes[3]
        if lanes == ONE:
            for i in range(rows):
                j = min(i + AHEAD, rows - 1)
                fetch_entries(8, table, a + p[j] * 8, b + q[j] * 8, c + r[j] * 8, d + s[j] * 8)
                add_entries(8, sums, i * 8, table, a + p[i] * 8, b + q[i] * 8, c + r[i] * 8, d + s[i] * 8)
        elif lanes == TWO:
            for i in range(rows):
                j = min(i + AHEAD, rows - 1)
                fetch_entries(16, table, a + p[j] * 16, b + q[j] * 16, c + r[j] * 16, d + s[j] * 16)
                add_entries(16, sums, i * 16, table, a + p[i] * 16, b + q[i] * 16, c + r[i] * 16, d + s[i] * 16)
        elif lanes == THREE:
            for i in range(rows):
                j = min(i + AHEAD, rows - 1)
                fetch_entries(24, table, a + p[j] * 24, b + q[j] * 24, c + r[j] * 24, d + s[j] * 24)
                add_entries(24, sums, i * 24, table, a + p[i] * 24, b + q[i] * 24, c + r[i] * 24, d + s[i] * 24)
        else:
            for i in range(rows):
                j = min(i + AHEAD, rows - 1)
                fetch_entries(32, table, a + p[j] * 32, b + q[j] * 32, c + r[j] * 32, d + s[j] * 32)
                add_entries(32, sums, i * 32, table, a + p[i] * 32, b + q[i] * 32, c + r[i] * 32, d + s[i] * 32)
        return
    for slot in range(waiting):
        a, p = table_at[slot], codes[slot]
        if lanes == ONE:
            for i in range(rows):
                add_entry(8, sums, i * 8, table, a + p[i] * 8)
        elif lanes == TWO:
            for i in range(rows):
                add_entry(16, sums, i * 16, table, a + p[i] * 16)
        elif lanes == THREE:
            for i in range(rows):
                add_entry(24, sums, i * 24, table, a + p[i] * 24)
        else:
            for i in range(rows):
                add_entry(32, sums, i * 32, table, a + p[i] * 32)


@compiled()
def add_deep(lanes, sums, table, patterns, at, lane, rows):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Adds the values of a deep leaf from its three numbers per pattern; see `tree_tables`."""
    # Which of two numbers a player gets is looked up: a processor guesses such a branch wrong half of the time.
    players = lane.size
    first, second = np.uint64(at), np.uint64(at) + (np.uint64(2) << np.uint64(players))
    lanes_of = np.empty(players, dtype=np.uint64)
    for bit in range(players):
        lanes_of[bit] = lane[bit]
    change = np.empty(2, dtype=np.float32)
    for row in range(rows):
        passed = np.uint64(patterns[row])
        change[1] = table[first + passed + passed]
        change[0] = -table[first + passed + passed + np.uint64(1)]
        own = np.uint64(row * lanes)
        for bit in range(players):
            one = np.uint64(1) << np.uint64(bit)
            passes = (passed >> np.uint64(bit)) & np.uint64(1)
            less = table[second + (passed & ~one)]
            sums[own + lanes_of[bit]] += change[passes] - np.float32(passes) * less


@compiled()
def hand_over(sums, lanes, members, rows, values, begin):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Adds float32 sums to the float64 values of their players."""
    for row in range(rows):
        for k in range(members.size):
            values[begin + row, members[k]] += np.float64(sums[row * lanes + k])
    sums[: rows * lanes] = 0.0


@compiled()
def _aligned(n_bytes):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Zeros that begin where a line of the processor's cache begins, so that no register is filled from two lines."""
    buffer = np.zeros(n_bytes + 63, dtype=np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + n_bytes]


@compiled()
def look_up(  # type: ignore[no-untyped-def] # noqa: ANN201, C901, PLR0912, PLR0913, PLR0917 (compiled)
    ranks, rows, place, first, span, table_of, holds,  # noqa: ANN001
    chunk_tree, tree_branch, tree_step, branch_node, sizes,  # noqa: ANN001
    step_depth, step_branch, step_side, step_bit, step_fresh, step_cut,  # noqa: ANN001
    cut_given, cut_first, cut_inner, cut_table, cut_unit,  # noqa: ANN001
    cut_deep, deep_lane, unit_lanes, unit_player, player_of_lane, table, values,  # noqa: ANN001
):  # fmt: skip
    """Adds the attributions of n = `rows` rows to `values`, float64, (k, n, p).

    `ranks` is as `rank_rows` makes it, each column padded to whole vectors; all others are arrays of a plan, see
    `tree_plan.make_arrays`.
    """
    stride = ranks.shape[1]
    flat = ranks.reshape(-1)
    block = min(stride, BLOCK_ROWS)
    held_flat = _aligned(sizes[1] * block * 2).view(np.uint16)
    held = held_flat.reshape((sizes[1], block))
    patterns = _aligned((sizes[0] + 1) * block * 2).view(np.uint16).reshape((sizes[0] + 1, block))
    codes = np.empty((4, block), dtype=np.uint16)
    table_at = np.zeros(4, dtype=np.int64)
    outputs = table.shape[0]
    sums = _aligned(outputs * block * 32 * 4).view(np.float32).reshape((outputs, block * 32))
    for chunk in range(chunk_tree.size - 1):
        for begin in range(0, rows, block):
            here = min(block, rows - begin)
            unit, waiting, lanes = -1, 0, 0
            for tree in range(chunk_tree[chunk], chunk_tree[chunk + 1]):
                low = tree_branch[tree]
                for branch in range(low, tree_branch[tree + 1]):
                    node = branch_node[branch]
                    at = place[node] * stride + begin
                    test_rows(
                        flat,
                        at,
                        here,
                        first[node],
                        span[node],
                        table_of[node],
                        holds,
                        held_flat,
                        (branch - low) * block,
                    )
                for step in range(tree_step[tree], tree_step[tree + 1]):
                    depth = step_depth[step]
                    if depth > 0:
                        extend(
                            patterns, depth, held, step_branch[step], step_side[step], step_bit[step], step_fresh[step],
                            here,
                        )  # fmt: skip
                    cut = step_cut[step]
                    if cut < 0:
                        continue
                    if cut_unit[cut] != unit:
                        if unit >= 0:
                            members = player_of_lane[unit_player[unit] : unit_player[unit + 1]]
                            for k in range(outputs):
                                _add(lanes, sums[k], table[k], codes, table_at, waiting, here)
                                hand_over(sums[k], lanes, members, here, values[k], begin)
                        unit, waiting = cut_unit[cut], 0
                        lanes = unit_lanes[unit]
                    if cut_deep[cut] >= 0:
                        lane = deep_lane[cut_deep[cut] : cut_deep[cut] + cut_given[cut]]
                        for k in range(outputs):
                            _add(lanes, sums[k], table[k], codes, table_at, waiting, here)
                            add_deep(lanes, sums[k], table[k], patterns[depth], cut_table[cut], lane, here)
                        waiting = 0
                        continue
                    _encode(codes[waiting], patterns[depth], held, cut_given[cut], cut_first[cut], cut_inner[cut], here)
                    table_at[waiting] = cut_table[cut]
                    waiting += 1
                    if waiting == TOGETHER:
                        for k in range(outputs):
                            _add(lanes, sums[k], table[k], codes, table_at, waiting, here)
                        waiting = 0
            if unit >= 0:
                members = player_of_lane[unit_player[unit] : unit_player[unit + 1]]
                for k in range(outputs):
                    _add(lanes, sums[k], table[k], codes, table_at, waiting, here)
                    hand_over(sums[k], lanes, members, here, values[k], begin)


@compiled()
def _encode(code, path, held, given, first, inner, rows):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Codes of one subtree: the path's pattern and the outcomes of the subtree's branches above it."""
    if inner == 0:
        for row in range(rows):
            code[row] = path[row]
    for k in range(inner):
        one, test = np.uint16(1 << (given + k)), held[first + k]
        before = path if k == 0 else code
        for row in range(rows):
            code[row] = before[row] | (test[row] & one)
