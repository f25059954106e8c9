"""An ONNX graph as something that can be asked questions: who makes a tensor, what is constant, what shape it has."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto

    Array = NDArray[np.generic]

ML_DOMAIN = "ai.onnx.ml"

_FOLD_LIMIT = 16_000_000
"""Largest constant, in elements, that is computed while reading: a hostile graph must not make the reader allocate."""


_FLOAT = 1
_SAME_ELEMENT = frozenset(
    {"Imputer", "ArrayFeatureExtractor", "Identity", "Concat", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather"}
    | {"Slice", "Split", "Add", "Sub", "Mul", "Div", "Clip", "Abs", "Neg", "Log", "Exp", "Sqrt", "Pow", "Min", "Max"}
    | {"Sum", "Mean", "MatMul", "Gemm", "ReduceSum", "ReduceMean", "TreeEnsemble"}
)
_MAKES_FLOAT = frozenset(
    {"Scaler", "Normalizer", "OneHotEncoder", "FeatureVectorizer", "LinearRegressor"} | {"TreeEnsembleRegressor"}
)
_SCORES_ARE_FLOAT = frozenset({"TreeEnsembleClassifier", "LinearClassifier"})


class Graph:
    """A parsed model with the look-ups that readers need. Never changed after it was made.

    Attributes:
        model: The parsed protobuf.
        nodes: Nodes of the main graph, in its (topological) order.
        inputs: Names of the inputs that are not initializers.
        outputs: Names of the outputs.
    """

    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self.model = model
        self.nodes: tuple[NodeProto, ...] = tuple(graph.node)
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = tuple(value.name for value in graph.input if value.name not in self._initializers)
        self.outputs = tuple(value.name for value in graph.output)
        self._producers = {name: i for i, node in enumerate(self.nodes) for name in node.output if name}
        self._folded: dict[str, Array | None] = {}

    @staticmethod
    def parse(model: bytes) -> Graph:
        """Parses a serialized model.

        Raises:
            UnsafeModelError: If the bytes are not an ONNX model.
        """
        import onnx  # noqa: PLC0415 (heavy: loaded when used)
        from google.protobuf.message import DecodeError  # noqa: PLC0415 (heavy: loaded when used)

        try:
            parsed = onnx.load_from_string(model)
        except DecodeError:
            parsed = onnx.ModelProto()
        if not parsed.graph.node or not parsed.graph.output or not _has_readable_names(parsed):
            msg = "is no ONNX model, or one without nodes or outputs; export the model again"
            raise UnsafeModelError(msg, file="model.onnx")
        return Graph(parsed)

    def producer(self, tensor: str) -> NodeProto | None:
        """The node that makes a tensor; None for inputs and initializers."""
        index = self._producers.get(tensor)
        return None if index is None else self.nodes[index]

    def position(self, tensor: str) -> int:
        """Place in the graph's order of the node that makes a tensor; -1 for inputs and initializers."""
        return self._producers.get(tensor, -1)

    @cached_property
    def types(self) -> dict[str, TypeProto]:
        """Tensor name to type and shape, declared or inferred."""
        import onnx  # noqa: PLC0415 (heavy: loaded when used)

        try:
            graph = onnx.shape_inference.infer_shapes(self.model, data_prop=True).graph
        except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
            graph = self.model.graph
        values = (*graph.value_info, *graph.output, *graph.input)
        declared = {value.name: value.type for value in values if value.type.WhichOneof("value")}
        for name, tensor in self._initializers.items():
            declared[name] = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        return declared

    def element(self, tensor: str) -> int:
        """ONNX element type of a tensor, 0 if unknown or not a tensor."""
        for _ in range(len(self.nodes) + 1):
            found = self.types.get(tensor)
            if found is not None and found.tensor_type.elem_type:
                return found.tensor_type.elem_type
            node = self.producer(tensor)
            # Shape inference stops at many nodes of ai.onnx.ml; these hand the type of their input on.
            if node is None or not node.input or node.op_type not in _SAME_ELEMENT:
                return _FLOAT if node is not None and _is_made_float(node, tensor) else 0
            tensor = node.input[0]
        return 0

    def shape(self, tensor: str) -> tuple[int | None, ...] | None:
        """Dimensions of a tensor, None where free; None if even the rank is unknown."""
        found = self.types.get(tensor)
        if found is None or not found.tensor_type.HasField("shape"):
            return None
        return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in found.tensor_type.shape.dim)

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor has the same value for every row, as far as the reader can compute it."""
        return self.constant(tensor) is not None

    def constant(self, tensor: str) -> Array | None:
        """Value of a constant tensor, folded from initializers and `Constant` nodes; None if it depends on inputs."""
        if tensor not in self._folded:
            # Mark first: a graph that refers to itself must end, not recurse.
            self._folded[tensor] = None
            self._folded[tensor] = self._fold(tensor)
        return self._folded[tensor]

    def _fold(self, tensor: str) -> Array | None:
        if tensor in self._initializers:
            return _array(self._initializers[tensor])
        node = self.producer(tensor)
        if node is None or node.domain:
            return None
        return _constant_value(node) if node.op_type == "Constant" else self._fold_node(node)

    def _fold_node(self, node: NodeProto) -> Array | None:
        fold = _FOLDS.get(node.op_type)
        operands = [self.constant(name) for name in node.input if name] if fold is not None else []
        known = [operand for operand in operands if operand is not None]
        if fold is None or len(known) < len(operands) or sum(operand.size for operand in known) > _FOLD_LIMIT:
            return None
        try:
            if _folded_size(node, known) > _FOLD_LIMIT:
                return None
            folded = np.asarray(fold(node, known))
        except (ValueError, IndexError, TypeError, ZeroDivisionError):
            return None
        return folded

    def needed_nodes(self, tensors: Iterable[str]) -> list[int]:
        """Places of the nodes that the given tensors depend on, in the graph's order."""
        needed: set[int] = set()
        waiting = list(tensors)
        while waiting:
            index = self._producers.get(waiting.pop())
            if index is None or index in needed:
                continue
            needed.add(index)
            waiting.extend(node_inputs(self.nodes[index]))
        return sorted(needed)


