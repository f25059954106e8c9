"""What of a model is run on mixed rows: the plan that every explainer graph is written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.build import pruned
from xaisvc.graphs.cut import CutTensor, UncutError, find_cut
from xaisvc.graphs.emit import OLDEST_OPSET, PREFIX
from xaisvc.graphs.first_layer import LinearLayer, split_first_layers
from xaisvc.graphs.graph import Graph
from xaisvc.graphs.scores import TREE_OPS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray
    from onnx import NodeProto

    from xaisvc.graphs.additive import AdditiveGraph
    from xaisvc.graphs.scorer import Scorer
    from xaisvc.types import TensorColumn

_MAIN_DOMAINS = ("", "ai.onnx")
_NARROW = frozenset(
    {
        "Normalizer",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Relu",
        "Sigmoid",
        "Tanh",
        "Softmax",
        "Identity",
        "Cast",
        "Flatten",
        "Reshape",
    }
    | {"Concat", "Gather", "Clip", "Elu", "Selu", "LeakyRelu", "Gelu", "Erf", "Exp", "Neg", "Softplus"}
)
"""Nodes that make nothing wider than the linear layers around them."""

_SCORE = f"{PREFIX}score"
_PROBABILITY = f"{PREFIX}probability"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where the explained number is found behind some nodes.

    Attributes:
        tensor: Its tensor.
        column: Its column, 0 for a tensor with one number per row.
        is_logit: Whether log(p / (1 - p)) must be taken of it.
        is_alone: Whether the tensor is known to hold one number per row.
        element: ONNX element type of the tensor, 0 if the graph does not say.
    """

    tensor: str
    column: int = 0
    is_logit: bool = False
    is_alone: bool = False
    element: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingPlan:
    """A model taken apart for mixed rows.

    Attributes:
        whole: The model itself, which gives f(x).
        answer: Where f(x) is found in it.
        opset: Operator set of the main domain that new nodes must keep to.
        front: Nodes that are run once per row, and constant nodes.
        front_graph: The graph they come from.
        mixed: Cut tensors that are mixed.
        layers: Linear layers behind cut tensors, distributed over the mix; layers with one output are added up.
        split: The cut tensors that only these layers read.
        body: Nodes that are run on every mixed row.
        body_answer: Where the explained number is found behind them.
        front_model: The front alone, serialized, its outputs the cut tensors under `front_outputs`; None if the cut is
            at the inputs.
        front_outputs: Cut tensor to the output of `front_model`; a tensor that is an input of the model is left out.
        detail: How the model was taken apart, one clause.
        is_link: Whether the number is the logistic function of the layers' one output.
    """

    whole: Graph
    answer: Answer
    opset: int
    front: tuple[NodeProto, ...]
    front_graph: Graph
    mixed: tuple[CutTensor, ...]
    layers: tuple[LinearLayer, ...]
    split: tuple[CutTensor, ...]
    body: tuple[NodeProto, ...]
    body_answer: Answer
    front_model: bytes | None
    front_outputs: Mapping[str, str]
    detail: str
    is_link: bool = False

    @property
    def tensors(self) -> tuple[CutTensor, ...]:
        """All cut tensors."""
        return (*self.mixed, *self.split)

    @property
    def width(self) -> int | None:
        """Numbers per mixed row in the widest linear layer; None if other nodes decide what a mixed row takes."""
        widths = [layer.weights.shape[1] for layer in self.layers]
        for node in self.body:
            if node.op_type in {"MatMul", "Gemm"}:
                weights = self.whole.constant(node.input[1])
                widths.extend([] if weights is None else list(weights.shape))
            elif node.op_type not in _NARROW:
                return None
        return max(widths, default=None)


def plan_mixing(
    scorer: Scorer,
    sources: Mapping[str, TensorColumn],
    *,
    finite: Collection[str] = frozenset(),
    splits: bool = True,
    always: bool = False,
) -> MixingPlan:
    """Takes any model apart.

    Args:
        scorer: The graph that answers with the explained number.
        sources: Feature id to the input tensor and column where it enters the graph.
        finite: Features that have a finite number of float32's range in every row; see `finite`.
        splits: Whether linear layers right behind the cut are distributed over the mix.
        always: Whether also those whose product is quicker than a table in a graph.

    Raises:
        UncutError: If it cannot be taken apart.
    """
    graph = Graph.parse(scorer.model)
    opset = _opset(graph)
    cut = find_cut(graph, scorer.tensor, sources, finite=finite)
    layers, body = split_first_layers(graph, cut, scorer.tensor, always=always) if splits else ((), cut.body)
    read_by_layers = {layer.tensor for layer in layers}
    names = [tensor.name for tensor in cut.tensors if tensor.name not in graph.inputs]
    answer = _answer(graph, scorer)
    return MixingPlan(
        whole=graph,
        answer=answer,
        opset=opset,
        front=cut.front,
        front_graph=graph,
        mixed=tuple(tensor for tensor in cut.tensors if tensor.name not in read_by_layers),
        layers=layers,
        split=tuple(tensor for tensor in cut.tensors if tensor.name in read_by_layers),
        body=body,
        body_answer=answer,
        front_model=pruned(graph, names) if names else None,
        front_outputs={name: name for name in names},
        detail="its first linear layer split into a part per coalition and a table" if layers else "",
    )


