"""Writes new nodes in the operator set that a model already uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.graph import node_inputs

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto

    Attribute = int | float | str | Sequence[int] | GraphProto | TensorProto

PREFIX = "xaisvc_explainer_"
"""Of every name that is new, so that it meets no name of a model."""

OLDEST_OPSET = 9
"""The first operator set with Where, and with Scan as it is used here."""

_AXES_ARE_INPUTS = {"Squeeze": 13, "Unsqueeze": 13, "ReduceSum": 13, "ReduceMean": 18}
"""The operator set from which a node takes its axes as an input instead of an attribute."""


class Constants:
    """The new constants of a model. They stand in the outermost graph, once, and nested graphs capture them."""

    def __init__(self) -> None:
        self.tensors: list[TensorProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._names = 0

    def add(self, value: NDArray[np.generic]) -> str:
        """The name of a constant with this value."""
        from onnx import numpy_helper  # noqa: PLC0415 (heavy: loaded when used)

        array = np.ascontiguousarray(value) if value.ndim else value
        key = (str(array.dtype), array.shape, array.tobytes())
        if array.dtype == np.object_:  # the bytes of an object array are addresses
            key = ("text", array.shape, repr(array.tolist()).encode())
        if key not in self._known:
            self._known[key] = self.name("constant")
            self.tensors.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def name(self, what: str) -> str:
        """A name that no other tensor has."""
        self._names += 1
        return f"{PREFIX}{what}_{self._names}"


class Emitter:
    """Collects the nodes of one graph, the outermost or a nested one.

    Attributes:
        nodes: The nodes in order.
    """

    def __init__(self, opset: int, constants: Constants) -> None:
        self.nodes: list[NodeProto] = []
        self.opset = opset
        self.constants = constants

    def nested(self) -> Emitter:
        """An emitter for a graph inside this one."""
        return Emitter(self.opset, self.constants)

    def constant(self, value: object, dtype: type[np.generic] | np.dtype[np.generic] | None = None) -> str:
        """The name of a constant."""
        return self.constants.add(np.asarray(value, dtype=dtype))

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Attribute) -> str:
        """Adds a node of the main domain with one output; returns the output's name."""
        from onnx import helper  # noqa: PLC0415 (heavy: loaded when used)

        name = output or self.constants.name(op.lower())
        node = helper.make_node(op, list(inputs), [name])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return name

    def along(self, op: str, tensor: str, axes: Sequence[int], **attributes: int) -> str:
        """Adds a node that has axes: Squeeze, Unsqueeze, ReduceSum or ReduceMean."""
        if self.opset >= _AXES_ARE_INPUTS[op]:
            return self.add(op, tensor, self.constant(list(axes), np.int64), output=None, **attributes)
        return self.add(op, tensor, output=None, axes=list(axes), **attributes)

    def reshape(self, tensor: str, shape: Sequence[int]) -> str:
        """Adds a Reshape to a constant shape; -1 and 0 as in ONNX."""
        return self.add("Reshape", tensor, self.constant(list(shape), np.int64))

    def copy(self, node: NodeProto, renamed: Collection[str], prefix: str) -> None:
        """Adds a copy of a model's node in which the tensors in `renamed` have a prefix."""
        self.nodes.append(_renamed_copy(node, renamed, prefix))


def _renamed_copy(node: NodeProto, renamed: Collection[str], prefix: str) -> NodeProto:
    import onnx  # noqa: PLC0415 (heavy: loaded when used)

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    if copy.name:
        copy.name = f"{prefix}{copy.name}"
    for names in (copy.input, copy.output):
        for i, name in enumerate(names):
            if name in renamed:
                names[i] = f"{prefix}{name}"
    for attribute in copy.attribute:
        graphs = [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
        for graph in graphs:
            _rename_inside(graph, renamed, prefix)
    return copy


def _rename_inside(graph: GraphProto, renamed: Collection[str], prefix: str) -> None:
    """Renames what a nested graph makes itself and what it captures: names may not repeat along the nesting."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own.update(name for node in graph.node for name in node.output if name)
    names = own.union(renamed)
    nodes = [_renamed_copy(node, names, prefix) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    values: tuple[ValueInfoProto | TensorProto, ...] = (*graph.input, *graph.output, *graph.initializer)
    for value in values:
        if value.name in names:
            value.name = f"{prefix}{value.name}"


def made_and_read(nodes: Sequence[NodeProto]) -> tuple[set[str], set[str]]:
    """The tensors that some nodes make, and those they read, captured ones included."""
    return {name for node in nodes for name in node.output if name}, {
        name for node in nodes for name in node_inputs(node)
    }
