"""A number times zero depends on nothing if it is finite, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from tests.unit.graphs.hand_made import ML, graph, run
from xaisvc.graphs import features_behind
from xaisvc.types import TensorColumn

FLOAT, DOUBLE, HALF, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.STRING
INPUTS = {"X": (FLOAT, [None, 2]), "S": (STRING, [None, 1])}
SOURCES = {
    "a": TensorColumn(tensor="X", column=0),
    "b": TensorColumn(tensor="X", column=1),
    "s": TensorColumn(tensor="S"),
}
ZERO = {"zero": np.zeros(1, dtype=np.float32)}
NAN = float("nan")


def node(op: str, inputs: list[str], outputs: list[str], *, domain: str = "", **more: Any) -> NodeProto:
    return helper.make_node(op, inputs, outputs, domain=domain, **more)


def imputer(replaced: float, imputed: list[float]) -> NodeProto:
    lists = {"replaced_value_float": replaced, "imputed_value_floats": imputed}
    return node("Imputer", ["X"], ["filled"], domain=ML, **lists)


GATHER = node("Gather", ["X", "first"], ["a"], axis=1)
TIMES = node("Mul", ["X", "zero"], ["Y"])
FIRST = {"first": np.array([0], dtype=np.int64)}

# Name to (nodes, constants, the features that are finite, the features behind Y).
CASES: dict[str, tuple[list[NodeProto], dict[str, Any], str, str]] = {
    "all are finite": ([TIMES], ZERO, "ab", ""),
    "zero on the left": ([node("Mul", ["zero", "X"], ["Y"])], ZERO, "ab", ""),
    "one may be missing": ([TIMES], ZERO, "a", "ab"),
    "the finite one alone": ([GATHER, node("Mul", ["a", "zero"], ["Y"])], {**ZERO, **FIRST}, "a", ""),
    "not all zeros": ([TIMES], {"zero": np.array([0, 1], dtype=np.float32)}, "ab", "ab"),
    "not zero": ([TIMES], {"zero": np.array([1e-30], dtype=np.float32)}, "ab", "ab"),
    "as a wider number": (
        [node("Cast", ["X"], ["wide"], to=DOUBLE), node("Mul", ["wide", "zero"], ["Y"])],
        {"zero": np.zeros(1)},
        "ab",
        "",
    ),
    "as a narrower number, which may be infinite": (
        [node("Cast", ["X"], ["half"], to=HALF), node("Mul", ["half", "zero"], ["Y"])],
        {"zero": np.zeros(1, dtype=np.float16)},
        "ab",
        "ab",
    ),
    "a logarithm, which may be infinite": (
        [node("Log", ["X"], ["log"]), node("Mul", ["log", "zero"], ["Y"])],
        ZERO,
        "ab",
        "ab",
    ),
    "text, which may be no number": (
        [node("Cast", ["S"], ["number"], to=FLOAT), node("Mul", ["number", "zero"], ["Y"])],
        ZERO,
        "s",
        "s",
    ),
    "imputed": ([imputer(NAN, [1.0, 2.0]), node("Mul", ["filled", "zero"], ["Y"])], ZERO, "", ""),
    "another number imputed": ([imputer(-1.0, [1.0, 2.0]), node("Mul", ["filled", "zero"], ["Y"])], ZERO, "", "ab"),
    "imputed by none": ([imputer(NAN, [1.0, NAN]), node("Mul", ["filled", "zero"], ["Y"])], ZERO, "", "ab"),
}


def _made(name: str) -> tuple[bytes, frozenset[str], frozenset[str]]:
    nodes, constants, finite, behind = CASES[name]
    reads = {one: INPUTS[one] for one in INPUTS if any(one in made.input for made in nodes)}
    return graph(nodes, reads, ["Y"], constants), frozenset(finite), frozenset(behind)


@pytest.mark.parametrize("name", CASES)
def test_a_product_with_zero_depends_on_what_may_make_it_no_number(name: str) -> None:
    model, finite, behind = _made(name)

    assert features_behind(model, "Y", None, SOURCES, finite=finite) == behind


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_said_of_features_of_which_nothing_is_known(name: str) -> None:
    model, _, _ = _made(name)
    everything = {"the finite one alone": "a", "text, which may be no number": "s", "imputed": ""}.get(name, "ab")

    assert features_behind(model, "Y", None, SOURCES) == frozenset(everything)


EXTREME = np.array([[-1e38, 3e38], [0.0, -0.0], [NAN, 1.0], [np.inf, 1.0]], dtype=np.float32)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("text")])
def test_the_numbers_themselves_agree(name: str) -> None:
    model, finite, behind = _made(name)
    rows = EXTREME[: 2 if finite else 3]  # an imputer takes what is missing, and no row may be infinite

    answer = run(model, rows, "Y")

    assert behind or (answer == 0).all()


def test_what_may_be_missing_does_reach_a_product_with_zero() -> None:
    model, _, _ = _made("one may be missing")

    assert np.isnan(run(model, EXTREME[2:], "Y")[:, 0]).all()
