from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from tests.unit.graphs.hand_made import Grove, graph, matrix_graph, run, stump, version_5, walk
from xaisvc.errors import UnsafeModelError
from xaisvc.graphs.trees import TreeSum, join_trees, read_trees

# ONNX Runtime adds up to eight float32 leaves of size 1 to 3: each sum is rounded to 6e-8 of its size.
ROUNDING = 2e-6


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE"])
def test_every_mode_and_order_of_nodes_is_routed_as_onnx_runtime_does(seed: int, aggregate: str) -> None:
    grove = Grove(seed, targets=2)
    node = grove.regressor(aggregate_function=aggregate, base_values=[0.25, -1.5])
    x = grove.rows(60)
    answers = run(matrix_graph([node], grove.width, ["Y"]), x, "Y")

    for target in range(2):
        assert walk(read_trees(node, target), x) == pytest.approx(answers[:, target], abs=ROUNDING)


def test_double_models_keep_their_thresholds() -> None:
    grove = Grove(1)
    node = grove.regressor(double=True)
    x = grove.rows(60).astype(np.float64)
    answers = run(graph([node], {"X": (TensorProto.DOUBLE, [None, grove.width])}, ["Y"]), x, "Y")
    found = read_trees(node, 0)

    assert found.trees.threshold.dtype == np.float64
    assert walk(found, x) == pytest.approx(answers[:, 0], abs=ROUNDING)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("aggregate", [0, 1])
def test_version_5_with_sets_and_a_tree_of_one_leaf(double: bool, aggregate: int) -> None:  # noqa: FBT001  a parameter
    node = version_5(double=double, aggregate=aggregate)
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    x = np.array([[1, 0], [4, 1], [2, 0.5], [2, 0.6], [np.nan, 0], [2, np.nan]])
    x = x if double else x.astype(np.float32)
    answers = run(graph([node], {"X": (kind, [None, 2])}, ["Y"], ml_version=5), x, "Y")

    for target in range(2):
        assert walk(read_trees(node, target), x) == pytest.approx(answers[:, target], abs=ROUNDING)


def test_ensembles_are_joined_into_their_sum() -> None:
    groves = [Grove(seed) for seed in range(3)]
    sums = [read_trees(grove.regressor(), 0) for grove in groves]
    sums.append(read_trees(version_5(), 0))
    joined = TreeSum(0.0, join_trees([part.trees for part in sums]))
    x = groves[0].rows(40)

    assert walk(joined, x) == pytest.approx(sum(walk(part, x) for part in sums), abs=1e-12)


def changed(node: NodeProto, **lists: Any) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    kept = [attribute for attribute in node.attribute if attribute.name not in lists]
    del copy.attribute[:]
    copy.attribute.extend(kept)
    copy.attribute.extend(helper.make_attribute(name, value) for name, value in lists.items())
    return copy


MIXED = stump([-0.4, 0.3], [0], 2)


@pytest.mark.parametrize(
    ("lists", "complaint"),
    [
        ({"nodes_truenodeids": [7, 0, 0]}, "does not exist"),
        ({"nodes_truenodeids": [0, 0, 0]}, "a root is the child of a branch"),
        ({"nodes_truenodeids": [1, 0]}, "different lengths"),
        ({"nodes_values": [1.0]}, "another number of thresholds"),
        ({"nodes_modes": ["BRANCH_LEQ", "LEAF", "TWIG"]}, "unknown mode"),
        ({"nodes_featureids": [-1, 0, 0]}, "negative column"),
        ({"nodes_nodeids": [0, 1, 1]}, "occurs twice"),
        ({"nodes_nodeids": [0, 1, -1]}, "negative or far too large"),
        ({"nodes_treeids": [0, 1, 0]}, "do not stand together"),
        ({"class_nodeids": [1, 9]}, "does not exist"),
        ({"class_nodeids": [1, 1]}, "two weights"),
        ({"class_weights": [0.5]}, "differ in length"),
    ],
)
def test_malformed_lists_are_refused(lists: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnsafeModelError, match=complaint):
        read_trees(changed(MIXED, **lists), 0)


def test_a_branch_with_two_parents_is_refused() -> None:
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0] * 4,
        nodes_nodeids=[0, 1, 2, 3],
        nodes_featureids=[0] * 4,
        nodes_values=[0.0] * 4,
        nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
        nodes_truenodeids=[1, 2, 1, 0],
        nodes_falsenodeids=[3, 3, 3, 0],
        target_treeids=[0],
        target_nodeids=[3],
        target_ids=[0],
        target_weights=[1.0],
    )

    with pytest.raises(UnsafeModelError, match="two parents or is its own ancestor"):
        read_trees(node, 0)


@pytest.mark.parametrize(
    ("lists", "complaint"),
    [
        ({"nodes_trueleafs": [1, 1]}, "different lengths"),
        ({"nodes_truenodeids": [9, 1, 3]}, "a child that does not exist"),
        ({"tree_roots": [5]}, "a root does not exist"),
        ({"membership_values": helper.make_tensor("b", TensorProto.FLOAT, [0], [])}, "fewer sets"),
    ],
)
def test_malformed_version_5_lists_are_refused(lists: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnsafeModelError, match=complaint):
        read_trees(changed(version_5(), **lists), 0)
