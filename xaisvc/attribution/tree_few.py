"""The compiled look-up for a few rows, one after the other: the same bits as `tree_lookup`, quicker for a few.

For one row, branches take the place of rows: 64 of them are tested at once and become the bits of one number. Branches
of a subtree are neighbours, so the code of a subtree is a run of these bits, and no step has to ask what kind it is.
All places of a row's entries are known before the first is read, so that the processor waits for many of them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.tree_lookup import ONE, THREE, TWO, add_deep, hand_over, rank_rows
from xaisvc.attribution.tree_vectors import BRANCHES_AT_ONCE, add_entry, test_branches
from xaisvc.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.generic]

FEW_ROWS = 16
"""Up to this many rows, one at a time is quicker than side by side."""

_BITS = 6
"""2 to this power is `BRANCHES_AT_ONCE`."""


def few_arguments(arrays: Mapping[str, Array]) -> tuple[Array, ...]:
    """What `look_up_few` reads between the rows and `values`, from the arrays of a plan.

    Args:
        arrays: See `tree_plan.make_arrays`.

    Returns:
        - columns, start and edges of the plan
        - column, first, span of each branch, filled up to whole numbers of 64 bits; int32, uint16 and uint16
        - branches tested by a set, and where their sets begin in `holds`; int64
        - steps: parent's branch, its side, depth, bit, fresh, whether a subtree begins, bits given, its first branch
          and the mask of its bits; int64, (steps, 9)
        - bounds of the subtrees of each unit; int64, (units + 1,)
        - and arrays of the plan as they are.
    """
    node = arrays["branch_node"]
    whole = -(-node.size // BRANCHES_AT_ONCE) * BRANCHES_AT_ONCE + BRANCHES_AT_ONCE
    column, first, span = np.zeros(whole, np.int32), np.zeros(whole, np.uint16), np.zeros(whole, np.uint16)
    for target, name in ((column, "place"), (first, "first"), (span, "span")):
        target[: node.size] = arrays[name][node]
    table_of = arrays["table_of"][node]
    in_sets = np.flatnonzero(table_of >= 0)
    tree = np.repeat(np.arange(arrays["tree_step"].size - 1), np.diff(arrays["tree_step"]))
    begin = arrays["tree_branch"][tree]
    cut = arrays["step_cut"].astype(np.int64)
    is_cut, of_cut = cut >= 0, np.maximum(cut, 0)
    is_root = arrays["step_depth"] == 0
    steps = np.zeros((cut.size, 9), dtype=np.int64)
    steps[:, 0] = begin + np.where(is_root, 0, arrays["step_branch"])
    steps[:, 1] = arrays["step_side"]
    steps[:, 2] = arrays["step_depth"]
    steps[:, 3] = np.where(is_root, 0, arrays["step_bit"])
    steps[:, 4] = np.where(is_root, 0, arrays["step_fresh"])
    steps[:, 5] = is_cut
    if arrays["cut_given"].size:
        inner = np.where(is_cut, arrays["cut_inner"][of_cut], 0)
        steps[:, 6] = np.where(is_cut, arrays["cut_given"][of_cut], 0)
        steps[:, 7] = begin + np.where(inner > 0, arrays["cut_first"][of_cut], 0)
        steps[:, 8] = (1 << inner) - 1
    units = arrays["unit_lanes"].size
    bounds = np.searchsorted(arrays["cut_unit"], np.arange(units + 1)).astype(np.int64)
    return (
        arrays["columns"], arrays["start"], arrays["edges"],
        column, first, span, in_sets.astype(np.int64), table_of[in_sets].astype(np.int64), arrays["holds"],
        steps, np.array([arrays["sizes"][0]]), bounds,
        *(arrays[name] for name in _OF_PLAN),
    )  # fmt: skip


_OF_PLAN = ("cut_table", "cut_deep", "cut_given", "deep_lane", "unit_lanes", "unit_player", "player_of_lane", "table")


@compiled()
def _places(ranks, row, column, first, span, in_sets, set_at, holds, steps, own, bits, patterns, at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Codes of all subtrees of one row, in their order."""
    for branch in range(column.size):
        own[branch] = ranks[column[branch], row]
    for word in range(bits.size):
        bits[word] = test_branches(own, first, span, word << _BITS)
    for k in range(in_sets.size):
        branch = in_sets[k]
        one = np.uint64(1) << np.uint64(branch & 63)
        if holds[set_at[k] + np.uint16(own[branch] + 1)]:
            bits[branch >> _BITS] |= one
        else:
            bits[branch >> _BITS] &= ~one
    count = 0
    for step in range(steps.shape[0]):
        branch, depth, bit = steps[step, 0], steps[step, 2], steps[step, 3]
        failed = (np.int64(bits[branch >> _BITS] >> np.uint64(branch & 63)) & 1) ^ steps[step, 1]
        # Numbers are shifted by one place, so that a root begins from nothing like any other.
        pattern = (patterns[depth] | (steps[step, 4] << bit)) & ~(failed << bit)
        patterns[depth + 1] = pattern
        begin = steps[step, 7]
        word, offset = begin >> _BITS, np.uint64(begin & 63)
        run = (bits[word] >> offset) | ((bits[word + 1] << np.uint64(1)) << (np.uint64(63) - offset))
        at[count] = pattern | ((np.int64(run) & steps[step, 8]) << steps[step, 6])
        count += steps[step, 5]


