"""Networks of dense layers as compiled loops: what the graph of such a model does, without leaving the cache.

ONNX Runtime runs a network node by node. Between a coalition's mixed rows and their mean, numbers then go through
memory once for each node; here a tile of mixed rows goes through all layers while it is in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.errors import ModelOutputError
from xaisvc.graphs import UncutError, plan_mixing, read_network

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.graphs import DenseLayer, DenseNetwork, MixingPlan
    from xaisvc.types import CoalitionDesign, LoadedModel, Players, Runtime, Table, TensorColumn

    Floats = NDArray[np.float32]
    Packed = tuple[Floats, Floats, NDArray[np.int64], Floats, Floats, NDArray[np.int64]]

LEAST_UNITS: Final = 32
"""Units of the first layer from which compiled loops pay: layers are filled up to 16 or 32 units."""
MOST_UNITS: Final = 4096
"""Units of a layer whose tiles stay in the cache; wider layers are ONNX Runtime's."""

PIECE_ROWS: Final = 2048
"""Mixed rows of a piece of a design: 1 MB of table for 128 units stays in the second-level cache for all rows."""
MOST_KEPT_BYTES: Final = 2**26
"""Tables of one design that are kept; larger ones are made anew, piece by piece, for up to 32 rows each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledNetwork:
    """A network made ready for `dense_kernel`.

    Attributes:
        columns: Feature of each column of the cut tensor, None for one that is the same in every row.
        first: The first layer's weights in panels; float32, flat.
        weights: The same by columns, filled up to whole panels; float32, (c, h).
        bias: Filled up to whole panels; float32, (h,).
        activation: What follows the first layer, by the kernel's number.
        widest: Numbers per row in the widest hidden layer, filled up.
        packed: What follows the first layer: panels, biases, for each hidden layer (terms, panels, activation, where
            its panels and biases begin), the last layer's weights, its biases, (link, column, complement, logit).
    """

    columns: tuple[str | None, ...]
    first: Floats
    weights: Floats
    bias: Floats
    activation: int
    widest: int
    packed: Packed

    @staticmethod
    def of(network: DenseNetwork) -> CompiledNetwork:
        """Lays out a network."""
        from xaisvc.engine.dense_kernel import IDENTITY, LOGISTIC, RELU, SOFTMAX, TANH  # noqa: PLC0415 - heavy: numba

        numbers = {"identity": IDENTITY, "relu": RELU, "tanh": TANH, "logistic": LOGISTIC, "softmax": SOFTMAX}
        first, *hidden, last = network.layers
        panels, biases, shapes = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)], []
        widths = [_filled(first.weights.shape[1])]
        for layer in hidden:
            widths.append(_filled(layer.weights.shape[1]))
            places = (sum(map(len, panels)), sum(map(len, biases)))
            shapes.append((len(layer.weights), widths[-1] // _panel(), numbers[layer.activation], *places))
            panels.append(_in_panels(layer.weights))
            biases.append(_fill(layer.bias))
        # A logistic function or a plain score is made of one column of the last layer.
        whole = network.link == "softmax"
        scores = np.arange(last.weights.shape[1]) if whole else np.array([network.column])
        at_end = np.zeros((len(scores), widths[-1]), dtype=np.float32)
        at_end[:, : last.weights.shape[0]] = last.weights[:, scores].T
        column = network.column if whole else 0
        return CompiledNetwork(
            columns=network.tensor.owners,
            first=_in_panels(first.weights),
            weights=_fill(first.weights),
            bias=_fill(first.bias),
            activation=numbers[first.activation],
            widest=max(widths),
            packed=(
                np.concatenate(panels),
                np.concatenate(biases),
                np.array(shapes, dtype=np.int64).reshape(-1, 5),
                at_end.ravel(),
                np.ascontiguousarray(last.bias[scores]),
                np.array([numbers[network.link], column, network.complement, network.is_logit], dtype=np.int64),
            ),
        )

    def answers(self, matrix: Floats) -> NDArray[np.float64]:
        """The explained number of n rows of the cut tensor, (n, c)."""
        from xaisvc.engine.dense_kernel import answer_rows  # noqa: PLC0415 - heavy: numba

        answers = np.empty(len(matrix))
        answer_rows(matrix, self.first, self.bias, self.activation, self.widest, self.packed, answers)
        return answers


def _panel() -> int:
    from xaisvc.engine.dense_vectors import PANEL  # noqa: PLC0415 - heavy: numba

    return PANEL


def _filled(units: int) -> int:
    """Units filled up to whole panels."""
    return -(-units // _panel()) * _panel()


def _fill(numbers: Floats) -> Floats:
    """Zeros behind the last axis up to whole panels."""
    found = np.zeros((*numbers.shape[:-1], _filled(numbers.shape[-1])), dtype=np.float32)
    found[..., : numbers.shape[-1]] = numbers
    return found


def _in_panels(weights: Floats) -> Floats:
    """Weights by panels of columns, each with its columns side by side; flat."""
    terms = len(weights)
    return np.ascontiguousarray(_fill(weights).reshape(terms, -1, _panel()).transpose(1, 0, 2)).ravel()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkModel:
    """A compiled network, and what turns rows into the columns it reads.

    Attributes:
        network: The network.
        scoring: The model as a function of raw rows.
        front: Makes the cut tensor of the model's inputs; None if it is a copy of one.
        tensor: The front's output, or that input.
        background: Columns of the background; float32, (b, c).
    """

    network: CompiledNetwork
    scoring: ScoringModel
    front: LoadedModel | None
    tensor: str
    background: Floats

    def columns(self, feeds: Mapping[str, NDArray[np.generic]]) -> Floats:
        """The columns of rows that are tensors already; float32, (n, c)."""
        if self.front is None:
            return np.ascontiguousarray(feeds[self.tensor], dtype=np.float32)
        used = {info.name: feeds[info.name] for info in self.front.inputs}
        return np.ascontiguousarray(self.front.run(used, [self.tensor])[self.tensor], dtype=np.float32)

    def answers(self, feeds: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float64]:
        """The explained number of rows that are tensors already, from the compiled network; float64, (n,)."""
        return self.network.answers(self.columns(feeds))

    def output(self, feeds: Mapping[str, NDArray[np.generic]]) -> float | None:
        """f(x) of one row, from the model itself; None if it is not finite."""
        try:
            return float(self.scoring.answers(feeds, 1)[0])
        except ModelOutputError:
            return None


def compile_network(
    scoring: ScoringModel,
    background: Table,
    *,
    sources: Mapping[str, TensorColumn],
    finite: Collection[str] = frozenset(),
    runtime: Runtime,
) -> NetworkModel | None:
    """Compiles a model that is a network of dense layers behind its preprocessing.

    Args:
        scoring: The model.
        background: The rows that stand in.
        sources: Feature id to the input tensor and column where it enters the graph.
        finite: Features that have a finite number of float32's range in every row.
        runtime: Runs the preprocessing.

    Returns:
        The network; None if the model is none, its layers are too narrow or too wide for compiled loops to pay, or
        columns of the background are not finite.
    """
    try:
        plan = plan_mixing(scoring.scorer, sources, finite=finite, always=True)
    except UncutError:
        return None
    network = read_network(plan)
    if network is None or not _fits(network.layers):
        return None
    front, tensor = _front(plan, network.tensor.name, runtime)
    model = NetworkModel(
        network=CompiledNetwork.of(network),
        scoring=scoring,
        front=front,
        tensor=tensor,
        background=np.empty((0, 0), dtype=np.float32),
    )
    columns = model.columns(scoring.feeds(background))
    if columns.shape != (len(background), len(network.tensor.owners)) or not np.isfinite(columns).all():
        return None
    return replace(model, background=columns)


def _fits(layers: tuple[DenseLayer, ...]) -> bool:
    widths = [layer.weights.shape[1] for layer in layers[:-1]]
    return bool(widths[0] >= LEAST_UNITS and max(widths) <= MOST_UNITS and layers[0].weights.size)


def _front(plan: MixingPlan, tensor: str, runtime: Runtime) -> tuple[LoadedModel | None, str]:
    """What makes the cut tensor, and its name: None and the name of an input that it is a copy of."""
    from onnx import TensorProto  # noqa: PLC0415 - heavy: loaded when used

    copied = tensor
    while (node := plan.whole.producer(copied)) is not None:
        is_copy = node.op_type == "Identity" or (
            node.op_type == "Cast" and plan.whole.element(node.input[0]) == TensorProto.FLOAT
        )
        if not is_copy:
            break
        copied = node.input[0]
    if copied in plan.whole.inputs and plan.whole.element(copied) == TensorProto.FLOAT:
        return None, copied
    output = plan.front_outputs[tensor]
    return runtime.load(plan.front_model or b"", device="cpu"), output


class NetworkDesign:
    """A design laid out for a network. Pieces are used in any order and by several threads.

    Attributes:
        n_pairs: q.
        held_bytes: Memory that the design holds on to.
        pieces: The coalitions of each piece, the on coalitions of all pairs before the off ones.
    """

    def __init__(self, model: NetworkModel, players: Players, design: CoalitionDesign) -> None:
        self._network = model.network
        self._background = model.background
        self.n_pairs = len(design)
        owner = {name: i for i, members in enumerate(players.members) for name in members}
        places = np.array([-1 if name is None else owner[name] for name in model.network.columns], dtype=np.intp)
        masks = np.concatenate([design.masks, ~design.masks])
        self._masks = np.ascontiguousarray(masks[:, places] & (places >= 0))
        own = design.background
        self._others = None if own is None else np.concatenate([own, own]).astype(np.int64)
        self._d = len(model.background) if own is None else own.shape[1]
        size = max(1, PIECE_ROWS // self._d)
        self.pieces = [slice(start, min(start + size, len(masks))) for start in range(0, len(masks), size)]
        table_bytes = len(masks) * self._d * model.network.bias.nbytes
        self._keeps = table_bytes <= MOST_KEPT_BYTES
        self.held_bytes = self._masks.nbytes + (table_bytes if self._keeps else 0)
        self._kept: dict[int, Floats] = {}

    def values(self, rows: Floats, piece: slice) -> NDArray[np.float64]:
        """Values of a piece's coalitions for n rows of columns; float64, (n, coalitions)."""
        from xaisvc.engine.dense_kernel import coalition_values  # noqa: PLC0415 - heavy: numba

        network, masks = self._network, self._masks[piece]
        values = np.empty((len(rows), len(masks)))
        table = self._table(piece)
        coalition_values(
            rows, masks, self._d, network.weights, table, network.activation, network.widest, network.packed, values
        )
        return values

    def _table(self, piece: slice) -> Floats:
        """What background rows contribute to the first layer of a piece, filled up to whole tiles."""
        kept = self._kept.get(piece.start)
        if kept is not None:
            return kept
        from xaisvc.engine.dense_kernel import TILE_ROWS, fill_table  # noqa: PLC0415 - heavy: numba

        network, masks = self._network, self._masks[piece]
        others = np.zeros((0, self._d), dtype=np.int64) if self._others is None else self._others[piece]
        n_rows = -(-len(masks) * self._d // TILE_ROWS) * TILE_ROWS
        table = np.empty(n_rows * len(network.bias), dtype=np.float32)
        fill_table(self._background, masks, others, network.first, network.bias, table)
        if self._keeps:
            # Two threads may make the same table; either is as good.
            self._kept[piece.start] = table
        return table
