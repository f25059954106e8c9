"""Columns that are a copy of an input need no graph to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from xaisvc.engine.scoring import ColumnMatrix, copied_input
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import BundleDescription, Feature, Kind, Output, Space, Table, TensorColumn

if TYPE_CHECKING:
    from collections.abc import Sequence


def _model(nodes: Sequence[onnx.NodeProto], output: str) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones((1, 2), np.float32), "c")],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def _copy(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Identity", [source], [target])


@pytest.mark.parametrize(
    ("nodes", "output", "copied"),
    [
        ([_copy("x", "y")], "y", "x"),
        ([_copy("x", "a"), _copy("a", "y")], "y", "x"),
        ([helper.make_node("Add", ["x", "c"], ["a"]), _copy("a", "y")], "y", None),
        ([_copy("c", "y")], "y", None),
    ],
    ids=["a copy", "a copy of a copy", "a copy of a sum", "a constant"],
)
def test_only_a_copy_of_an_input_is_one(nodes: list[onnx.NodeProto], output: str, copied: str | None) -> None:
    assert copied_input(_model(nodes, output), output) == copied


def test_a_copy_is_what_the_graph_answers() -> None:
    description = BundleDescription(
        name="copy",
        version="1",
        owner="tests",
        purpose="tests",
        out_of_scope="anything else",
        features=tuple(
            Feature(id=name, kind=Kind.NUMERIC, source=TensorColumn(tensor="x", column=i))
            for i, name in enumerate("ab")
        ),
        outputs=(Output(id="y", tensor="y", space=Space.RAW, tensor_space=Space.RAW),),
    )
    model = OrtRuntime().load(_model([_copy("x", "y")], "y"), device="cpu")
    rows = Table({"a": np.array([0.1, np.nan, 3.0]), "b": np.array([1e30, -0.0, 2.5])})

    run = ColumnMatrix(description, model, "y")(rows)
    copied = ColumnMatrix(description, model, "y", copied="x")(rows)

    assert run.dtype == copied.dtype == np.float32
    assert run.tobytes() == copied.tobytes()
