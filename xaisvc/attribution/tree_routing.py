"""Which way rows go at the branches of trees: all that remains of columns, thresholds and missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.linear import players_of_columns
from xaisvc.attribution.tree_walk import compared, depth
from xaisvc.types import TreeMode, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution.linear import Matrices
    from xaisvc.attribution.tree_walk import Matrix
    from xaisvc.types import AdditiveModel, Players, TreeEnsemble

_TREES_AT_ONCE = 64
"""Bounds memory at rows times trees."""


class Routes:
    """The trees of one or more sums over the same rows, as one set of nodes that know players and children only.

    Attributes:
        roots: Root node of each tree; int64, (trees,).
        sum_of: Which of the sums a tree belongs to; int64, (trees,).
        player: Player whose column a branch tests, -1 for a leaf and for a column that is the same in every row;
            int64, (t,).
        is_leaf: bool, (t,).
        true_child: Next node if the test holds; int64, (t,).
        false_child: Next node if it does not; int64, (t,).
        value: What a leaf adds to its sum, 0 for branches; float64, (t,).
        depth: Branches on the longest path.
    """

    def __init__(self, sums: Sequence[AdditiveModel], players: Players) -> None:
        self._terms: list[TreeTerm] = []
        roots, sum_of, player, leaf, true_child, false_child, value = ([np.zeros(0, np.int64)] for _ in range(7))
        self.depth = 0
        start = 0
        for place, model in enumerate(sums):
            for term in model.terms:
                if not isinstance(term, TreeTerm):
                    continue
                trees = term.trees
                self._terms.append(term)
                is_leaf = trees.mode == TreeMode.LEAF
                roots.append(trees.roots.astype(np.int64) + start)
                sum_of.append(np.full(trees.roots.size, place))
                owner = players_of_columns(term.owners, players)
                player.append(np.where(is_leaf, -1, owner[np.where(is_leaf, 0, trees.column)] if owner.size else -1))
                leaf.append(is_leaf.astype(np.int64))
                true_child.append(trees.true_child.astype(np.int64) + start)
                false_child.append(trees.false_child.astype(np.int64) + start)
                value.append(np.where(is_leaf, trees.leaf_value, 0.0))
                self.depth = max(self.depth, depth(trees, trees.roots))
                start += trees.mode.size
        self.roots, self.sum_of, self.player = np.concatenate(roots), np.concatenate(sum_of), np.concatenate(player)
        self.is_leaf = np.concatenate(leaf).astype(np.bool_)
        self.true_child, self.false_child = np.concatenate(true_child), np.concatenate(false_child)
        self.value = np.concatenate(value).astype(np.float64)

    @property
    def n_bytes(self) -> int:
        """Memory that the arrays take."""
        return sum(part.nbytes for part in vars(self).values() if isinstance(part, np.ndarray))

    @property
    def tested(self) -> frozenset[int]:
        """Players that some branch asks about; no other player can change a sum through its trees."""
        return frozenset(self.player[self.player >= 0].tolist())

    def truth(self, matrices: Matrices, part: slice) -> NDArray[np.bool_]:
        """Whether each node's test holds for each row, as ONNX Runtime compares.

        Args:
            matrices: Column matrices of the rows.
            part: The n rows wanted, a slice with start and stop.

        Returns:
            bool, (t, n); False at leaves.
        """
        found = [_truth(term.trees, matrices(term.columns, _width(term.trees))[part]) for term in self._terms]
        return np.concatenate(found) if found else np.zeros((0, part.stop - part.start), dtype=np.bool_)

    def sums(self, truth: NDArray[np.bool_], count: int) -> NDArray[np.float64]:
        """What the trees add to each of the `count` sums, for n rows with the tests `truth`; float64, (count, n)."""
        n = truth.shape[1]
        found = np.zeros((count, n))
        row = np.arange(n)
        for begin in range(0, self.roots.size, _TREES_AT_ONCE):
            trees = slice(begin, begin + _TREES_AT_ONCE)
            at = np.repeat(self.roots[trees][:, None], n, axis=1)
            while not (leaf := self.is_leaf[at]).all():
                at = np.where(leaf, at, np.where(truth[at, row], self.true_child[at], self.false_child[at]))
            np.add.at(found, self.sum_of[trees], self.value[at])
        return found


def _width(trees: TreeEnsemble) -> int:
    return int(trees.column.max(initial=-1)) + 1


def _truth(trees: TreeEnsemble, matrix: Matrix) -> NDArray[np.bool_]:
    """Whether each node's test holds for each row of a matrix; bool, (t, n)."""
    from xaisvc.attribution.tree_branches import ask_all, branches_of  # noqa: PLC0415 (heavy: loaded when used)

    found = np.zeros((trees.mode.size, len(matrix)), dtype=np.bool_)
    ask_all(np.ascontiguousarray(compared(matrix).T), branches_of(trees), found)
    return found
