"""Tree ensemble nodes of every ai.onnx.ml version, brought to one form: `types.TreeEnsemble` for one target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import UnsafeModelError
from xaisvc.graphs.graph import attributes
from xaisvc.graphs.scores import aggregate_function, base_values
from xaisvc.types import TreeEnsemble, TreeMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from onnx import NodeProto

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_MODES = {
    "LEAF": TreeMode.LEAF,
    "BRANCH_LEQ": TreeMode.LEQ,
    "BRANCH_LT": TreeMode.LT,
    "BRANCH_GTE": TreeMode.GTE,
    "BRANCH_GT": TreeMode.GT,
    "BRANCH_EQ": TreeMode.EQ,
    "BRANCH_NEQ": TreeMode.NEQ,
}
_MODES_BY_NUMBER = (TreeMode.LEQ, TreeMode.LT, TreeMode.GTE, TreeMode.GT, TreeMode.EQ, TreeMode.NEQ, TreeMode.MEMBER)


_ID_LIMIT = 2**31
"""Node ids are below this; ONNX Runtime keeps them in 32 bits."""


@dataclass(frozen=True, slots=True)
class TreeSum:
    """One target of a tree node: `constant + sum over trees of the leaf reached`.

    Attributes:
        constant: Base value of the target.
        trees: The trees; leaf values in output units (divided by the number of trees for AVERAGE).
    """

    constant: float
    trees: TreeEnsemble


def read_trees(node: NodeProto, target: int) -> TreeSum:
    """Reads one target of a TreeEnsembleClassifier, TreeEnsembleRegressor or TreeEnsemble node.

    Args:
        node: The node; its aggregate function is SUM or AVERAGE.
        target: Class or target id, as the node counts them.

    Returns:
        The trees and the base value.

    Raises:
        UnsafeModelError: If the node's lists contradict each other: different lengths, a child that does not exist, a
            node with two parents, a root that is a child, a negative column.
    """
    if node.op_type == "TreeEnsemble":
        return _read_version_5(node, target)
    return _read_lists(node, target)


def join_trees(ensembles: Sequence[TreeEnsemble]) -> TreeEnsemble:
    """Several ensembles over the same columns as one: the sum of their outputs."""
    if len(ensembles) == 1:
        return ensembles[0]
    starts = np.cumsum([0, *(part.mode.size for part in ensembles)])[:-1].tolist()
    placed = list(zip(starts, ensembles, strict=True))
    return TreeEnsemble(
        roots=np.concatenate([part.roots + np.int32(start) for start, part in placed]),
        column=np.concatenate([part.column for part in ensembles]),
        mode=np.concatenate([part.mode for part in ensembles]),
        threshold=np.concatenate([part.threshold for part in ensembles]),
        true_child=np.concatenate([part.true_child + np.int32(start) for start, part in placed]),
        false_child=np.concatenate([part.false_child + np.int32(start) for start, part in placed]),
        missing_true=np.concatenate([part.missing_true for part in ensembles]),
        members={start + node: values for start, part in placed for node, values in part.members.items()},
        leaf_value=np.concatenate([part.leaf_value for part in ensembles]),
    )


def _read_lists(node: NodeProto, target: int) -> TreeSum:
    """The form of ai.onnx.ml 1 to 3: one list entry per node, leaves among them, votes in separate lists."""
    lists = attributes(node)
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    tree_ids, node_ids = _ints(lists, "nodes_treeids"), _ints(lists, "nodes_nodeids")
    column, modes = _ints(lists, "nodes_featureids"), _list(lists, "nodes_modes")
    size = tree_ids.size
    threshold = _thresholds(lists, size)
    true_ids, false_ids = _ints(lists, "nodes_truenodeids"), _ints(lists, "nodes_falsenodeids")
    _require(
        size > 0
        and all(part.size == size for part in (node_ids, column, true_ids, false_ids))
        and len(modes) == size
        and all(mode in _MODES for mode in modes),
        "its lists of nodes are empty, of different lengths or name an unknown mode",
    )
    mode = np.array([_MODES[str(name)] for name in modes], dtype=np.int8)
    starts = np.flatnonzero(np.diff(tree_ids, prepend=tree_ids[0] - 1))
    _require(np.unique(tree_ids[starts]).size == starts.size, "the nodes of one tree do not stand together")
    places = _Places(tree_ids, node_ids)
    is_branch = mode != TreeMode.LEAF
    true_child, false_child = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.int32)
    true_child[is_branch] = places.find(tree_ids[is_branch], true_ids[is_branch])
    false_child[is_branch] = places.find(tree_ids[is_branch], false_ids[is_branch])
    tracks = _ints(lists, "nodes_missing_value_tracks_true")
    missing = tracks == 1 if tracks.size == size else np.zeros(size, dtype=bool)

    weights = _floats(lists, f"{prefix}_weights")
    ids, voters, votes = (_ints(lists, f"{prefix}_{name}") for name in ("ids", "treeids", "nodeids"))
    _require(ids.size == voters.size == votes.size == weights.size, "its lists of leaf weights differ in length")
    chosen = ids == target
    leaves = places.find(voters[chosen], votes[chosen])
    at_leaf = mode[leaves] == TreeMode.LEAF
    _require(np.unique(leaves[at_leaf]).size == at_leaf.sum(), "a leaf has two weights for the same target")
    value = np.zeros(size)
    value[leaves[at_leaf]] = weights[chosen][at_leaf]
    nodes = _Nodes(
        roots=starts,
        column=column,
        mode=mode,
        threshold=threshold,
        true_child=true_child,
        false_child=false_child,
        missing_true=missing,
        members={},
        leaf_value=value,
    )
    return _sum(node, target, _ensemble(nodes))


def _read_version_5(node: NodeProto, target: int) -> TreeSum:
    """The form of ai.onnx.ml 5: branches and leaves in separate lists, thresholds and weights as tensors."""
    lists = attributes(node)
    column = _ints(lists, "nodes_featureids")
    numbers = _ints(lists, "nodes_modes")
    threshold = np.asarray(lists.get("nodes_splits", []))
    true_ids, false_ids = _ints(lists, "nodes_truenodeids"), _ints(lists, "nodes_falsenodeids")
    true_leaf, false_leaf = _ints(lists, "nodes_trueleafs") == 1, _ints(lists, "nodes_falseleafs") == 1
    roots, targets = _ints(lists, "tree_roots"), _ints(lists, "leaf_targetids")
    weights = _floats(lists, "leaf_weights")
    branches, leaves = column.size, targets.size
    parts = (numbers, threshold, true_ids, false_ids, true_leaf, false_leaf)
    _require(
        branches > 0
        and leaves > 0
        and weights.size == leaves
        and all(part.size == branches for part in parts)
        and bool(((numbers >= 0) & (numbers < len(_MODES_BY_NUMBER))).all()),
        "its lists of nodes and leaves are empty, of different lengths or name an unknown mode",
    )
    for ids, is_leaf in ((true_ids, true_leaf), (false_ids, false_leaf)):
        fits = (ids >= 0) & (ids < np.where(is_leaf, leaves, branches))
        _require(bool(fits.all()), "a branch has a child that does not exist")
    _require(bool(((roots >= 0) & (roots < branches)).all()), "a root does not exist")
    children = tuple(
        np.concatenate([np.where(is_leaf, ids + branches, ids), np.zeros(leaves, dtype=np.int64)]).astype(np.int32)
        for ids, is_leaf in ((true_ids, true_leaf), (false_ids, false_leaf))
    )
    mode = np.concatenate([np.array(_MODES_BY_NUMBER)[numbers], np.zeros(leaves)]).astype(np.int8)
    tracks = _ints(lists, "nodes_missing_value_tracks_true")
    missing = np.zeros(branches + leaves, dtype=bool)
    missing[:branches] = tracks == 1 if tracks.size == branches else False
    nodes = _Nodes(
        roots=roots,
        column=np.concatenate([column, np.full(leaves, -1)]),
        mode=mode,
        threshold=np.concatenate([threshold, np.zeros(leaves, dtype=threshold.dtype)]),
        true_child=children[0],
        false_child=children[1],
        missing_true=missing,
        members=_members(_floats(lists, "membership_values"), np.flatnonzero(mode == TreeMode.MEMBER)),
        leaf_value=np.concatenate([np.zeros(branches), np.where(targets == target, weights, 0.0)]),
    )
    return _sum(node, target, _ensemble(nodes))


def _members(values: Floats, nodes: Ints) -> dict[int, frozenset[float]]:
    """The sets of the MEMBER branches: values in the order of the branches, each set ended by a NaN."""
    ends = np.flatnonzero(np.isnan(values))
    if values.size and (not ends.size or ends[-1] != values.size - 1):
        ends = np.append(ends, values.size)
    _require(ends.size >= nodes.size, "membership_values has fewer sets than there are BRANCH_MEMBER nodes")
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    return {
        int(node): frozenset(values[start:end].tolist()) for node, start, end in zip(nodes, starts, ends, strict=False)
    }


def _sum(node: NodeProto, target: int, trees: TreeEnsemble) -> TreeSum:
    base = base_values(node)
    constant = float(base[target]) if target < base.size else 0.0
    if aggregate_function(node) != "AVERAGE":
        return TreeSum(constant, trees)
    averaged = replace(trees, leaf_value=trees.leaf_value / max(trees.roots.size, 1))
    return TreeSum(constant, averaged)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """Nodes as read, before they are known to form trees. Fields as in `TreeEnsemble`."""

    roots: Ints
    column: Ints
    mode: NDArray[np.int8]
    threshold: NDArray[np.generic]
    true_child: NDArray[np.int32]
    false_child: NDArray[np.int32]
    missing_true: NDArray[np.bool_]
    members: dict[int, frozenset[float]]
    leaf_value: Floats


def _ensemble(nodes: _Nodes) -> TreeEnsemble:
    """Checks that the nodes form trees, and freezes them."""
    is_branch = nodes.mode != TreeMode.LEAF
    _require(bool((nodes.column[is_branch] >= 0).all()), "a branch tests a negative column")
    reached = np.concatenate([nodes.true_child[is_branch], nodes.false_child[is_branch]])
    inner = reached[is_branch[reached]]
    # No branch has two parents and no root has one, so what the roots reach are trees: nothing can go round in circles.
    _require(np.unique(inner).size == inner.size, "a branch has two parents or is its own ancestor")
    _require(not np.isin(nodes.roots, inner).any(), "a root is the child of a branch")
    exact = nodes.threshold.dtype == np.float64
    return TreeEnsemble(
        roots=nodes.roots.astype(np.int32),
        column=np.where(is_branch, nodes.column, -1).astype(np.int32),
        mode=nodes.mode,
        threshold=nodes.threshold.astype(np.float64) if exact else nodes.threshold.astype(np.float32),
        true_child=np.where(is_branch, nodes.true_child, 0).astype(np.int32),
        false_child=np.where(is_branch, nodes.false_child, 0).astype(np.int32),
        # A NaN never equals anything, so BRANCH_NEQ holds for it whatever the node says about missing values.
        missing_true=(nodes.missing_true | (nodes.mode == TreeMode.NEQ)) & is_branch,
        members=nodes.members,
        leaf_value=nodes.leaf_value,
    )


class _Places:
    """Finds nodes by (tree id, node id)."""

    def __init__(self, tree_ids: Ints, node_ids: Ints) -> None:
        _require(bool(((node_ids >= 0) & (node_ids < _ID_LIMIT)).all()), "a node id is negative or far too large")
        self._trees = np.unique(tree_ids)
        keys = np.searchsorted(self._trees, tree_ids) * _ID_LIMIT + node_ids
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        _require(not (np.diff(self._keys) == 0).any(), "a node id occurs twice in one tree")

    def find(self, tree_ids: Ints, node_ids: Ints) -> Ints:
        """Index of each node in the node's own lists."""
        rank = np.minimum(np.searchsorted(self._trees, tree_ids), self._trees.size - 1)
        exists = (self._trees[rank] == tree_ids) & (node_ids >= 0) & (node_ids < _ID_LIMIT)
        keys = rank * _ID_LIMIT + np.where(exists, node_ids, 0)
        place = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        exists &= self._keys[place] == keys
        _require(bool(exists.all()), "a branch has a child, or a weight a leaf, that does not exist")
        return self._order[place]


def _require(condition: bool, what: str) -> None:  # noqa: FBT001 (an assertion reads best this way)
    if not condition:
        msg = f"holds a malformed tree ensemble: {what}; convert the model again"
        raise UnsafeModelError(msg, file="model.onnx")


def _list(lists: dict[str, object], name: str) -> list[object]:
    found = lists.get(name, [])
    return list(found) if isinstance(found, list) else []


def _ints(lists: dict[str, object], name: str) -> Ints:
    found = lists.get(name, [])
    return np.asarray(found).astype(np.int64).ravel()


def _floats(lists: dict[str, object], name: str) -> Floats:
    """A list of numbers, or its `_as_tensor` form, as float64. A float32 attribute keeps its value exactly."""
    exact = lists.get(f"{name}_as_tensor")
    return np.asarray(lists.get(name, []) if exact is None else exact, dtype=np.float64).ravel()


def _thresholds(lists: dict[str, object], size: int) -> NDArray[np.generic]:
    exact = lists.get("nodes_values_as_tensor")
    values = np.asarray(lists.get("nodes_values", []), dtype=np.float32) if exact is None else np.asarray(exact).ravel()
    _require(values.size == size, "it has another number of thresholds than nodes")
    return values
