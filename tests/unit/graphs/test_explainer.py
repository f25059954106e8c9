"""How a model is taken apart for explainer graphs, and how new nodes fit the operator set it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.unit.graphs.hand_made import ML, graph, run
from xaisvc.graphs import Graph, Scorer, UncutError, plan_mixing
from xaisvc.graphs.cut import find_cut
from xaisvc.graphs.emit import Constants, Emitter
from xaisvc.graphs.first_layer import LEAST_COLUMNS, NARROW_UNITS, split_first_layers
from xaisvc.types import TensorColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto

FLOAT, STRING = TensorProto.FLOAT, TensorProto.STRING


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **more: object) -> NodeProto:
    return helper.make_node(op, list(inputs), list(outputs), domain=domain, **more)


def columns_of(tensor: str, *names: str) -> dict[str, TensorColumn]:
    return {name: TensorColumn(tensor=tensor, column=i) for i, name in enumerate(names)}


def scorer(model: bytes, tensor: str = "y") -> Scorer:
    return Scorer(model=model, tensor=tensor, column=None, transform="none", detail="")


def preprocessed() -> bytes:
    """A scaled number beside the one-hot columns of a text, then a layer that joins them."""
    nodes = [
        node("Scaler", ["age"], ["scaled"], ML, offset=[1.0], scale=[2.0]),
        node("OneHotEncoder", ["home"], ["hot"], ML, cats_strings=["own", "rent"], zeros=1),
        node("Reshape", ["hot", "shape"], ["flat"]),
        node("Concat", ["scaled", "flat"], ["all"], axis=1),
        node("MatMul", ["all", "w"], ["h"]),
        node("Add", ["h", "c"], ["hc"]),
        node("Relu", ["hc"], ["r"]),
        node("ReduceMax", ["r"], ["y"], axes=[1], keepdims=1),
    ]
    constants = {
        "shape": np.array([-1, 2]),
        "w": np.arange(6, dtype=np.float32).reshape(3, 2),
        "c": np.array([[0.5, -0.5]], np.float32),
    }
    return graph(nodes, {"age": (FLOAT, [None, 1]), "home": (STRING, [None, 1])}, ["y"], constants)


SOURCES = {"age": TensorColumn(tensor="age"), "home": TensorColumn(tensor="home")}


def test_a_model_is_cut_behind_its_preprocessing() -> None:
    cut = find_cut(Graph.parse(preprocessed()), "y", SOURCES)

    (tensor,) = cut.tensors
    assert (tensor.name, tensor.owners, tensor.layout) == ("all", ("age", "home", "home"), (3,))
    assert [found.op_type for found in cut.front] == ["Scaler", "OneHotEncoder", "Reshape", "Concat"]
    assert [found.op_type for found in cut.body] == ["MatMul", "Add", "Relu", "ReduceMax"]


def test_the_first_layer_takes_up_its_bias() -> None:
    model = Graph.parse(preprocessed())
    cut = find_cut(model, "y", SOURCES)

    (layer,), body = split_first_layers(model, cut, "y")

    assert (layer.tensor, layer.output) == ("all", "hc")
    np.testing.assert_array_equal(layer.weights, np.arange(6, dtype=np.float32).reshape(3, 2))
    np.testing.assert_array_equal(layer.bias, np.array([0.5, -0.5], np.float32))
    assert [found.op_type for found in body] == ["Relu", "ReduceMax"]


@pytest.mark.parametrize(
    ("name", "shape", "splits"),
    [
        ("narrow", (4, NARROW_UNITS), True),
        ("few columns", (LEAST_COLUMNS - 1, NARROW_UNITS + 1), False),
        ("many columns", (LEAST_COLUMNS, NARROW_UNITS + 1), True),
    ],
)
def test_a_layer_is_split_where_tables_are_quicker(name: str, shape: tuple[int, int], splits: bool) -> None:  # noqa: FBT001 - a parameter of the test
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("ReduceMax", ["h"], ["y"], axes=[1], keepdims=1)]
    model = graph(nodes, {"x": (FLOAT, [None, shape[0]])}, ["y"], {"w": np.ones(shape, np.float32)})

    plan = plan_mixing(scorer(model), columns_of("x", *(f"{name} {i}" for i in range(shape[0]))))

    assert bool(plan.layers) is splits
    assert bool(plan.mixed) is not splits


def test_a_layer_stays_if_something_else_reads_its_tensor() -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("ReduceMax", ["x"], ["top"], axes=[1], keepdims=1),
        node("Mul", ["h", "top"], ["y"]),
    ]
    model = graph(nodes, {"x": (FLOAT, [None, 3])}, ["y"], {"w": np.ones((3, 1), np.float32)})

    plan = plan_mixing(scorer(model), columns_of("x", "a", "b", "c"))

    assert plan.layers == ()
    assert [tensor.name for tensor in plan.mixed] == ["x"]


@pytest.mark.parametrize("op", ["Shape", "RandomNormalLike"])
def test_what_belongs_to_the_whole_batch_is_run_on_mixed_rows(op: str) -> None:
    """The number of rows in front of the cut is another one, and chance must not be the same for all mixed rows."""
    tail = [node("Cast", ["s"], ["f"], to=FLOAT), node("ReduceMax", ["f"], ["m"], keepdims=0)]
    nodes = [node(op, ["x"], ["s"]), *tail, node("ReduceSum", ["x", "one"], ["t"]), node("Add", ["t", "m"], ["y"])]
    model = graph(nodes, {"x": (FLOAT, [None, 2])}, ["y"], {"one": np.array([1])})

    cut = find_cut(Graph.parse(model), "y", columns_of("x", "a", "b"))

    assert op in [found.op_type for found in cut.body]
    assert [tensor.name for tensor in cut.tensors] == ["x"]


def test_constant_nodes_stand_in_front() -> None:
    nodes = [
        node("Constant", [], ["w"], value=numpy_helper.from_array(np.ones((2, 1), np.float32))),
        node("Identity", ["w"], ["v"]),
        node("MatMul", ["x", "v"], ["y"]),
    ]
    model = graph(nodes, {"x": (FLOAT, [None, 2])}, ["y"])

    cut = find_cut(Graph.parse(model), "y", columns_of("x", "a", "b"))

    assert [found.op_type for found in cut.front] == ["Constant", "Identity"]
    assert [found.op_type for found in cut.body] == ["MatMul"]


def test_a_graph_that_nothing_enters_cannot_be_cut() -> None:
    nodes = [node("Identity", ["w"], ["y"])]
    model = graph(nodes, {"x": (FLOAT, [None, 2])}, ["y"], {"w": np.ones((1, 1), np.float32)})

    with pytest.raises(UncutError, match="nothing enters the graph"):
        plan_mixing(scorer(model), columns_of("x", "a", "b"))


def test_an_input_of_three_dimensions_cannot_be_mixed_by_columns() -> None:
    nodes = [node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)]
    model = graph(nodes, {"x": (FLOAT, [None, 2, 2])}, ["y"])

    with pytest.raises(UncutError, match="the input 'x' is not laid out in rows and columns"):
        plan_mixing(scorer(model), columns_of("x", "a", "b"))


def in_opset(model: bytes, version: int) -> bytes:
    proto = onnx.load_from_string(model)
    proto.opset_import[0].version = version
    return proto.SerializeToString()


def test_an_old_operator_set_is_raised_if_its_nodes_stay_what_they_were() -> None:
    trees = node("Identity", ["x"], ["t"])
    model = graph([trees, node("Relu", ["t"], ["y"])], {"x": (FLOAT, [None, 1])}, ["y"])

    assert plan_mixing(scorer(in_opset(model, 8)), columns_of("x", "a")).opset == 9
    assert plan_mixing(scorer(in_opset(model, 11)), columns_of("x", "a")).opset == 11


def test_an_old_operator_set_whose_nodes_changed_is_refused() -> None:
    model = graph(
        [node("MatMul", ["x", "w"], ["y"])], {"x": (FLOAT, [None, 2])}, ["y"], {"w": np.ones((2, 1), np.float32)}
    )

    with pytest.raises(UncutError, match="it uses operator set 8, and mixing rows needs 9 or newer"):
        plan_mixing(scorer(in_opset(model, 8)), columns_of("x", "a", "b"))


@pytest.mark.parametrize("version", [9, 12, 13, 17, 18, 21])
def test_axes_are_written_as_the_operator_set_wants_them(version: int) -> None:
    emitter = Emitter(version, Constants())
    wide = emitter.along("Unsqueeze", "x", [0])
    mean = emitter.along("ReduceMean", wide, [2], keepdims=0)
    total = emitter.along("ReduceSum", mean, [1], keepdims=1)
    emitter.add("Identity", emitter.along("Squeeze", total, [0]), output="y")
    made = helper.make_graph(
        emitter.nodes,
        "axes",
        [helper.make_tensor_value_info("x", FLOAT, [None, 3])],
        [helper.make_tensor_value_info("y", FLOAT, [None])],
        emitter.constants.tensors,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", version)], ir_version=8).SerializeToString()
    x = np.arange(6, dtype=np.float32).reshape(2, 3)

    np.testing.assert_array_equal(run(model, x, "y"), [5.0])


def test_equal_constants_stand_in_a_graph_once() -> None:
    constants = Constants()

    first = constants.add(np.array([1, 2]))
    again = constants.add(np.array([1, 2]))
    other_type = constants.add(np.array([1, 2], dtype=np.int32))
    other_shape = constants.add(np.array([[1, 2]]))
    texts = constants.add(np.array(["a", "b"], dtype=object))
    joined = constants.add(np.array(["a', 'b"], dtype=object))

    assert first == again
    assert len({first, other_type, other_shape, texts, joined}) == len(constants.tensors)


def test_a_copied_node_renames_what_its_nested_graphs_make_and_capture() -> None:
    """Names may not repeat along the nesting, so the copy inside a Scan needs names of its own all the way down."""
    then = helper.make_graph([node("Add", ["h", "one"], ["t"])], "then", [], [helper.make_empty_tensor_value_info("t")])
    other = helper.make_graph([node("Neg", ["h"], ["e"])], "else", [], [helper.make_empty_tensor_value_info("e")])
    choose = node("If", ["yes"], ["y"], then_branch=then, else_branch=other)
    emitter = Emitter(17, Constants())

    emitter.copy(choose, {"h", "y"}, "new_")

    (copy,) = emitter.nodes
    branches = {attribute.name: attribute.g for attribute in copy.attribute}
    assert list(copy.input) == ["yes"]
    assert list(copy.output) == ["new_y"]
    assert list(branches["then_branch"].node[0].input) == ["new_h", "one"]
    assert branches["then_branch"].output[0].name == "new_t"
    assert list(branches["else_branch"].node[0].input) == ["new_h"]
    assert list(choose.output) == ["y"]
