"""Tree ensemble nodes of every ai.onnx.ml version, brought to one form: `types.TreeEnsemble` for one target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import UnsafeModelError
from xaisvc.graphs.forest import MalformedTreesError, UnreadTreesError, count_visits, join_chains, ordered
from xaisvc.graphs.graph import attributes, class_labels, int_attribute
from xaisvc.graphs.scores import PAIR, aggregate_function, always_scores, base_values
from xaisvc.graphs.tree_sets import read_sets, set_mode
from xaisvc.types import TreeEnsemble, TreeMode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

_MOST_VISITS = 2_000_000
"""Nodes visited when every path is walked, where shared subtrees make that more than there are nodes."""

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

    Chains of BRANCH_EQ nodes that are one test "value is one of a set" become one MEMBER node. Nodes may be shared.
    BRANCH_MEMBER nodes are read as ONNX Runtime routes them (see `tree_sets`).

    Args:
        node: The node; its aggregate function is SUM or AVERAGE.
        target: Class or target id, as the node counts them.

    Returns:
        The trees and the base value.

    Raises:
        UnsafeModelError: If the node's lists contradict each other; see `check_trees_of`.
        UnreadTreesError: If ONNX Runtime runs the trees, but not as this sum.
    """
    try:
        return _read_version_5(node, target) if node.op_type == "TreeEnsemble" else _read_lists(node, target)
    except MalformedTreesError as error:
        raise _unsafe(node, error) from error


def check_trees_of(node: NodeProto) -> None:
    """Checks the lists of a tree node without reading its weights.

    Raises:
        UnsafeModelError: If lists differ in length, a child, leaf or set does not exist, a node is its own ancestor, a
            path is far too long, a column is negative, or a node id occurs twice.
    """
    try:
        if node.op_type == "TreeEnsemble":
            _version_5_nodes(node)
        else:
            _, votes = _listed_nodes(node)
            votes.leaves()
    except MalformedTreesError as error:
        raise _unsafe(node, error) from error


def _unsafe(node: NodeProto, error: MalformedTreesError) -> UnsafeModelError:
    name = node.name or next((output for output in node.output if output), "")
    msg = f"holds a malformed tree ensemble in node '{name}': {error}; convert the model again"
    return UnsafeModelError(msg, file="model.onnx")


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


@dataclass(frozen=True, slots=True)
class _Votes:
    """The leaf weights of the list form, not yet matched with nodes."""

    places: _Places
    targets: Ints
    trees: Ints
    nodes: Ints
    weights: Floats

    def leaves(self) -> Ints:
        """Index of the node that each weight belongs to."""
        return self.places.find(self.trees, self.nodes)


def _listed_nodes(node: NodeProto) -> tuple[_Nodes, _Votes]:
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
    places = _Places(tree_ids, node_ids)
    is_branch = mode != TreeMode.LEAF
    true_child, false_child = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    true_child[is_branch] = places.find(tree_ids[is_branch], true_ids[is_branch])
    false_child[is_branch] = places.find(tree_ids[is_branch], false_ids[is_branch])
    tracks = _ints(lists, "nodes_missing_value_tracks_true")
    weights = _floats(lists, f"{prefix}_weights")
    ids, voters, votes = (_ints(lists, f"{prefix}_{name}") for name in ("ids", "treeids", "nodeids"))
    _require(ids.size == voters.size == votes.size == weights.size, "its lists of leaf weights differ in length")
    nodes = _Nodes(
        # ONNX Runtime starts each tree at the node that is listed first, whatever it is.
        roots=np.flatnonzero(np.diff(tree_ids, prepend=tree_ids[0] - 1)),
        column=column,
        mode=mode,
        threshold=threshold,
        true_child=true_child,
        false_child=false_child,
        missing_true=tracks == 1 if tracks.size == size else np.zeros(size, dtype=bool),
        levels=_levels(is_branch, true_child, false_child, column, tree_ids),
    )
    return nodes, _Votes(places, ids, voters, votes, weights)


