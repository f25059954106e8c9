"""What must hold of the model nodes of a graph before a runtime may load it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xaisvc.errors import UnsafeModelError
from xaisvc.graphs.graph import ML_DOMAIN, Graph, int_attribute, node_inputs
from xaisvc.graphs.rules import RANDOM, SIZES
from xaisvc.graphs.scores import PAIR, TREE_OPS
from xaisvc.graphs.trees import check_trees_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from onnx import FunctionProto, GraphProto, NodeProto, TensorProto

    Constants = Callable[[str], NDArray[np.generic] | None]

_STANDARD = frozenset({"", "ai.onnx"})
_MODE_BY_INPUT = 12
"""Operator set from which a Dropout is told by its third input whether it drops anything."""
_NEVER_DROPS = 7
"""Operator set from which, until `_MODE_BY_INPUT`, a Dropout hands everything on."""
_CLASSIFIERS = frozenset({"TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"})


def check_trees(model: bytes) -> None:
    """Checks every tree ensemble and classifier node of a model, those of subgraphs and functions included.

    ONNX Runtime follows the children of a tree node without end if they go round in circles, and ends the process where
    a classifier has a single class label given as text. Nodes that no root reaches are left alone, as it does.

    Args:
        model: Serialized ONNX model.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model, a tree ensemble is malformed (lists of different lengths,
            a child that does not exist, a node that is its own ancestor, a path of more than 10,000 branches, a
            negative column), or a classifier has fewer than two class labels as text.
    """
    parsed = Graph.parse(model).model
    for node in _all_nodes((*parsed.graph.node, *(node for function in parsed.functions for node in function.node))):
        if node.domain != ML_DOMAIN:
            continue
        if node.op_type in TREE_OPS:
            check_trees_of(node)
        if node.op_type in _CLASSIFIERS:
            _check_labels(node)


def _all_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The nodes and those of their subgraphs, however deep."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            waiting.extend(attribute.g.node)
            waiting.extend(inner for graph in attribute.graphs for inner in graph.node)


def _check_labels(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "classlabels_strings" and len(attribute.strings) < PAIR:
            name = node.name or next((output for output in node.output if output), "")
            msg = (
                f"holds a {node.op_type}, '{name}', with {len(attribute.strings)} class labels as text, and ONNX "
                "Runtime needs two or more; give integer labels, or convert the model again"
            )
            raise UnsafeModelError(msg, file="model.onnx")


def random_node(model: bytes, tensor: str) -> str:
    """The node that makes a tensor another one at each call: its type and name; empty if there is none.

    It looks into subgraphs and functions. Random numbers of which only the shape is read do not count.

    Args:
        model: Serialized ONNX model.
        tensor: The tensor.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model.
    """
    graph = Graph.parse(model)
    functions = {(function.domain, function.name): function for function in graph.model.functions}
    opset = max((entry.version for entry in graph.model.opset_import if entry.domain in _STANDARD), default=1)
    found = _Scope(graph.nodes, graph.constant, functions, opset).random_node([tensor])
    if found is None:
        return ""
    name = found.name or next((output for output in found.output if output), "")
    return f"{found.op_type} ('{name}')" if name else found.op_type


@dataclass(frozen=True, slots=True)
class _Scope:
    """The nodes of a graph, subgraph or function.

    Attributes:
        nodes: The nodes.
        constant: The value of a constant tensor that they may read; None of any other.
        functions: The functions that they may call.
        opset: Operator set.
        calls: The functions that are being looked into: one that calls itself must not be followed for ever.
    """

    nodes: Iterable[NodeProto]
    constant: Constants
    functions: Mapping[tuple[str, str], FunctionProto]
    opset: int
    calls: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def random_node(self, tensors: Iterable[str]) -> NodeProto | None:
        """The first node behind some tensors that answers something else each time."""
        producers = {name: node for node in self.nodes for name in node.output if name}
        waiting, seen = list(tensors), set[str]()
        while waiting:
            name = waiting.pop()
            node = producers.get(name)
            if node is None or name in seen:
                continue
            seen.update(node.output)
            if self._is_random(node):
                return node
            inner = self._inside(node)
            if inner is not None:
                return inner
            if node.op_type not in SIZES:
                waiting.extend(node_inputs(node))
        return None

    def _is_random(self, node: NodeProto) -> bool:
        if node.domain not in _STANDARD or (node.domain, node.op_type) in self.functions:
            return False
        if node.op_type in RANDOM:
            return True
        if node.op_type != "Dropout":
            return False
        if self.opset < _NEVER_DROPS:
            return not int_attribute(node, "is_test", 0)
        names = [*node.input, "", "", ""]
        mode = self.constant(names[2]) if self.opset >= _MODE_BY_INPUT and names[2] else None
        ratio = self.constant(names[1]) if names[1] else None
        return mode is not None and bool(mode.any()) and (ratio is None or bool(ratio.any()))

    def _inside(self, node: NodeProto) -> NodeProto | None:
        """The first such node in the subgraphs of a node, or in the function that it calls."""
        bodies = [graph for a in node.attribute for graph in (*([a.g] if a.HasField("g") else ()), *a.graphs)]
        for body in bodies:
            scope = _Scope(body.node, self._seen_from(body), self.functions, self.opset, self.calls)
            found = scope.random_node(value.name for value in body.output)
            if found is not None:
                return found
        key = (node.domain, node.op_type)
        function = self.functions.get(key)
        if function is None or key in self.calls:
            return None
        given = dict(zip(function.input, node.input, strict=False))
        opset = next((entry.version for entry in function.opset_import if entry.domain in _STANDARD), self.opset)
        constant = _local(function.node, (), lambda name: self.constant(given[name]) if given.get(name) else None)
        return _Scope(function.node, constant, self.functions, opset, self.calls | {key}).random_node(function.output)

    def _seen_from(self, body: GraphProto) -> Constants:
        """The constants that the nodes of a subgraph may read: its own, and what it captures."""
        own = {value.name for value in body.input}
        return _local(body.node, body.initializer, lambda name: None if name in own else self.constant(name))


def _local(nodes: Iterable[NodeProto], held: Iterable[TensorProto], outside: Constants) -> Constants:
    """Looks a constant up in a subgraph or function first, then outside."""
    from onnx import GraphProto, ModelProto  # noqa: PLC0415 - heavy: loaded when used

    nodes = list(nodes)
    inside = Graph(ModelProto(graph=GraphProto(node=nodes, initializer=held)))
    own = {name for node in nodes for name in node.output} | {tensor.name for tensor in inside.model.graph.initializer}
    return lambda name: inside.constant(name) if name in own else outside(name)