def _is_made_float(node: NodeProto, tensor: str) -> bool:
    """Whether a node of ai.onnx.ml makes a tensor of floats whatever it is given."""
    if node.domain != ML_DOMAIN:
        return False
    return node.op_type in _MAKES_FLOAT or (node.op_type in _SCORES_ARE_FLOAT and tensor in node.output[1:])


def _array(tensor: TensorProto) -> Array:
    """The numbers of a constant.

    Raises:
        UnsafeModelError: If its data do not fit its type and shape.
    """
    from onnx import numpy_helper  # noqa: PLC0415 (heavy: loaded when used)

    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (KeyError, TypeError, ValueError) as error:
        msg = f"holds a constant, '{tensor.name}', whose data do not fit its type and shape; export the model again"
        raise UnsafeModelError(msg, file="model.onnx") from error


def _has_readable_names(model: ModelProto) -> bool:
    """Whether every name is text. Protobuf hands over what is no UTF-8 as bytes, or fails once it is read."""
    graph = model.graph
    try:
        names = [model.producer_name, graph.name, *(opset.domain for opset in model.opset_import)]
        names.extend(value.name for value in (*graph.input, *graph.output, *graph.value_info))
        names.extend(tensor.name for tensor in graph.initializer)
        for node in graph.node:
            names.extend((node.op_type, node.domain, node.name, *node.input, *node.output))
            names.extend(attribute.name for attribute in node.attribute)
    except UnicodeDecodeError:
        return False
    return all(isinstance(name, str) for name in names)


def node_inputs(node: NodeProto) -> Iterator[str]:
    """Names of all tensors a node reads, those captured by its subgraphs included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield from _captured(attribute.g)
        for graph in attribute.graphs:
            yield from _captured(graph)


def _captured(graph: GraphProto) -> Iterator[str]:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        yield from (name for name in node_inputs(node) if name not in own)
        own.update(node.output)
    yield from (value.name for value in graph.output if value.name not in own)


def attributes(node: NodeProto) -> dict[str, object]:
    """A node's attributes as plain values: numbers, `str`, lists of them, or arrays for tensors."""
    return {attribute.name: _plain(attribute) for attribute in node.attribute}


def _plain(attribute: AttributeProto) -> object:
    from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

    value = helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return _array(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float, str)):
        return value
    items = list(value) if hasattr(value, "__iter__") else [value]
    if items and isinstance(items[0], bytes):
        return [item.decode("utf-8", "replace") for item in items]
    return items


