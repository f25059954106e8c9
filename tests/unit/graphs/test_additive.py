from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from tests.unit.graphs.hand_made import ML, Grove, graph, matrix_graph, run, stump, walk
from tests.unit.graphs.sums import FIRST, RAW, SECOND, SOURCES, WEIGHTS, X, named, node
from xaisvc.graphs import AdditiveGraph, NotAdditive, list_outputs, plan_scorer, read_additive
from xaisvc.graphs.trees import TreeSum
from xaisvc.types import Output, Space, TensorColumn

# A handful of float32 numbers of size 1 to 10, added in another order.
ROUNDING = 1e-5

CONSTANTS = {
    "W": WEIGHTS,
    "W2": np.array([[2.0]], np.float32),
    "P": np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32),
    "Q": np.array([[1.0], [-2.0]], np.float32),
    "vector": WEIGHTS[:, 0],
    "two": np.float32(2),
    "three": np.array([[3]], np.uint8),
    "shift": np.array([0.5, 1.0, -1.0, 0.0], np.float32),
    "last": np.array([1]),
    "column": np.array([-1, 1]),
    "flat": np.array([-1]),
}

# Name to (nodes, kinds of terms, widths of the matrices).
SUMS: dict[str, tuple[list[NodeProto], list[tuple[str, int]]]] = {
    "trees": ([named(FIRST, "Y")], [("trees", 4)]),
    "two ensembles added and halved": (
        [named(FIRST, "p"), named(SECOND, "q"), node("Sum", ["p", "q"], ["t"]), node("Div", ["t", "two"])],
        [("trees", 4)],
    ),
    "a chain as boosting libraries write it": (
        [
            named(FIRST, "p"),
            named(SECOND, "q"),
            node("Add", ["p", "q"], ["r"]),
            node("Mul", ["two", "r"], ["s"]),
            node("Neg", ["s"], ["t"]),
            node("Sub", ["t", "two"], ["u"]),
            node("Cast", ["u"], ["w"], to=TensorProto.DOUBLE),
            node("Reshape", ["w", "column"], ["v"]),
            node("Identity", ["v"]),
        ],
        [("trees", 4)],
    ),
    "mean of trees and a line": (
        [named(FIRST, "p"), node("MatMul", ["X", "W"], ["q"]), node("Mean", ["p", "q"])],
        [("trees", 4), ("linear", 4)],
    ),
    "columns joined, summed": (
        [
            named(FIRST, "p"),
            named(SECOND, "q"),
            node("Concat", ["p", "q"], ["r"], axis=1),
            node("ReduceMean", ["r"], axes=[1], keepdims=1),
        ],
        [("trees", 4)],
    ),
    "one of two joined columns": (
        [
            named(FIRST, "p"),
            node("Gemm", ["X", "W"], ["q"], alpha=0.5),
            node("Concat", ["p", "q"], ["r"], axis=1),
            node("ArrayFeatureExtractor", ["r", "last"], ml=True),
        ],
        [("linear", 4)],
    ),
    "a product with a plain vector": (
        [node("MatMul", ["X", "vector"], ["t"]), node("Add", ["t", "two"], ["u"]), node("Reshape", ["u", "column"])],
        [("linear", 4)],
    ),
    "a rotation before the line is looked through": (
        [node("Sub", ["X", "shift"], ["u"]), node("MatMul", ["u", "P"], ["r"]), node("MatMul", ["r", "Q"])],
        [("linear", 4)],
    ),
    "a rotation before trees is kept": (
        [
            node("MatMul", ["X", "P"], ["r"]),
            named(Grove(3, width=2), "Y", reads="r"),
        ],
        [("trees", 2)],
    ),
    "a linear regressor over a scaler": (
        [
            node("Scaler", ["X"], ["u"], ml=True, offset=[0.5], scale=[2.0]),
            node("LinearRegressor", ["u"], ml=True, coefficients=[1.0, 2.0, 3.0, 4.0], intercepts=[0.5]),
        ],
        [("linear", 4)],
    ),
    "hand-made features": (
        [
            node("Split", ["X"], ["k", "l"], axis=1),
            node("Mul", ["k", "l"], ["r"]),
            node("MatMul", ["r", "Q"]),
        ],
        [("linear", 2)],
    ),
}


