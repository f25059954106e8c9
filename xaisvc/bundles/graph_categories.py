"""Reads from the graph which categories its encoders know: data alone may not show them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.types.schema import TensorColumn

if TYPE_CHECKING:
    import onnx

_SAME = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"}
_ENCODERS = {"OneHotEncoder": "cats_strings", "LabelEncoder": "keys_strings"}


def known_categories(model: bytes) -> dict[TensorColumn, tuple[str, ...]]:
    """The texts that each input column is compared with.

    Follows inputs to `OneHotEncoder` and `LabelEncoder` nodes through what converters put in between: concatenation,
    choice of columns and change of shape. Columns that reach no encoder this way are left out.

    Args:
        model: Content of an ONNX file that passed `check_model`.

    Returns:
        Place in the graph to texts, in the order of the encoder.
    """
    import onnx  # noqa: PLC0415  # heavy: loaded when used

    graph = onnx.ModelProto.FromString(model).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    columns = {value.name: _columns(value) for value in graph.input}
    found: dict[TensorColumn, tuple[str, ...]] = {}
    for node in graph.node:
        inputs = [columns[name] for name in node.input if name in columns]
        attribute = _ENCODERS.get(node.op_type)
        if attribute is not None and len(inputs) == 1 and len(inputs[0]) == 1:
            texts = _texts(node, attribute)
            found[inputs[0][0]] = tuple(dict.fromkeys((*found.get(inputs[0][0], ()), *texts)))
        elif node.op_type == "Concat" and len(inputs) == len(node.input):
            columns[node.output[0]] = [column for part in inputs for column in part]
        elif node.op_type == "ArrayFeatureExtractor" and inputs and node.input[1] in constants:
            chosen = _chosen(constants[node.input[1]], inputs[0])
            if chosen:
                columns[node.output[0]] = chosen
        elif node.op_type in _SAME and len(inputs) == 1 and len(inputs[0]) == 1:
            columns[node.output[0]] = inputs[0]
    return {column: texts for column, texts in found.items() if texts}


def _columns(value: onnx.ValueInfoProto) -> list[TensorColumn]:
    dims = value.type.tensor_type.shape.dim
    width = dims[1].dim_value if len(dims) > 1 else 1
    return [TensorColumn(tensor=value.name, column=i) for i in range(max(width, 1))]


def _texts(node: onnx.NodeProto, name: str) -> tuple[str, ...]:
    texts = [value for attribute in node.attribute if attribute.name == name for value in attribute.strings]
    return tuple(text.decode("utf-8", errors="replace") for text in texts if text)


def _chosen(tensor: onnx.TensorProto, columns: list[TensorColumn]) -> list[TensorColumn]:
    from onnx import numpy_helper  # noqa: PLC0415  # heavy: loaded when used

    indices = numpy_helper.to_array(tensor).ravel().tolist()
    return [columns[i] for i in indices] if all(0 <= i < len(columns) for i in indices) else []