def plan_link_mixing(scorer: Scorer, log_odds: AdditiveGraph) -> MixingPlan:
    """Takes a model apart whose probability is a logistic function of a weighted sum of columns.

    Args:
        scorer: The graph that answers with the probability.
        log_odds: Its log-odds, read as a sum.

    Raises:
        UncutError: If the sum holds trees or a column that mixes features.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

    graph = Graph.parse(scorer.model)
    columns = Graph.parse(log_odds.columns_model)
    tensors, layers = [], []
    for i, term in enumerate(log_odds.terms):
        if term.weights is None or any(len(owners) > 1 for owners in term.owners):
            msg = "the log-odds are no sum of columns with one feature each"
            raise UncutError(msg)
        owners = tuple(next(iter(features), None) for features in term.owners)
        tensors.append(
            CutTensor(name=term.tensor, owners=owners, layout=(len(owners),), element=columns.element(term.tensor))
        )
        is_double = tensors[-1].element == TensorProto.DOUBLE
        weights: NDArray[np.floating] = term.weights if is_double else term.weights.astype(np.float32)
        bias = np.full(1, 0.0 if i else log_odds.constant, dtype=weights.dtype)
        layers.append(LinearLayer(tensor=term.tensor, output=_SCORE, weights=weights[:, None], bias=bias))
    if not layers or len({layer.weights.dtype for layer in layers}) > 1:
        msg = "the log-odds depend on no column, or on columns of several number types"
        raise UncutError(msg)
    return MixingPlan(
        whole=graph,
        answer=_answer(graph, scorer),
        opset=_opset(graph),
        front=columns.nodes,
        front_graph=columns,
        mixed=(),
        layers=tuple(layers),
        split=tuple(tensors),
        body=(helper.make_node("Sigmoid", [_SCORE], [_PROBABILITY]),),
        body_answer=Answer(
            tensor=_PROBABILITY, is_alone=True, element=int(helper.np_dtype_to_tensor_dtype(layers[0].weights.dtype))
        ),
        front_model=log_odds.columns_model,
        front_outputs={tensor.name: tensor.name for tensor in tensors},
        detail="the link taken of sums of weighted columns",
        is_link=True,
    )


def _answer(graph: Graph, scorer: Scorer) -> Answer:
    shape = graph.shape(scorer.tensor)
    return Answer(
        tensor=scorer.tensor,
        column=scorer.column or 0,
        is_logit=scorer.transform == "logit",
        is_alone=shape is not None and (len(shape) == 1 or shape[1:] == (1,)),
        element=graph.element(scorer.tensor),
    )


def has_trees(scorer: Scorer) -> bool:
    """Whether a tree ensemble takes part in the explained number."""
    return any(node.op_type in TREE_OPS for node in Graph.parse(scorer.model).nodes)


def _opset(graph: Graph) -> int:
    """The operator set of new nodes: the model's own, or a newer one in which its nodes mean the same.

    Raises:
        UncutError: If the model's own is too old.
    """
    versions = [entry.version for entry in graph.model.opset_import if entry.domain in _MAIN_DOMAINS]
    version = max(versions, default=0)
    if version >= OLDEST_OPSET:
        return version
    if not graph.model.functions and all(_is_unchanged(node, version) for node in graph.nodes):
        return OLDEST_OPSET
    msg = f"it uses operator set {version}, and mixing rows needs {OLDEST_OPSET} or newer"
    raise UncutError(msg)


def _is_unchanged(node: NodeProto, version: int) -> bool:
    """Whether a node means the same in the oldest operator set that explainers are written in."""
    from onnx import defs  # noqa: PLC0415 (heavy: loaded when used)

    if node.domain not in _MAIN_DOMAINS:
        return True
    if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        return False
    try:
        old, new = (defs.get_schema(node.op_type, max(v, 1), "") for v in (version, OLDEST_OPSET))
    except defs.SchemaError:
        return False
    return old.since_version == new.since_version
