"""Reads what is behind the cut as a network of dense layers, where it is nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from xaisvc.graphs.first_layer import read_layer, with_bias
from xaisvc.graphs.graph import int_attribute, node_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import NodeProto

    from xaisvc.graphs.cut import CutTensor
    from xaisvc.graphs.first_layer import LinearLayer
    from xaisvc.graphs.mixing import MixingPlan

Activation = Literal["identity", "relu", "tanh", "logistic"]
Link = Literal["identity", "logistic", "softmax"]

_ACTIVATIONS: Final[dict[str, Activation]] = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "logistic"}
_ALONE: Final = frozenset({"Reshape", "Squeeze", "Unsqueeze"})
_FLOATS: Final = frozenset({1, 11})
"""ONNX's numbers for the element types float and double."""
_SOFTMAX_OF_COLUMNS: Final = 13
"""The operator set from which Softmax takes the last axis by default; before it, it takes the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """`activation(rows @ weights + bias)`.

    Attributes:
        weights: float32, (c, h).
        bias: float32, (h,).
        activation: What is taken of each number.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    activation: Activation


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseNetwork:
    """The explained number as dense layers over one cut tensor.

    Attributes:
        tensor: The cut tensor.
        layers: At least two; the last makes the scores and has no activation.
        link: What makes numbers of the scores.
        column: Which of them is meant.
        complement: Whether one minus it is meant.
        is_logit: Whether log(p / (1 - p)) is taken of it.
    """

    tensor: CutTensor
    layers: tuple[DenseLayer, ...]
    link: Link
    column: int
    complement: bool
    is_logit: bool


@dataclass(frozen=True, slots=True)
class _Number:
    """One column behind the last layer."""

    column: int
    link: Link = "identity"
    complement: bool = False


def read_network(plan: MixingPlan) -> DenseNetwork | None:
    """Reads a plan whose first layers are always split.

    Args:
        plan: The model taken apart.

    Returns:
        The network; None if anything else stands between the cut and the explained number, or it is not float32.
    """
    if len(plan.layers) != 1 or plan.mixed or len(plan.split) != 1:
        return None
    layers, body = _read_layers(plan, plan.layers[0])
    if len(layers) < 2 or any(layer.weights.dtype != np.float32 for layer, _ in layers):  # noqa: PLR2004 - nothing hidden
        return None
    *_, (last, activation) = layers
    columns = [_Number(i) for i in range(last.weights.shape[1])]
    if activation == "logistic":
        columns = [_Number(i, "logistic") for i in range(len(columns))]
    elif activation != "identity":
        return None
    found = _follow(plan, body, last.output, columns).get(plan.body_answer.tensor)
    if found is None or plan.body_answer.column >= len(found):
        return None
    number = found[plan.body_answer.column]
    return DenseNetwork(
        tensor=plan.split[0],
        layers=(*(_dense(layer, kind) for layer, kind in layers[:-1]), _dense(last, "identity")),
        link=number.link,
        column=number.column,
        complement=number.complement,
        is_logit=plan.body_answer.is_logit,
    )


def _dense(layer: LinearLayer, activation: Activation) -> DenseLayer:
    return DenseLayer(
        weights=layer.weights.astype(np.float32, copy=False),
        bias=layer.bias.astype(np.float32, copy=False),
        activation=activation,
    )


def _read_layers(plan: MixingPlan, first: LinearLayer) -> tuple[list[tuple[LinearLayer, Activation]], list[NodeProto]]:
    """The chain of layers from the first on, the last one's output renamed to what its activation makes; the rest."""
    graph, answer = plan.whole, plan.body_answer.tensor
    body = list(plan.body)
    layers: list[tuple[LinearLayer, Activation]] = [(first, "identity")]
    while True:
        layer, activation = layers[-1]
        readers = [node for node in body if layer.output in node_inputs(node)]
        if len(readers) != 1 or layer.output == answer:
            return layers, body
        (node,) = readers
        kind = _ACTIVATIONS.get(node.op_type) if node.domain in {"", "ai.onnx"} else None
        if kind is not None and activation == "identity":
            layers[-1] = (replace(layer, output=node.output[0]), kind)
            body = [other for other in body if other is not node]
            continue
        following = read_layer(graph, node, layer.output)
        if following is None or following.weights.shape[0] != layer.weights.shape[1]:
            return layers, body
        body = [other for other in body if other is not node]
        following, body = with_bias(graph, following, body, answer)
        layers.append((following, "identity"))


def _follow(
    plan: MixingPlan, body: Sequence[NodeProto], start: str, columns: list[_Number]
) -> dict[str, list[_Number]]:
    """What the columns of tensors behind the last layer are, as far as it is known."""
    known = {start: columns}
    for node in body:
        found = _columns(plan, node, known) if node.domain in {"", "ai.onnx"} else None
        if found is not None:
            known[node.output[0]] = found
    return known


def _columns(plan: MixingPlan, node: NodeProto, known: Mapping[str, list[_Number]]) -> list[_Number] | None:
    """What a node makes of known columns; None if that is not known."""
    if node.op_type == "Concat":
        return _joined(node, known)
    if node.op_type == "Sub":
        return _complemented(plan, node, known)
    first = known.get(node.input[0]) if node.input else None
    if first is None:
        return None
    if node.op_type == "Gather":
        return _gathered(plan, node, first)
    if node.op_type in {"Softmax", "Sigmoid"}:
        return _linked(plan, node, first)
    same = node.op_type == "Identity" or (node.op_type in _ALONE and len(first) == 1)
    same |= node.op_type == "Cast" and int_attribute(node, "to", 0) in _FLOATS
    same |= node.op_type == "Flatten" and int_attribute(node, "axis", 1) == 1
    return first if same else None


def _joined(node: NodeProto, known: Mapping[str, list[_Number]]) -> list[_Number] | None:
    """Columns side by side."""
    parts = [known.get(name) for name in node.input]
    in_row = int_attribute(node, "axis", 0) in {1, -1}
    return [number for part in parts for number in part or []] if in_row and all(parts) else None


def _complemented(plan: MixingPlan, node: NodeProto, known: Mapping[str, list[_Number]]) -> list[_Number] | None:
    """One minus each of some shares."""
    taken, one = known.get(node.input[1]), plan.whole.constant(node.input[0])
    is_one = one is not None and one.size == 1 and float(one.ravel()[0]) == 1.0
    if not is_one or taken is None or any(number.link == "identity" or number.complement for number in taken):
        return None
    return [_Number(number.column, number.link, complement=True) for number in taken]


def _linked(plan: MixingPlan, node: NodeProto, columns: list[_Number]) -> list[_Number] | None:
    """Shares of scores."""
    if node.op_type == "Sigmoid":
        fits = all(number == _Number(number.column) for number in columns)
        return [_Number(number.column, "logistic") for number in columns] if fits else None
    default = -1 if plan.opset >= _SOFTMAX_OF_COLUMNS else 1
    fits = columns == [_Number(i) for i in range(len(columns))] and int_attribute(node, "axis", default) in {1, -1}
    return [_Number(number.column, "softmax") for number in columns] if fits else None


def _gathered(plan: MixingPlan, node: NodeProto, columns: list[_Number]) -> list[_Number] | None:
    """Columns taken out by constant places."""
    if int_attribute(node, "axis", 0) not in {1, -1}:
        return None
    places = plan.whole.constant(node.input[1])
    if places is None or not all(-len(columns) <= place < len(columns) for place in places.ravel().tolist()):
        return None
    return [columns[place] for place in places.ravel().tolist()]
