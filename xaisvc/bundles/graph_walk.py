"""Looks at every node and tensor of an ONNX model, wherever it hides, and at the sizes it would make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xaisvc.errors import UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import onnx
    from google.protobuf.message import Message

_MESSAGE = 11  # protobuf's wire-independent number of a message field (FieldDescriptor.TYPE_MESSAGE)
# Operators whose output's size is a value of one of these inputs.
_SIZE_INPUTS = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Tile": (1, 2),
    "Range": (0, 1),
    "Pad": (1,),
    "OneHot": (1,),
    "Resize": (2, 3),
    "Upsample": (1,),
    "Reshape": (1,),
    "Split": (1,),
    "TopK": (1,),
    "CenterCropPad": (1,),
    "HannWindow": (0,),
    "HammingWindow": (0,),
    "BlackmanWindow": (0,),
    "MelWeightMatrix": (0, 1),
    "AffineGrid": (1,),
}
_SIZE_ATTRIBUTES = {
    "RandomNormal": ("shape",),
    "RandomUniform": ("shape",),
    "Multinomial": ("sample_size",),
    "Tile": ("tiles",),
    "Pad": ("pads", "paddings"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A node or a tensor of a model.

    Attributes:
        kind: Which of the two.
        message: The protobuf message.
        inside_scan: Whether it stands in the body of a Scan.
        dense_dims: Unpacked size, for the values of a sparse tensor; else empty.
    """

    kind: Literal["node", "tensor"]
    message: Message
    inside_scan: bool = False
    dense_dims: tuple[int, ...] = ()

    @property
    def node(self) -> onnx.NodeProto:
        """The message of a node."""
        return self.message  # type: ignore[return-value]  # by `kind`

    @property
    def tensor(self) -> onnx.TensorProto:
        """The message of a tensor."""
        return self.message  # type: ignore[return-value]  # by `kind`


def walk(message: Message, *, inside_scan: bool = False, dense_dims: tuple[int, ...] = ()) -> Iterator[Part]:
    """Every node and tensor under a message: in subgraphs, attributes, functions and sparse tensors too.

    It follows the fields of the messages themselves, so no place can be forgotten. Protobuf bounds the depth when it
    parses.
    """
    kind = message.DESCRIPTOR.name
    if kind == "NodeProto":
        yield Part("node", message, inside_scan)
        inside_scan = inside_scan or message.op_type == "Scan"  # type: ignore[attr-defined]  # by its descriptor
    elif kind == "TensorProto":
        yield Part("tensor", message, inside_scan, dense_dims)
    elif kind == "SparseTensorProto":
        dense_dims = tuple(message.dims)  # type: ignore[attr-defined]  # by its descriptor
    for field, value in message.ListFields():
        if field.type == _MESSAGE:
            inner: Iterable[Message] = value if hasattr(value, "__len__") else (value,)
            for one in inner:
                yield from walk(one, inside_scan=inside_scan, dense_dims=dense_dims)


def expanded_nodes(proto: onnx.ModelProto, limit: int) -> int:
    """Number of nodes once every call of a function is replaced by its body; stops counting beyond `limit`.

    Raises:
        UnsafeModelError: If a function calls itself.
    """
    bodies = {(function.domain, function.name): function for function in proto.functions}
    known: dict[tuple[str, str], int] = {}
    open_calls: set[tuple[str, str]] = set()

    def size(message: Message) -> int:
        total = 0
        for part in walk(message):
            if part.kind != "node":
                continue
            key = (part.node.domain, part.node.op_type)
            total += of(key) if key in bodies else 1
            if total > limit:
                return limit + 1
        return total

    def of(key: tuple[str, str]) -> int:
        if key in open_calls:
            raise UnsafeModelError(
                f"the function '{key[1][:60]}' calls itself; export the model again", file="model.onnx"
            )
        if key not in known:
            open_calls.add(key)
            known[key] = size(bodies[key])
            open_calls.discard(key)
        return known[key]

    return size(proto.graph)


def check_sizes(proto: onnx.ModelProto, tensor_elements: int, total_elements: int) -> None:
    """Refuses a model that makes huge tensors out of constants, seen from the shapes for one row.

    Sizes that depend on the values of a row cannot be seen here.

    Raises:
        UnsafeModelError: If a tensor, or all tensors together, exceed the limits.
    """
    import onnx  # noqa: PLC0415  # heavy: loaded when used

    single = _single_row(proto)
    for name, amount in _constant_sizes(single):
        if amount > tensor_elements:
            raise _too_large(name, amount, tensor_elements)
    try:
        inferred = onnx.shape_inference.infer_shapes(single, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        raise UnsafeModelError(
            "the shapes of the graph contradict each other; export the model again", file="model.onnx"
        ) from None
    total = 0
    for graph in _graphs(inferred.graph):
        for value in (*graph.value_info, *graph.output):
            elements = _elements(value)
            if elements > tensor_elements:
                raise _too_large(value.name, elements, tensor_elements)
            total += elements
    if total > total_elements:
        raise UnsafeModelError(
            f"the graph makes tensors of {total:,} elements together for one row; at most {total_elements:,} are "
            "allowed",
            file="model.onnx",
        )


def _single_row(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with functions inlined and every free dimension of the inputs set to one row."""
    import onnx  # noqa: PLC0415  # heavy: loaded when used
    from onnx import inliner  # noqa: PLC0415  # heavy: loaded when used

    single = onnx.ModelProto()
    single.CopyFrom(inliner.inline_local_functions(proto) if proto.functions else proto)
    del single.graph.value_info[:]  # what the file claims about its shapes proves nothing
    for output in single.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    for value in single.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value") or dim.dim_value <= 0:
                dim.dim_value = 1
    return single


def _constant_sizes(proto: onnx.ModelProto) -> Iterator[tuple[str, int]]:
    """Largest constant that decides a size, with the operator that uses it."""
    from onnx import numpy_helper  # noqa: PLC0415  # heavy: loaded when used

    constants: dict[str, onnx.TensorProto] = {}
    for graph in _graphs(proto.graph):
        constants.update((tensor.name, tensor) for tensor in graph.initializer)
        for node in graph.node:
            if node.op_type == "Constant":
                constants.update((node.output[0], item.t) for item in node.attribute if item.name == "value")
    for graph in _graphs(proto.graph):
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in _SIZE_ATTRIBUTES.get(node.op_type, ()):
                    yield node.op_type, max((abs(v) for v in (*attribute.ints, attribute.i)), default=0)
            for i in _SIZE_INPUTS.get(node.op_type, ()):
                tensor = constants.get(node.input[i]) if i < len(node.input) else None
                if tensor is not None and 0 not in tensor.dims and tensor.data_type in _NUMBERS:
                    values = numpy_helper.to_array(tensor).ravel()
                    yield node.op_type, _largest(values.tolist())


_NUMBERS = {1, 6, 7, 10, 11}  # float, int32, int64, float16, double


def _largest(values: list[float]) -> int:
    return max((int(abs(value)) if math.isfinite(value) else 2**63 for value in values), default=0)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)


def _elements(value: onnx.ValueInfoProto) -> int:
    """Number of elements as far as they are known; free dimensions count as one."""
    dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim if dim.HasField("dim_value")]
    return math.prod(max(dim, 0) for dim in dims)


def _too_large(name: str, elements: int, limit: int) -> UnsafeModelError:
    return UnsafeModelError(
        f"'{name[:60]}' makes a tensor of {elements:,} elements for one row; at most {limit:,} are allowed; export a "
        "smaller model",
        file="model.onnx",
    )
