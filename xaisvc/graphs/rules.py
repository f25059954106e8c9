"""How each kind of node hands on the features that its columns depend on.

A rule may name too many features, never too few. What has no rule mixes everything that reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from xaisvc.graphs.graph import ML_DOMAIN, Graph, class_labels, int_attribute, ints_attribute
from xaisvc.graphs.rearrange import MOST_COLUMNS, bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from onnx import NodeProto

Owners = frozenset[str]
"""The ids of the features that a column depends on."""

NOBODY: Owners = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A tensor of n rows whose columns are told apart.

    Attributes:
        owners: One `frozenset` of feature ids per column, as an object array of shape (1, ...): the tensor's own shape
            with a batch of 1.
    """

    owners: NDArray[np.object_]

    @property
    def everybody(self) -> Owners:
        """The features that any column depends on."""
        return union(self.owners.ravel())


@dataclass(frozen=True, slots=True)
class Mixed:
    """A tensor whose layout is not known, or which is not laid out in rows.

    Attributes:
        everybody: The features that any of its numbers may depend on.
    """

    everybody: Owners


Trace: TypeAlias = Columns | Mixed

Rule: TypeAlias = "Callable[[Graph, NodeProto, list[Trace]], list[Trace] | None]"
"""How one kind of node hands features on: one trace per output, or None to claim nothing.

It is given one trace per input; constants own nothing.
"""


