from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

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