def _read_lists(node: NodeProto, target: int) -> TreeSum:
    nodes, votes = _listed_nodes(node)
    tree_ids = _ints(attributes(node), "nodes_treeids")[nodes.roots]
    if np.unique(tree_ids).size != tree_ids.size:
        msg = f"the nodes of one tree of {node.op_type} do not stand together, so its trees cannot be told apart"
        raise UnreadTreesError(msg)
    chosen = votes.targets == target
    places, weights = votes.leaves()[chosen], votes.weights[chosen]
    at_leaf = nodes.mode[places] == TreeMode.LEAF
    leaves = places[at_leaf]
    if np.unique(leaves).size != leaves.size:
        msg = f"a leaf of {node.op_type} has two weights for the same target"
        raise UnreadTreesError(msg)
    value = np.zeros(nodes.mode.size)
    value[leaves] = weights[at_leaf]
    weighted = np.zeros(nodes.mode.size, dtype=bool)
    weighted[votes.leaves()] = True
    bare = (nodes.mode == TreeMode.LEAF) & ~weighted
    if _numbers_of(node) == 1 and nodes.threshold[bare].any():
        msg = f"ONNX Runtime takes the threshold of a leaf of {node.op_type} that has no weight for its weight"
        raise UnreadTreesError(msg)
    return _sum(node, target, _ensemble(nodes, value))


def _numbers_of(node: NodeProto) -> int:
    """How many sums a tree node has: its classes or targets."""
    if node.op_type == "TreeEnsembleClassifier":
        return len(class_labels(node))
    return int_attribute(node, "n_targets", 1)


def _version_5_nodes(node: NodeProto) -> _Nodes:
    """The form of ai.onnx.ml 5: branches and leaves in separate lists, thresholds and weights as tensors."""
    lists = attributes(node)
    column = _ints(lists, "nodes_featureids")
    numbers = _ints(lists, "nodes_modes")
    threshold = np.asarray(lists.get("nodes_splits", [])).ravel()
    true_ids, false_ids = _ints(lists, "nodes_truenodeids"), _ints(lists, "nodes_falsenodeids")
    true_leaf, false_leaf = _ints(lists, "nodes_trueleafs") == 1, _ints(lists, "nodes_falseleafs") == 1
    roots, targets = _ints(lists, "tree_roots"), _ints(lists, "leaf_targetids")
    branches, leaves = column.size, targets.size
    parts = (numbers, threshold, true_ids, false_ids, true_leaf, false_leaf)
    _require(
        branches > 0
        and leaves > 0
        and _floats(lists, "leaf_weights").size == leaves
        and all(part.size == branches for part in parts)
        and bool(((numbers >= 0) & (numbers < len(_MODES_BY_NUMBER))).all()),
        "its lists of nodes and leaves are empty, of different lengths or name an unknown mode",
    )
    for ids, is_leaf in ((true_ids, true_leaf), (false_ids, false_leaf)):
        fits = (ids >= 0) & (ids < np.where(is_leaf, leaves, branches))
        _require(bool(fits.all()), "a branch has a child that does not exist")
    _require(bool(((roots >= 0) & (roots < branches)).all()), "a root does not exist")
    true_child, false_child = (
        np.concatenate([np.where(is_leaf, ids + branches, ids), np.zeros(leaves, dtype=np.int64)])
        for ids, is_leaf in ((true_ids, true_leaf), (false_ids, false_leaf))
    )
    mode = np.concatenate([np.array(_MODES_BY_NUMBER)[numbers], np.zeros(leaves)]).astype(np.int8)
    tracks = _ints(lists, "nodes_missing_value_tracks_true")
    missing = np.zeros(branches + leaves, dtype=bool)
    missing[:branches] = tracks == 1 if tracks.size == branches else False
    column = np.concatenate([column, np.full(leaves, -1)])
    return _Nodes(
        roots=roots,
        column=column,
        mode=mode,
        threshold=np.concatenate([threshold, np.zeros(leaves, dtype=threshold.dtype)]),
        true_child=true_child,
        false_child=false_child,
        missing_true=missing,
        levels=_levels(mode != TreeMode.LEAF, true_child, false_child, column, None),
        sets=read_sets(mode, _floats(lists, "membership_values")),
    )


