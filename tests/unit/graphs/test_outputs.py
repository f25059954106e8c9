from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from tests.unit.graphs.hand_made import ML, Grove, graph, matrix_graph, stump
from xaisvc.errors import BundleError, UnsafeModelError
from xaisvc.graphs import Place, list_outputs, resolve_output
from xaisvc.types import Output, Space

MIXED = [-0.4, 0.3]
THREE = [-0.4, 0.5, 0.1, 0.3, -0.2, 0.2]


def node(op: str, inputs: list[str], outputs: list[str], *, ml: bool = False, **more: Any) -> NodeProto:
    return helper.make_node(op, inputs, outputs, domain=ML if ml else "", **more)


def found(model: bytes) -> list[tuple[str, str, object, Space, Space]]:
    return [(o.id, o.tensor, o.target, o.tensor_space, o.space) for o in list_outputs(model)]


def zipped(classifier: NodeProto, **labels: Any) -> bytes:
    return matrix_graph([classifier, node("ZipMap", ["scores"], ["zipped"], ml=True, **labels)], 1, ["label", "zipped"])


def test_a_zipmap_lists_the_last_of_two_classes_first() -> None:
    model = zipped(stump(MIXED, [0], 2, post_transform="LOGISTIC"), classlabels_strings=["good", "bad"])

    assert found(model) == [
        ("probability_bad", "zipped", "bad", Space.PROBABILITY, Space.LOG_ODDS),
        ("probability_good", "zipped", "good", Space.PROBABILITY, Space.LOG_ODDS),
    ]
    assert resolve_output(model, list_outputs(model)[0]) == Place("scores", 1)


def test_tensor_probabilities_take_the_classifiers_labels_through_renaming() -> None:
    renamed = [stump(THREE, [0, 1, 2], 3, post_transform="SOFTMAX"), node("Identity", ["scores"], ["probabilities"])]
    model = matrix_graph(renamed, 1, ["label", "probabilities"])

    assert found(model) == [(f"probability_{i}", "probabilities", i, Space.PROBABILITY, Space.RAW) for i in range(3)]


def test_labels_come_from_the_look_up_of_a_label_output() -> None:
    nodes = [
        node("MatMul", ["X", "W"], ["z"]),
        node("Softmax", ["z"], ["p"], axis=1),
        node("ArgMax", ["p"], ["best"], axis=1),
        node("ArrayFeatureExtractor", ["classes", "best"], ["picked"], ml=True),
        node("Reshape", ["picked", "flat"], ["label"]),
    ]
    constants = {
        "W": np.eye(2, dtype=np.float32),
        "classes": np.array([7, 9], dtype=np.int64),
        "flat": np.array([-1], dtype=np.int64),
    }
    model = matrix_graph(nodes, 2, ["label", "p"], constants)

    assert [output.target for output in list_outputs(model)] == [9, 7]
    assert resolve_output(model, list_outputs(model)[0]) == Place("p", 1)


@pytest.mark.parametrize(("shape", "column"), [(["N", 1], 0), (["N"], None)])
def test_a_regressor_has_one_number(shape: list[object], column: int | None) -> None:
    grove = Grove(0)
    nodes = [grove.regressor()]
    if column is None:
        nodes.append(node("Reshape", ["Y", "flat"], ["flat_Y"]))
    model = matrix_graph(nodes, grove.width, ["Y" if column == 0 else "flat_Y"], {"flat": np.array([-1])})
    (output,) = list_outputs(model)

    assert (output.target, output.tensor_space, output.space) == (None, Space.RAW, Space.RAW)
    assert resolve_output(model, output).column == column
    assert len(shape) == (2 if column == 0 else 1)


def test_a_network_of_unknown_shapes_is_listed() -> None:
    nodes = [
        node("Gemm", ["X", "W1", "b1"], ["h"]),
        node("Relu", ["h"], ["a"]),
        node("Gemm", ["a", "W2"], ["z"]),
        node("Sigmoid", ["z"], ["p"]),
    ]
    constants = {
        "W1": np.ones((3, 4), dtype=np.float32),
        "b1": np.zeros(4, dtype=np.float32),
        "W2": np.ones((4, 1), dtype=np.float32),
    }
    model = graph(nodes, {"X": (TensorProto.FLOAT, [None, None])}, ["p"], constants)

    assert found(model) == [("p", "p", None, Space.PROBABILITY, Space.LOG_ODDS)]


def test_votes_of_trees_are_probabilities_and_margins_are_not() -> None:
    votes = matrix_graph([stump([0.4, 0.3], [0], 2)], 1, ["label", "scores"])
    margins = matrix_graph([stump(MIXED, [0], 2)], 1, ["label", "scores"])

    assert {output.space for output in list_outputs(votes)} == {Space.PROBABILITY}
    assert {output.space for output in list_outputs(margins)} == {Space.RAW}


def test_equal_names_are_told_apart() -> None:
    twice = [stump(MIXED, [0], 2), node("Identity", ["scores"], ["again"])]
    ids = [output.id for output in list_outputs(matrix_graph(twice, 1, ["scores", "again"]))]

    assert ids == ["score_1", "score_0", "score_1_2", "score_0_2"]


def test_a_graph_of_labels_alone_is_refused() -> None:
    model = matrix_graph([stump(MIXED, [0], 2)], 1, ["label"])

    with pytest.raises(BundleError, match=r"none of the graph's outputs \(label\) holds a number"):
        list_outputs(model)


@pytest.mark.parametrize("model", [b"", b"not a model", b"\x08\x08"])
def test_bytes_that_are_no_model_are_refused(model: bytes) -> None:
    with pytest.raises(UnsafeModelError, match="is no ONNX model"):
        list_outputs(model)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"tensor": "score"}, "no output 'score' with numbers; it has 'zipped'"),
        ({"target": "worse"}, "no class or column 'worse'; it has 'good', 'bad'"),
        ({"target": 1}, "no class or column 1; it has 'good', 'bad'"),
        ({"target": None}, "has 2 columns, so `target` must name one: 'good', 'bad'"),
    ],
)
def test_an_output_that_does_not_exist_names_the_choices(change: dict[str, Any], complaint: str) -> None:
    model = zipped(stump(MIXED, [0], 2), classlabels_strings=["good", "bad"])

    with pytest.raises(BundleError, match=complaint):
        resolve_output(model, replace(Output(id="x", tensor="zipped", target="bad"), **change))


def test_a_label_matches_by_its_text_too() -> None:
    model = zipped(stump(MIXED, [0], 2), classlabels_int64s=[10, 20])

    assert resolve_output(model, Output(id="x", tensor="zipped", target="20")) == Place("scores", 1)


def test_columns_without_labels_are_numbered() -> None:
    grove = Grove(0, targets=2)
    model = matrix_graph([grove.regressor()], grove.width, ["Y"])

    assert resolve_output(model, Output(id="x", tensor="Y", target=1)) == Place("Y", 1)
    with pytest.raises(BundleError, match="columns 0 to 1"):
        resolve_output(model, Output(id="x", tensor="Y", target=2))
