"""A number of the graph written as a weighted sum of columns further up.

`expand` walks back from (tensor, column) pairs through every node that only moves, adds or scales columns, and stops at
the columns that something else made: the atoms.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.graph import ML_DOMAIN, floats_attribute, int_attribute, ints_attribute
from xaisvc.graphs.provenance import Origins
from xaisvc.graphs.rearrange import data_operands, rearrange
from xaisvc.graphs.scores import LINEAR_OPS, is_model_node, read_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from onnx import NodeProto

    from xaisvc.graphs.graph import Graph
    from xaisvc.graphs.provenance import Tracer


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """One column of a tensor.

    Attributes:
        tensor: Name in the graph.
        column: Column, flattened where a row has more than one dimension.
        bare: Whether the tree or linear node that makes the tensor is meant without its link; `column` then is the
            column that shows the target's sum unchanged.
    """

    tensor: str
    column: int
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Affine:
    """`constant + sum of weight * atom`, weights float, in the unit of the number that was expanded."""

    constant: float
    weights: Mapping[Atom, float] = field(default_factory=dict)

    def negated(self) -> Affine:
        """The same with the opposite sign."""
        return Affine(-self.constant, {atom: -weight for atom, weight in self.weights.items()})

    def minus(self, other: Affine) -> Affine:
        """The difference; atoms that cancel are left out."""
        weights = dict(self.weights)
        for atom, weight in other.weights.items():
            weights[atom] = weights.get(atom, 0.0) - weight
        kept = {atom: weight for atom, weight in weights.items() if weight}
        return Affine(self.constant - other.constant, kept)

    @property
    def is_zero(self) -> bool:
        """Whether nothing is left."""
        return not self.constant and not any(self.weights.values())


@dataclass(frozen=True, slots=True)
class Step:
    """One node taken apart: `constant + sum of weight * (tensor, column)`."""

    constant: float
    parts: tuple[tuple[Atom, float], ...]


def expand(graph: Graph, tracer: Tracer, seed: Affine) -> Affine:
    """Expands a sum as far up as additions, scalings and moves of columns reach.

    Nodes are taken in reverse order of the graph, each (tensor, column) once, so the work is linear in the graph.
    """
    constant = seed.constant
    settled: dict[Atom, float] = {}
    waiting: dict[Atom, float] = {}
    order: list[tuple[int, Atom]] = []

    def add(atom: Atom, weight: float) -> None:
        if atom not in waiting:
            heapq.heappush(order, (-graph.position(atom.tensor), atom))
        waiting[atom] = waiting.get(atom, 0.0) + weight

    for atom, weight in seed.weights.items():
        add(atom, weight)
    while order:
        atom = heapq.heappop(order)[1]
        weight = waiting.pop(atom)
        if not weight:
            continue
        step = None if atom.bare else take_apart(graph, tracer, atom)
        if step is None:
            settled[atom] = settled.get(atom, 0.0) + weight
            continue
        constant += weight * step.constant
        for part, factor in step.parts:
            add(part, weight * factor)
    return Affine(constant, settled)


def take_apart(graph: Graph, tracer: Tracer, atom: Atom) -> Step | None:
    """One step back from a column; None if the node that makes it is no sum, scaling or move."""
    node = graph.producer(atom.tensor)
    if node is None or _is_outside(tracer, atom):
        return None
    if is_model_node(node):
        return _model_column(node, atom)
    if node.domain not in {"", "ai.onnx", ML_DOMAIN}:
        return None
    rule = _RULES.get(node.op_type) if node.domain != ML_DOMAIN else None
    if rule is not None:
        return rule(graph, tracer, node, atom)
    return _moved(graph, tracer, node, atom)


def take_linear_apart(graph: Graph, tracer: Tracer, atom: Atom) -> Step | None:
    """One step back through a node with a weight matrix; None if there is none or its weights are not constant."""
    node = graph.producer(atom.tensor)
    if node is None or _is_outside(tracer, atom):
        return None
    if node.domain == ML_DOMAIN and node.op_type in LINEAR_OPS:
        return _linear_model(node, atom)
    if node.domain == ML_DOMAIN and node.op_type == "Scaler":
        return _scaler(tracer, node, atom)
    if node.domain in {"", "ai.onnx"} and node.op_type in {"MatMul", "Gemm"}:
        return _matrix(graph, tracer, node, atom)
    return None


def _is_outside(tracer: Tracer, atom: Atom) -> bool:
    """Whether a column lies beyond its tensor, which only a graph that contradicts itself asks for."""
    layout = tracer.layout(atom.tensor)
    return layout is not None and atom.column >= prod(layout)


def _model_column(node: NodeProto, atom: Atom) -> Step | None:
    """A tree or linear node without a link shows its sums, possibly mirrored."""
    scores = read_scores(node)
    if isinstance(scores, str) or scores.link != "none" or scores.tensor != atom.tensor:
        return None
    if atom.column >= len(scores.columns):
        return None
    column = scores.columns[atom.column]
    if column.target is None:
        return Step(column.offset, ())
    bare = Atom(atom.tensor, scores.bare[column.target], bare=True)
    return Step(column.offset, ((bare, column.scale),))


def _linear_model(node: NodeProto, atom: Atom) -> Step | None:
    scores = read_scores(node)
    if isinstance(scores, str) or not atom.bare:
        return None
    target = next((t for t, column in scores.bare.items() if column == atom.column), None)
    if target is None:
        return None
    coefficients = floats_attribute(node, "coefficients")
    intercepts = floats_attribute(node, "intercepts")
    rows = len(scores.bare)
    if not rows or coefficients.size % rows or (intercepts.size and intercepts.size != rows):
        return None
    weights = coefficients.reshape(rows, -1)[target]
    constant = float(intercepts[target]) if intercepts.size else 0.0
    return Step(constant, tuple((Atom(node.input[0], i), float(weight)) for i, weight in enumerate(weights)))


def _scaler(tracer: Tracer, node: NodeProto, atom: Atom) -> Step | None:
    layout = tracer.layout(node.input[0])
    if layout is None:
        return None
    offset = np.resize(floats_attribute(node, "offset") if _has(node, "offset") else np.zeros(1), prod(layout))
    scale = np.resize(floats_attribute(node, "scale") if _has(node, "scale") else np.ones(1), prod(layout))
    shift, factor = float(offset[atom.column]), float(scale[atom.column])
    return Step(-shift * factor, ((Atom(node.input[0], atom.column), factor),))


def _has(node: NodeProto, name: str) -> bool:
    return any(attribute.name == name and attribute.floats for attribute in node.attribute)


def _matrix(graph: Graph, tracer: Tracer, node: NodeProto, atom: Atom) -> Step | None:
    layout = tracer.layout(node.input[0])
    weights = graph.constant(node.input[1])
    rank = 2
    if layout is None or len(layout) != 1 or weights is None or weights.ndim not in {1, rank}:
        return None
    matrix = weights[:, None] if weights.ndim == 1 else weights
    alpha, constant = 1.0, 0.0
    if node.op_type == "Gemm":
        if int_attribute(node, "transA", 0):
            return None
        matrix = matrix.T if int_attribute(node, "transB", 0) else matrix
        alpha = _float(node, "alpha")
        if len(node.input) > rank and node.input[rank]:
            added = graph.constant(node.input[rank])
            if added is None or atom.column >= matrix.shape[1]:
                return None
            try:
                constant = _float(node, "beta") * _number(added, matrix.shape[1:], atom.column)
            except ValueError:
                return None
    if matrix.shape[0] != layout[0] or atom.column >= matrix.shape[1] or not _is_float(graph, atom.tensor):
        return None
    column = alpha * matrix[:, atom.column].astype(np.float64)
    parts = tuple((Atom(node.input[0], i), float(weight)) for i, weight in enumerate(column))
    return Step(constant, parts)


def _float(node: NodeProto, name: str) -> float:
    return next((float(attribute.f) for attribute in node.attribute if attribute.name == name), 1.0)


def _number(constant: NDArray[np.generic], layout: tuple[int, ...], column: int) -> float:
    """The number of a constant operand that broadcasting puts at `column`. A leading batch of 1 is dropped.

    Raises:
        ValueError: If it varies along the rows or does not fit.
    """
    array = constant
    if array.ndim > len(layout):
        if array.ndim != len(layout) + 1 or array.shape[0] != 1:
            msg = "varies along the rows"
            raise ValueError(msg)
        array = array[0]
    return float(np.broadcast_to(array, layout).flat[column])


def _moved(graph: Graph, tracer: Tracer, node: NodeProto, atom: Atom) -> Step | None:
    """Finds where a column came from by moving numbered columns the way the node does."""
    if atom.tensor not in tracer.origins:
        tracer.origins[atom.tensor] = _origins(graph, tracer, node, atom.tensor)
    origins = tracer.origins[atom.tensor]
    if origins is None or atom.column >= origins.numbers.size:
        return None
    number = int(origins.numbers[atom.column])
    place = bisect_right(origins.starts, number) - 1
    return Step(0.0, ((Atom(origins.names[place], number - origins.starts[place]), 1.0),))


def _origins(graph: Graph, tracer: Tracer, node: NodeProto, tensor: str) -> Origins | None:
    names = data_operands(graph, node)
    layouts = [tracer.layout(name) for name in names]
    if not names or any(layout is None for layout in layouts):
        return None
    starts = [0, *accumulate(prod(layout or ()) for layout in layouts)]
    entries = [
        np.arange(start, end).reshape(1, *(layout or ()))
        for (start, end), layout in zip(pairwise(starts), layouts, strict=True)
    ]
    moved = rearrange(graph, node, list(entries))
    place = list(node.output).index(tensor)
    if moved is None or place >= len(moved):
        return None
    return Origins(tuple(names), tuple(starts[:-1]), moved[place].ravel().astype(np.int64))


def _operand(tracer: Tracer, name: str, layout: tuple[int, ...], column: int) -> Atom | None:
    """The column of an operand that broadcasting puts at `column` of the result."""
    own = tracer.layout(name)
    if own is None or len(own) != len(layout):
        return None
    places = np.broadcast_to(np.arange(prod(own)).reshape(own), layout)
    return Atom(name, int(places.flat[column]))


def _sum(graph: Graph, tracer: Tracer, node: NodeProto, atom: Atom) -> Step | None:
    """Add, Sub, Sum, Mean and Neg; constants may take part."""
    layout = tracer.layout(atom.tensor)
    if layout is None or not _is_float(graph, atom.tensor):
        return None
    names = [name for name in node.input if name]
    share = 1.0 / len(names) if node.op_type == "Mean" else 1.0
    constant, parts = 0.0, []
    for i, name in enumerate(names):
        sign = -share if node.op_type == "Neg" or (node.op_type == "Sub" and i == 1) else share
        value = graph.constant(name)
        if value is not None:
            try:
                constant += sign * _number(value, layout, atom.column)
            except ValueError:
                return None
            continue
        part = _operand(tracer, name, layout, atom.column)
        if part is None:
            return None
        parts.append((part, sign))
    return Step(constant, tuple(parts))


def _scale(graph: Graph, tracer: Tracer, node: NodeProto, atom: Atom) -> Step | None:
    """Mul by a constant on either side, Div by a constant."""
    layout = tracer.layout(atom.tensor)
    left, right = node.input[0], node.input[1]
    if node.op_type == "Mul" and graph.is_constant(left):
        left, right = right, left
    value = graph.constant(right)
    if layout is None or value is None or graph.is_constant(left):
        return None
    try:
        factor = _number(value, layout, atom.column)
    except ValueError:
        return None
    part = _operand(tracer, left, layout, atom.column)
    if part is None or not factor or not _is_float(graph, atom.tensor):
        return None  # ONNX divides whole numbers towards zero, which is no scaling
    return Step(0.0, ((part, 1.0 / factor if node.op_type == "Div" else factor),))


def _is_float(graph: Graph, tensor: str) -> bool:
    """Whether a tensor holds float or double numbers: sums of whole numbers wrap around at the end of their range."""
    from onnx import TensorProto  # noqa: PLC0415 (heavy: loaded when used)

    return graph.element(tensor) in {TensorProto.FLOAT, TensorProto.DOUBLE}


def _cast(graph: Graph, _: Tracer, node: NodeProto, atom: Atom) -> Step | None:
    """A cast to float or double keeps a number's value (up to rounding) unless it came from text."""
    from onnx import TensorProto  # noqa: PLC0415 (heavy: loaded when used)

    numbers = {TensorProto.FLOAT, TensorProto.DOUBLE}
    whole = {TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.UINT8, TensorProto.INT8}
    if int_attribute(node, "to", 0) not in numbers or graph.element(node.input[0]) not in numbers | whole:
        return None
    return Step(0.0, ((Atom(node.input[0], atom.column), 1.0),))


def _reduce(graph: Graph, tracer: Tracer, node: NodeProto, atom: Atom) -> Step | None:
    """ReduceSum and ReduceMean over the columns."""
    layout = tracer.layout(node.input[0])
    if len(node.input) > 1 and node.input[1]:
        value = graph.constant(node.input[1])
        axes = None if value is None else [int(axis) for axis in value.ravel()]
    else:
        axes = ints_attribute(node, "axes")
    if layout is None or len(layout) != 1 or axes not in ([1], [-1]) or not _is_float(graph, atom.tensor):
        return None
    share = 1.0 / layout[0] if node.op_type == "ReduceMean" else 1.0
    return Step(0.0, tuple((Atom(node.input[0], i), share) for i in range(layout[0]))) if not atom.column else None


_RULES: dict[str, Callable[[Graph, Tracer, NodeProto, Atom], Step | None]] = {
    "Add": _sum,
    "Sub": _sum,
    "Sum": _sum,
    "Mean": _sum,
    "Neg": _sum,
    "Mul": _scale,
    "Div": _scale,
    "Cast": _cast,
    "ReduceSum": _reduce,
    "ReduceMean": _reduce,
}
