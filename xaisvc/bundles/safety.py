"""Decides whether an ONNX file may be run at all. Nothing of the model is executed here.

What is promised: the model reads and writes nothing but its tensors, uses standard operators only, has no unbounded
loop, and makes no tensor of constant size beyond the limits. What is not promised: a bound on time and memory for every
input. A service that runs models of strangers sets process limits as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.bundles.graph_walk import Part, check_sizes, expanded_nodes, walk
from xaisvc.errors import UnsafeModelError

if TYPE_CHECKING:
    import onnx

FILE = "model.onnx"
STANDARD = {"", "ai.onnx"}
ML = "ai.onnx.ml"
_NEWEST_ML = 5
_UNBOUNDED = {
    "Loop": "a Loop may run without end",
    "SequenceMap": "a SequenceMap is a loop over a sequence",
}
_LABEL_LIMIT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """What a model may be at most.

    Attributes:
        size_bytes: Size of the file.
        nodes: Operators, counted in subgraphs and at every call of a function too.
        scans: Scan operators. A Scan runs once for each entry of its input, so it ends; nearest-neighbour models need
            it. One inside another is refused.
        tensor_elements: Elements of one tensor, for a single row.
        total_elements: Elements of all tensors together, for a single row.
    """

    size_bytes: int = 256 * 2**20
    nodes: int = 50_000
    scans: int = 8
    tensor_elements: int = 2**24
    total_elements: int = 2**28


DEFAULT_LIMITS = ModelLimits()


def check_model(model: bytes, *, limits: ModelLimits = DEFAULT_LIMITS) -> None:
    """Refuses a model that breaks a safety rule.

    Args:
        model: Content of the ONNX file.
        limits: What it may be at most.

    Raises:
        UnsafeModelError: Says which rule is broken and what to do.
    """
    if len(model) > limits.size_bytes:
        raise _unsafe(f"the file has {len(model):,} bytes; at most {limits.size_bytes:,} are allowed")
    proto = _parsed(model)
    _check_opsets(proto)
    if proto.training_info:
        raise _unsafe("the model carries training graphs; export it for inference only")
    functions = {(function.domain, function.name) for function in proto.functions}
    scans = 0
    count = 0
    for part in walk(proto):
        if part.kind == "tensor":
            _check_tensor(part, limits)
        elif part.kind == "node":
            count += 1
            if count > limits.nodes:
                raise _too_many(limits)
            _check_node(part, functions)
            scans += part.node.op_type == "Scan"
            if scans > limits.scans:
                raise _unsafe(f"the model has more than {limits.scans} Scan operators; export it without loops")
    if expanded_nodes(proto, limits.nodes) > limits.nodes:
        raise _too_many(limits)
    _run_checker(model)
    check_sizes(proto, limits.tensor_elements, limits.total_elements)


def _parsed(model: bytes) -> onnx.ModelProto:
    import onnx  # noqa: PLC0415  # heavy: loaded when used
    from google.protobuf.message import DecodeError  # noqa: PLC0415  # loaded with onnx

    try:
        proto = onnx.ModelProto.FromString(model)
    except DecodeError:
        raise _unsafe(
            f"the file is no ONNX model, or it was cut off or damaged ({len(model):,} bytes); copy or export it again"
        ) from None
    if not proto.graph.node and not proto.graph.output:
        raise _unsafe(f"the file holds no ONNX graph ({len(model):,} bytes); copy or export the model again")
    if proto.ir_version > onnx.IR_VERSION:
        raise _unsafe(
            f"the model has ONNX format {proto.ir_version}; this installation reads up to {onnx.IR_VERSION}; export "
            "it with an older target"
        )
    initial = {tensor.name for tensor in proto.graph.initializer}
    if not [value for value in proto.graph.input if value.name not in initial]:
        raise _unsafe("the model has no inputs, so there is nothing to explain; export the whole model")
    return proto


def _check_opsets(proto: onnx.ModelProto) -> None:
    import onnx  # noqa: PLC0415  # heavy: loaded when used

    own = {function.domain for function in proto.functions}
    newest = onnx.defs.onnx_opset_version()
    for entry in proto.opset_import:  # skl2onnx imports ai.onnx twice at times: every entry must be in range
        if entry.domain in STANDARD:
            _check_version("ai.onnx", entry.version, newest)
        elif entry.domain == ML:
            _check_version(ML, entry.version, _NEWEST_ML)
        # Other domains may be imported without use, as some exporters do; their operators are refused one by one.
    for domain in own & {"", "ai.onnx", ML}:
        raise _unsafe(
            f"the model redefines operators of '{domain or 'ai.onnx'}'; only functions of its own domain may be"
        )


def _check_version(domain: str, version: int, newest: int) -> None:
    if not 1 <= version <= newest:
        raise _unsafe(
            f"the model uses {domain} operator set {version}; 1 to {newest} are read here; export it with one of those"
        )


def _check_node(part: Part, functions: set[tuple[str, str]]) -> None:
    node = part.node
    label = f"{node.op_type[:_LABEL_LIMIT]}" + (f" (node '{node.name[:_LABEL_LIMIT]}')" if node.name else "")
    if node.op_type == "EPContext":
        raise _unsafe(f"{label} holds code compiled for one device; export the model before it was compiled")
    if (node.domain, node.op_type) in functions:
        return
    if node.domain not in {*STANDARD, ML}:
        raise _unsafe(
            f"{label} is a custom operator of '{node.domain[:_LABEL_LIMIT]}'; only ai.onnx and ai.onnx.ml are run; "
            "export the model with standard operators"
        )
    if node.op_type in _UNBOUNDED:
        raise _unsafe(f"{label} is refused: {_UNBOUNDED[node.op_type]}; export the model without loops")
    if node.op_type == "Scan" and part.inside_scan:
        raise _unsafe(f"{label} stands inside another Scan; export the model without nested loops")


def _check_tensor(part: Part, limits: ModelLimits) -> None:
    import onnx  # noqa: PLC0415  # heavy: loaded when used

    tensor = part.tensor
    name = f"tensor '{tensor.name[:_LABEL_LIMIT]}'" if tensor.name else "a constant"
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise _unsafe(
            f"{name} keeps its data in another file; save the model as one file (onnx.save with "
            "save_as_external_data=False)"
        )
    dims = part.dense_dims or tuple(tensor.dims)
    if any(dim < 0 for dim in dims):
        raise _unsafe(f"{name} has a negative size; export the model again")
    if part.dense_dims and math.prod(dims) > limits.tensor_elements:
        raise _unsafe(
            f"{name} is sparse and has {math.prod(dims):,} elements when unpacked; at most {limits.tensor_elements:,}"
        )
    # A dense tensor must bring its data, at least one bit each: a size without data is a lie.
    if not part.dense_dims and math.prod(dims) > 8 * max(tensor.ByteSize(), 1):
        raise _unsafe(f"{name} claims {math.prod(dims):,} elements, but does not hold them; export the model again")


def _run_checker(model: bytes) -> None:
    import onnx  # noqa: PLC0415  # heavy: loaded when used

    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, RuntimeError, ValueError, TypeError):
        raise _unsafe(
            "the file breaks the rules of ONNX (onnx.checker refuses it); export the model again with a current "
            "converter"
        ) from None


def _too_many(limits: ModelLimits) -> UnsafeModelError:
    return _unsafe(f"the model has more than {limits.nodes:,} operators; export a smaller model or raise the limit")


def _unsafe(message: str) -> UnsafeModelError:
    return UnsafeModelError(message, file=FILE)
