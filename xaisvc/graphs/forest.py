"""The nodes of tree ensembles as a graph: their order, the paths through them, chains that are one test.

Boosting libraries write a test "category is one of k" as a chain of k BRANCH_EQ nodes that lead to the same subtree, so
nodes may have several parents. They may not go round in circles: whoever walks them would never end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import TreeMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

MOST_LEVELS = 10_000
"""Branches on one path. ONNX Runtime builds trees by recursion, which with 60,000 of them ends the process."""


class MalformedTreesError(ValueError):
    """What is wrong with the lists of a tree node; not shown to users as it stands."""


class UnreadTreesError(ValueError):
    """Why trees that ONNX Runtime runs are not read as a sum, one sentence."""


def ordered(is_branch: NDArray[np.bool_], true_child: Ints, false_child: Ints) -> tuple[list[Ints], Ints]:
    """Sorts nodes so that every parent comes before its children.

    Args:
        is_branch: Whether a node has children; (m,).
        true_child: Index of one child, ignored for leaves; (m,).
        false_child: Index of the other; (m,).

    Returns:
        The nodes level by level, and the nodes that lie on a circle or behind one; the second is empty for trees.

    Raises:
        MalformedTreesError: If a path has more than `MOST_LEVELS` branches.
    """
    size = is_branch.size
    branches = np.flatnonzero(is_branch)
    parents = np.bincount(np.concatenate([true_child[branches], false_child[branches]]), minlength=size)
    level = np.flatnonzero(parents == 0)
    levels: list[Ints] = []
    while level.size:
        if len(levels) > MOST_LEVELS:
            msg = f"a path has more than {MOST_LEVELS} branches"
            raise MalformedTreesError(msg)
        levels.append(level)
        inner = level[is_branch[level]]
        below, times = np.unique(np.concatenate([true_child[inner], false_child[inner]]), return_counts=True)
        parents[below] -= times
        level = below[parents[below] == 0]
    return levels, np.flatnonzero(parents > 0)


def count_visits(
    roots: Ints, levels: list[Ints], is_branch: NDArray[np.bool_], true_child: Ints, false_child: Ints
) -> float:
    """Nodes that are visited by whoever walks every path from the roots; a shared node counts once per path to it."""
    paths = np.zeros(is_branch.size)
    np.add.at(paths, roots, 1.0)
    for level in levels:
        inner = level[is_branch[level]]
        np.add.at(paths, true_child[inner], paths[inner])
        np.add.at(paths, false_child[inner], paths[inner])
    return float(paths.sum())


def join_chains(
    column: Ints, mode: NDArray[np.int8], threshold: NDArray[np.generic], true_child: Ints, false_child: Ints
) -> dict[int, tuple[list[int], frozenset[float]]]:
    """Finds chains of BRANCH_EQ nodes that are one test "value is one of a set".

    A chain tests one column, all its nodes have the same true child, and each but the first is the false child of the
    one before and of no other node.

    Returns:
        For the first node of each chain, all nodes of the chain in order and the set.
    """
    size = mode.size
    branches = np.flatnonzero(mode != TreeMode.LEAF)
    parents = np.bincount(np.concatenate([true_child[branches], false_child[branches]]), minlength=size)
    after = false_child[branches]
    joins = (
        (mode[branches] == TreeMode.EQ)
        & (mode[after] == TreeMode.EQ)
        & (column[branches] == column[after])
        & (true_child[branches] == true_child[after])
        & (parents[after] == 1)
    )
    following = dict(zip(branches[joins].tolist(), after[joins].tolist(), strict=True))
    absorbed = set(following.values())
    chains: dict[int, tuple[list[int], frozenset[float]]] = {}
    for first in following.keys() - absorbed:
        chain = [first]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        chains[first] = chain, frozenset(threshold[chain].astype(np.float64).tolist())
    return chains
