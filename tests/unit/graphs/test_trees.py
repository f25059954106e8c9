from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from tests.unit.graphs.hand_made import ML, Grove, graph, matrix_graph, run, stump, version_5, walk
from xaisvc.errors import UnsafeModelError
from xaisvc.graphs.forest import UnreadTreesError
from xaisvc.graphs.trees import TreeSum, join_trees, read_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        ({"nodes_truenodeids": [0, 0, 0]}, "node 'label': in tree 0 a branch is its own ancestor"),
        ({"nodes_truenodeids": [1, 0]}, "different lengths"),
        ({"nodes_values": [1.0]}, "another number of thresholds"),
        ({"nodes_modes": ["BRANCH_LEQ", "LEAF", "TWIG"]}, "unknown mode"),
        ({"nodes_featureids": [-1, 0, 0]}, "negative column"),
        ({"nodes_nodeids": [0, 1, 1]}, "occurs twice"),
        ({"nodes_nodeids": [0, 1, -1]}, "negative or far too large"),
        ({"class_nodeids": [1, 9]}, "does not exist"),
        ({"class_weights": [0.5]}, "differ in length"),
    ],
)
def test_malformed_lists_are_refused(lists: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnsafeModelError, match=complaint):
        read_trees(changed(MIXED, **lists), 0)


def test_branches_that_go_round_in_circles_are_refused() -> None:
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

    with pytest.raises(UnsafeModelError, match="in tree 0 a branch is its own ancestor"):
        read_trees(node, 0)


@pytest.mark.parametrize(
    ("lists", "complaint"),
    [
        ({"nodes_trueleafs": [1, 1]}, "different lengths"),
        ({"nodes_truenodeids": [9, 0, 1, 3]}, "a child that does not exist"),
        ({"nodes_falsenodeids": [1, 0, 2, 3]}, "a branch is its own ancestor"),
        ({"tree_roots": [5]}, "a root does not exist"),
        ({"membership_values": helper.make_tensor("b", TensorProto.FLOAT, [0], [])}, "fewer sets"),
    ],
)
def test_malformed_version_5_lists_are_refused(lists: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnsafeModelError, match=complaint):
        read_trees(changed(version_5(member="membership_values" in lists), **lists), 0)


def listed(
    modes: str, values: Sequence[float], true: Sequence[int], false: Sequence[int], votes: Sequence[Any], **more: Any
) -> NodeProto:
    """A regressor of one tree over X[:, 0]; modes are e, l or . for a leaf, votes are (node, target, weight)."""
    names = {"e": "BRANCH_EQ", "l": "BRANCH_LEQ", ".": "LEAF"}
    places, targets, weights = zip(*votes, strict=True)
    lists = {
        "nodes_treeids": [0] * len(modes),
        "nodes_nodeids": list(range(len(modes))),
        "nodes_featureids": [0] * len(modes),
        "nodes_values": [float(value) for value in values],
        "nodes_modes": [names[mode] for mode in modes],
        "nodes_truenodeids": true,
        "nodes_falsenodeids": false,
        "target_treeids": [0] * len(places),
        "target_nodeids": places,
        "target_ids": targets,
        "target_weights": weights,
        "n_targets": 1,
    }
    return helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, **(lists | more))


