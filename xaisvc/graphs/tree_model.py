"""A model and the exact explanation of one of its outputs as one graph: raw inputs go in, attributions come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.cut import UncutError
from xaisvc.graphs.emit import OLDEST_OPSET, Constants, Emitter, made_and_read
from xaisvc.graphs.explainer import double_output
from xaisvc.graphs.fused import ATTRIBUTIONS, BASE_VALUES, OUTPUTS, STANDARD_ERRORS, free_name
from xaisvc.graphs.tree_explainer import emit_trees, emit_zeros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

    from xaisvc.graphs.scorer import Scorer
    from xaisvc.graphs.tree_blocks import TreeTables


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePart:
    """A sum of trees.

    Attributes:
        tensor: Output of the columns' model with the matrix that the trees test.
        tables: Its tables, for one output.
    """

    tensor: str
    tables: TreeTables


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearPart:
    """A weighted sum of columns.

    Attributes:
        tensor: Output of the columns' model with the matrix (n, c).
        weights: float64, (c,).
        means: Mean of each column over the background; float64, (c,).
        players: Player of each column, -1 for one that is the same in every row; int64, (c,).
    """

    tensor: str
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    players: NDArray[np.int64]


def tree_explainer_model(
    columns: bytes, scorer: Scorer, parts: Sequence[TreePart | LinearPart], *, base: float, n_players: int
) -> ModelProto:
    """Puts the preprocessing, the explained number itself and the look-up of its exact attributions into one graph.

    Args:
        columns: The preprocessing: `AdditiveGraph.columns_model`.
        scorer: Gives the explained number, from the same model.
        parts: The number as a sum, beside its constant.
        base: Mean of the number over the background.
        n_players: p.

    Returns:
        A model with the inputs of the original and, in this order, the outputs `values` (n, p), `standard_errors`
        (n, p), all 0, `base_values` (n,) and `outputs` (n,), all double; a name that the model uses itself is prefixed.

    Raises:
        UncutError: If the model is older than the nodes that are needed.
    """
    front, score = _parsed(columns), _parsed(scorer.model)
    versions: dict[str, int] = {}
    for entry in (*score.opset_import, *front.opset_import):
        versions["" if entry.domain == "ai.onnx" else entry.domain] = entry.version
    if versions[""] < OLDEST_OPSET:
        msg = f"it uses operator set {versions['']}; convert the model to operator set {OLDEST_OPSET} or later"
        raise UncutError(msg)
    own = _joined_nodes(front, score)
    taken = set.union(*made_and_read(own))
    emitter = Emitter(versions[""], Constants())
    found: list[str] = []
    for part in parts:
        add = _emit_linear if isinstance(part, LinearPart) else _emit_tables
        found.append(add(emitter, part, n_players))  # type: ignore[arg-type]  # the function for this kind of part
    zeros = emit_zeros(emitter, parts[0].tensor, n_players)
    total = found[0] if len(found) == 1 else emitter.add("Sum", *found)
    outputs = _emit_score(emitter, scorer)
    bases = emitter.add("Add", emitter.along("ReduceSum", zeros, [1], keepdims=0), emitter.constant(base, np.float64))
    model = _assembled(front, score, own, emitter, versions)
    answers = (
        (total, ATTRIBUTIONS, 2),
        (zeros, STANDARD_ERRORS, 2),
        (bases, BASE_VALUES, 1),
        (outputs, OUTPUTS, 1),
    )
    for tensor, wanted, rank in answers:
        name = free_name(wanted, taken)
        model.graph.node.extend(_identity(tensor, name))
        model.graph.output.append(double_output(name, rank))
    return model


def _emit_tables(emitter: Emitter, part: TreePart, n_players: int) -> str:
    """What a sum of trees gives to each player; double, (n, p)."""
    (values,) = emit_trees(emitter, part.tensor, part.tables, n_players)
    return values


def _emit_linear(emitter: Emitter, part: LinearPart, n_players: int) -> str:
    """What a weighted sum gives to each player: sum over its columns of weight * (value - mean); double, (n, p)."""
    from onnx import TensorProto  # noqa: PLC0415 (heavy: loaded when used)

    used = np.flatnonzero((part.weights != 0) & (part.players >= 0))
    shares = np.zeros((used.size, n_players))
    shares[np.arange(used.size), part.players[used]] = part.weights[used]
    columns = emitter.add("Gather", part.tensor, emitter.constant(used, np.int64), axis=1)
    apart = emitter.add(
        "Sub",
        emitter.add("Cast", columns, to=TensorProto.DOUBLE),
        emitter.constant(part.means[used][None], np.float64),
    )
    return emitter.add("MatMul", apart, emitter.constant(shares, np.float64))


def _emit_score(emitter: Emitter, scorer: Scorer) -> str:
    """The explained number; double, (n,)."""
    from onnx import TensorProto  # noqa: PLC0415 (heavy: loaded when used)

    tensor = scorer.tensor
    if scorer.column is not None:
        flat = emitter.add("Flatten", tensor, axis=1)
        tensor = emitter.add("Gather", flat, emitter.constant([scorer.column], np.int64), axis=1)
    number = emitter.add("Cast", emitter.reshape(tensor, [-1]), to=TensorProto.DOUBLE)
    if scorer.transform == "none":
        return number
    # log(p / (1 - p)) as the engine takes it.
    rest = emitter.add("Sub", emitter.constant(1.0, np.float64), number)
    return emitter.add("Sub", emitter.add("Log", number), emitter.add("Log", rest))


def _parsed(serialized: bytes) -> ModelProto:
    import onnx  # noqa: PLC0415 (heavy: loaded when used)

    model: ModelProto = onnx.ModelProto()
    model.ParseFromString(serialized)
    return model


def _joined_nodes(front: ModelProto, score: ModelProto) -> list[NodeProto]:
    """Nodes of two graphs cut from one model, each tensor made once. A tensor has the same name and maker in both."""
    nodes = list(front.graph.node)
    made = made_and_read(nodes)[0]
    nodes.extend(node for node in score.graph.node if made.isdisjoint(node.output))
    return nodes


def _assembled(
    front: ModelProto, score: ModelProto, own: Sequence[NodeProto], emitter: Emitter, versions: Mapping[str, int]
) -> ModelProto:
    """The model's own nodes and the new ones with their constants and inputs, still without outputs."""
    import onnx  # noqa: PLC0415 (heavy: loaded when used)

    model: ModelProto = onnx.ModelProto()
    model.ir_version = max(score.ir_version, 8)  # constants that are no inputs, and functions
    model.producer_name = "xaisvc"
    for domain, version in versions.items():
        entry = model.opset_import.add()
        entry.domain, entry.version = domain, version
    model.functions.extend(score.functions)
    model.graph.name = "explainer"
    model.graph.node.extend([*own, *emitter.nodes])
    sources = (front.graph, score.graph)
    constants = {tensor.name: tensor for graph in sources for tensor in graph.initializer}
    model.graph.initializer.extend(constants.values())
    sparse = {tensor.values.name: tensor for graph in sources for tensor in graph.sparse_initializer}
    model.graph.sparse_initializer.extend(sparse.values())
    model.graph.initializer.extend(emitter.constants.tensors)
    inputs = {value.name: value for graph in sources for value in graph.input if value.name not in constants}
    model.graph.input.extend(inputs.values())
    return model


def _identity(tensor: str, name: str) -> list[NodeProto]:
    from onnx import helper  # noqa: PLC0415 (heavy: loaded when used)

    return [helper.make_node("Identity", [tensor], [name])]
