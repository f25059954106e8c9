"""Trees that no tables are made of: walked leaf by leaf for the rows and the background, exact like the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.linear import chunks
from xaisvc.types import TreeMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import TreeEnsemble

    Matrix = NDArray[np.float32] | NDArray[np.float64]

_MOST_CELLS = 8_000_000
"""Largest number of pattern cells, rows times levels of the deepest tree, held at once: 9 bytes each, 72 MB."""


class Walk:
    """Some trees of a term made ready to be walked; see `tree_kernel`. Safe to use from several threads.

    Background rows with the same pattern at a leaf count together. The cost is rows times leaves times distinct
    patterns; memory is bounded whatever the number of rows.

    Attributes:
        base: Mean of these trees over the background, in output units.
    """

    def __init__(
        self,
        trees: TreeEnsemble,
        roots: NDArray[np.int32],
        players: NDArray[np.int64],
        background: NDArray[np.float64],
    ) -> None:
        from xaisvc.attribution.tree_branches import branches_of  # noqa: PLC0415 (heavy: loaded when used)

        self._trees = trees
        self._roots = roots
        self._players = players
        self._depth = depth(trees, roots)
        self._branches = branches_of(trees)
        self._background = background
        nothing = np.zeros((0, background.shape[1]))
        self.base = self._run(nothing, np.zeros((0, 1 + int(players.max(initial=0)))))

    def add(self, rows: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Adds the attributions for a column matrix of n rows to `values`, float64, (n, p)."""
        self._run(rows, values)

    def _run(self, rows: NDArray[np.float64], values: NDArray[np.float64]) -> float:
        from xaisvc.attribution.tree_kernel import attribute_trees, weight_tables  # noqa: PLC0415 (heavy: loaded when used)

        trees = self._trees
        gain, loss = weight_tables()
        most = max(1, _MOST_CELLS // (self._depth + 2))
        count = len(self._background)
        total = 0.0
        for chunk in chunks(len(rows), most) if len(rows) else [slice(0, 0)]:
            found = np.zeros((chunk.stop - chunk.start, values.shape[1]))
            total = 0.0
            for part in chunks(count, most):
                total += attribute_trees(
                    rows[chunk],
                    self._background[part],
                    self._players,
                    self._roots,
                    self._branches,
                    trees.true_child,
                    trees.false_child,
                    trees.leaf_value,
                    self._depth,
                    gain,
                    loss,
                    found,
                )
            values[chunk] += found / count
        return total / count


def compared(matrix: Matrix) -> NDArray[np.float64]:
    """The numbers as ONNX Runtime compares them: double stays double, everything else is rounded to float32 first."""
    exact = matrix if matrix.dtype == np.float64 else matrix.astype(np.float32, copy=False)
    return np.ascontiguousarray(exact, dtype=np.float64)


def depth(trees: TreeEnsemble, roots: NDArray[np.int32]) -> int:
    """Branches on the longest path."""
    level = roots[trees.mode[roots] != TreeMode.LEAF]
    found = 0
    while level.size:
        found += 1
        below = np.unique(np.concatenate([trees.true_child[level], trees.false_child[level]]))
        level = below[trees.mode[below] != TreeMode.LEAF]
    return found


def most_players(trees: TreeEnsemble, players: NDArray[np.int64]) -> int:
    """Largest number of players tested on one path, or an upper bound of it that is small."""
    tested = trees.column[trees.column >= 0]
    bound = min(depth(trees, trees.roots), np.unique(players[tested]).size)
    small = 62
    if bound <= small:
        return int(bound)
    most = 0
    waiting: list[tuple[int, frozenset[int]]] = [(int(root), frozenset()) for root in trees.roots]
    while waiting:
        node, seen = waiting.pop()
        if trees.mode[node] == TreeMode.LEAF:
            most = max(most, len(seen))
            continue
        player = int(players[trees.column[node]])
        on_path = seen if player < 0 else seen | {player}
        waiting.extend((int(child), on_path) for child in (trees.true_child[node], trees.false_child[node]))
    return most
