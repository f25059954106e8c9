"""Nodes that only move columns around, done on any array with one entry per column.

A tensor of n rows is stood for by an array whose first dimension, the batch, is 1. The same code then moves whatever is
known of the columns: the features they depend on, or the place they come from.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.graph import ML_DOMAIN, int_attribute, ints_attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from onnx import NodeProto

    from xaisvc.graphs.graph import Graph

    Entries = NDArray[np.generic]
    Mover = Callable[[Graph, NodeProto, list[Entries]], list[Entries] | None]


MOST_COLUMNS = 1_000_000
"""Columns of one tensor that are told apart: a hostile graph must not make the reader allocate."""


def bounded(entries: int) -> None:
    """Refuses more columns than are told apart.

    Raises:
        ValueError: If there are more than `MOST_COLUMNS`.
    """
    if entries > MOST_COLUMNS:
        msg = "too many columns"
        raise ValueError(msg)


def rearrange(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    """Moves entries the way a node moves columns.

    Args:
        graph: The graph of the node, for its constant operands.
        node: The node.
        entries: For each data operand, in order, an array of shape (1, ...) with one entry per column.

    Returns:
        One array per output; None if the node does anything else than moving, or moves across rows.
    """
    mover = _MOVERS.get((node.domain if node.domain == ML_DOMAIN else "", node.op_type))
    if mover is None or node.domain not in {"", "ai.onnx", ML_DOMAIN}:
        return None
    try:
        return mover(graph, node, entries)
    except (ValueError, IndexError, TypeError):
        # The node does not fit the layout that was worked out: claim nothing.
        return None


def data_operands(graph: Graph, node: NodeProto) -> list[str]:
    """Inputs of a moving node that are data; the others (shapes, axes, indices) are parameters."""
    if node.op_type in {"Concat", "FeatureVectorizer"}:
        return [name for name in node.input if name]
    if node.op_type == "Gather" and graph.is_constant(node.input[0]):
        return []
    return list(node.input[:1])


def _parameter(graph: Graph, node: NodeProto, position: int, attribute: str) -> list[int] | None:
    """Integers from a constant operand (newer opsets) or an attribute (older ones); None if absent."""
    if len(node.input) > position and node.input[position]:
        value = graph.constant(node.input[position])
        if value is None:
            msg = "not constant"
            raise ValueError(msg)
        return [int(item) for item in value.ravel()]
    return ints_attribute(node, attribute)


def _axis(axis: int, rank: int) -> int:
    """The axis counted from the front; the batch axis is refused."""
    found = axis + rank if axis < 0 else axis
    if not 0 < found < rank:
        msg = "works on rows"
        raise ValueError(msg)
    return found


def _same(_: Graph, __: NodeProto, entries: list[Entries]) -> list[Entries]:
    return [entries[0]]


def _dropout(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    """Hands its input on, unless it is told to drop values as in training."""
    training = 2
    if len(node.input) > training and node.input[training]:
        drops = graph.constant(node.input[training])
        if drops is None or drops.any():
            return None
    return [entries[0]]


def _concat(_: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries]:
    axis = _axis(int_attribute(node, "axis", 1), entries[0].ndim)
    bounded(sum(entry.size for entry in entries))
    return [np.concatenate(entries, axis=axis)]


def _feature_vectorizer(_: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    rows_and_columns = 2
    if any(entry.ndim != rows_and_columns for entry in entries):
        return None
    if ints_attribute(node, "inputdimensions") != [entry.shape[1] for entry in entries]:
        return None  # ONNX Runtime cuts operands off, or fills them up with zeros
    bounded(sum(entry.size for entry in entries))
    return [np.concatenate([entry.reshape(1, -1) for entry in entries], axis=1)]


def _reshape(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    entry = entries[0]
    wanted = _parameter(graph, node, 1, "shape")
    if not wanted or int_attribute(node, "allowzero", 0):
        return None
    first = wanted[0]
    trailing = [size or entry.shape[i] for i, size in enumerate(wanted[1:], start=1)]
    # Rows stay apart only if each keeps its number of columns. A leading 0 copies the batch, so one other size may be
    # open; a leading -1 or a fixed batch needs every other size spelled out.
    if first != 0 and (-1 in trailing or prod(trailing) != prod(entry.shape[1:])):
        return None
    return [entry.reshape(1, *trailing)]


def _flatten(_: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    if int_attribute(node, "axis", 1) != 1:
        return None
    return [entries[0].reshape(1, -1)]


def _squeeze(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    axes = _parameter(graph, node, 1, "axes")
    if axes is None:
        return None
    return [np.squeeze(entries[0], tuple(_axis(axis, entries[0].ndim) for axis in axes))]


def _unsqueeze(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    axes = _parameter(graph, node, 1, "axes")
    if axes is None:
        return None
    rank = entries[0].ndim + len(axes)
    return [np.expand_dims(entries[0], tuple(_axis(axis, rank) for axis in axes))]


def _gather(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    indices = graph.constant(node.input[1])
    if indices is None or not entries:
        return None
    axis = _axis(int_attribute(node, "axis", 0), entries[0].ndim)
    bounded(entries[0].size // max(entries[0].shape[axis], 1) * indices.size)
    return [np.take(entries[0], indices.astype(np.int64), axis=axis)]


def _array_feature_extractor(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    indices = graph.constant(node.input[1])
    rows_and_columns = 2
    if indices is None or entries[0].ndim != rows_and_columns:
        return None
    bounded(indices.size)
    return [np.take(entries[0], indices.astype(np.int64).ravel(), axis=1)]


def _slice(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    starts = _parameter(graph, node, 1, "starts")
    ends = _parameter(graph, node, 2, "ends")
    axes = _parameter(graph, node, 3, "axes")
    steps = _parameter(graph, node, 4, "steps")
    if starts is None or ends is None:
        return None
    entry = entries[0]
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = _axis(axes[i] if axes is not None else i, entry.ndim)
        step = steps[i] if steps is not None else 1
        size = entry.shape[axis]
        # An end below -size means "past the front" when stepping backwards; Python spells that None.
        stop = None if step < 0 and end < -size else end
        entry = entry[(slice(None),) * axis + (slice(start, stop, step),)]
    return [entry]


def _split(graph: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    axis = _axis(int_attribute(node, "axis", 0), entries[0].ndim)
    sizes = _parameter(graph, node, 1, "split")
    width = entries[0].shape[axis]
    if sizes is None:
        parts = len(node.output)
        share = -(-width // parts)
        sizes = [min(share, width - i * share) for i in range(parts)]
    if sum(sizes) != width:
        return None
    return list(np.split(entries[0], np.cumsum(sizes)[:-1], axis=axis))


def _transpose(_: Graph, node: NodeProto, entries: list[Entries]) -> list[Entries] | None:
    order = ints_attribute(node, "perm")
    if not order or order[0] != 0:
        return None
    return [np.transpose(entries[0], order)]


_MOVERS: dict[tuple[str, str], Mover] = {
    ("", "Identity"): _same,
    ("", "Dropout"): _dropout,
    ("", "Concat"): _concat,
    ("", "Reshape"): _reshape,
    ("", "Flatten"): _flatten,
    ("", "Squeeze"): _squeeze,
    ("", "Unsqueeze"): _unsqueeze,
    ("", "Gather"): _gather,
    ("", "Slice"): _slice,
    ("", "Split"): _split,
    ("", "Transpose"): _transpose,
    (ML_DOMAIN, "ArrayFeatureExtractor"): _array_feature_extractor,
    (ML_DOMAIN, "FeatureVectorizer"): _feature_vectorizer,
}