@pytest.mark.parametrize("name", SUMS)
def test_the_terms_add_up_to_the_model(name: str) -> None:
    nodes, kinds = SUMS[name]
    model = matrix_graph(nodes, 4, ["Y"], CONSTANTS)
    read = read_additive(model, RAW, Space.RAW, SOURCES)
    assert isinstance(read, AdditiveGraph), read
    total = np.full(len(X), read.constant)

    for term in read.terms:
        matrix = run(read.columns_model, X, term.tensor)
        assert matrix.shape[1] == len(term.owners)
        if term.weights is not None:
            total += matrix.astype(np.float64) @ term.weights
        elif term.trees is not None:
            total += walk(TreeSum(0.0, term.trees), matrix)

    assert [("trees" if term.weights is None else "linear", len(term.owners)) for term in read.terms] == kinds
    assert total == pytest.approx(run(model, X, "Y").ravel(), abs=ROUNDING)


def test_owners_follow_the_columns() -> None:
    model = matrix_graph(SUMS["hand-made features"][0], 4, ["Y"], CONSTANTS)
    read = read_additive(model, RAW, Space.RAW, SOURCES)
    assert isinstance(read, AdditiveGraph)

    assert read.terms[0].owners == (frozenset("ac"), frozenset("bd"))


def test_whole_numbers_reach_the_trees_as_float() -> None:
    nodes = [node("Cast", ["X"], ["f"], to=TensorProto.FLOAT), named(FIRST, "Y", reads="f")]
    model = graph(nodes, {"X": (TensorProto.INT64, [None, 4])}, ["Y"])
    read = read_additive(model, RAW, Space.RAW, SOURCES)
    line = node("LinearRegressor", ["X"], ml=True, coefficients=[1.0] * 4)
    direct = read_additive(graph([line], {"X": (TensorProto.INT64, [None, 4])}, ["Y"]), RAW, Space.RAW, SOURCES)
    assert isinstance(read, AdditiveGraph)
    assert isinstance(direct, AdditiveGraph)
    whole = np.array([[1, 2, 3, 4]], dtype=np.int64)

    assert run(read.columns_model, whole, read.terms[0].tensor).dtype == np.float32
    assert run(direct.columns_model, whole, direct.terms[0].tensor).dtype == np.float32


def test_double_stays_double() -> None:
    model = graph([FIRST.regressor(double=True)], {"X": (TensorProto.DOUBLE, [None, 4])}, ["Y"])
    read = read_additive(model, RAW, Space.RAW, SOURCES)
    assert isinstance(read, AdditiveGraph)

    assert run(read.columns_model, X.astype(np.float64), read.terms[0].tensor).dtype == np.float64


@pytest.mark.parametrize("weights", [[-0.4, 0.3], [0.4, 0.3]], ids=["mixed", "positive"])
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_both_columns_of_a_lone_score_are_sums(weights: list[float], transform: str) -> None:
    model = matrix_graph([stump(weights, [0], 2, post_transform=transform)], 1, ["scores"])
    x = np.array([[0.0], [2.0]], dtype=np.float32)

    for output in list_outputs(model):
        read = read_additive(model, output, output.space, {"a": TensorColumn(tensor="X")})
        assert isinstance(read, AdditiveGraph)
        assert read.terms[0].trees is not None
        scorer = plan_scorer(model, output, output.space)
        expected = run(scorer.model, x, scorer.tensor)[:, scorer.column or 0]
        assert walk(TreeSum(read.constant, read.terms[0].trees), x) == pytest.approx(expected, abs=ROUNDING)


def base_dropped() -> NodeProto:
    """Two targets, of which the first gets a weight from one leaf only."""
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["Y"],
        domain=ML,
        n_targets=2,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        target_treeids=[0, 0, 0],
        target_nodeids=[1, 1, 2],
        target_ids=[0, 1, 1],
        target_weights=[1.0, 2.0, 3.0],
        base_values=[10.0, 20.0],
    )


