"""The numbers of a graph that can be explained, and where a declared one is found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.errors import BundleError
from xaisvc.graphs.affine import Affine, Atom, expand
from xaisvc.graphs.graph import ML_DOMAIN, Graph, class_labels
from xaisvc.graphs.links import Links
from xaisvc.graphs.provenance import Tracer
from xaisvc.graphs.scores import CLASSIFIER_OPS, PAIR, class_weights, is_model_node
from xaisvc.types import Output, Space

if TYPE_CHECKING:
    from onnx import NodeProto

_MOST_COLUMNS = 1000
"""Columns of one output tensor that are listed; a tensor wider than this is no table of classes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a declared output is found in the graph.

    Attributes:
        tensor: Tensor with the number; for a ZipMap output, the tensor that goes into the ZipMap.
        column: Column of that tensor; None if the tensor has one number per row.
    """

    tensor: str
    column: int | None

    @property
    def atom(self) -> Atom:
        """The place as a term of a sum."""
        return Atom(self.tensor, self.column or 0)


@dataclass(frozen=True, slots=True)
class _Table:
    """An output of the graph as columns: the tensor that holds them, the label of each, and their number."""

    output: str
    tensor: str
    labels: tuple[str | int, ...]
    width: int | None
    per_row: bool
    zipped: bool


def list_outputs(model: bytes) -> tuple[Output, ...]:
    """Lists every number of the graph that can be explained, the best default first.

    For a binary classifier the last class comes first, for more classes each class in its order, for a regressor its
    one number. Labels predicted by a classifier are no numbers and are left out.

    Args:
        model: Serialized ONNX model.

    Returns:
        Candidates with `id`, `tensor`, `target`, `tensor_space` and `space` filled in: `space` is log-odds if the
        probability is a logistic function of a score, raw if the score is a sum of trees or linear terms, else the
        unit of the tensor.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model.
        BundleError: If the graph has no output with numbers.
    """
    graph = Graph.parse(model)
    tracer = Tracer(graph, {})
    found: list[Output] = []
    for table in _tables(graph, tracer):
        found.extend(_candidates(graph, tracer, table))
    if not found:
        names = ", ".join(graph.outputs)
        msg = f"none of the graph's outputs ({names}) holds a number per row; export the model with its probabilities"
        raise BundleError(msg, file="model.onnx")
    return _with_unique_ids(found)


def resolve_output(model: bytes, output: Output) -> Place:
    """Finds the tensor and column of a declared output; a ZipMap is bypassed.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model.
        BundleError: If the graph has no such output; the message lists what it has.
    """
    return find_place(Graph.parse(model), output)


def find_place(graph: Graph, output: Output) -> Place:
    """As `resolve_output`, on a parsed graph.

    Raises:
        BundleError: If the graph has no such output; the message lists what it has.
    """
    tracer = Tracer(graph, {})
    tables = {table.output: table for table in _tables(graph, tracer)}
    table = tables.get(output.tensor)
    if table is None:
        names = ", ".join(f"'{name}'" for name in tables) or "none"
        msg = f"the graph has no output '{output.tensor}' with numbers; it has {names}"
        raise BundleError(msg, file="bundle.yaml", field="outputs")
    if output.target is None:
        if table.labels or (table.width or 1) > 1:
            msg = f"output '{output.tensor}' has {table.width} columns, so `target` must name one: {_choices(table)}"
            raise BundleError(msg, file="bundle.yaml", field="outputs")
        return Place(table.tensor, None if table.per_row or table.width is None else 0)
    column = _column(table, output.target)
    if column is None:
        msg = f"output '{output.tensor}' has no class or column {output.target!r}; it has {_choices(table)}"
        raise BundleError(msg, file="bundle.yaml", field="outputs")
    return Place(table.tensor, None if table.per_row else column)


def _column(table: _Table, target: str | int) -> int | None:
    """Column of a class label; without labels, of a column number."""
    if target in table.labels:
        return table.labels.index(target)
    # YAML readers write 1 and "1" alike, so a label matches by its text as well.
    texts = [str(label) for label in table.labels]
    if str(target) in texts:
        return texts.index(str(target))
    fits = isinstance(target, int) and 0 <= target < (_MOST_COLUMNS if table.width is None else table.width)
    return target if fits and isinstance(target, int) and not table.labels else None


def _choices(table: _Table) -> str:
    if table.labels:
        return ", ".join(repr(label) for label in table.labels)
    return "one number per row" if (table.width or 1) == 1 else f"columns 0 to {(table.width or 1) - 1}"


def _tables(graph: Graph, tracer: Tracer) -> list[_Table]:
    found = []
    for name in graph.outputs:
        node = graph.producer(name)
        if node is not None and node.domain == ML_DOMAIN and node.op_type == "ZipMap":
            labels = class_labels(node)
            found.append(_Table(name, node.input[0], labels, len(labels), per_row=False, zipped=True))
            continue
        table = _tensor_table(graph, tracer, name)
        if table is not None:
            found.append(table)
    return found


def _tensor_table(graph: Graph, tracer: Tracer, name: str) -> _Table | None:
    from onnx import TensorProto  # noqa: PLC0415 (heavy: loaded when used)

    declared = graph.types.get(name)
    if declared is not None and not declared.HasField("tensor_type"):
        return None
    numbers = {0, TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}
    if graph.element(name) not in numbers or _is_label(graph, name):
        return None
    layout, shape = tracer.layout(name), graph.shape(name)
    rows_and_columns = 2
    if layout is None and shape is not None and len(shape) == 1:
        layout = ()
    if layout is None and shape is not None and len(shape) == rows_and_columns and shape[1] is not None:
        layout = (shape[1],)
    if (layout is not None and len(layout) > 1) or (shape is not None and len(shape) > rows_and_columns):
        return None
    width = None if layout is None else (layout[0] if layout else 1)
    if width is not None and not 0 < width <= _MOST_COLUMNS:
        return None
    labels = _labels(graph, tracer, name, width)
    return _Table(name, name, labels, width, per_row=layout == (), zipped=False)


def _is_label(graph: Graph, name: str) -> bool:
    """Whether a tensor is the class label that a classifier node predicts."""
    node = graph.producer(name)
    while node is not None and node.op_type in {"Identity", "Cast", "Reshape"} and not node.domain:
        name = node.input[0]
        node = graph.producer(name)
    return node is not None and is_model_node(node) and node.op_type in CLASSIFIER_OPS and name == node.output[0]


def _labels(graph: Graph, tracer: Tracer, name: str, width: int | None) -> tuple[str | int, ...]:
    """Class labels of a table's columns: from the classifier behind it, or from the look-up of the label output."""
    node = _table_node(graph, tracer, name, width)
    if node is not None and is_model_node(node):
        own = class_labels(node)
        return own if len(own) == width else ()
    if width is None or width < PAIR:
        return ()
    for output in graph.outputs:
        labels = _looked_up(graph, output)
        if len(labels) == width:
            return labels
    return ()