@compiled()
def look_up_few(  # type: ignore[no-untyped-def] # noqa: ANN201, PLR0913, PLR0917 (compiled)
    matrix, columns, start, edges, column, first, span, in_sets, set_at, holds, steps, deepest, bounds,  # noqa: ANN001
    cut_table, cut_deep, cut_given, deep_lane, unit_lanes, unit_player, player_of_lane, table, values,  # noqa: ANN001
):  # fmt: skip
    """Adds the attributions of the rows of `matrix`, float64, (n, c), to `values`, as `tree_lookup.look_up` does.

    The same sums in the same order. For the arguments between see `few_arguments`.
    """
    ranks = np.empty((columns.size, matrix.shape[0]), dtype=np.uint16)
    rank_rows(matrix, columns, start, edges, ranks)
    own_ranks = np.empty(column.size, dtype=np.uint16)
    bits = np.zeros(column.size >> _BITS, dtype=np.uint64)
    patterns = np.zeros(deepest[0] + 2, dtype=np.int64)
    at = np.empty(cut_table.size + 1, dtype=np.int64)  # a step in front of no subtree writes where the next one does
    own = np.zeros(1, dtype=np.uint16)
    sums = np.zeros(32, dtype=np.float32)
    for row in range(matrix.shape[0]):
        _places(ranks, row, column, first, span, in_sets, set_at, holds, steps, own_ranks, bits, patterns, at)
        for k in range(table.shape[0]):
            entries, found = table[k], values[k]
            for unit in range(unit_lanes.size):
                lanes = unit_lanes[unit]
                cut, end = bounds[unit], bounds[unit + 1]
                while cut < end:
                    if cut_deep[cut] >= 0:
                        lane = deep_lane[cut_deep[cut] : cut_deep[cut] + cut_given[cut]]
                        own[0] = at[cut]
                        add_deep(lanes, sums, entries, own, cut_table[cut], lane, 1)
                        cut += 1
                        continue
                    a = cut_table[cut] + at[cut] * lanes
                    if lanes == ONE:
                        add_entry(8, sums, 0, entries, a)
                    elif lanes == TWO:
                        add_entry(16, sums, 0, entries, a)
                    elif lanes == THREE:
                        add_entry(24, sums, 0, entries, a)
                    else:
                        add_entry(32, sums, 0, entries, a)
                    cut += 1
                members = player_of_lane[unit_player[unit] : unit_player[unit + 1]]
                hand_over(sums, lanes, members, 1, found, row)
