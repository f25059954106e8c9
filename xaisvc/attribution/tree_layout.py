"""How trees become tables: which get some, how they are cut, and the order in which the look-up goes through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution.tree_cells import Cells
    from xaisvc.types import TreeEnsemble

_MOST_ITEMS = 20_000
"""Branches and leaves of a tree that tables are made of; larger trees are walked."""

_MOST_DEPTH = 250
"""Branches on the longest path of such a tree."""

_MOST_LANES = 32
_LINE = 16
"""Numbers of four bytes in a line of the processor's cache."""

_UNIT_TREES = 8
"""Trees whose float32 sums are added up before they are handed over to float64: enough to make the handing over cheap,
few enough that rounding stays near that of a single number."""

_CHUNK_BYTES = 2**20
"""Tables that a block of rows goes through before the next block: half of a common second-level cache."""

_CUTTINGS = ((9.0, 13), (8.0, 12), (7.0, 11), (6.0, 11), (0.0, 11))
"""Worth and bits of a deep leaf, see `tree_paths.choose_cuts`; from the most memory to the least."""


@dataclass(frozen=True, slots=True)
class LaidTree:
    """One tree as items, cut into subtrees.

    Attributes:
        items: See `tree_paths.lay_out`.
        cuts: Root items of the subtrees, in order; int64.
        inner: Branches in each of them; int64.
        deep: Which of them are a deep leaf; bool.
        steps: Items at or above these roots, in order; int64.
    """

    items: NDArray[np.int32]
    cuts: NDArray[np.int64]
    inner: NDArray[np.int64]
    deep: NDArray[np.bool_]
    steps: NDArray[np.int64]

    @property
    def branches(self) -> NDArray[np.int32]:
        """Nodes of the branches, in order."""
        return np.asarray(self.items[0, self.items[4] >= 0])

    @property
    def leaves(self) -> NDArray[np.int32]:
        """Nodes of the leaves, in order."""
        return np.asarray(self.items[0, self.items[4] < 0])

    def sizes(self, lanes: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers in the table of each subtree, for entries of so many lanes; whole lines of the cache."""
        own = np.left_shift(1, self.items[7, self.cuts] + self.inner) * np.where(self.deep, 3, lanes)
        return np.asarray(-(-own // _LINE) * _LINE)


def lay_out_all(  # noqa: PLR0913, PLR0917 (one step of `tree_plan.make_arrays`)
    trees: TreeEnsemble,
    players: NDArray[np.int64],
    fixed: NDArray[np.bool_],
    cells: Cells,
    most_bytes: int,
    widest: int,
) -> tuple[list[LaidTree], list[int]]:
    """Chooses the trees that get tables, and cuts them into subtrees.

    Args:
        trees: The trees.
        players: Player of each column, -1 for one that is the same in every row; int64, (c,).
        fixed: Outcome of each branch on such a column; bool, (t,).
        cells: The tests of all branches.
        most_bytes: Bound on the size of the tables of one output.
        widest: Largest number of lanes in an entry.

    Returns:
        These trees, and the roots of the others.
    """
    from xaisvc.attribution.tree_paths import (  # noqa: PLC0415 (heavy: loaded when used)
        MOST_BITS,
        TOO_LARGE,
        choose_cuts,
        count_items,
        lay_out,
    )

    if cells.too_many[(trees.column >= 0) & (players[trees.column] < 0)].any():
        return [], trees.roots.tolist()
    shape = (trees.column, trees.mode, trees.true_child, trees.false_child, players, fixed)
    items: list[tuple[int, NDArray[np.int32]]] = []
    walked: list[int] = []
    for root in trees.roots.tolist():
        size = count_items(root, *shape, _MOST_ITEMS)
        if size == TOO_LARGE:
            walked.append(root)
            continue
        laid = lay_out(root, *shape, size)
        is_branch = laid[4] >= 0
        if laid[3].max() > _MOST_DEPTH or cells.too_many[laid[0, is_branch]].any() or laid[7].max() > MOST_BITS:
            walked.append(root)
        else:
            items.append((root, laid))
    found: list[LaidTree] = []
    for worth, deep_bits in _CUTTINGS:
        found = []
        for _, laid in items:
            chosen, inner, above = choose_cuts(laid, worth, deep_bits)
            cuts = np.flatnonzero(chosen)
            deep = (inner[cuts] == 0) & (laid[7, cuts] >= deep_bits)
            found.append(LaidTree(laid, cuts, inner[cuts], deep, np.flatnonzero(above)))
        if table_bytes(found, widest) <= most_bytes:
            return found, walked
    # Even the smallest tables are too many: the trees whose tables are smallest get them.
    sizes = np.array([table_bytes([tree], widest) for tree in found], dtype=np.int64)
    order = np.argsort(sizes, kind="stable")
    kept = np.sort(order[np.cumsum(sizes[order]) <= most_bytes]).tolist()
    walked += [items[i][0] for i in sorted(set(range(len(items))) - set(kept))]
    return [found[i] for i in kept], walked


def lanes_for(players: int) -> int:
    """Numbers in an entry that has a place for so many players."""
    return min(_MOST_LANES, max(1, -(-players // 8)) * 8)


def table_bytes(laid: Sequence[LaidTree], lanes: int) -> int:
    """Upper bound of the size of all entries of one output."""
    return sum(int(tree.sizes(lanes).sum()) for tree in laid) * 4


@dataclass(frozen=True, slots=True)
class Units:
    """Runs of consecutive subtrees whose entries have the same lanes and are summed together.

    Attributes:
        of_cut: Unit of each subtree; int64.
        players: Player of each lane, per unit.
        lanes: Numbers in an entry, per unit; int64.
        first_tree: Trees in whose first subtree a unit begins.
    """

    of_cut: NDArray[np.int64]
    players: list[NDArray[np.int64]]
    lanes: NDArray[np.int64]
    first_tree: list[int]


def unite(trees: TreeEnsemble, players: NDArray[np.int64], laid: Sequence[LaidTree]) -> Units:
    """Brings subtrees together whose entries can have the same lanes."""
    of_cut: list[int] = []
    found: list[set[int]] = []
    first_tree: list[int] = []
    opened = 0
    for place, tree in enumerate(laid):
        owner = players[trees.column[tree.items[0]]]
        whole = set(owner[tree.items[4] >= 0].tolist())
        if not found or len(found[-1] | whole) > _MOST_LANES or place - opened >= _UNIT_TREES:
            found.append(set())
            first_tree.append(place)
            opened = place
        if len(whole) <= _MOST_LANES:
            found[-1] |= whole
            of_cut += [len(found) - 1] * tree.cuts.size
            continue
        for cut, inner in zip(tree.cuts.tolist(), tree.inner.tolist(), strict=True):
            tested = tree.items[4, cut : cut + 2 * inner + 1] >= 0
            members = set(owner[cut : cut + 2 * inner + 1][tested].tolist())
            above = int(tree.items[1, cut])
            while above >= 0:
                members.add(int(owner[above]))
                above = int(tree.items[1, above])
            if len(found[-1] | members) > _MOST_LANES:
                found.append(set())
            found[-1] |= members
            of_cut.append(len(found) - 1)
        opened = place - _UNIT_TREES
    return Units(
        of_cut=np.array(of_cut, dtype=np.int64),
        players=[np.array(sorted(members), dtype=np.int64) for members in found],
        lanes=np.array([lanes_for(len(members)) for members in found], dtype=np.int64),
        first_tree=first_tree,
    )


def steps_of(laid: Sequence[LaidTree]) -> dict[str, NDArray[np.generic]]:
    """What the look-up does tree by tree, in its order; and the largest tree and path."""
    depth, branch, side, bit, fresh, cut_of, given, first, inner = ([] for _ in range(9))
    cuts = 0
    for tree in laid:
        here = tree.items[:, tree.steps]
        depth.append(here[3])
        branch.append(tree.items[4, np.maximum(here[1], 0)])
        side.append(here[2])
        bit.append(here[5])
        fresh.append(here[6])
        numbered = np.full(tree.items.shape[1], -1)
        numbered[tree.cuts] = np.arange(cuts, cuts + tree.cuts.size)
        cut_of.append(numbered[tree.steps])
        cuts += tree.cuts.size
        given.append(tree.items[7, tree.cuts])
        first.append(tree.items[4, tree.cuts])
        inner.append(tree.inner)
    branches = [tree.branches for tree in laid]
    deepest = max((int(part.max()) for part in depth), default=0)
    widest = max((part.size for part in branches), default=0)
    return {
        "tree_branch": np.cumsum([0, *(part.size for part in branches)]),
        "tree_step": np.cumsum([0, *(tree.steps.size for tree in laid)]),
        "branch_node": joined(branches, np.int32),
        "sizes": np.array([deepest, widest]),
        "step_depth": joined(depth, np.int32),
        "step_branch": joined(branch, np.int32),
        "step_side": joined(side, np.int32),
        "step_bit": joined(bit, np.int32),
        "step_fresh": joined(fresh, np.int32),
        "step_cut": joined(cut_of, np.int32),
        "cut_given": joined(given, np.int32),
        "cut_first": joined(first, np.int32),
        "cut_inner": joined(inner, np.int32),
    }


def deep_leaves(laid: Sequence[LaidTree], owner: NDArray[np.int64], units: Units) -> dict[str, NDArray[np.generic]]:
    """Of each deep leaf, the lane of every bit of its pattern; -1 for other subtrees."""
    cut_deep: list[int] = []
    lanes: list[int] = []
    for tree in laid:
        items = tree.items
        for cut, deep in zip(tree.cuts.tolist(), tree.deep.tolist(), strict=True):
            cut_deep.append(len(lanes) if deep else -1)
            if not deep:
                continue
            members = units.players[units.of_cut[len(cut_deep) - 1]]
            here = [0] * int(items[7, cut])
            at = cut
            while items[1, at] >= 0:
                here[items[5, at]] = int(np.searchsorted(members, owner[items[0, items[1, at]]]))
                at = int(items[1, at])
            lanes += here
    return {"cut_deep": np.array(cut_deep, dtype=np.int32), "deep_lane": np.array(lanes, dtype=np.int32)}


def chunk_trees(sizes: NDArray[np.int64], first_tree: Sequence[int]) -> NDArray[np.int64]:
    """Runs of trees whose tables stay in cache together, no run cutting through a unit; bounds of the runs."""
    bounds, size = [0], 0
    starts = set(first_tree)
    for place, own in enumerate(sizes.tolist()):
        if place in starts and place > bounds[-1] and size + own > _CHUNK_BYTES:
            bounds.append(place)
            size = 0
        size += own
    return np.array([*bounds, sizes.size] if sizes.size else [0], dtype=np.int64)


def joined(parts: Sequence[NDArray[np.generic]], dtype: type[np.generic]) -> NDArray[np.generic]:
    """One array after the other; of a type even where there is none."""
    return np.concatenate([np.empty(0, dtype=dtype), *parts]).astype(dtype)