def _read_version_5(node: NodeProto, target: int) -> TreeSum:
    nodes = _version_5_nodes(node)
    lists = attributes(node)
    weights, targets = _floats(lists, "leaf_weights"), _ints(lists, "leaf_targetids")
    value = np.concatenate([np.zeros(nodes.mode.size - targets.size), np.where(targets == target, weights, 0.0)])
    return _sum(node, target, _ensemble(nodes, value))


def _levels(
    is_branch: NDArray[np.bool_], true_child: Ints, false_child: Ints, column: Ints, tree_ids: Ints | None
) -> list[Ints]:
    """The nodes in order, checked to go round in no circle."""
    _require(bool((column[is_branch] >= 0).all()), "a branch tests a negative column")
    levels, rest = ordered(is_branch, true_child, false_child)
    where = f"in tree {tree_ids[rest[0]]} " if rest.size and tree_ids is not None else ""
    _require(not rest.size, f"{where}a branch is its own ancestor")
    return levels


def _sum(node: NodeProto, target: int, trees: TreeEnsemble) -> TreeSum:
    base = base_values(node)
    constant = float(base[target]) if target < base.size else 0.0
    keeps_base = _numbers_of(node) == 1 or (node.op_type == "TreeEnsembleClassifier" and _numbers_of(node) > PAIR)
    if constant and not keeps_base and not always_scores(node, target):
        msg = (
            f"ONNX Runtime leaves the base value of {node.op_type} out for rows that get no leaf weight for the target"
        )
        raise UnreadTreesError(msg)
    if aggregate_function(node) != "AVERAGE":
        return TreeSum(constant, trees)
    averaged = replace(trees, leaf_value=trees.leaf_value / max(trees.roots.size, 1))
    return TreeSum(constant, averaged)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """Nodes as read, before they are known to form trees. Fields as in `TreeEnsemble`; `sets` as from `read_sets`."""

    roots: Ints
    column: Ints
    mode: NDArray[np.int8]
    threshold: NDArray[np.generic]
    true_child: Ints
    false_child: Ints
    missing_true: NDArray[np.bool_]
    levels: list[Ints]
    sets: Mapping[int, Floats] = field(default_factory=dict)


def _ensemble(nodes: _Nodes, leaf_value: Floats) -> TreeEnsemble:
    """Joins chains of equality tests and freezes the nodes."""
    is_branch = nodes.mode != TreeMode.LEAF
    mode, false_child = nodes.mode.copy(), nodes.false_child.copy()
    # A NaN never equals anything, so BRANCH_NEQ holds for it whatever the node says about missing values.
    missing = (nodes.missing_true | (mode == TreeMode.NEQ)) & is_branch
    members: dict[int, frozenset[float]] = {}
    for place, values in nodes.sets.items():
        mode[place], members[place] = set_mode(values), frozenset(values.tolist())
    chains = join_chains(nodes.column, nodes.mode, nodes.threshold, nodes.true_child, nodes.false_child)
    for first, (chain, equal) in chains.items():
        mode[first], members[first] = TreeMode.MEMBER, equal
        false_child[first] = nodes.false_child[chain[-1]]
        missing[first] = missing[chain].any()
    visits = count_visits(nodes.roots, nodes.levels, is_branch, nodes.true_child, false_child)
    if visits > max(_MOST_VISITS, mode.size):
        msg = f"the trees share so many subtrees that walking every path takes {visits:.2g} steps"
        raise UnreadTreesError(msg)
    exact = nodes.threshold.dtype == np.float64
    return TreeEnsemble(
        roots=nodes.roots.astype(np.int32),
        column=np.where(is_branch, nodes.column, -1).astype(np.int32),
        mode=mode,
        threshold=nodes.threshold.astype(np.float64) if exact else nodes.threshold.astype(np.float32),
        true_child=np.where(is_branch, nodes.true_child, 0).astype(np.int32),
        false_child=np.where(is_branch, false_child, 0).astype(np.int32),
        missing_true=missing,
        members=members,
        leaf_value=leaf_value,
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
        where = tree_ids[np.argmin(exists)] if exists.size else 0
        _require(bool(exists.all()), f"in tree {where} a branch has a child, or a weight a leaf, that does not exist")
        return self._order[place]


def _require(condition: bool, what: str) -> None:  # noqa: FBT001 (an assertion reads best this way)
    if not condition:
        raise MalformedTreesError(what)


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
