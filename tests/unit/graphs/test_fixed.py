"""Graphs with some of their inputs as constants, run beside the graphs they were made of."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from xaisvc.graphs import fix_inputs

N = 5
FEEDS = {
    "number": np.arange(N, dtype=np.float32).reshape(-1, 1),
    "job": np.array([["cook"], ["clerk"], ["cook"], ["jüngerer Koch"], [""]], dtype=object),
    "level": np.array([[1], [0], [1], [2], [7]], dtype=np.int64),
}


def _model() -> bytes:
    nodes = [
        helper.make_node(
            "OneHotEncoder", ["job"], ["jobs"], cats_strings=["cook", "clerk", "jüngerer Koch"], domain="ai.onnx.ml"
        ),
        helper.make_node("OneHotEncoder", ["level"], ["levels"], cats_int64s=[0, 1, 2], domain="ai.onnx.ml"),
        helper.make_node("Reshape", ["jobs", "wide"], ["jobs_wide"]),
        helper.make_node("Reshape", ["levels", "wide"], ["levels_wide"]),
        helper.make_node("Concat", ["number", "jobs_wide", "levels_wide"], ["columns"], axis=1),
    ]
    kinds = {"number": TensorProto.FLOAT, "job": TensorProto.STRING, "level": TensorProto.INT64}
    graph = helper.make_graph(
        nodes,
        "columns",
        [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info("columns", TensorProto.FLOAT, [None, 7])],
        [helper.make_tensor("wide", TensorProto.INT64, [2], [-1, 3])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


@pytest.mark.parametrize("names", [{"job"}, {"level"}, {"job", "level"}, {"number", "job", "level"}])
def test_a_fixed_graph_gives_the_same_bits_without_what_is_fixed(names: set[str]) -> None:
    model = _model()
    plain = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    (expected,) = plain.run(None, FEEDS)

    fixed = fix_inputs(model, {name: FEEDS[name] for name in names} | {"no input": np.zeros(1)})

    session = ort.InferenceSession(fixed, providers=["CPUExecutionProvider"])
    assert {one.name for one in session.get_inputs()} == set(FEEDS) - names
    (found,) = session.run(None, {name: value for name, value in FEEDS.items() if name not in names})
    np.testing.assert_array_equal(found, expected)
    assert expected[:, 1:].sum(axis=1).tolist() == [2.0, 2.0, 2.0, 2.0, 0.0]