@pytest.mark.parametrize("missing", [[0] * 8, [0, 0, 1, 0, 0, 0, 0, 0]], ids=["NaN to false", "NaN to true"])
def test_chains_of_equality_tests_over_a_shared_subtree_become_one_set(missing: list[int]) -> None:
    # Is X0 one of {3, 0.5, 40}? If so: X0 <= 1 ? 1 : 2, else 3.
    true, false = [4, 4, 4, 0, 5, 0, 0, 0], [1, 2, 3, 0, 6, 0, 0, 0]
    votes = [(5, 0, 1.0), (6, 0, 2.0), (3, 0, 3.0)]
    values = [3.0, 0.5, 40.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    node = listed("eee.l...", values, true, false, votes, nodes_missing_value_tracks_true=missing)
    x = np.array([[3], [0.5], [40], [3.5], [0.9], [40.5], [0], [np.nan]], dtype=np.float32)
    found = read_trees(node, 0)

    assert found.trees.members == {0: frozenset({3.0, 0.5, 40.0})}
    assert walk(found, x) == pytest.approx(run(matrix_graph([node], 1, ["Y"]), x, "Y").ravel(), abs=ROUNDING)


def test_a_shared_subtree_behind_other_tests_is_walked_once_per_path() -> None:
    # Nodes 0 and 1 share node 3: X0 <= -1 or X0 <= 1 ? (X0 <= -2 ? 2 : 3) : 1.
    node = listed(
        "ll.l..", [-1, 1, 0, -2, 0, 0], [3, 3, 0, 4, 0, 0], [1, 2, 0, 5, 0, 0], [(2, 0, 1.0), (4, 0, 2.0), (5, 0, 3.0)]
    )
    x = np.array([[-3], [-1.5], [0], [6]], dtype=np.float32)

    assert walk(read_trees(node, 0), x) == pytest.approx([2, 3, 3, 1])
    assert run(matrix_graph([node], 1, ["Y"]), x, "Y").ravel() == pytest.approx([2, 3, 3, 1])


def test_sharing_that_multiplies_paths_without_end_is_not_read() -> None:
    levels = 40  # 2 ** 40 paths through 40 branches whose two children are the next one
    after = [*range(1, levels + 1), 0]
    node = listed("l" * levels + ".", [float(i) for i in range(levels + 1)], after, after, [(levels, 0, 1.0)])

    with pytest.raises(UnreadTreesError, match="share so many subtrees"):
        read_trees(node, 0)


def test_the_first_listed_node_is_the_root_as_in_onnx_runtime() -> None:
    # The second node is nobody's child, but ONNX Runtime starts at the first, which is a leaf.
    node = listed(".l.", [0, 0, 0], [0, 0, 0], [0, 2, 0], [(0, 0, 4.0), (2, 0, 1.0)])
    x = np.array([[-1], [1]], dtype=np.float32)
    answers = run(matrix_graph([node], 1, ["Y"]), x, "Y").ravel()

    assert answers == pytest.approx([4, 4])
    assert walk(read_trees(node, 0), x) == pytest.approx(answers)


SPLIT: tuple[Any, ...] = ([0.0, 0.0, 7.0], [1, 0, 0], [2, 0, 0])
UNREAD: dict[str, tuple[NodeProto, str]] = {
    "a base that ONNX Runtime drops": (
        listed("l..", *SPLIT, [(1, 0, 1.0), (1, 1, 2.0), (2, 1, 3.0)], n_targets=2, base_values=[10.0, 20.0]),
        "leaves the base value of TreeEnsembleRegressor out",
    ),
    "a leaf without a weight": (listed("l..", *SPLIT, [(1, 0, 1.0)]), "takes the threshold of a leaf"),
    "two weights of one leaf": (listed("l..", *SPLIT, [(1, 0, 1.0), (1, 0, 2.0), (2, 0, 3.0)]), "two weights"),
    "nodes of one tree apart": (
        changed(
            listed("l.....", [0.0] * 6, [1, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0], [(1, 0, 1.0)]),
            nodes_treeids=[0, 0, 0, 1, 0, 1],
            nodes_nodeids=[0, 1, 2, 0, 3, 1],
        ),
        "do not stand together",
    ),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_onnx_runtime_does_not_sum_is_not_read(name: str) -> None:
    node, reason = UNREAD[name]

    with pytest.raises(UnreadTreesError, match=reason):
        read_trees(node, 0)


def test_onnx_runtime_drops_bases() -> None:
    """What the refusals above rest on; the readings can come back once this fails."""
    x = np.array([[-1], [1]], dtype=np.float32)
    bases = run(matrix_graph([UNREAD["a base that ONNX Runtime drops"][0]], 1, ["Y"]), x, "Y")
    leaf = run(matrix_graph([UNREAD["a leaf without a weight"][0]], 1, ["Y"]), x, "Y")

    assert bases.tolist() == [[11.0, 22.0], [0.0, 23.0]]
    assert leaf.ravel().tolist() == [1.0, 7.0]


def test_a_kept_base_is_read() -> None:
    votes = [(1, 0, 1.0), (1, 1, 2.0), (2, 1, 3.0)]
    node = listed("l..", *SPLIT, votes, n_targets=2, base_values=[10.0, 20.0])
    x = np.array([[-1], [1]], dtype=np.float32)

    assert walk(read_trees(node, 1), x) == pytest.approx(run(matrix_graph([node], 1, ["Y"]), x, "Y")[:, 1])
