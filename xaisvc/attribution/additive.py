"""The value of an additive model, worked out by walking the trees: a second reading beside the exact methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import LinearTerm, TreeMode

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from xaisvc.types import AdditiveModel, Table, TreeEnsemble

_TREES_AT_ONCE = 64  # bounds memory at rows x trees
_COMPARE = {
    TreeMode.LEQ: np.less_equal,
    TreeMode.LT: np.less,
    TreeMode.GTE: np.greater_equal,
    TreeMode.GT: np.greater,
    TreeMode.EQ: np.equal,
    TreeMode.NEQ: np.not_equal,
}
_SETS = frozenset({TreeMode.MEMBER, TreeMode.WHOLE_MEMBER})


def additive_output(model: AdditiveModel, rows: Table) -> NDArray[np.float64]:
    """Computes f(x) = constant + sum over terms of term(x), row by row, without any background.

    The exact methods never walk a tree from the root for one row; this does nothing else. So a mistake in one of the
    two shows as a difference between them, and a mistake in reading the graph as a difference from the graph's answer.

    Args:
        model: The additive model.
        rows: n rows of raw features.

    Returns:
        float64, (n,), in the unit of the model.
    """
    total = np.full(len(rows), model.constant)
    for term in model.terms:
        columns = term.columns(rows)
        if isinstance(term, LinearTerm):
            total += columns[:, : len(term.weights)].astype(np.float64) @ term.weights
        else:
            for first in range(0, len(term.trees.roots), _TREES_AT_ONCE):
                some = term.trees.roots[first : first + _TREES_AT_ONCE]
                total += term.trees.leaf_value[leaves_reached(term.trees, some, columns)].sum(axis=1)
    return total


def additive_size(model: AdditiveModel, rows: Table) -> float:
    """How large the numbers are that a model adds: the largest sum of their absolute values over some rows.

    The model rounds in proportion to it, not to the sum, which may be small because terms cancel.

    Args:
        model: The additive model.
        rows: Rows of raw features, at least one.
    """
    total = np.full(len(rows), abs(model.constant))
    for term in model.terms:
        columns = term.columns(rows)
        if isinstance(term, LinearTerm):
            used = np.flatnonzero(term.weights)
            total += np.abs(columns[:, used].astype(np.float64)) @ np.abs(term.weights[used])
        else:
            total += np.abs(term.trees.leaf_value[leaves_reached(term.trees, term.trees.roots, columns)]).sum(axis=1)
    return float(total.max())


def leaves_reached(
    trees: TreeEnsemble, roots: NDArray[np.int32], columns: NDArray[np.float32] | NDArray[np.float64]
) -> NDArray[np.int64]:
    """The leaf that each row reaches in each of some trees; int64, (n, trees)."""
    at = np.broadcast_to(roots.astype(np.int64), (len(columns), len(roots))).copy()
    row = np.arange(len(columns))[:, None]
    kinds = {TreeMode(kind) for kind in np.unique(trees.mode).tolist()}
    while True:
        inner = trees.mode[at] != TreeMode.LEAF
        if not inner.any():
            return at
        values = columns[row, np.maximum(trees.column[at], 0)]
        truth = _holds(trees, at, values, kinds)
        at = np.where(inner, np.where(truth, trees.true_child[at], trees.false_child[at]), at)


def _holds(
    trees: TreeEnsemble,
    at: NDArray[np.int64],
    values: NDArray[np.float32] | NDArray[np.float64],
    kinds: AbstractSet[TreeMode],
) -> NDArray[np.bool_]:
    """Whether each row passes the test of the node it stands at; bool, shape of `at`. `kinds` are all that occur."""
    mode, threshold = trees.mode[at], trees.threshold[at]
    truth = np.zeros(at.shape, dtype=np.bool_)
    for kind in kinds & _COMPARE.keys():
        truth |= (mode == kind) & _COMPARE[kind](values, threshold)
    for kind in kinds & _SETS:
        for node in np.unique(at[mode == kind]):
            here = at == node
            asked = np.trunc(values[here]) if kind == TreeMode.WHOLE_MEMBER else values[here]
            truth[here] = np.isin(asked, list(trees.members[int(node)]))
    return np.where(np.isnan(values), trees.missing_true[at], truth)
