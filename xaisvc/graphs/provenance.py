"""Which raw features each column of a tensor depends on.

The answer errs on the safe side only: a column may be said to depend on a feature that cannot change it, never the
other way round. A node whose rule is not known makes every output column depend on everything that reaches the node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import BundleError
from xaisvc.graphs.finite import Finite
from xaisvc.graphs.graph import Graph, node_inputs
from xaisvc.graphs.rearrange import data_operands, rearrange
from xaisvc.graphs.rules import (
    NOBODY,
    RANDOM,
    RULES,
    SIZES,
    Columns,
    Mixed,
    Owners,
    Trace,
    applied,
    filled,
    is_width,
    union,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray
    from onnx import NodeProto

    from xaisvc.types import TensorColumn


@dataclass(frozen=True, slots=True, eq=False)
class Origins:
    """Where the columns of a moved tensor come from.

    Attributes:
        names: The operands, in order.
        starts: Number of the first column of each operand, counting through all of them.
        numbers: For each column of the tensor, the number of the column it is a copy of; int64.
    """

    names: tuple[str, ...]
    starts: tuple[int, ...]
    numbers: NDArray[np.int64]


class Tracer:
    """Traces of all tensors of a graph, worked out once.

    Args:
        graph: The graph.
        sources: Feature id to the input tensor and column where it enters. An input column without a feature is the
            same in every row and depends on nothing.
        finite: Features that have a finite number of float32's range in every row; see `finite`.

    Attributes:
        origins: What readers have found out about moved tensors, kept so that each is worked out once.
    """

    def __init__(
        self, graph: Graph, sources: Mapping[str, TensorColumn], *, finite: Collection[str] = frozenset()
    ) -> None:
        self._graph = graph
        self._traces: dict[str, Trace] = {}
        self._finite = Finite(graph, lambda name: self(name).everybody <= frozenset(finite))
        self.origins: dict[str, Origins | None] = {}
        self._crossings: dict[str, NodeProto] = {}
        self._fixed: set[str] = set()
        for name in graph.inputs:
            self._traces[name] = _input_trace(graph, name, sources)
        for node in graph.nodes:
            outputs = [name for name in node.output if name]
            if all(graph.is_constant(name) for name in outputs):
                continue
            self._trace_node(node)

    def __call__(self, tensor: str) -> Trace:
        """The trace of a tensor."""
        return self._traces.get(tensor, Mixed(NOBODY))

    def layout(self, tensor: str) -> tuple[int, ...] | None:
        """Shape of a tensor after the batch dimension; None if unknown."""
        trace = self(tensor)
        return trace.owners.shape[1:] if isinstance(trace, Columns) else None

    def owners(self, tensor: str, *, at_least: int = 0) -> tuple[Owners, ...] | None:
        """The features behind each column of a tensor, flattened; None if its width cannot be told.

        Args:
            tensor: The tensor.
            at_least: Number of columns that its reader needs, used where the width is not known.
        """
        trace = self(tensor)
        if isinstance(trace, Columns):
            return tuple(trace.owners.ravel().tolist())
        shape = self._graph.shape(tensor)
        rows_and_columns = 2
        if shape is not None and len(shape) == rows_and_columns and is_width(shape[1]):
            return (trace.everybody,) * (shape[1] or 0)
        return (trace.everybody,) * at_least if at_least else None

    def crossing(self, tensor: str) -> NodeProto | None:
        """The first node before a tensor that may let rows of one batch depend on each other; None if there is none.

        Rows are known to stay apart only behind nodes that a rule or a move of columns describes.
        """
        return self._crossings.get(tensor)

    def _trace_node(self, node: NodeProto) -> None:
        graph = self._graph
        traces = [self(name) if name else Mixed(NOBODY) for name in node.input]
        found: list[Trace] | None = None
        moved = [self(name) for name in data_operands(graph, node)] if node.input else []
        layouts = [_entries(graph, name, self(name)) for name in data_operands(graph, node)] if moved else []
        if layouts and all(layout is not None for layout in layouts):
            entries = rearrange(graph, node, [layout for layout in layouts if layout is not None])
            found = None if entries is None else [Columns(np.asarray(entry, dtype=object)) for entry in entries]
        rule = RULES.get((_domain(node), node.op_type))
        if found is None and rule is not None:
            found = applied(rule, graph, node, traces)
        self._finite.follow(node)
        if found is not None and isinstance(found[0], Columns) and self._finite.is_zero(node):
            found = [Columns(filled(found[0].owners.shape, NOBODY))]
        crossing = self._find_crossing(node, is_known=found is not None)
        if crossing is not None:
            self._crossings.update(dict.fromkeys(node.output, crossing))
        if crossing is not None and node.op_type in SIZES and crossing is not node:
            found = None  # the number of rows itself may depend on the features
        everybody = union(self(name).everybody for name in node_inputs(node))
        for i, name in enumerate(node.output):
            if name:
                trace = found[i] if found is not None and i < len(found) else Mixed(everybody)
                self._traces[name] = self._widened(name, trace)

    def _find_crossing(self, node: NodeProto, *, is_known: bool) -> NodeProto | None:
        """The node that may join rows up to and including this one."""
        names = list(node_inputs(node))
        inherited = next((self._crossings[name] for name in names if name in self._crossings), None)
        if inherited is not None:
            return inherited
        is_plain = node.op_type not in SIZES | RANDOM
        is_alone = all(not attribute.HasField("g") and not attribute.graphs for attribute in node.attribute)
        if is_plain and is_alone and all(name in self._fixed or self._graph.is_constant(name) for name in names):
            self._fixed.update(node.output)
            return None
        return None if is_known and is_plain else node

    def _widened(self, tensor: str, trace: Trace) -> Trace:
        """Gives a mixed tensor its columns back where shape inference knows how many there are."""
        shape = self._graph.shape(tensor) if isinstance(trace, Mixed) else None
        rows_and_columns = 2
        if shape is not None and len(shape) == rows_and_columns and is_width(shape[1]):
            return Columns(filled((1, shape[1] or 0), trace.everybody))
        return trace


def trace_columns(model: bytes, tensor: str, sources: Mapping[str, TensorColumn]) -> tuple[Owners, ...]:
    """Finds which features each column of a tensor depends on.

    Args:
        model: Serialized ONNX model.
        tensor: Name of a tensor of the graph.
        sources: Feature id to the input tensor and column where it enters the graph.

    Returns:
        One set of feature ids per column; never too small a set, possibly too large a one.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model.
        BundleError: If the graph has no such tensor or its number of columns cannot be told.
    """
    graph = Graph.parse(model)
    if graph.producer(tensor) is None and tensor not in graph.inputs:
        msg = f"has no tensor '{tensor}'"
        raise BundleError(msg, file="model.onnx")
    owners = Tracer(graph, sources).owners(tensor)
    if owners is None:
        msg = f"the number of columns of tensor '{tensor}' cannot be told from the graph"
        raise BundleError(msg, file="model.onnx")
    return owners


def features_behind(
    model: bytes,
    tensor: str,
    column: int | None,
    sources: Mapping[str, TensorColumn],
    *,
    finite: Collection[str] = frozenset(),
) -> frozenset[str]:
    """The features that may change one number of a graph; all others provably cannot.

    Args:
        model: Serialized ONNX model.
        tensor: The tensor that holds the number.
        column: Its column; None if it has one number per row.
        sources: Feature id to the input tensor and column where it enters the graph.
        finite: Features that have a finite number of float32's range in every row; see `finite`.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model.
    """
    trace = Tracer(Graph.parse(model), sources, finite=finite)(tensor)
    if column is None or not isinstance(trace, Columns):
        return trace.everybody
    owners = trace.owners.reshape(-1)
    return owners[column] if column < owners.size else trace.everybody


def _domain(node: NodeProto) -> str:
    return "" if node.domain in {"", "ai.onnx"} else node.domain


def _input_trace(graph: Graph, name: str, sources: Mapping[str, TensorColumn]) -> Trace:
    placed = {source.column: feature for feature, source in sources.items() if source.tensor == name}
    shape = graph.shape(name)
    if shape is None or len(shape) not in {1, 2}:
        return Mixed(frozenset(placed.values()))
    if len(shape) == 1:
        return Columns(filled((1,), frozenset(placed.values())))
    width = shape[1] or max(placed, default=0) + 1
    if not is_width(width):
        return Mixed(frozenset(placed.values()))
    owners = filled((1, width), NOBODY)
    for column, feature in placed.items():
        if column < width:
            owners[0, column] = frozenset({feature})
    return Columns(owners)


def _entries(graph: Graph, name: str, trace: Trace) -> NDArray[np.object_] | None:
    """Owners of an operand as an array with a batch of 1; a constant owns nothing."""
    if isinstance(trace, Columns):
        return trace.owners
    constant = graph.constant(name)
    if constant is None or not constant.ndim or constant.shape[0] != 1:
        return None
    return filled((1, *constant.shape[1:]), NOBODY)
