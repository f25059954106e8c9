"""The compiled reading of trees as paths: nodes in order, conditions of players, and subtrees that become one table.

A tree is laid out as items, its branches and leaves in preorder, every parent before its children. A node that several
paths reach is one item per path. Branches on a column that is the same in every row are left out: one side is taken by
all of them. All conditions that a path puts on one player are one condition, one bit of the path's pattern; bits are
numbered in the order in which a path meets the players, so that the pattern of an item extends that of its parent.
"""

from __future__ import annotations

import numpy as np

from xaisvc.attribution.tree_branches import LEAF
from xaisvc.compiled import compiled

MOST_BITS = 16
"""Players on the path of the deepest leaf that has numbers for every pattern."""

_MOST_TABLE_BITS = 13
_DEEP_COST = 10.0
"""Of a deep leaf in look-ups; measured."""

TOO_LARGE = -1
"""Answer of `count_items` for a tree with more items than allowed."""


@compiled()
def _settled(node, column, mode, true_child, false_child, player_of, fixed):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """The first node from here on that is a leaf or a branch on a column of some player."""
    while mode[node] != LEAF and player_of[column[node]] < 0:
        node = true_child[node] if fixed[node] else false_child[node]
    return node


@compiled()
def count_items(root, column, mode, true_child, false_child, player_of, fixed, most):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Items of one tree, or `TOO_LARGE` if there are more than `most`."""
    waiting = np.empty(most + 2, dtype=np.int64)
    waiting[0] = root
    height, found = 1, 0
    while height > 0:
        height -= 1
        node = _settled(waiting[height], column, mode, true_child, false_child, player_of, fixed)
        found += 1
        if found > most:
            return TOO_LARGE
        if mode[node] != LEAF:
            waiting[height], waiting[height + 1] = false_child[node], true_child[node]
            height += 2
    return found


@compiled()
def lay_out(root, column, mode, true_child, false_child, player_of, fixed, items):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Lays out one tree.

    Args:
        root: Root node.
        column: Column that a node tests; int32, (t,).
        mode: Branch test; int8, (t,).
        true_child: Next node if the test holds; int32, (t,).
        false_child: Next node if it does not; int32, (t,).
        player_of: Player that owns each column, -1 for a column that is the same in every row; int64, (c,).
        fixed: Outcome of a branch on such a column; bool, (t,).
        items: Number of items.

    Returns:
        int32, (8, items), one row each: node; parent item, -1 for the root; 1 if the item is its parent's true child;
        branches above; ordinal among the tree's branches, or -1 - ordinal among its leaves; bit of the condition that
        leads here; 1 if this is the first condition on its player; number of players on the path.
    """
    found = np.empty((8, items), dtype=np.int32)
    waiting = np.empty((items + 2, 3), dtype=np.int64)
    waiting[0, 0], waiting[0, 1], waiting[0, 2] = root, -1, 0
    height, item, branches, leaves = 1, 0, 0, 0
    while height > 0:
        height -= 1
        node = _settled(waiting[height, 0], column, mode, true_child, false_child, player_of, fixed)
        parent, side = waiting[height, 1], waiting[height, 2]
        depth, bit, fresh, used = 0, 0, 0, 0
        if parent >= 0:
            depth = found[3, parent] + 1
            player = player_of[column[found[0, parent]]]
            used = found[7, parent]
            # The bit that this player got further up, if the path met it before.
            bit = -1
            above = parent
            while found[1, above] >= 0:
                if player_of[column[found[0, found[1, above]]]] == player:
                    bit = found[5, above]
                    break
                above = found[1, above]
            if bit < 0:
                bit, fresh = used, 1
                used += 1
        found[0, item], found[1, item], found[2, item], found[3, item] = node, parent, side, depth
        found[5, item], found[6, item], found[7, item] = bit, fresh, used
        if mode[node] == LEAF:
            found[4, item] = -1 - leaves
            leaves += 1
        else:
            found[4, item] = branches
            branches += 1
            waiting[height, 0], waiting[height, 1], waiting[height, 2] = false_child[node], item, 0
            waiting[height + 1, 0], waiting[height + 1, 1], waiting[height + 1, 2] = true_child[node], item, 1
            height += 2
        item += 1
    return found


@compiled()
def choose_cuts(laid, worth, deep_bits):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Chooses the subtrees whose leaves share one table, so that every leaf is in one of them.

    A table of c bits has 2^c entries: one bit for each player on the path to the subtree and one for each branch in it.
    It costs 1 + 2^c / 2^worth, the look-up and the memory that it draws through the caches. A leaf alone of
    many bits is deep: it keeps three numbers for each code instead of an entry, which is smaller and slower. The sum of
    the costs is the least.

    Args:
        laid: See `lay_out`.
        worth: Bits of a table that costs as much for its size as for its look-up.
        deep_bits: Players on the path of a leaf that is deep, or more.

    Returns:
        Whether an item is the root of such a subtree; bool, (items,). Number of branches at or below each item; int64,
        (items,). Whether an item is such a root or above one; bool, (items,).
    """
    items = laid.shape[1]
    cost = np.empty(items)
    inner = np.zeros(items, dtype=np.int64)
    split = np.zeros(items, dtype=np.bool_)
    below = np.zeros(items)
    for item in range(items - 1, -1, -1):
        if laid[4, item] >= 0:
            inner[item] += 1
        bits = laid[7, item] + inner[item]
        if laid[4, item] < 0 and bits >= deep_bits:
            cost[item] = _DEEP_COST
        else:
            cost[item] = 1.0 + 2.0 ** (bits - worth)
        if laid[4, item] >= 0 and (bits > _MOST_TABLE_BITS or below[item] < cost[item]):
            cost[item] = below[item]
            split[item] = True
        parent = laid[1, item]
        if parent >= 0:
            below[parent] += cost[item]
            inner[parent] += inner[item]
    chosen = np.zeros(items, dtype=np.bool_)
    above = np.zeros(items, dtype=np.bool_)
    for item in range(items):
        parent = laid[1, item]
        above[item] = parent < 0 or (above[parent] and not chosen[parent])
        chosen[item] = above[item] and not split[item]
    return chosen, inner, above