def int_attribute(node: NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node."""
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return default if found is None else int(found.i)


def text_attribute(node: NodeProto, name: str, default: str) -> str:
    """A text attribute of a node."""
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return default if found is None else found.s.decode("utf-8", "replace")


def ints_attribute(node: NodeProto, name: str) -> list[int] | None:
    """A list of integers from a node's attribute; None if the attribute is absent."""
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return None if found is None else [int(item) for item in found.ints]


def floats_attribute(node: NodeProto, name: str) -> NDArray[np.float64]:
    """A list of float32 numbers from a node's attribute, as float64; empty if the attribute is absent."""
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return np.asarray([] if found is None else found.floats, dtype=np.float32).astype(np.float64)


def class_labels(node: NodeProto) -> tuple[str, ...] | tuple[int, ...]:
    """Class labels that a classifier or ZipMap node declares, in the order of its columns; empty if it has none."""
    for attribute in node.attribute:
        if attribute.name in {"classlabels_strings", "classlabels_ints", "classlabels_int64s"}:
            if attribute.strings:
                return tuple(item.decode("utf-8", "replace") for item in attribute.strings)
            if attribute.ints:
                return tuple(int(item) for item in attribute.ints)
    return ()


def _constant_value(node: NodeProto) -> Array | None:
    for name, value in attributes(node).items():
        if name in {"value", "value_float", "value_int", "value_string"}:
            return np.asarray(value, dtype=np.float32 if name == "value_float" else None)
        if name in {"value_floats", "value_ints", "value_strings"}:
            return np.asarray(value, dtype=np.float32 if name == "value_floats" else None)
    return None


def _folded_size(node: NodeProto, operands: list[Array]) -> int:
    """Number of elements of a folded node, or an upper bound of it."""
    if node.op_type in {"Add", "Sub", "Mul", "Div"}:
        return prod(np.broadcast_shapes(operands[0].shape, operands[1].shape))
    if node.op_type == "Gather":
        return operands[0].size * operands[1].size
    return sum(operand.size for operand in operands)


def _axes(node: NodeProto, operands: list[Array]) -> tuple[int, ...] | None:
    if len(operands) > 1:
        return tuple(int(axis) for axis in operands[1].ravel())
    axes = ints_attribute(node, "axes")
    return None if axes is None else tuple(axes)


def _fold_cast(node: NodeProto, operands: list[Array]) -> Array:
    from onnx import helper  # noqa: PLC0415 (heavy: loaded when used)

    return operands[0].astype(helper.tensor_dtype_to_np_dtype(int_attribute(node, "to", 1)))


def _fold_div(_: NodeProto, operands: list[Array]) -> Array:
    top, bottom = operands
    if np.issubdtype(top.dtype, np.floating):
        return np.asarray(np.divide(top, bottom))
    # ONNX divides integers towards zero.
    return np.asarray(np.trunc(np.divide(top, bottom)).astype(top.dtype))


_FOLDS: dict[str, Callable[[NodeProto, list[Array]], Array]] = {
    "Identity": lambda _, ops: ops[0],
    "Cast": _fold_cast,
    "Neg": lambda _, ops: np.negative(ops[0]),
    "Add": lambda _, ops: np.asarray(np.add(ops[0], ops[1])),
    "Sub": lambda _, ops: np.asarray(np.subtract(ops[0], ops[1])),
    "Mul": lambda _, ops: np.asarray(np.multiply(ops[0], ops[1])),
    "Div": _fold_div,
    "Concat": lambda node, ops: np.concatenate(ops, axis=int_attribute(node, "axis", 0)),
    "Transpose": lambda node, ops: np.transpose(ops[0], ints_attribute(node, "perm")),
    "Reshape": lambda _, ops: ops[0].reshape([int(size) for size in ops[1].ravel()]),
    "Unsqueeze": lambda node, ops: np.expand_dims(ops[0], _axes(node, ops) or ()),
    "Squeeze": lambda node, ops: np.squeeze(ops[0], _axes(node, ops)),
    "Gather": lambda node, ops: np.take(ops[0], ops[1].astype(np.int64), axis=int_attribute(node, "axis", 0)),
}
