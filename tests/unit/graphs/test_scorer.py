from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, load_from_string

from tests.unit.graphs.hand_made import ML, Grove, graph, matrix_graph, run, stump
from xaisvc.errors import InvalidRequestError
from xaisvc.graphs import Scorer, list_outputs, plan_scorer
from xaisvc.types import Output, Space

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * 2
W = np.array([[0.5, -0.3], [1.5, 0.1], [-0.7, 0.9]], dtype=np.float32)
B = np.array([0.2, -0.1], dtype=np.float32)
# Probabilities are float32: 6e-8, through a logarithm taken in float64.
AGREEMENT = 1e-6


def node(op: str, inputs: list[str], outputs: list[str], *, ml: bool = False, **more: Any) -> NodeProto:
    return helper.make_node(op, inputs, outputs, domain=ML if ml else "", **more)


def linear(rows: int, transform: str) -> NodeProto:
    coefficients = W.T.ravel().tolist()[: 3 * rows]
    return node(
        "LinearClassifier",
        ["X"],
        ["label", "scores"],
        ml=True,
        coefficients=coefficients,
        intercepts=B.tolist()[:rows],
        classlabels_ints=[0, 1],
        post_transform=transform,
    )


GEMM = node("Gemm", ["X", "W", "B"], ["z"])
ONE_COLUMN = node("Gather", ["z", "first"], ["s"], axis=1)
CONSTANTS = {
    "W": W,
    "B": B,
    "first": np.array([0]),
    "one": np.float32(1),
    "axes": np.array([1]),
}

BINARY: dict[str, list[NodeProto]] = {
    "sigmoid": [GEMM, ONE_COLUMN, node("Sigmoid", ["s"], ["p"])],
    "softmax": [GEMM, node("Softmax", ["z"], ["p"], axis=1)],
    "sigmoid and its complement": [
        GEMM,
        ONE_COLUMN,
        node("Sigmoid", ["s"], ["q"]),
        node("Sub", ["one", "q"], ["c"]),
        node("Concat", ["c", "q"], ["p"], axis=1),
    ],
    "the same, normalised": [
        GEMM,
        ONE_COLUMN,
        node("Sigmoid", ["s"], ["q"]),
        node("Sub", ["one", "q"], ["c"]),
        node("Concat", ["c", "q"], ["r"], axis=1),
        node("Normalizer", ["r"], ["p"], ml=True, norm="L1"),
    ],
    "the same, divided by the sum": [
        GEMM,
        ONE_COLUMN,
        node("Sigmoid", ["s"], ["q"]),
        node("Sub", ["one", "q"], ["c"]),
        node("Concat", ["c", "q"], ["r"], axis=1),
        node("ReduceSum", ["r", "axes"], ["total"], keepdims=1),
        node("Div", ["r", "total"], ["p"]),
    ],
    "linear, one row": [linear(1, "LOGISTIC"), node("Identity", ["scores"], ["p"])],
    "linear, two rows": [linear(2, "LOGISTIC"), node("Cast", ["scores"], ["p"], to=TensorProto.DOUBLE)],
    "linear, softmax": [linear(2, "SOFTMAX"), node("Mul", ["scores", "one"], ["p"])],
    "trees": [stump([-0.4, 0.3], [0], 2, post_transform="LOGISTIC"), node("Identity", ["scores"], ["p"])],
    "trees, positive": [stump([0.4, 0.3], [0], 2, post_transform="LOGISTIC"), node("Identity", ["scores"], ["p"])],
    "trees, softmax": [
        stump([-0.4, 0.5, 0.3, -0.2], [0, 1], 2, post_transform="SOFTMAX"),
        node("Identity", ["scores"], ["p"]),
    ],
}


def value(scorer: Scorer, x: np.ndarray[Any, Any] = X) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = np.asarray(run(scorer.model, x, scorer.tensor), dtype=np.float64).reshape(len(x), -1)
    found = found[:, scorer.column or 0]
    return np.log(found / (1 - found)) if scorer.transform == "logit" else found


@pytest.mark.parametrize("name", BINARY)
def test_the_link_is_taken_off_and_put_back_gives_the_probability(name: str) -> None:
    model = matrix_graph(BINARY[name], 3, ["p"], CONSTANTS)

    for output in list_outputs(model):
        assert (output.tensor_space, output.space) == (Space.PROBABILITY, Space.LOG_ODDS)
        probability = plan_scorer(model, output, Space.PROBABILITY)
        log_odds = plan_scorer(model, output, Space.LOG_ODDS)
        assert (probability.transform, log_odds.transform) == ("none", "none")
        assert "Sigmoid" not in {made.op_type for made in load_from_string(log_odds.model).graph.node}
        assert 1 / (1 + np.exp(-value(log_odds))) == pytest.approx(value(probability), abs=AGREEMENT)


