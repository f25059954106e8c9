"""A graph some of whose inputs are always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


def fix_inputs(model: bytes, values: Mapping[str, NDArray[np.generic]]) -> bytes:
    """The same graph with some of its inputs as constants, which a runtime works through once.

    Args:
        model: A serialized ONNX model.
        values: Input name to what it always is; texts as objects. Names that are no inputs are ignored.
    """
    proto = onnx.load_from_string(model)
    inputs = list(proto.graph.input)
    del proto.graph.input[:]
    proto.graph.input.extend(one for one in inputs if one.name not in values)
    proto.graph.initializer.extend(
        numpy_helper.from_array(values[one.name], one.name) for one in inputs if one.name in values
    )
    return proto.SerializeToString()
