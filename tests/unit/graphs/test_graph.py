from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tests.unit.graphs.hand_made import ML, matrix_graph, run
from xaisvc.errors import UnsafeModelError
from xaisvc.graphs import Graph


def node(op: str, inputs: list[str], **more: Any) -> NodeProto:
    return helper.make_node(op, inputs, ["Y"], **more)


CONSTANTS = {
    "m": np.array([[1.5, -2.5], [3.0, 4.0]], np.float32),
    "n": np.array([2.0, 4.0], np.float32),
    "i": np.array([7, -7]),
    "k": np.array([2, 2]),
    "shape": np.array([4, 1]),
    "one": np.array([1]),
}

FOLDED = {
    "identity": node("Identity", ["m"]),
    "cast": node("Cast", ["m"], to=TensorProto.INT64),
    "neg": node("Neg", ["m"]),
    "add": node("Add", ["m", "n"]),
    "sub": node("Sub", ["m", "n"]),
    "mul": node("Mul", ["m", "n"]),
    "div": node("Div", ["m", "n"]),
    "whole numbers divide towards zero": node("Div", ["i", "k"]),
    "concat": node("Concat", ["m", "m"], axis=1),
    "transpose": node("Transpose", ["m"], perm=[1, 0]),
    "reshape": node("Reshape", ["m", "shape"]),
    "unsqueeze": node("Unsqueeze", ["n", "one"]),
    "squeeze": node("Squeeze", ["one"]),
    "gather": node("Gather", ["m", "one"], axis=1),
    "constant": node("Constant", [], value=numpy_helper.from_array(CONSTANTS["m"])),
    "constant of floats": node("Constant", [], value_floats=[1.0, 2.0]),
}


@pytest.mark.parametrize("name", FOLDED)
def test_constants_are_folded_as_onnx_runtime_computes_them(name: str) -> None:
    model = matrix_graph([FOLDED[name]], 1, ["Y"], CONSTANTS)
    found = Graph.parse(model).constant("Y")
    expected = run(model, np.zeros((1, 1), np.float32), "Y")

    assert found is not None
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_what_depends_on_an_input_is_no_constant() -> None:
    graph = Graph.parse(matrix_graph([node("Mul", ["X", "n"])], 2, ["Y"], CONSTANTS))

    assert graph.constant("Y") is None
    assert graph.constant("X") is None


def test_a_constant_that_would_need_too_much_memory_is_not_computed() -> None:
    size = 5000
    nodes = [node("Add", ["row", "column"])]
    constants = {"row": np.zeros((1, size), np.float32), "column": np.zeros((size, 1), np.float32)}

    assert Graph.parse(matrix_graph(nodes, 1, ["Y"], constants)).constant("Y") is None


def test_element_types_are_known_behind_ml_nodes() -> None:
    nodes = [
        helper.make_node("Imputer", ["X"], ["i"], domain=ML, imputed_value_floats=[0.0]),
        helper.make_node("Scaler", ["i"], ["s"], domain=ML, offset=[0.0], scale=[1.0]),
        node("Concat", ["i", "s"], axis=1),
    ]
    graph = Graph.parse(matrix_graph(nodes, 1, ["Y"]))

    assert {graph.element(name) for name in ("i", "s", "Y")} == {TensorProto.FLOAT}


def test_a_graph_that_feeds_itself_ends() -> None:
    made = helper.make_graph(
        [helper.make_node("Neg", ["b"], ["a"]), helper.make_node("Neg", ["a"], ["b"])],
        "loop",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [1])],
    )
    graph = Graph.parse(helper.make_model(made).SerializeToString())

    assert graph.constant("b") is None
    assert graph.needed_nodes(["b"]) == [0, 1]


def test_a_name_that_is_no_text_is_refused() -> None:
    model = matrix_graph([node("Neg", ["X"])], 1, ["Y"]).replace(b"Neg", b"N\xffg")

    with pytest.raises(UnsafeModelError, match="is no ONNX model"):
        Graph.parse(model)


def test_a_constant_that_contradicts_itself_is_refused() -> None:
    made = helper.make_graph(
        [node("Add", ["X", "c"])],
        "short",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        [helper.make_tensor("c", TensorProto.FLOAT, [1], [0.5])],
    )
    made.initializer[0].dims[0] = 2
    graph = Graph.parse(helper.make_model(made).SerializeToString())

    with pytest.raises(UnsafeModelError, match="holds a constant, 'c', whose data do not fit"):
        graph.constant("c")
