"""Which graph to run to get the explained number in the wanted unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from xaisvc.errors import InvalidRequestError
from xaisvc.graphs.affine import Affine
from xaisvc.graphs.build import pruned, with_sum
from xaisvc.graphs.graph import Graph
from xaisvc.graphs.links import Links
from xaisvc.graphs.outputs import Place, find_place
from xaisvc.graphs.provenance import Tracer
from xaisvc.types import Output, Space

Transform: TypeAlias = Literal["none", "logit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A graph that answers with the explained number.

    Attributes:
        model: Serialized ONNX model with one output, pruned to what that output needs.
        tensor: The output.
        column: Column of the output that holds the number; None if it has one number per row, [n] or [n, 1].
        transform: `logit` if log(p / (1 - p)) must be taken of the number, else `none`.
        detail: How the number is obtained, one sentence.
    """

    model: bytes
    tensor: str
    column: int | None
    transform: Transform
    detail: str


@dataclass(frozen=True, slots=True)
class Target:
    """The explained number as a sum of columns of the graph, before it is expanded.

    Attributes:
        place: Where the declared output is.
        sum: The number in the wanted space; None if the link cannot be taken off and `logit` is needed.
        detail: How it is obtained, one sentence.
    """

    place: Place
    sum: Affine | None
    detail: str


def plan_scorer(model: bytes, output: Output, space: Space) -> Scorer:
    """Plans the graph to run for an output in a space.

    In the unit of the tensor it is the graph itself, without ZipMap. In log-odds it is the score under the link where
    the graph has one (so nothing is lost where a probability rounds to 0 or 1), else the logit of the probability. The
    raw space of a probability is the score before the link, one per class.

    Args:
        model: Serialized ONNX model.
        output: The declared output.
        space: Unit of the number wanted.

    Returns:
        The graph and how to read it.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model.
        BundleError: If the graph has no such output.
        InvalidRequestError: If the number has no meaning in this space.
    """
    graph = Graph.parse(model)
    target = find_target(graph, output, space)
    if target.sum is None:
        model_bytes = pruned(graph, (target.place.tensor,))
        return Scorer(
            model=model_bytes,
            tensor=target.place.tensor,
            column=target.place.column,
            transform="logit",
            detail=target.detail,
        )
    model_bytes, tensor, column = with_sum(graph, target.sum)
    alone = tensor == target.place.tensor and target.place.column is None
    return Scorer(
        model=model_bytes, tensor=tensor, column=None if alone else column, transform="none", detail=target.detail
    )


def find_target(graph: Graph, output: Output, space: Space) -> Target:
    """Finds the explained number in the graph.

    Raises:
        BundleError: If the graph has no such output.
        InvalidRequestError: If the number has no meaning in this space.
    """
    place = find_place(graph, output)
    if space is output.tensor_space:
        return Target(place, Affine(0.0, {place.atom: 1.0}), f"tensor '{output.tensor}' as the model gives it")
    if output.tensor_space is not Space.PROBABILITY:
        msg = (
            f"output '{output.id}' is a raw score, not a probability, so it has no {_words(space)}; "
            "ask for space 'raw', or declare tensor_space: probability in bundle.yaml if it is one"
        )
        raise InvalidRequestError.of("space", msg)
    links = Links(graph, Tracer(graph, {}))
    if space is Space.LOG_ODDS:
        score = links.log_odds(place.atom)
        if score is None:
            return Target(place, None, "logit of the probability, which is not a logistic function of one score")
        return Target(place, score, "score under the logistic link, read from the graph")
    score = links.raw(place.atom)
    if score is None:
        msg = (
            f"output '{output.id}' is a probability that the model computes without a link, so there is no raw score "
            "before it; ask for space 'probability' or 'log_odds'"
        )
        raise InvalidRequestError.of("space", msg)
    return Target(place, score, "score before the link, read from the graph")


def _words(space: Space) -> str:
    return {Space.LOG_ODDS: "log-odds", Space.PROBABILITY: "probability", Space.RAW: "raw score"}[space]