PROBABILITY = Output(id="x", tensor="Y", tensor_space=Space.PROBABILITY, target=1)
REASONS: dict[str, tuple[list[NodeProto], Output, Space, str]] = {
    "boosted trees in probability": (
        [stump([-0.4, 0.3], [0], 2, post_transform="LOGISTIC"), node("Identity", ["scores"])],
        PROBABILITY,
        Space.PROBABILITY,
        "the probability is a logistic function of a sum: exact in log_odds, not in probability",
    ),
    "logistic regression in probability": (
        [node("MatMul", ["X", "W"], ["z"]), node("Sigmoid", ["z"])],
        Output(id="x", tensor="Y"),
        Space.PROBABILITY,
        "exact in log_odds, not in probability",
    ),
    "votes in log-odds": (
        [stump([0.4, 0.3], [0], 2), node("Identity", ["scores"])],
        PROBABILITY,
        Space.LOG_ODDS,
        "its log-odds are not a sum",
    ),
    "classes in probability": (
        [
            stump([-0.4, 0.5, 0.1, 0.3, -0.2, 0.2], [0, 1, 2], 3, post_transform="SOFTMAX"),
            node("Identity", ["scores"]),
        ],
        PROBABILITY,
        Space.PROBABILITY,
        "ends in the softmax link of a TreeEnsembleClassifier",
    ),
    "a network": (
        [
            node("MatMul", ["X", "P"], ["h"]),
            node("Relu", ["h"], ["r"]),
            node("MatMul", ["r", "Q"], ["z"]),
            node("Sigmoid", ["z"]),
        ],
        Output(id="x", tensor="Y"),
        Space.LOG_ODDS,
        "passes through Relu after 1 layer of weights",
    ),
    "the largest of the trees": (
        [FIRST.regressor(aggregate_function="MAX")],
        RAW,
        Space.RAW,
        "aggregate_function MAX is not a sum",
    ),
    "a function of all features": (
        [node("ReduceL2", ["X"], axes=[1], keepdims=1)],
        RAW,
        Space.RAW,
        "comes from ReduceL2, which mixes features",
    ),
    "trees whose base is dropped": (
        [base_dropped()],
        Output(id="x", tensor="Y", tensor_space=Space.RAW, target=0),
        Space.RAW,
        "leaves the base value of TreeEnsembleRegressor out",
    ),
    "nothing": (
        [node("Mul", ["X", "two"], ["m"]), node("Sub", ["m", "m"], ["n"]), node("Gather", ["n", "last"], axis=1)],
        RAW,
        Space.RAW,
        "the same for every row",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_is_no_sum_is_said_in_one_sentence(name: str) -> None:
    nodes, output, space, reason = REASONS[name]
    found = read_additive(matrix_graph(nodes, 4, ["Y"], CONSTANTS), output, space, SOURCES)

    assert isinstance(found, NotAdditive)
    assert reason in found.reason


def test_a_long_chain_is_read_without_deep_recursion() -> None:
    names = [f"s{i}" for i in range(3000)]
    nodes = [named(FIRST, "s0")]
    nodes.extend(node("Add", [before, before], [after]) for before, after in pairwise(names[:9]))
    nodes.extend(node("Identity", [before], [after]) for before, after in pairwise(names[8:]))
    nodes.append(node("Neg", [names[-1]]))
    read = read_additive(matrix_graph(nodes, 4, ["Y"]), RAW, Space.RAW, SOURCES)
    plain = read_additive(matrix_graph([named(FIRST, "Y")], 4, ["Y"]), RAW, Space.RAW, SOURCES)
    assert isinstance(read, AdditiveGraph)
    assert isinstance(plain, AdditiveGraph)
    assert read.terms[0].trees is not None
    assert plain.terms[0].trees is not None

    assert read.terms[0].trees.leaf_value == pytest.approx(-256 * plain.terms[0].trees.leaf_value, rel=1e-12)


def test_whole_numbers_that_wrap_around_are_not_taken_apart() -> None:
    nodes = [
        node("Cast", ["X"], ["u"], to=TensorProto.UINT8),
        node("Sub", ["u", "three"], ["v"]),
        node("Cast", ["v"], ["f"], to=TensorProto.FLOAT),
        node("MatMul", ["f", "W"]),
    ]
    model = matrix_graph(nodes, 4, ["Y"], CONSTANTS)
    x = np.array([[1, 2, 5, 0]], dtype=np.float32)
    read = read_additive(model, RAW, Space.RAW, SOURCES)
    assert isinstance(read, AdditiveGraph)
    (term,) = read.terms
    assert term.weights is not None
    total = read.constant + run(read.columns_model, x, term.tensor).astype(np.float64) @ term.weights

    # 1 - 3 is 254 in eight bits.
    assert run(model, x, "Y").ravel() == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("widths", [[1, 2], [3, 2]], ids=["cut off", "filled up"])
def test_a_feature_vectorizer_of_other_widths_is_not_moved(widths: list[int]) -> None:
    nodes = [
        node("Split", ["X"], ["k", "l"], axis=1),
        node("FeatureVectorizer", ["k", "l"], ["p"], ml=True, inputdimensions=widths),
        named(Grove(3, width=3), "Y", reads="p"),
    ]

    assert isinstance(read_additive(matrix_graph(nodes, 4, ["Y"]), RAW, Space.RAW, SOURCES), NotAdditive)
