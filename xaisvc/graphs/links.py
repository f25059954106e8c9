"""Takes the link off a probability: the score whose logistic function or softmax it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.graphs.affine import Affine, Atom, expand
from xaisvc.graphs.graph import ML_DOMAIN, int_attribute, ints_attribute, text_attribute
from xaisvc.graphs.scores import PAIR, is_model_node, read_scores

if TYPE_CHECKING:
    from onnx import NodeProto

    from xaisvc.graphs.graph import Graph
    from xaisvc.graphs.provenance import Tracer

_ONE = 1e-6
"""How far a constant in the graph may be from 1 and still mean 1: float32 constants such as 0.99999994."""

_DEEPEST = 8
"""Most normalisations behind each other that are looked through."""


class Links:
    """Reads the links of one graph."""

    def __init__(self, graph: Graph, tracer: Tracer) -> None:
        self._graph = graph
        self._tracer = tracer

    def log_odds(self, probability: Atom, *, depth: int = 0) -> Affine | None:
        """The score s with `probability = 1 / (1 + exp(-s))`, not expanded; None if no such score is in the graph."""
        found = self._link(probability)
        if found is None or depth > _DEEPEST:
            return None
        node, atom, complement = found
        score = self._score(node, atom, depth)
        return score.negated() if score is not None and complement else score

    def raw(self, probability: Atom, *, depth: int = 0) -> Affine | None:
        """The score before the link (softmax, one-against-rest logistic, normalisation); None if there is no link."""
        found = self._link(probability)
        if found is None or depth > _DEEPEST:
            return None
        node, atom, complement = found
        if complement:
            return self.log_odds(probability, depth=depth)
        if is_model_node(node):
            return self._model_score(node, atom, before_softmax=True)
        if _is_normaliser(self._graph, node):
            return self.raw(Atom(node.input[0], atom.column), depth=depth + 1)
        return Affine(0.0, {Atom(node.input[0], atom.column): 1.0})

    def is_normalised(self, tensor: Atom) -> bool:
        """Whether a number ends in a link or a normalisation, and so is a probability."""
        return self._link(tensor) is not None

    def _link(self, probability: Atom) -> tuple[NodeProto, Atom, bool] | None:
        """The link node behind a number that is its column p or the complement 1 - p, and which of the two."""
        sum_ = expand(self._graph, self._tracer, Affine(0.0, {probability: 1.0}))
        if len(sum_.weights) != 1:
            return None
        ((atom, weight),) = sum_.weights.items()
        node = self._graph.producer(atom.tensor)
        if node is None or atom.bare or not self._is_link(node, atom):
            return None
        if abs(weight - 1.0) <= _ONE and abs(sum_.constant) <= _ONE:
            return node, atom, False
        if abs(weight + 1.0) <= _ONE and abs(sum_.constant - 1.0) <= _ONE:
            return node, atom, True
        return None

    def _is_link(self, node: NodeProto, atom: Atom) -> bool:
        if is_model_node(node):
            scores = read_scores(node)
            return not isinstance(scores, str) and scores.link != "none" and scores.tensor == atom.tensor
        if node.op_type == "Softmax" and not node.domain:
            layout = self._tracer.layout(node.input[0])
            return layout is not None and len(layout) == 1 and int_attribute(node, "axis", -1) in {1, -1}
        return (node.op_type == "Sigmoid" and not node.domain) or _is_normaliser(self._graph, node)

    def _score(self, node: NodeProto, atom: Atom, depth: int) -> Affine | None:
        """The log-odds of a link node's column."""
        if is_model_node(node):
            return self._model_score(node, atom, before_softmax=False)
        source = node.input[0]
        if node.op_type == "Sigmoid":
            return Affine(0.0, {Atom(source, atom.column): 1.0})
        layout = self._tracer.layout(source)
        if layout != (PAIR,):
            return None
        own, other = Atom(source, atom.column), Atom(source, 1 - atom.column)
        if node.op_type == "Softmax":
            return Affine(0.0, {own: 1.0, other: -1.0})
        # A normalisation of two columns changes nothing if they already add up to 1, that is if their log-odds mirror.
        score, mirror = self.log_odds(own, depth=depth + 1), self.log_odds(other, depth=depth + 1)
        if score is None or mirror is None:
            return None
        both = self._expanded(score).minus(self._expanded(mirror.negated()))
        return score if both.is_zero else None

    def _expanded(self, score: Affine) -> Affine:
        return expand(self._graph, self._tracer, score)

    def _model_score(self, node: NodeProto, atom: Atom, *, before_softmax: bool) -> Affine | None:
        scores = read_scores(node)
        if isinstance(scores, str) or atom.column >= len(scores.columns):
            return None

        def column(index: int) -> Affine:
            shown = scores.columns[index]
            if shown.target is None:
                return Affine(shown.offset)
            return Affine(shown.offset, {Atom(scores.tensor, scores.bare[shown.target], bare=True): shown.scale})

        if scores.link == "logistic" or before_softmax:
            return column(atom.column)
        if len(scores.columns) != PAIR:
            return None
        return column(atom.column).minus(column(1 - atom.column))


def _is_normaliser(graph: Graph, node: NodeProto) -> bool:
    """Whether a node divides the columns of a tensor by their sum."""
    if node.domain == ML_DOMAIN:
        return node.op_type == "Normalizer" and text_attribute(node, "norm", "MAX") == "L1"
    if node.op_type == "LpNormalization":
        return int_attribute(node, "p", 2) == 1 and int_attribute(node, "axis", -1) in {1, -1}
    if node.op_type != "Div" or node.domain:
        return False
    below = graph.producer(node.input[1])
    if below is None or below.op_type != "ReduceSum" or below.input[0] != node.input[0]:
        return False
    if len(below.input) > 1 and below.input[1]:
        axes = graph.constant(below.input[1])
        found = None if axes is None else [int(axis) for axis in axes.ravel()]
    else:
        found = ints_attribute(below, "axes")
    return found in ([1], [-1]) and bool(int_attribute(below, "keepdims", 1))
