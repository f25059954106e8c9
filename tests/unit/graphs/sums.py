"""Small graphs over one matrix whose answer may be a sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, helper

from tests.unit.graphs.hand_made import ML, Grove
from xaisvc.types import Output, Space, TensorColumn

RAW = Output(id="x", tensor="Y", tensor_space=Space.RAW)
SOURCES = {name: TensorColumn(tensor="X", column=i) for i, name in enumerate("abcd")}
FIRST, SECOND = Grove(1), Grove(2)
X = FIRST.rows(40, missing=0.0)
WEIGHTS = np.array([[0.5], [1.5], [-0.7], [0.25]], dtype=np.float32)


def node(op: str, inputs: list[str], outputs: list[str] | None = None, *, ml: bool = False, **more: Any) -> NodeProto:
    """One node; its output is Y unless said otherwise."""
    return helper.make_node(op, inputs, outputs or ["Y"], domain=ML if ml else "", **more)


def named(grove: Grove, output: str, reads: str = "X") -> NodeProto:
    """The trees of a grove, reading and writing tensors of these names."""
    made = grove.regressor()
    made.input[0] = reads
    made.output[0] = output
    return made