def test_a_score_under_the_link_is_not_lost_where_the_probability_rounds() -> None:
    model = matrix_graph([GEMM, ONE_COLUMN, node("Sigmoid", ["s"], ["p"])], 3, ["p"], CONSTANTS)
    far = np.array([[200.0, 0.0, 0.0]], dtype=np.float32)
    (output,) = list_outputs(model)

    assert value(plan_scorer(model, output, Space.PROBABILITY), far) == 1.0
    assert value(plan_scorer(model, output, Space.LOG_ODDS), far) == pytest.approx(100.2)


NO_LINK: dict[str, list[NodeProto]] = {
    "votes": [stump([0.4, 0.3], [0], 2), node("Identity", ["scores"], ["p"])],
    "a normalised pair that does not add up to one": [
        linear(2, "LOGISTIC"),
        node("Normalizer", ["scores"], ["p"], ml=True, norm="L1"),
    ],
    "mean of two models": [
        linear(2, "LOGISTIC"),
        GEMM,
        node("Softmax", ["z"], ["q"], axis=1),
        node("Mean", ["scores", "q"], ["p"]),
    ],
}


@pytest.mark.parametrize("name", NO_LINK)
def test_log_odds_without_a_link_are_the_logit(name: str) -> None:
    model = matrix_graph(NO_LINK[name], 3, ["p"], CONSTANTS)
    output = Output(id="x", tensor="p", target=1, tensor_space=Space.PROBABILITY)
    scorer = plan_scorer(model, output, Space.LOG_ODDS)

    assert scorer.transform == "logit"
    assert 1 / (1 + np.exp(-value(scorer))) == pytest.approx(
        value(plan_scorer(model, output, Space.PROBABILITY)), abs=AGREEMENT
    )


def test_the_raw_space_of_classes_is_the_score_before_the_link() -> None:
    model = matrix_graph([GEMM, node("Softmax", ["z"], ["p"], axis=-1)], 3, ["p"], CONSTANTS)
    scores = X @ W + B

    for column in range(2):
        output = Output(id="x", tensor="p", target=column, tensor_space=Space.PROBABILITY)
        assert value(plan_scorer(model, output, Space.RAW)) == pytest.approx(scores[:, column], abs=1e-5)


@pytest.mark.parametrize(
    ("tensor_space", "space", "complaint"),
    [
        (Space.RAW, Space.LOG_ODDS, "output 'x' is a raw score, not a probability, so it has no log-odds"),
        (Space.RAW, Space.PROBABILITY, "is a raw score, not a probability"),
        (Space.PROBABILITY, Space.RAW, "without a link, so there is no raw score before it"),
    ],
)
def test_spaces_without_a_meaning_are_refused(tensor_space: Space, space: Space, complaint: str) -> None:
    grove = Grove(0)
    model = matrix_graph([grove.regressor()], grove.width, ["Y"])

    with pytest.raises(InvalidRequestError, match=complaint):
        plan_scorer(model, Output(id="x", tensor="Y", tensor_space=tensor_space), space)


def test_only_what_is_needed_is_kept() -> None:
    nodes = [
        GEMM,
        node("Softmax", ["z"], ["p"], axis=1),
        node("Abs", ["other"], ["unused"]),
        node("ZipMap", ["p"], ["zipped"], ml=True, classlabels_int64s=[0, 1]),
    ]
    inputs = {"X": (TensorProto.FLOAT, [None, 3]), "other": (TensorProto.FLOAT, [None, 1])}
    model = graph(nodes, inputs, ["zipped", "unused"], CONSTANTS)
    scorer = plan_scorer(model, Output(id="x", tensor="zipped", target=1), Space.PROBABILITY)
    kept = load_from_string(scorer.model).graph

    assert [made.op_type for made in kept.node] == ["Gemm", "Softmax"]
    assert [entry.name for entry in kept.input] == ["X"]
    assert {tensor.name for tensor in kept.initializer} == {"W", "B"}
    assert (scorer.tensor, scorer.column) == ("p", 1)


def test_a_branch_of_the_graph_keeps_what_it_captures() -> None:
    name = "taken"
    made = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    branches = {
        "then_branch": helper.make_graph([node("Identity", ["doubled"], [name])], "yes", [], [made]),
        "else_branch": helper.make_graph([node("Neg", ["X"], [name])], "no", [], [made]),
    }
    nodes = [node("Add", ["X", "X"], ["doubled"]), node("If", ["switch"], ["Y"], **branches)]
    model = matrix_graph(nodes, 1, ["Y"], {"switch": np.array(True)})  # noqa: FBT003  a tensor
    scorer = plan_scorer(model, Output(id="x", tensor="Y", tensor_space=Space.RAW), Space.RAW)

    assert value(scorer, X[:, :1]) == pytest.approx(2 * X[:, 0])


def test_one_number_per_row_has_no_column() -> None:
    grove = Grove(0)
    nodes = [grove.regressor(), node("Reshape", ["Y", "flat"], ["flat_Y"])]
    model = matrix_graph(nodes, grove.width, ["flat_Y"], {"flat": np.array([-1])})
    scorer = plan_scorer(model, Output(id="x", tensor="flat_Y", tensor_space=Space.RAW), Space.RAW)

    assert (scorer.tensor, scorer.column, scorer.transform) == ("flat_Y", None, "none")
