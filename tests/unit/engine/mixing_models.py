"""Small ONNX models with rows, each with something of its own about the mixing of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray


FLOAT, DOUBLE, INT64, STRING, BOOL = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.STRING,
    TensorProto.BOOL,
)


def model(
    nodes: Sequence[object],
    inputs: Mapping[str, tuple[int, Sequence[int | str | None]]],
    constants: Mapping[str, object],
    *,
    opset: int = 17,
    output: tuple[int, Sequence[int | str | None]] = (FLOAT, [None, 1]),
) -> bytes:
    """A model of the given nodes with one output, y."""
    graph = helper.make_graph(
        list(nodes),
        "hand_made",
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info("y", output[0], list(output[1]))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **more: object) -> object:
    """One node."""
    return helper.make_node(op, list(inputs), list(outputs), **more)


def weights(*shape: int, dtype: type = np.float32) -> NDArray[np.generic]:
    """Numbers of about one, the same for the same shape."""
    return np.random.default_rng(sum(shape)).normal(0, 0.8, shape).astype(dtype)


def numbers(*names: str, seed: int = 0) -> pd.DataFrame:
    """Sixty rows of float32 numbers, standard normal."""
    values = np.random.default_rng(seed).normal(size=(60, len(names))).astype(np.float32)
    return pd.DataFrame(values, columns=list(names))


def network(*, opset: int = 17, dtype: type = np.float32, batch: int | str | None = None) -> bytes:
    """y = tanh(x w + c) v, from four numbers."""
    kind = FLOAT if dtype is np.float32 else DOUBLE
    return model(
        [
            node("MatMul", ["x", "w"], ["h"]),
            node("Add", ["h", "c"], ["hc"]),
            node("Tanh", ["hc"], ["t"]),
            node("Gemm", ["t", "v", "zero"], ["y"], transB=1),
        ],
        {"x": (kind, [batch, 4])},
        {
            "w": weights(4, 6, dtype=dtype),
            "c": weights(6, dtype=dtype),
            "v": weights(1, 6, dtype=dtype),
            "zero": np.zeros(1, dtype),
        },
        opset=opset,
        output=(kind, [batch, 1]),
    )


def _home_code() -> object:
    """A look-up of text."""
    return helper.make_node(
        "LabelEncoder",
        ["home"],
        ["code"],
        domain="ai.onnx.ml",
        keys_strings=["own", "rent"],
        values_floats=[1.0, -2.0],
        default_float=0.5,
    )


def texts_and_numbers() -> tuple[bytes, pd.DataFrame]:
    """A look-up of text beside two numbers, joined by a network."""
    nodes = [
        _home_code(),
        node("Concat", ["age", "code", "income"], ["all"], axis=1),
        node("Gemm", ["all", "w", "c"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    inputs = {"age": (FLOAT, [None, 1]), "home": (STRING, [None, 1]), "income": (FLOAT, [None, 1])}
    data = numbers("age", "income").assign(home=np.random.default_rng(1).choice(["own", "rent", "free"], 60))
    return model(nodes, inputs, {"w": weights(3, 5), "c": weights(5), "v": weights(5, 1)}), data


def texts_mixed_as_texts() -> tuple[bytes, pd.DataFrame]:
    """Two texts compared with each other: nothing can be done before they are mixed."""
    nodes = [
        node("Equal", ["a", "b"], ["same"]),
        node("Cast", ["same"], ["number"], to=FLOAT),
        node("Add", ["number", "x"], ["y"]),
    ]
    inputs = {"a": (STRING, [None]), "b": (STRING, [None]), "x": (FLOAT, [None])}
    rng = np.random.default_rng(5)
    data = numbers("x").assign(a=rng.choice(["u", "v"], 60), b=rng.choice(["u", "v"], 60))
    return model(nodes, inputs, {}, opset=19, output=(FLOAT, [None])), data


def flags_and_counts() -> tuple[bytes, pd.DataFrame]:
    """A truth value that chooses between a count and a number."""
    nodes = [
        node("Cast", ["count"], ["amount"], to=FLOAT),
        node("Where", ["flag", "amount", "x"], ["y"]),
    ]
    inputs = {"flag": (BOOL, [None, 1]), "count": (INT64, [None, 1]), "x": (FLOAT, [None, 1])}
    rng = np.random.default_rng(2)
    data = numbers("x").assign(flag=rng.random(60) < 0.5, count=rng.integers(0, 9, 60))
    return model(nodes, inputs, {}), data


def shaped_at_run_time() -> tuple[bytes, pd.DataFrame]:
    """The number of rows is read from the rows, as exporters of deep-learning frameworks write a flatten."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"], axis=0),
        node("Concat", ["n", "minus_one"], ["to"], axis=0),
        node("Reshape", ["x", "to"], ["flat"]),
        node("MatMul", ["flat", "w"], ["h"]),
        node("Sigmoid", ["h"], ["y"]),
    ]
    constants = {"zero": np.array([0]), "minus_one": np.array([-1]), "w": weights(4, 1)}
    return model(nodes, {"x": (FLOAT, [None, 4])}, constants), numbers(*"abcd")


