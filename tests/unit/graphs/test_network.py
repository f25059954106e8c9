"""Networks read from graphs: layers, activations, links, and what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.unit.graphs.hand_made import graph, run
from xaisvc.graphs import Scorer, plan_mixing, read_network
from xaisvc.types import TensorColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import NodeProto

    from xaisvc.graphs import DenseNetwork

COLUMNS = 3
RNG = np.random.default_rng(4)
WEIGHTS = {
    "w": RNG.normal(size=(COLUMNS, 5)).astype(np.float32),
    "c": RNG.normal(size=5).astype(np.float32),
    "v": RNG.normal(size=(5, 4)).astype(np.float32),
    "u": RNG.normal(size=(4, 2)).astype(np.float32),
    "b": RNG.normal(size=2).astype(np.float32),
    "t": RNG.normal(size=(1, 4)).astype(np.float32),
    "one": np.ones(1, np.float32),
    "two": np.full(1, 2.0, np.float32),
    "first": np.array([0]),
    "last": np.array([-1]),
    "flat": np.array([-1]),
}


def node(op: str, inputs: Sequence[str], output: str, **more: object) -> NodeProto:
    return helper.make_node(op, list(inputs), [output], **more)


HIDDEN = (
    node("Cast", ["X"], "x", to=TensorProto.FLOAT),
    node("MatMul", ["x", "w"], "h0"),
    node("Add", ["h0", "c"], "h1"),
    node("Relu", ["h1"], "h2"),
    node("Gemm", ["h2", "v"], "h3"),
    node("Tanh", ["h3"], "h4"),
)
TWO = (*HIDDEN, node("Gemm", ["h4", "u", "b"], "s"))
ONE = (*HIDDEN, node("Gemm", ["h4", "t"], "s", transB=1, alpha=0.5))

TAILS: Mapping[str, tuple[Sequence[NodeProto], int | None, str, int, bool]] = {
    "scores": ((*TWO, node("Identity", ["s"], "y")), 1, "identity", 1, False),
    "softmax": ((*TWO, node("Softmax", ["s"], "y", axis=1)), 1, "softmax", 1, False),
    "gathered": (
        (*TWO, node("Softmax", ["s"], "p"), node("Gather", ["p", "last"], "y", axis=1)), 0, "softmax", 1, False,
    ),
    "logistic of each": ((*TWO, node("Sigmoid", ["s"], "y")), 0, "logistic", 0, False),
    "alone": ((*ONE, node("Sigmoid", ["s"], "p"), node("Reshape", ["p", "flat"], "y")), None, "logistic", 0, False),
    "both classes": (
        (
            *ONE,
            node("Sigmoid", ["s"], "p"),
            node("Sub", ["one", "p"], "n"),
            node("Concat", ["n", "p"], "y", axis=1),
        ),
        0,
        "logistic",
        0,
        True,
    ),
}  # fmt: skip

NONE: Mapping[str, Sequence[NodeProto]] = {
    "a skip": (*HIDDEN, node("Gemm", ["h2", "v"], "k"), node("Add", ["h4", "k"], "y")),
    "another function at the end": (*TWO, node("Exp", ["s"], "y")),
    "a rectified score": (*TWO, node("Relu", ["s"], "y")),
    "two less a share": (*ONE, node("Sigmoid", ["s"], "p"), node("Sub", ["two", "p"], "y")),
    "one less a score": (*ONE, node("Sub", ["one", "s"], "y")),
    "nothing hidden": (node("MatMul", ["X", "w"], "y"),),
    "a softmax of shares": (*TWO, node("Sigmoid", ["s"], "p"), node("Softmax", ["p"], "y", axis=1)),
    "a softmax over rows": (*TWO, node("Softmax", ["s"], "y", axis=0)),
    "columns one after the other": (*TWO, node("Concat", ["s", "s"], "y", axis=0)),
    "an unknown activation": (*HIDDEN[:3], node("Elu", ["h1"], "h2"), *HIDDEN[4:], node("Gemm", ["h4", "u", "b"], "y")),
}


def read(nodes: Sequence[NodeProto], column: int | None) -> DenseNetwork | None:
    scorer = Scorer(model=make(nodes), tensor="y", column=column, transform="none", detail="")
    sources = {f"f{i}": TensorColumn(tensor="X", column=i) for i in range(COLUMNS)}
    return read_network(plan_mixing(scorer, sources, always=True))


def make(nodes: Sequence[NodeProto]) -> bytes:
    used = {name for one in nodes for name in one.input}
    constants = {name: value for name, value in WEIGHTS.items() if name in used}
    return graph(nodes, {"X": (TensorProto.FLOAT, [None, COLUMNS])}, ["y"], constants)


def answers(network: DenseNetwork, rows: NDArray[Any]) -> NDArray[np.float64]:
    """What the network stands for, by its definition."""
    numbers = rows.astype(np.float64)
    functions = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "logistic": logistic, "identity": lambda x: x}
    for layer in network.layers:
        numbers = functions[layer.activation](numbers @ layer.weights + layer.bias)
    if network.link == "softmax":
        powers = np.exp(numbers)
        shares = powers / powers.sum(axis=1, keepdims=True)
    else:
        shares = functions[network.link](numbers)
    found = shares[:, network.column]
    return 1.0 - found if network.complement else found


def logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-x))


@pytest.mark.parametrize("name", TAILS)
def test_a_network_is_read_with_its_link(name: str) -> None:
    nodes, column, link, place, complement = TAILS[name]

    found = read(nodes, column)

    assert found is not None
    assert [layer.activation for layer in found.layers] == ["relu", "tanh", "identity"]
    assert (found.link, found.column, found.complement) == (link, place, complement)
    assert found.tensor.owners == ("f0", "f1", "f2")
    rows = RNG.normal(size=(7, COLUMNS)).astype(np.float32)
    expected = run(make(nodes), rows, "y").reshape(len(rows), -1)[:, column or 0]
    # float32 sums of a dozen numbers of about one.
    np.testing.assert_allclose(answers(found, rows), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", NONE)
def test_other_graphs_are_no_networks(name: str) -> None:
    assert read(NONE[name], 0) is None


def test_double_networks_are_left_to_the_graph() -> None:
    nodes = [node("Cast", ["X"], "x", to=TensorProto.DOUBLE), *TWO[1:-1], node("Gemm", ["h4", "u", "b"], "y")]
    constants = {name: WEIGHTS[name].astype(np.float64) for name in ("w", "c", "v", "u", "b")}
    model = graph(nodes, {"X": (TensorProto.FLOAT, [None, COLUMNS])}, ["y"], constants)
    sources = {f"f{i}": TensorColumn(tensor="X", column=i) for i in range(COLUMNS)}

    plan = plan_mixing(Scorer(model=model, tensor="y", column=0, transform="none", detail=""), sources, always=True)

    assert len(plan.layers) == 1
    assert read_network(plan) is None
