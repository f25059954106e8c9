"""Linear layers right behind the cut.

For a mixed row m * x + (1 - m) * z and a linear layer W,

    (m * x + (1 - m) * z) W = (m * x) W + ((1 - m) * z) W

The first term does not depend on the background row and the second not on the explained row: one small product per
coalition, and a table that all explained rows share, take the place of a product per mixed row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.graph import ML_DOMAIN, floats_attribute, int_attribute, node_inputs
from xaisvc.graphs.scores import LINEAR_OPS, ScoreColumn, read_scores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray
    from onnx import NodeProto

    from xaisvc.graphs.cut import Cut, CutTensor
    from xaisvc.graphs.graph import Graph

    Array = NDArray[np.generic]
    Floats = NDArray[np.floating]

# Adding a table takes longer than a product of few columns. Measured with 128 units: 14 columns lose 2 %, 30 gain 6 %,
# 100 gain 40 %. A narrow layer is all that is left to compute, so there it always pays.
LEAST_COLUMNS = 20
NARROW_UNITS = 16

_RANK = 2
_SCORES = "_xaisvc_explainer_scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearLayer:
    """One linear layer: `output = tensor @ weights + bias`.

    Attributes:
        tensor: The cut tensor it reads, rows by columns.
        output: The tensor it makes.
        weights: In the tensor's dtype, (c, h).
        bias: In the tensor's dtype, (h,).
    """

    tensor: str
    output: str
    weights: Floats
    bias: Floats


def split_first_layers(
    graph: Graph, cut: Cut, output: str, *, always: bool = False
) -> tuple[tuple[LinearLayer, ...], tuple[NodeProto, ...]]:
    """Takes the linear layers that read cut tensors out of a cut's second part.

    A tensor is left alone unless all that reads it are linear layers (it would have to be mixed all the same), and
    unless tables are quicker than products in a graph.

    Args:
        graph: The model.
        cut: The model in two parts.
        output: The tensor that is wanted.
        always: Whether layers are taken out even where products are quicker in a graph.

    Returns:
        The layers, and the nodes of the second part without them.
    """
    body = list(cut.body)
    layers: list[LinearLayer] = []
    for tensor in cut.tensors:
        readers = [node for node in body if tensor.name in node_inputs(node)]
        if tensor.name == output or not readers or len(tensor.layout) != 1:
            continue
        read = {name for node in body for name in node_inputs(node)} | {output}
        found = [
            _with_link(read_layer(graph, node, tensor.name)) or _read_model(node, tensor, read) for node in readers
        ]
        layers_of = [layer for layer in found if layer is not None and layer[0].weights.shape[0] == tensor.layout[0]]
        if len(layers_of) < len(readers) or not (always or all(_pays(layer) for layer, _ in layers_of)):
            continue
        for node, (layer, link) in zip(readers, layers_of, strict=True):
            place = next(i for i, other in enumerate(body) if other is node)
            body[place : place + 1] = link
            added, body = with_bias(graph, layer, body, output)
            layers.append(added)
    return tuple(layers), tuple(body)


def _with_link(layer: LinearLayer | None) -> tuple[LinearLayer, list[NodeProto]] | None:
    """A layer with no node behind it."""
    return None if layer is None else (layer, [])


def _pays(layer: LinearLayer) -> bool:
    """Whether adding a table is quicker than the product."""
    columns, units = layer.weights.shape
    return bool(columns >= LEAST_COLUMNS or units <= NARROW_UNITS)


def read_layer(graph: Graph, node: NodeProto, tensor: str) -> LinearLayer | None:
    """A node of a neural network as a linear layer of a tensor; None if it is none."""
    if node.domain not in {"", "ai.onnx"} or node.op_type not in {"MatMul", "Gemm"}:
        return None
    others = [name for name in node.input[1:] if name]
    found = graph.constant(node.input[1])
    if node.input[0] != tensor or tensor in others or found is None or found.ndim != _RANK:
        return None
    weights, bias = _floats(found), np.zeros(1)
    if weights is None:
        return None
    if node.op_type == "Gemm":
        if int_attribute(node, "transA", 0):
            return None
        alpha, beta = (_float(node, name) for name in ("alpha", "beta"))
        weights = weights.T if int_attribute(node, "transB", 0) else weights
        weights = weights * weights.dtype.type(alpha)
        if len(others) > 1:
            added = graph.constant(others[1])
            if added is None or not _is_row(added, weights.shape[1]):
                return None
            bias = added.astype(np.float64).reshape(-1) * beta
    return LinearLayer(
        tensor=tensor,
        output=node.output[0],
        weights=np.ascontiguousarray(weights),
        bias=np.broadcast_to(bias, weights.shape[1:]).astype(weights.dtype),
    )


def _floats(found: Array) -> Floats | None:
    """Weights as what they are; None if they are neither float nor double."""
    if found.dtype == np.float64:
        return found.astype(np.float64, copy=False)
    return found.astype(np.float32, copy=False) if found.dtype == np.float32 else None


def _read_model(
    node: NodeProto, tensor: CutTensor, read: AbstractSet[str]
) -> tuple[LinearLayer, list[NodeProto]] | None:
    """A linear model of ai.onnx.ml as a linear layer and its link; None if it is none, or its label is read too."""
    from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

    if node.domain != ML_DOMAIN or node.op_type not in LINEAR_OPS or tensor.element != TensorProto.FLOAT:
        return None
    scores = read_scores(node)
    if isinstance(scores, str) or any(name in read for name in node.output if name != scores.tensor):
        return None
    plain = tuple(ScoreColumn(target) for target in range(len(scores.columns)))
    coefficients = floats_attribute(node, "coefficients").astype(np.float32)
    if scores.columns != plain or coefficients.size != len(plain) * tensor.layout[0]:
        return None
    bias = floats_attribute(node, "intercepts").astype(np.float32)
    bias = bias if bias.size else np.zeros(len(plain), dtype=np.float32)
    if bias.size != len(plain):
        return None
    link = {
        "none": [],
        "logistic": [helper.make_node("Sigmoid", [f"{scores.tensor}{_SCORES}"], [scores.tensor])],
        "softmax": [helper.make_node("Softmax", [f"{scores.tensor}{_SCORES}"], [scores.tensor], axis=1)],
    }[scores.link]
    layer = LinearLayer(
        tensor=tensor.name,
        output=f"{scores.tensor}{_SCORES}" if link else scores.tensor,
        weights=np.ascontiguousarray(coefficients.reshape(len(plain), -1).T),
        bias=bias,
    )
    return layer, link


def with_bias(
    graph: Graph, layer: LinearLayer, body: Sequence[NodeProto], output: str
) -> tuple[LinearLayer, list[NodeProto]]:
    """Takes up the Add of a constant row that exporters put behind a MatMul."""
    readers = [node for node in body if layer.output in node_inputs(node)]
    if len(readers) != 1 or layer.output == output or readers[0].op_type != "Add" or readers[0].domain:
        return layer, list(body)
    (node,) = readers
    added = graph.constant(node.input[1 if node.input[0] == layer.output else 0])
    if added is None or added.dtype != layer.bias.dtype or not _is_row(added, layer.bias.size):
        return layer, list(body)
    bias = layer.bias.astype(np.float64) + added.reshape(-1).astype(np.float64)
    together = replace(layer, output=node.output[0], bias=bias.astype(layer.bias.dtype))
    return together, [other for other in body if other is not node]


def _is_row(added: Array, width: int) -> bool:
    """Whether a constant adds the same row to every row of a matrix of this width."""
    return added.size == 1 or (added.size == width and added.ndim <= _RANK and added.shape[-1] == width)


def _float(node: NodeProto, name: str) -> float:
    return next((float(attribute.f) for attribute in node.attribute if attribute.name == name), 1.0)