def two_branches() -> tuple[bytes, pd.DataFrame]:
    """One tensor goes into two linear layers, another is mixed as it is, and a nested graph captures a mixed tensor."""
    then = helper.make_graph([node("Add", ["h", "one"], ["t"])], "then", [], [helper.make_empty_tensor_value_info("t")])
    other = helper.make_graph([node("Neg", ["h"], ["e"])], "else", [], [helper.make_empty_tensor_value_info("e")])
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Gemm", ["x", "u", "one"], ["g"], alpha=0.5, beta=2.0),
        node("If", ["yes"], ["chosen"], then_branch=then, else_branch=other),
        node("Mul", ["chosen", "g"], ["hg"]),
        node("Mul", ["z", "total"], ["zs"]),
        node("ReduceSum", ["zs", "axis"], ["sum"], keepdims=1),
        node("ReduceSum", ["hg", "axis"], ["joined"], keepdims=1),
        node("Add", ["sum", "joined"], ["y"]),
        node("ReduceSum", ["z", "axis"], ["total"], keepdims=1),
    ]
    nodes = [*nodes[:4], nodes[8], *nodes[4:8]]
    constants = {
        "w": weights(3, 4),
        "u": weights(3, 4)[::-1].copy(),
        "one": np.ones(1, np.float32),
        "yes": np.array(True),  # noqa: FBT003 - a constant of the graph
        "axis": np.array([1]),
    }
    data = numbers("a", "b", "c", "d", "e")
    return model(nodes, {"x": (FLOAT, [None, 3]), "z": (FLOAT, [None, 2])}, constants), data


def one_feature_alone() -> tuple[bytes, pd.DataFrame]:
    """The answer depends on one column: nothing is left to run on mixed rows."""
    nodes = [node("Gather", ["x", "second"], ["b"], axis=1), node("Exp", ["b"], ["y"])]
    return model(nodes, {"x": (FLOAT, [None, 3])}, {"second": np.array([1])}), numbers(*"abc")


def constant_answer() -> tuple[bytes, pd.DataFrame]:
    """The same answer for every row."""
    nodes = [node("Mul", ["x", "nothing"], ["none"]), node("ReduceMax", ["none"], ["top"], axes=[1], keepdims=1)]
    nodes += [node("Abs", ["top"], ["zero"]), node("Add", ["zero", "c"], ["y"])]
    constants = {"nothing": np.zeros(1, np.float32), "c": np.array([0.1], np.float32)}
    return model(nodes, {"x": (FLOAT, [None, 3])}, constants), numbers(*"abc")


def linked_sum() -> tuple[bytes, pd.DataFrame]:
    """A logistic function of a look-up of text and scaled numbers."""
    nodes = [
        _home_code(),
        node("Concat", ["age", "code", "income"], ["all"], axis=1),
        node("MatMul", ["all", "w"], ["h"]),
        node("Add", ["h", "c"], ["s"]),
        node("Sigmoid", ["s"], ["y"]),
    ]
    inputs = {"age": (FLOAT, [None, 1]), "home": (STRING, [None, 1]), "income": (FLOAT, [None, 1])}
    data = numbers("age", "income").assign(home=np.random.default_rng(1).choice(["own", "rent", "free"], 60))
    return model(
        nodes, inputs, {"w": np.array([[0.5], [0.7], [4.0]], np.float32), "c": np.array([0.3], np.float32)}
    ), data


def log_of_a() -> tuple[bytes, pd.DataFrame]:
    """y = log(a) * b: not finite for a row with a <= 0."""
    nodes = [node("Log", ["a"], ["log"]), node("Mul", ["log", "b"], ["y"])]
    data = numbers("a", "b").abs() + 0.5
    return model(nodes, {"a": (FLOAT, [None, 1]), "b": (FLOAT, [None, 1])}, {}), data.astype(np.float32)


HAND_MADE: dict[str, Callable[[], tuple[bytes, pd.DataFrame]]] = {
    "network": lambda: (network(), numbers(*"abcd")),
    "network of doubles": lambda: (network(dtype=np.float64), numbers(*"abcd")),
    "network in operator set 9": lambda: (network(opset=9), numbers(*"abcd")),
    "network in operator set 12": lambda: (network(opset=12), numbers(*"abcd")),
    "network in operator set 21": lambda: (network(opset=21), numbers(*"abcd")),
    "network with a batch of 3": lambda: (network(batch=3), numbers(*"abcd")),
    "texts and numbers": texts_and_numbers,
    "texts mixed as texts": texts_mixed_as_texts,
    "flags and counts": flags_and_counts,
    "shaped at run time": shaped_at_run_time,
    "two branches": two_branches,
    "one feature alone": one_feature_alone,
    "constant answer": constant_answer,
}