def applied(rule: Rule, graph: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """A rule's answer; nothing where the graph does not fit the rule or has too many columns."""
    try:
        return rule(graph, node, traces)
    except (ValueError, IndexError):
        return None


def union(sets: Iterable[Owners]) -> Owners:
    """All features of some sets."""
    return frozenset().union(*set(sets))


def is_width(width: int | None) -> bool:
    """Whether a tensor's width is known and small enough for its columns to be told apart."""
    return width is not None and 0 <= width <= MOST_COLUMNS


def filled(shape: tuple[int, ...], owners: Owners) -> NDArray[np.object_]:
    """An object array with the same features everywhere."""
    array = np.empty(shape, dtype=object)
    array[...] = owners
    return array


def _merge(first: NDArray[np.object_], second: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.asarray(np.frompyfunc(lambda a, b: a | b, 2, 1)(first, second), dtype=object)


def _elementwise(graph: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Each output column depends on the columns that broadcasting puts there."""
    parts: list[NDArray[np.object_]] = []
    constants: list[tuple[int, ...]] = []
    for name, trace in zip(node.input, traces, strict=True):
        if isinstance(trace, Columns):
            parts.append(trace.owners)
        elif name:
            constant = graph.constant(name)
            if constant is None:
                return None
            constants.append(constant.shape)
    if not parts or len({part.ndim for part in parts}) != 1:
        return None
    rank = parts[0].ndim
    for shape in constants:
        # A constant whose first dimension runs along the rows must be the same for all of them.
        if len(shape) > rank or (len(shape) == rank and shape[0] != 1):
            return None
        parts.append(filled((1,) * (rank - len(shape)) + shape, NOBODY))
    bounded(prod(np.broadcast_shapes(*(part.shape for part in parts))))
    return [Columns(reduce(_merge, parts))]


def _first_operand(_: Graph, __: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Works on each number of the first operand alone."""
    return [traces[0]] if isinstance(traces[0], Columns) else None


def _one_hot(_: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Adds a dimension with one column per category."""
    if not isinstance(traces[0], Columns):
        return None
    categories = 0
    for attribute in node.attribute:
        if attribute.name in {"cats_int64s", "cats_strings"}:
            categories = max(categories, len(attribute.ints), len(attribute.strings))
    owners = traces[0].owners
    bounded(owners.size * categories)
    return [Columns(np.repeat(owners[..., None], categories, axis=-1))]


def _string_normalizer(graph: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Keeps its layout only if no stop words can drop values."""
    if any(attribute.name == "stopwords" and attribute.strings for attribute in node.attribute):
        return None
    return _first_operand(graph, node, traces)


def _matrix(graph: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Output column j depends on the input columns whose weight to j is not zero."""
    left = traces[0]
    weights = graph.constant(node.input[1])
    rank = 2
    if not isinstance(left, Columns) or weights is None or left.owners.ndim != rank or weights.ndim not in {1, rank}:
        return None
    is_vector = weights.ndim == 1
    weights = weights[:, None] if is_vector else weights
    if node.op_type == "Gemm":
        added = graph.constant(node.input[rank]) if len(node.input) > rank and node.input[rank] else np.zeros(1)
        if int_attribute(node, "transA", 0) or added is None or (added.ndim == rank and added.shape[0] != 1):
            return None
        weights = weights.T if int_attribute(node, "transB", 0) else weights
    if weights.shape[0] != left.owners.shape[1]:
        return None
    found = _weighted(left.owners[0], weights != 0)
    return [Columns(found[0] if is_vector else found)]


def _weighted(owners: NDArray[np.object_], used: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Unions of owners along a matrix of used weights (columns in, columns out)."""
    found = filled((1, used.shape[1]), NOBODY)
    for group in set(owners.tolist()):
        rows = np.array([owner == group for owner in owners.tolist()])
        for column in np.flatnonzero(used[rows].any(axis=0)):
            found[0, column] |= group
    return found


def _mix_last(graph: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Keeps the layout; every column depends on all of them (Normalizer, Softmax and the like)."""
    del graph
    trace = traces[0]
    if not isinstance(trace, Columns):
        return None
    rank, axis = trace.owners.ndim, int_attribute(node, "axis", -1)
    if rank == 1 or not -rank < axis < rank or not axis:
        return None  # along the rows; a tensor of shape [n] is one row to these nodes
    return [Columns(filled(trace.owners.shape, trace.everybody))]


def _reduce(graph: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Folds axes away (sums, means, extremes, positions of extremes) while rows stay apart."""
    trace = traces[0]
    if not isinstance(trace, Columns):
        return None
    if node.op_type in {"ArgMax", "ArgMin"}:
        axes: list[int] | None = [int_attribute(node, "axis", 0)]
    elif len(node.input) > 1 and node.input[1]:
        constant = graph.constant(node.input[1])
        axes = None if constant is None else [int(axis) for axis in constant.ravel()]
    else:
        axes = ints_attribute(node, "axes")
    rank = trace.owners.ndim
    if not axes or any(axis % rank == 0 or not -rank <= axis < rank for axis in axes):
        return None
    owners = trace.owners
    for axis in sorted({axis % rank for axis in axes}, reverse=True):
        merged = reduce(_merge, np.split(owners, owners.shape[axis], axis=axis))
        owners = merged if int_attribute(node, "keepdims", 1) else np.squeeze(merged, axis)
    return [Columns(owners)]


def _model_scores(columns: Callable[[NodeProto], int | None], scores: int) -> Rule:
    """A model node: its numbers depend on all columns it reads; `scores` is the place of the output with columns."""

    def rule(graph: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
        del graph
        rows_and_columns = 2
        if not isinstance(traces[0], Columns) or traces[0].owners.ndim != rows_and_columns:
            return None  # a tensor of shape [n] is one row to these nodes
        everybody = union(_read(node, traces[0].owners[0].tolist()))
        width = columns(node)
        per_row = Columns(filled((1,), everybody))
        table = Mixed(everybody) if width is None else Columns(filled((1, width), everybody))
        return [per_row, table] if scores else [table]

    return rule


def _read(node: NodeProto, owners: list[Owners]) -> Iterable[Owners]:
    """Owners of the columns that a model node reads: those that a branch tests or that have a weight."""
    lists = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type in {"TreeEnsembleClassifier", "TreeEnsembleRegressor"}:
        modes = lists["nodes_modes"].strings if "nodes_modes" in lists else ()
        tested = lists["nodes_featureids"].ints if "nodes_featureids" in lists else ()
        if len(modes) == len(tested) and max(tested, default=0) < len(owners):
            branches = (column for column, mode in zip(tested, modes, strict=True) if mode != b"LEAF")
            return {owners[column] for column in branches if column >= 0}
    if node.op_type == "TreeEnsemble" and "nodes_featureids" in lists:  # ai.onnx.ml 5 lists branches only
        tested = lists["nodes_featureids"].ints
        if min(tested, default=0) >= 0 and max(tested, default=0) < len(owners):
            return {owners[column] for column in tested}
    if node.op_type in {"LinearClassifier", "LinearRegressor"} and "coefficients" in lists:
        weights = np.asarray(lists["coefficients"].floats)
        if owners and weights.size % len(owners) == 0:
            return {owners[column] for column in np.flatnonzero((weights.reshape(-1, len(owners)) != 0).any(axis=0))}
    return owners


def classifier_width(node: NodeProto) -> int | None:
    """Columns of a classifier node's scores."""
    labels = len(class_labels(node))
    if node.op_type == "LinearClassifier":
        intercepts = next((len(a.floats) for a in node.attribute if a.name == "intercepts"), 0)
        return max(intercepts, 2 if labels == 2 else 1) if intercepts else None  # noqa: PLR2004 (one row, two classes)
    return labels or None


def _targets(node: NodeProto) -> int | None:
    return int_attribute(node, "targets" if node.op_type == "LinearRegressor" else "n_targets", 1)


def _lookup(graph: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Gather from a constant table, one row of it per number."""
    table = graph.constant(node.input[0])
    if table is None or int_attribute(node, "axis", 0) != 0 or not isinstance(traces[1], Columns):
        return None
    owners = traces[1].owners
    bounded(owners.size * prod(table.shape[1:]))
    for size in table.shape[1:]:
        owners = np.repeat(owners[..., None], size, axis=-1)
    return [Columns(owners)]


def _constant_shape(_: Graph, node: NodeProto, traces: list[Trace]) -> list[Trace] | None:
    """Sizes of a tensor of n rows depend on n, never on a feature's value; other sizes may depend on anything."""
    return [Mixed(NOBODY) for _ in node.output] if isinstance(traces[0], Columns) else None


_ELEMENTWISE = frozenset(
    {"Abs", "Acos", "Add", "And", "Asin", "Atan", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor"}
    | {"Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Div", "Elu", "Equal", "Erf", "Exp"}
    | {"Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "IsInf", "IsNaN"}
    | {"LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg"}
    | {"Not", "Or", "PRelu", "Pow", "Reciprocal", "RegexFullMatch", "Relu", "Round", "Selu", "Shrink"}
    | {"Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "StringConcat", "Sub", "Sum"}
    | {"Tan", "Tanh", "ThresholdedRelu", "Where", "Xor"}
)
_REDUCE = frozenset(
    {"ArgMax", "ArgMin", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax"}
    | {"ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"}
)
_MOVES = frozenset(
    {"Identity", "Dropout", "Concat", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather", "Slice"}
    | {"Split", "Constant"}
)
SIZES = frozenset({"Shape", "Size"})
"""Nodes whose numbers belong to the whole batch, not to a row."""

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
"""Nodes that answer something else each time."""

_ENCODERS = ("Scaler", "Imputer", "LabelEncoder", "CategoryMapper", "Binarizer")


def is_column_wise(node: NodeProto) -> bool:
    """Whether a node works on columns one by one or combines a few of them, as hand-made features do."""
    if node.domain == ML_DOMAIN:
        return node.op_type in {*_ENCODERS, "OneHotEncoder", "ArrayFeatureExtractor", "FeatureVectorizer"}
    return not node.domain and (node.op_type in _ELEMENTWISE or node.op_type in _MOVES)


RULES: dict[tuple[str, str], Rule] = {
    **{("", name): _elementwise for name in _ELEMENTWISE},
    **{("", name): _reduce for name in _REDUCE},
    **{("", name): _mix_last for name in ("Softmax", "LogSoftmax", "Hardmax")},
    ("", "MatMul"): _matrix,
    ("", "Gemm"): _matrix,
    ("", "Gather"): _lookup,
    **{("", name): _constant_shape for name in SIZES},
    ("", "StringNormalizer"): _string_normalizer,
    **{(ML_DOMAIN, name): _first_operand for name in _ENCODERS},
    (ML_DOMAIN, "OneHotEncoder"): _one_hot,
    (ML_DOMAIN, "Normalizer"): _mix_last,
    (ML_DOMAIN, "TreeEnsembleClassifier"): _model_scores(classifier_width, 1),
    (ML_DOMAIN, "LinearClassifier"): _model_scores(classifier_width, 1),
    (ML_DOMAIN, "SVMClassifier"): _model_scores(lambda _: None, 1),
    (ML_DOMAIN, "TreeEnsembleRegressor"): _model_scores(_targets, 0),
    (ML_DOMAIN, "TreeEnsemble"): _model_scores(_targets, 0),
    (ML_DOMAIN, "LinearRegressor"): _model_scores(_targets, 0),
    (ML_DOMAIN, "SVMRegressor"): _model_scores(lambda _: 1, 0),
}
