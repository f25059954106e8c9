"""Reads a model as a sum: constant + trees + weighted columns, where it is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import XaisvcError
from xaisvc.graphs.affine import Affine, Atom, expand, take_linear_apart
from xaisvc.graphs.build import with_matrices
from xaisvc.graphs.forest import UnreadTreesError
from xaisvc.graphs.graph import Graph
from xaisvc.graphs.links import Links
from xaisvc.graphs.provenance import Tracer
from xaisvc.graphs.rules import RANDOM, is_column_wise
from xaisvc.graphs.scorer import find_target
from xaisvc.graphs.scores import TREE_OPS, is_model_node, read_scores
from xaisvc.graphs.trees import join_trees, read_trees
from xaisvc.types import Output, Space, TensorColumn, TreeEnsemble

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray
    from onnx import NodeProto

_MIXING = frozenset({"MatMul", "Gemm", "Conv", "LSTM", "GRU", "RNN", "Einsum", "Attention"})
"""Nodes of the main domain that join features with weights: what neural networks are made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphTerm:
    """One part of the sum. Exactly one of `weights` and `trees` is set.

    Attributes:
        tensor: Output of `AdditiveGraph.columns_model` with the matrix (n, c) that reaches the node; float or double.
        owners: For each of the c columns, the ids of the features it depends on.
        weights: For a linear term, the weight of each column; float64, (c,).
        trees: For a tree term, the trees, leaf values in output units.
    """

    tensor: str
    owners: tuple[frozenset[str], ...]
    weights: NDArray[np.float64] | None = None
    trees: TreeEnsemble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveGraph:
    """The explained number as a sum: `constant + sum of terms`.

    Attributes:
        constant: In the unit of the explained number.
        terms: The parts, at least one; tree ensembles that read the same matrix are joined.
        columns_model: Serialized ONNX model: the preprocessing alone, with the terms' matrices as its outputs.
    """

    constant: float
    terms: tuple[GraphTerm, ...]
    columns_model: bytes


@dataclass(frozen=True, slots=True)
class NotAdditive:
    """The model is no sum of trees and weighted columns in the wanted space.

    Attributes:
        reason: Why, one sentence for a data scientist.
    """

    reason: str


def read_additive(
    model: bytes,
    output: Output,
    space: Space,
    sources: Mapping[str, TensorColumn],
    *,
    finite: Collection[str] = frozenset(),
) -> AdditiveGraph | NotAdditive:
    """Reads a model as a sum of tree ensembles and linear terms over the columns that reach them.

    Walks back from the output through additions, scalings and moves of columns to the tree ensembles and linear nodes.
    A linear node over columns that mix features is followed further up while everything in between is linear.

    Args:
        model: Serialized ONNX model.
        output: The declared output.
        space: Unit of the explained number.
        sources: Feature id to the input tensor and column where it enters the graph.
        finite: Features that have a finite number of float32's range in every row; see `finite`.

    Returns:
        The sum, or why there is none.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model, or a tree ensemble in it is malformed.
        BundleError: If the graph has no such output.
        InvalidRequestError: If the number has no meaning in this space.
    """
    graph = Graph.parse(model)
    target = find_target(graph, output, space)
    if target.sum is None:
        return NotAdditive("the probability is not a logistic function of one score, so its log-odds are not a sum")
    try:
        tracer = Tracer(graph, sources, finite=finite)
        found = _Reader(graph, tracer, space).read(target.sum)
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        if isinstance(error, XaisvcError):
            raise
        # Sampling needs no reading, so a graph that contradicts itself must not stop it.
        return NotAdditive("the graph contradicts itself in shapes or types, so it cannot be read as a sum")
    crossing = next((node for node in map(tracer.crossing, _tensors(target.sum)) if node is not None), None)
    if isinstance(found, AdditiveGraph) and crossing is not None:
        return NotAdditive(_crossing_reason(crossing))
    return found


def _tensors(total: Affine) -> list[str]:
    return [atom.tensor for atom in total.weights]


def _crossing_reason(node: NodeProto) -> str:
    if node.op_type in RANDOM or node.op_type == "Dropout":
        return f"the node {node.op_type} gives other numbers each time, so no formula describes the model"
    return (
        f"a row's number may depend on the other rows of its batch: nothing shows that {node.op_type} keeps them apart"
    )


