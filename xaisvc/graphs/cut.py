"""Where a model can be cut so that mixing rows behind the cut equals mixing them at its inputs.

As long as every column of a tensor depends on one feature at most, the tensor of a mixed row is the mix of the tensors
of the two rows. So preprocessing (look-ups of text, imputing, scaling, one-hot columns) is run once per row instead of
once per mixed row, and what is mixed are numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.graphs.graph import node_inputs
from xaisvc.graphs.provenance import Tracer
from xaisvc.graphs.rules import RANDOM, SIZES, Columns, Owners

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping
    from collections.abc import Set as AbstractSet

    from onnx import NodeProto

    from xaisvc.graphs.graph import Graph
    from xaisvc.types import TensorColumn


MOST_COLUMNS = 16_384
"""Columns of a tensor that is mixed; a wider one is mixed further up, where it is narrower."""


class UncutError(ValueError):
    """The graph cannot be taken apart; the text says why, one sentence for a data scientist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTensor:
    """A tensor that is mixed.

    Attributes:
        name: Name in the graph.
        owners: The feature that each column depends on, None for a column that is the same in every row; columns
            flattened.
        layout: Shape of one row, without the batch dimension.
        element: ONNX element type, 0 if the graph does not say.
    """

    name: str
    owners: tuple[str | None, ...]
    layout: tuple[int, ...]
    element: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A model in two parts.

    Attributes:
        tensors: What the first part hands to the second: what is mixed.
        front: Nodes of the first part and constant nodes, in order.
        body: Nodes of the second part, in order.
    """

    tensors: tuple[CutTensor, ...]
    front: tuple[NodeProto, ...]
    body: tuple[NodeProto, ...]


def find_cut(
    graph: Graph, output: str, sources: Mapping[str, TensorColumn], *, finite: Collection[str] = frozenset()
) -> Cut:
    """Cuts a model as late as its columns allow; at the latest possible place of every path, at its inputs if need be.

    Args:
        graph: The model.
        output: The tensor that is wanted.
        sources: Feature id to the input tensor and column where it enters the graph.
        finite: Features that have a finite number of float32's range in every row; see `finite`.

    Raises:
        UncutError: If an input is not laid out in rows and columns, or nothing enters the graph.
    """
    tracer = Tracer(graph, sources, finite=finite)
    needed = graph.needed_nodes([output])
    reads = {name for i in needed for name in node_inputs(graph.nodes[i])} | {output}
    apart = {name: _owners(tracer, name) for name in graph.inputs if name in reads}
    if not apart:
        msg = "nothing enters the graph"
        raise UncutError(msg)
    for name, owners in apart.items():
        if owners is None:
            msg = f"the input '{name}' is not laid out in rows and columns"
            raise UncutError(msg)
    varying = set(graph.inputs)
    fixed: set[int] = set()
    body: list[int] = []
    for i in needed:
        node = graph.nodes[i]
        if node.op_type not in RANDOM and varying.isdisjoint(node_inputs(node)):
            fixed.add(i)
            continue
        made = [name for name in node.output if name and name in reads]
        found = {name: _owners(tracer, name) for name in made} if _keeps_rows(node, varying, apart) else {}
        varying.update(node.output)
        if found and all(owners is not None for owners in found.values()):
            apart.update(found)
        else:
            body.append(i)
    behind = {name for i in body for name in node_inputs(graph.nodes[i])} | {output}
    tensors = [
        CutTensor(name=name, owners=owners or (), layout=tracer.layout(name) or (), element=graph.element(name))
        for name, owners in apart.items()
        if name in behind
    ]
    front = sorted(fixed.union(graph.needed_nodes(tensor.name for tensor in tensors)))
    return Cut(
        tensors=tuple(tensors),
        front=tuple(graph.nodes[i] for i in front),
        body=tuple(graph.nodes[i] for i in body),
    )


def _keeps_rows(node: NodeProto, varying: AbstractSet[str], apart: Container[str]) -> bool:
    """Whether a node reads separable tensors and constants only, and neither their number of rows nor chance."""
    if node.op_type in SIZES | RANDOM:
        return False
    return all(name in apart for name in node_inputs(node) if name in varying)


def _owners(tracer: Tracer, name: str) -> tuple[str | None, ...] | None:
    """The one feature behind each column; None if a column mixes features or rows, or the layout is not known."""
    trace = tracer(name)
    if not isinstance(trace, Columns) or tracer.crossing(name) is not None or trace.owners.size > MOST_COLUMNS:
        return None
    owners: list[Owners] = trace.owners.ravel().tolist()
    if any(len(features) > 1 for features in owners):
        return None
    return tuple(next(iter(features), None) for features in owners)