def _table_node(graph: Graph, tracer: Tracer, name: str, width: int | None) -> NodeProto | None:
    """The node that made a table, seen through renaming, scaling and normalising."""
    passing = {"Identity", "Cast", "Mul", "Div", "Normalizer", "Reshape", "Clip"}
    for _ in range(len(graph.nodes)):
        node = graph.producer(name)
        if node is None or node.op_type not in passing:
            return node
        layout = tracer.layout(node.input[0])
        if layout is not None and width is not None and layout != (width,):
            return node
        name = node.input[0]
    return None


def _looked_up(graph: Graph, name: str) -> tuple[str | int, ...]:
    """Labels that a label output picks from: a constant list of classes, indexed by the best column."""
    node = graph.producer(name)
    for _ in range(len(graph.nodes)):
        if node is None:
            return ()
        if node.op_type in {"ArrayFeatureExtractor", "Gather"}:
            classes = graph.constant(node.input[0])
            if classes is None:
                return ()
            items = classes.ravel().tolist()
            return tuple(item.decode() if isinstance(item, bytes) else item for item in items)
        if node.op_type not in {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}:
            return ()
        node = graph.producer(node.input[0])
    return ()


def _candidates(graph: Graph, tracer: Tracer, table: _Table) -> list[Output]:
    columns = range(table.width or 1)
    order = list(reversed(columns)) if table.width == PAIR else list(columns)
    found = []
    for column in order:
        target: str | int | None = column
        if table.labels:
            target = table.labels[column]
        elif (table.width or 1) == 1:
            target = None
        tensor_space, space = _spaces(graph, tracer, table, Atom(table.tensor, column))
        kind = "probability" if tensor_space is Space.PROBABILITY else "score"
        name = _identifier(table.output if target is None else f"{kind}_{target}")
        found.append(Output(id=name, tensor=table.output, target=target, tensor_space=tensor_space, space=space))
    return found


def _spaces(graph: Graph, tracer: Tracer, table: _Table, atom: Atom) -> tuple[Space, Space]:
    """Unit of a column, and the unit in which it is explained by default."""
    links = Links(graph, tracer)
    if links.log_odds(atom) is not None:
        return Space.PROBABILITY, Space.LOG_ODDS
    score = links.raw(atom)
    if score is not None:
        additive = _is_additive(graph, tracer, score)
        return Space.PROBABILITY, Space.RAW if additive else Space.PROBABILITY
    if links.is_normalised(atom):
        return Space.PROBABILITY, Space.PROBABILITY
    itself = Affine(0.0, {atom: 1.0})
    if _is_additive(graph, tracer, itself):
        votes = all(_is_vote(graph.producer(part.tensor)) for part in expand(graph, tracer, itself).weights)
        return _same_space(probability=votes)
    named = "prob" in table.output.lower() or table.zipped
    return _same_space(probability=named)


def _same_space(*, probability: bool) -> tuple[Space, Space]:
    space = Space.PROBABILITY if probability else Space.RAW
    return space, space


def _is_vote(node: NodeProto | None) -> bool:
    """Whether a node's scores are votes of trees: shares of classes, never negative."""
    return node is not None and node.op_type == "TreeEnsembleClassifier" and bool((class_weights(node) >= 0).all())


def _is_additive(graph: Graph, tracer: Tracer, score: Affine) -> bool:
    """Whether a score is a sum of trees and linear models of ai.onnx.ml."""
    atoms = expand(graph, tracer, score).weights
    return all(atom.bare for atom in atoms) and bool(atoms)


def _identifier(text: str) -> str:
    cleaned = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")
    return cleaned or "output"


def _with_unique_ids(outputs: list[Output]) -> tuple[Output, ...]:
    seen: dict[str, int] = {}
    found = []
    for output in outputs:
        count = seen.get(output.id, 0)
        seen[output.id] = count + 1
        name = f"{output.id}_{count + 1}" if count else output.id
        fields = (output.tensor, output.target, output.tensor_space, output.space)
        tensor, target, tensor_space, space = fields
        found.append(Output(id=name, tensor=tensor, target=target, tensor_space=tensor_space, space=space))
    return tuple(found)