class _Reader:
    """Collects the terms of one sum."""

    def __init__(self, graph: Graph, tracer: Tracer, space: Space) -> None:
        self._graph = graph
        self._tracer = tracer
        self._space = space
        self._constant = 0.0
        self._columns: dict[Atom, float] = {}
        self._trees: dict[str, list[TreeEnsemble]] = {}

    def read(self, seed: Affine) -> AdditiveGraph | NotAdditive:
        """Reads the sum, or says why there is none."""
        waiting = seed
        while True:
            total = expand(self._graph, self._tracer, waiting)
            self._constant += total.constant
            following: dict[Atom, float] = {}
            for atom, weight in total.weights.items():
                reason = self._settle(atom, weight, following)
                if reason:
                    return NotAdditive(reason)
            if not following:
                return self._finish()
            waiting = Affine(0.0, following)

    def _settle(self, atom: Atom, weight: float, following: dict[Atom, float]) -> str:
        """Books one atom as trees or as a column, or puts it into `following`; returns why neither is possible."""
        node = self._graph.producer(atom.tensor)
        if node is not None and is_model_node(node) and (node.op_type in TREE_OPS or not atom.bare):
            return self._add_trees(node, atom, weight) if atom.bare else self._link_reason(atom, node)
        step = take_linear_apart(self._graph, self._tracer, atom)
        if step is not None:
            self._constant += weight * step.constant
            for part, factor in step.parts:
                total = weight * factor
                if not total:
                    continue
                if self._is_pure(part):
                    self._columns[part] = self._columns.get(part, 0.0) + total
                else:
                    following[part] = following.get(part, 0.0) + total
            return ""
        if node is not None and not self._is_pure(atom) and not self._is_engineered(atom.tensor):
            return self._network_reason(atom, node)
        self._columns[atom] = self._columns.get(atom, 0.0) + weight
        return ""

    def _is_pure(self, atom: Atom) -> bool:
        """Whether a column depends on one feature at most, so that nothing is gained by looking behind it."""
        owners = self._tracer.owners(atom.tensor)
        return owners is not None and atom.column < len(owners) and len(owners[atom.column]) <= 1

    def _is_engineered(self, tensor: str) -> bool:
        """Whether a column that mixes features is a hand-made feature, such as a ratio, and not a model's output."""
        return all(is_column_wise(self._graph.nodes[i]) for i in self._graph.needed_nodes([tensor]))

    def _add_trees(self, node: NodeProto, atom: Atom, weight: float) -> str:
        scores = read_scores(node)
        if isinstance(scores, str):
            return scores
        target = next(t for t, column in scores.bare.items() if column == atom.column)
        try:
            found = read_trees(node, target)
        except UnreadTreesError as error:
            return str(error)
        self._constant += weight * found.constant
        self._trees.setdefault(node.input[0], []).append(
            replace(found.trees, leaf_value=found.trees.leaf_value * weight)
        )
        return ""

    def _link_reason(self, atom: Atom, node: NodeProto) -> str:
        scores = read_scores(node)
        if isinstance(scores, str):
            return scores
        if self._space is Space.PROBABILITY and Links(self._graph, self._tracer).log_odds(atom) is not None:
            return "the probability is a logistic function of a sum: exact in log_odds, not in probability"
        return f"the model ends in the {scores.link} link of a {node.op_type}, so the number explained is not a sum"

    def _network_reason(self, atom: Atom, node: NodeProto) -> str:
        if self._space is Space.PROBABILITY and Links(self._graph, self._tracer).log_odds(atom) is not None:
            nodes = (self._graph.nodes[i] for i in self._graph.needed_nodes([node.input[0]]))
            if sum(1 for found in nodes if found.op_type in _MIXING) <= 1:
                return "the probability is a logistic function of a sum: exact in log_odds, not in probability"
        before = self._graph.needed_nodes([atom.tensor])
        joins = sum(1 for i in before if self._graph.nodes[i].op_type in _MIXING)
        if joins:
            layers = f"{joins} {'layer' if joins == 1 else 'layers'} of weights"
            return f"the number explained passes through {node.op_type} after {layers}, so it is no sum over features"
        return f"the number explained comes from {node.op_type}, which mixes features, so it is no sum over features"

    def _finish(self) -> AdditiveGraph | NotAdditive:
        widths: dict[str, int] = {}
        for name, ensembles in self._trees.items():
            widths[name] = max(int(trees.column.max(initial=-1)) + 1 for trees in ensembles)
        for atom, weight in self._columns.items():
            if weight:
                widths[atom.tensor] = max(widths.get(atom.tensor, 0), atom.column + 1)
        owners: dict[str, tuple[frozenset[str], ...]] = {}
        for name, width in widths.items():
            found = self._tracer.owners(name, at_least=max(width, 1))
            if found is None or len(found) < width:
                return NotAdditive(f"the columns of tensor '{name}' cannot be told apart")
            owners[name] = found
        if not widths:
            return NotAdditive("the number explained is the same for every row")
        model, tensors = with_matrices(self._graph, widths)
        return AdditiveGraph(constant=self._constant, terms=self._terms(owners, tensors), columns_model=model)

    def _terms(
        self, owners: Mapping[str, tuple[frozenset[str], ...]], tensors: Mapping[str, str]
    ) -> tuple[GraphTerm, ...]:
        terms: list[GraphTerm] = []
        for name, ensembles in self._trees.items():
            terms.append(GraphTerm(tensor=tensors[name], owners=owners[name], trees=join_trees(ensembles)))
        for name, behind in owners.items():
            weights = np.zeros(len(behind))
            for atom, weight in self._columns.items():
                if atom.tensor == name:
                    weights[atom.column] += weight
            if weights.any():
                terms.append(GraphTerm(tensor=tensors[name], owners=behind, weights=weights))
        return tuple(terms)
