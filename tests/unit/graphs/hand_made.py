"""Small ONNX graphs written node by node, and what ONNX Runtime answers for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

from xaisvc.types import TreeMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.graphs.trees import TreeSum

ML = "ai.onnx.ml"
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


def graph(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, tuple[int, Sequence[int | None]]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    ml_version: int = 3,
) -> bytes:
    """A model of the given nodes. Output types are left for ONNX Runtime to infer."""
    made = helper.make_graph(
        list(nodes),
        "hand_made",
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, (kind, shape) in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(ML, ml_version)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString()


def matrix_graph(
    nodes: Sequence[NodeProto], width: int, outputs: Sequence[str], constants: Mapping[str, Any] | None = None
) -> bytes:
    """A model of one float matrix X."""
    return graph(nodes, {"X": (TensorProto.FLOAT, [None, width])}, outputs, constants)


def run(model: bytes, feeds: Mapping[str, NDArray[Any]] | NDArray[Any], tensor: str) -> NDArray[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    named = feeds if not isinstance(feeds, np.ndarray) else {session.get_inputs()[0].name: feeds}
    return session.run([tensor], dict(named))[0]


def stump(weights: Sequence[float], ids: Sequence[int], labels: int, **more: Any) -> NodeProto:
    """A classifier of one tree, X[:, 0] <= 1; the weights of the true leaf come first, one per class id."""
    return helper.make_node(
        "TreeEnsembleClassifier",
        ["X"],
        ["label", "scores"],
        domain=ML,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_values=[1.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        class_treeids=[0] * (2 * len(ids)),
        class_nodeids=[1] * len(ids) + [2] * len(ids),
        class_ids=list(ids) * 2,
        class_weights=list(weights),
        classlabels_int64s=list(range(labels)),
        **more,
    )


class Grove:
    """Random trees with every branch mode, in the order of nodes that a seed gives.

    Attributes:
        nodes: Per node: tree id, node id, column, threshold, mode, true id, false id, missing goes to true.
        leaves: Per leaf: tree id, node id, target, weight.
    """

    def __init__(self, seed: int, *, trees: int = 4, depth: int = 4, width: int = 4, targets: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        self.width, self.targets = width, targets
        self.nodes: list[tuple[int, int, int, float, str, int, int, int]] = []
        self.leaves: list[tuple[int, int, int, float]] = []
        for tree in range(trees):
            grown: list[list[Any]] = []
            self._grow(grown, depth)
            # Node ids in any order, tree ids with gaps, the root first: all of it is allowed.
            ids = self._rng.permutation(len(grown))
            rest = list(self._rng.permutation(np.arange(1, len(grown))))
            for i in [0, *rest]:
                column, threshold, mode, true, false, missing = grown[i]
                own = (10 - 3 * tree, int(ids[i]), column, threshold, mode)
                self.nodes.append((*own, int(ids[true]), int(ids[false]), missing))
                if mode == "LEAF":
                    for target in range(targets):
                        weight = float(np.float32(self._rng.normal()))
                        self.leaves.append((10 - 3 * tree, int(ids[i]), target, weight))

    def _grow(self, grown: list[list[Any]], depth: int) -> int:
        place = len(grown)
        grown.append([0, 0.0, "LEAF", 0, 0, 0])
        if depth and self._rng.random() < 0.85:
            mode = MODES[self._rng.integers(len(MODES))]
            threshold = float(self._rng.integers(-2, 3)) / 2
            true, false = self._grow(grown, depth - 1), self._grow(grown, depth - 1)
            column, missing = int(self._rng.integers(self.width)), int(self._rng.integers(2))
            grown[place] = [column, threshold, mode, true, false, missing]
        return place

    def regressor(self, *, double: bool = False, **more: Any) -> NodeProto:
        """A TreeEnsembleRegressor of these trees."""
        columns = list(zip(*self.nodes, strict=True))
        votes = list(zip(*self.leaves, strict=True))
        if double:
            exact = TensorProto.DOUBLE
            values: dict[str, Any] = {
                "nodes_values_as_tensor": helper.make_tensor("v", exact, [len(columns[3])], columns[3]),
                "target_weights_as_tensor": helper.make_tensor("w", exact, [len(votes[3])], votes[3]),
            }
        else:
            values = {"nodes_values": columns[3], "target_weights": votes[3]}
        return helper.make_node(
            "TreeEnsembleRegressor",
            ["X"],
            ["Y"],
            domain=ML,
            n_targets=self.targets,
            nodes_treeids=columns[0],
            nodes_nodeids=columns[1],
            nodes_featureids=columns[2],
            nodes_modes=columns[4],
            nodes_truenodeids=columns[5],
            nodes_falsenodeids=columns[6],
            nodes_missing_value_tracks_true=columns[7],
            target_treeids=votes[0],
            target_nodeids=votes[1],
            target_ids=votes[2],
            **values,
            **more,
        )

    def rows(self, count: int, *, missing: float = 0.2) -> NDArray[np.float32]:
        """Rows that often sit on thresholds, some values missing."""
        x = self._rng.integers(-3, 4, size=(count, self.width)) / 2
        x[self._rng.random(x.shape) < missing] = np.nan
        return x.astype(np.float32)


def version_5(  # noqa: PLR0913  one helper for every kind of node
    *,
    double: bool = False,
    aggregate: int = 1,
    transform: int = 0,
    targets: int = 2,
    member: bool = False,
    members: Sequence[float] = (1.0, 4.0),
) -> NodeProto:
    """A TreeEnsemble of ai.onnx.ml 5: a tree with a set test over a LEQ test, and a tree of one leaf.

    Tree 0: X0 in {1, 4} ? leaf 0 : (X1 <= 0.5 ? leaf 1 : leaf 2); tree 1: leaf 3 on both sides. The set is a chain of
    two equality tests that share their true leaf, or one BRANCH_MEMBER test of `members` if `member`.
    """
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    return helper.make_node(
        "TreeEnsemble",
        ["X"],
        ["Y"],
        domain=ML,
        n_targets=targets,
        aggregate_function=aggregate,
        post_transform=transform,
        tree_roots=[0, 3],
        nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [4], [6 if member else 4, 4, 0, 0]),
        nodes_featureids=[0, 0, 1, 0],
        nodes_splits=helper.make_tensor("s", kind, [4], [1.0, 4.0, 0.5, 0.0]),
        nodes_truenodeids=[0, 0, 1, 3],
        nodes_trueleafs=[1, 1, 1, 1],
        nodes_falsenodeids=[2 if member else 1, 2, 2, 3],
        nodes_falseleafs=[0, 0, 1, 1],
        nodes_missing_value_tracks_true=[0, 0, 1, 0],
        leaf_targetids=[0, targets - 1, 0, 0],
        leaf_weights=helper.make_tensor("w", kind, [4], [1.0, 2.0, -3.0, 0.5]),
        membership_values=helper.make_tensor("b", kind, [len(members) + 1], [*members, np.nan]),
    )


def walk(sum_: TreeSum, x: NDArray[Any]) -> NDArray[np.float64]:
    """The trees followed node by node, one row at a time, in the dtype of the row."""
    trees = sum_.trees
    found = np.full(len(x), sum_.constant)
    tests: dict[int, Callable[[Any, Any], Any]] = {
        TreeMode.LEQ: lambda a, t: a <= t,
        TreeMode.LT: lambda a, t: a < t,
        TreeMode.GTE: lambda a, t: a >= t,
        TreeMode.GT: lambda a, t: a > t,
        TreeMode.EQ: lambda a, t: a == t,
        TreeMode.NEQ: lambda a, t: a != t,
    }
    for root in trees.roots:
        for i, row in enumerate(x):
            node = int(root)
            while trees.mode[node] != TreeMode.LEAF:
                value, mode = row[trees.column[node]], trees.mode[node]
                if np.isnan(value):
                    holds = trees.missing_true[node]
                elif mode == TreeMode.MEMBER:
                    holds = float(value) in trees.members[node]
                elif mode == TreeMode.WHOLE_MEMBER:
                    holds = float(np.trunc(value)) in trees.members[node]
                else:
                    holds = tests[int(mode)](value, trees.threshold[node])
                node = int(trees.true_child[node] if holds else trees.false_child[node])
            found[i] += trees.leaf_value[node]
    return found
