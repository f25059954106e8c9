from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.unit.graphs.hand_made import graph, run, version_5
from xaisvc.errors import MethodNotApplicableError
from xaisvc.evaluation import randomise_model


def _graph(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def test_layers_are_shuffled_and_scaling_stays() -> None:
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    model = _graph(
        [helper.make_node("Div", ["x", "scale"], ["s"]), helper.make_node("MatMul", ["s", "w"], ["y"])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array([1, 2, 3], dtype=np.float32), "scale"),
        ],
    )
    found = {
        one.name: numpy_helper.to_array(one)
        for one in onnx.load_from_string(randomise_model(model, np.random.default_rng(0))).graph.initializer
    }

    assert found["scale"].tolist() == [1, 2, 3]
    assert sorted(found["w"].ravel().tolist()) == weights.ravel().tolist()
    assert not np.array_equal(found["w"], weights)


def test_leaves_are_shuffled_and_branches_test_something_else() -> None:
    leaves = [float(i) for i in range(20)]
    columns = [i % 3 for i in range(20)]
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        target_weights=leaves,
        nodes_featureids=[*columns, 0],
        nodes_values=[10.0 * column for column in columns] + [0.0],
        nodes_modes=["BRANCH_LEQ"] * 20 + ["LEAF"],
    )
    found = onnx.load_from_string(randomise_model(_graph([node], []), np.random.default_rng(0))).graph.node[0]
    attributes = {one.name: one for one in found.attribute}
    tested = list(attributes["nodes_featureids"].ints)

    assert sorted(attributes["target_weights"].floats) == leaves
    assert list(attributes["target_weights"].floats) != leaves
    assert tested[:20] != columns
    assert set(tested[:20]) == {0, 1, 2}
    # each column keeps its own thresholds, and leaves stay leaves
    assert [10.0 * column for column in tested[:20]] == list(attributes["nodes_values"].floats)[:20]
    assert list(attributes["nodes_modes"].strings)[20] == b"LEAF"


@pytest.mark.parametrize("member", [True, False])
def test_trees_of_version_5_test_something_else_and_keep_their_sets(member: bool) -> None:  # noqa: FBT001 - a parameter
    columns = [0, 1, 0, 1, 0, 1]
    modes = [6, 0, 6, 0, 6, 0] if member else [0] * 6
    splits = np.array([0, 10, 0, 11, 0, 12] if member else [1, 10, 2, 11, 3, 12], dtype=np.float32)
    # the set of each set test is its own number and ten times that: 1 and 10, 2 and 20, 3 and 30
    sets = np.array([1, 10, np.nan, 2, 20, np.nan, 3, 30, np.nan], dtype=np.float32)
    leaves = np.arange(7, dtype=np.float32)
    node = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        nodes_featureids=columns,
        nodes_modes=numpy_helper.from_array(np.array(modes, dtype=np.uint8), "m"),
        nodes_splits=numpy_helper.from_array(splits, "s"),
        leaf_weights=numpy_helper.from_array(leaves, "w"),
        **({"membership_values": numpy_helper.from_array(sets, "b")} if member else {}),
    )
    seen = set()
    for seed in range(20):
        model = randomise_model(_graph([node], []), np.random.default_rng(seed))
        found = {one.name: one for one in onnx.load_from_string(model).graph.node[0].attribute}
        tested = list(found["nodes_featureids"].ints)
        after = numpy_helper.to_array(found["nodes_modes"].t).tolist()
        values = numpy_helper.to_array(found["nodes_splits"].t)
        seen.add(tuple(tested))

        assert sorted(numpy_helper.to_array(found["leaf_weights"].t).tolist()) == leaves.tolist()
        # a column keeps its kind of test and its own thresholds
        assert after == [6 if member and column == 0 else 0 for column in tested]
        assert all((value >= 10) == (column == 1) for value, column in zip(values, tested, strict=True))
        if member:
            kept = numpy_helper.to_array(found["membership_values"].t).reshape(-1, 3)
            assert len(kept) == after.count(6)
            assert {tuple(line) for line in kept[:, :2].tolist()} <= {(1, 10), (2, 20), (3, 30)}
            assert np.isnan(kept[:, 2]).all()
    assert len(seen) > 1


def test_a_randomised_tree_of_version_5_still_runs() -> None:
    model = graph([version_5(member=True)], {"X": (TensorProto.FLOAT, [None, 2])}, ["Y"], ml_version=5)
    x = np.array([[1, 0], [4, 1], [2, 0.5], [2, 0.6]], dtype=np.float32)
    answers = [run(randomise_model(model, np.random.default_rng(seed)), x, "Y") for seed in range(5)]

    assert all(np.isfinite(one).all() for one in answers)
    assert any(not np.array_equal(one, run(model, x, "Y")) for one in answers)


def test_the_same_seed_gives_the_same_model() -> None:
    model = _graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [numpy_helper.from_array(np.eye(3, dtype=np.float32), "w")],
    )

    assert randomise_model(model, np.random.default_rng(4)) == randomise_model(model, np.random.default_rng(4))


def test_a_graph_without_parameters_is_refused() -> None:
    model = _graph([helper.make_node("Abs", ["x"], ["y"])], [])

    with pytest.raises(MethodNotApplicableError, match="holds no trees, linear nodes or layers"):
        randomise_model(model, np.random.default_rng(0))


def test_two_numbers_change_places_with_every_seed() -> None:
    weights = np.array([[1], [1], [5]], dtype=np.float32)
    model = _graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [numpy_helper.from_array(weights, "w")])
    for seed in range(20):
        found = onnx.load_from_string(randomise_model(model, np.random.default_rng(seed))).graph.initializer[0]

        assert not np.array_equal(numpy_helper.to_array(found), weights)


def test_numbers_that_are_all_equal_cannot_be_shuffled() -> None:
    weights = np.ones((3, 1), dtype=np.float32)
    model = _graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [numpy_helper.from_array(weights, "w")])

    with pytest.raises(MethodNotApplicableError, match="could be randomised: at least two that differ"):
        randomise_model(model, np.random.default_rng(0))
