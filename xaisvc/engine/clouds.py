"""Draws around rows as tensors: the `CloudModel` of a loaded bundle.

What a draw is does not depend on the row, so it is turned into tensors once: the steps of its numbers, and the codes or
texts of its categories. A row then costs an addition for each tensor of floating-point numbers, rounded to the tensor's
type only after it, so that the model sees the same bits as if the draws had come to it as rows. Tensors of another type
that hold moved numbers (whole numbers, dates as text) are encoded for every row in the usual way.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xaisvc.attribution.lime_continuous import MOST_DRAWS
from xaisvc.bundles import encode_rows
from xaisvc.engine.sum_model import SumModel
from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.types import BundleDescription, CloudDraws, Feature, TensorInfo
    from xaisvc.types.table import Column

    Array = NDArray[np.generic]

_MOST_COMPILED_DRAWS = 5_000
"""Draws in a call of a model compiled: each call takes the interpreter's lock a dozen times, which others may hold."""

_MOST_FIXED_BYTES = 64 * 2**20
"""What models may take that hold draws as constants."""

_WORTH_ROWS = 16
"""Rows after which such a model is made: it costs as much as it saves for 32 of them."""

_TEXT_BYTES = 64
"""A text in a runtime, or a code."""

_COLUMN_BYTES = 8
"""A number that a runtime may make of them once."""

_MOVED_ELEMENTS = {"float": np.float32, "double": np.float64}


class TensorFunction(Protocol):
    """A model compiled: the same numbers as from its graph but for rounding, faster."""

    def answers(self, feeds: Mapping[str, Array]) -> NDArray[np.float64]:
        """The explained number of rows that are tensors already; float64, (n,)."""
        ...


class GraphClouds:
    """Prepares draws for the graph of one output in one space."""

    def __init__(
        self,
        description: BundleDescription,
        scoring: ScoringModel,
        compiled: Callable[[], SumModel | TensorFunction | None] = lambda: None,
    ) -> None:
        """Holds what is needed.

        Args:
            description: Of the bundle.
            scoring: The model.
            compiled: The model compiled, where it can be.
        """
        self._description = description
        self._scoring = scoring
        self._compiled = compiled

    def prepare(self, draws: CloudDraws) -> GraphCloud:
        """See `CloudModel`."""
        tensors = tuple(
            _prepared(
                self._description,
                tensor,
                [feature for feature in self._description.features if feature.source.tensor == tensor.name],
                draws,
            )
            for tensor in self._scoring.inputs
        )
        compiled = self._compiled()
        drawn = frozenset(one.info.name for one in tensors if isinstance(one, _DrawnTensor))
        if not isinstance(compiled, SumModel) or not drawn:
            return GraphCloud(self._scoring, tensors, compiled)
        texts = sum(one.values.size for one in tensors if isinstance(one, _DrawnTensor)) * _TEXT_BYTES
        columns = sum(len(term.owners) for term in compiled.terms) * draws.size * _COLUMN_BYTES
        fixed = None if texts + columns > _MOST_FIXED_BYTES else _Fixed(compiled, drawn, texts + columns)
        return GraphCloud(self._scoring, tensors, compiled, fixed)


class _Fixed:
    """A model compiled, of draws some of whose tensors are the same around every row.

    Args:
        model: The model.
        drawn: Names of these tensors.
        n_bytes: Memory that all draws take in the model, at most.
    """

    def __init__(self, model: SumModel, drawn: frozenset[str], n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self._model = model
        self._drawn = drawn
        self._asked: Counter[tuple[int, int]] = Counter()
        self._chunks: dict[tuple[int, int], SumModel] = {}

    def answers(self, feeds: Mapping[str, Array], chunk: slice) -> NDArray[np.float64]:
        """The explained number of some draws, from all their tensors; float64."""
        key = (chunk.start, chunk.stop)
        model = self._chunks.get(key)
        if model is None:
            self._asked[key] += 1  # two threads may count, and make, the same: that does no harm
            model = self._model
            if self._asked[key] > _WORTH_ROWS and self._is_apart(chunk):
                model = model.fixed({name: feeds[name] for name in self._drawn}, feeds)
                self._chunks[key] = model
        return model.answers(feeds)

    def _is_apart(self, chunk: slice) -> bool:
        """Whether no other chunk holds any of its draws: so all of them together take no more than `n_bytes`."""
        return all(stop <= chunk.start or chunk.stop <= start for start, stop in tuple(self._chunks))


@dataclass(frozen=True, slots=True)
class GraphCloud:
    """Draws as tensors; a `Cloud`."""

    _scoring: ScoringModel
    _tensors: tuple[_MovedTensor | _DrawnTensor | _EncodedTensor, ...]
    _compiled: SumModel | TensorFunction | None = None
    _fixed: _Fixed | None = None

    @property
    def n_bytes(self) -> int:
        """Memory that the tensors take, and the model that holds some of them."""
        fixed = 0 if self._fixed is None else self._fixed.n_bytes
        return fixed + sum(tensor.n_bytes for tensor in self._tensors)

    @property
    def most_draws(self) -> int:
        """See `Cloud`."""
        return MOST_DRAWS if self._compiled is None else _MOST_COMPILED_DRAWS

    def __call__(self, rows: Table, place: int, chunk: slice) -> NDArray[np.float64]:
        """See `Cloud`."""
        own = self._scoring.feeds(rows.take([place])) if chunk.start == 0 else {}  # the first draw is the row itself
        if self._compiled is not None:
            feeds = self._feeds(rows, place, chunk, {})
            answers = self._compiled.answers(feeds) if self._fixed is None else self._fixed.answers(feeds, chunk)
            if own:  # its prediction is the model's own
                answers[0] = self._scoring.answers(own, 1)[0]
            if np.isfinite(answers).all():
                return answers
        return self._scoring.answers(self._feeds(rows, place, chunk, own), chunk.stop - chunk.start)

    def _feeds(self, rows: Table, place: int, chunk: slice, own: Mapping[str, Array]) -> dict[str, Array]:
        """The tensors of some draws; with the row itself, as tensors, for the first one if it is given."""
        return {one.info.name: one.around(rows, place, chunk, own.get(one.info.name)) for one in self._tensors}


@dataclass(frozen=True, slots=True, kw_only=True)
class _MovedTensor:
    """A floating-point matrix to which the row is added.

    Attributes:
        info: The tensor.
        names: Feature of each column.
        moves: Steps of the moved columns and values of the drawn ones; float64, (m, c).
        moved: Columns that are moved; intp, (k,).
        whole: Columns that are rounded; intp.
        is_flat: Whether the tensor has one dimension.
    """

    info: TensorInfo
    names: tuple[str, ...]
    moves: NDArray[np.float64]
    moved: NDArray[np.intp]
    whole: NDArray[np.intp]
    is_flat: bool

    @property
    def n_bytes(self) -> int:
        return self.moves.nbytes

    def around(self, rows: Table, place: int, chunk: slice, own: Array | None) -> Array:
        from xaisvc.engine.cloud_kernel import add_rounded  # noqa: PLC0415 - heavy: loaded when used

        values = np.full(len(self.names), -0.0)  # adding it changes no number, not even a minus zero
        for column in self.moved.tolist():
            values[column] = rows.columns[self.names[column]][place]
        moves = self.moves[chunk]
        tensor = np.empty(moves.shape, dtype=_MOVED_ELEMENTS[self.info.element])
        add_rounded(moves, values, tensor)
        if len(self.whole):
            tensor[:, self.whole] = np.round(moves[:, self.whole] + values[self.whole])
        found = tensor.ravel() if self.is_flat else tensor
        if own is not None:
            found[0] = own[0]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _DrawnTensor:
    """A tensor of drawn values only: the same around every row but for the row itself."""

    info: TensorInfo
    values: Array

    @property
    def n_bytes(self) -> int:
        return self.values.nbytes

    def around(self, rows: Table, place: int, chunk: slice, own: Array | None) -> Array:
        del rows, place
        if own is None:
            return self.values[chunk]
        tensor = self.values[chunk].copy()
        tensor[0] = own[0]
        return tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _EncodedTensor:
    """A tensor whose moved numbers do not enter by addition: encoded row by row, as rows of a table are."""

    info: TensorInfo
    draws: CloudDraws
    encoder: _Encoder

    @property
    def n_bytes(self) -> int:
        return self.draws.n_bytes

    def around(self, rows: Table, place: int, chunk: slice, own: Array | None) -> Array:
        del own  # the draws hold the row itself
        return self.encoder(self.draws.around(rows, place, chunk, self.encoder.names))


@dataclass(frozen=True, slots=True)
class _Encoder:
    """The rows of a table as one tensor."""

    description: BundleDescription
    info: TensorInfo
    names: tuple[str, ...]

    def __call__(self, rows: Table) -> Array:
        return encode_rows(self.description, (self.info,), rows)[self.info.name]


def _prepared(
    description: BundleDescription, info: TensorInfo, features: Sequence[Feature], draws: CloudDraws
) -> _MovedTensor | _DrawnTensor | _EncodedTensor:
    ordered = sorted(features, key=lambda feature: feature.source.column)
    names = tuple(feature.id for feature in ordered)
    moved = [column for column, name in enumerate(names) if name in draws.moves]
    encoder = _Encoder(description, info, names)
    if moved and info.element not in _MOVED_ELEMENTS:
        return _EncodedTensor(info=info, draws=draws.only(names), encoder=encoder)
    standing: dict[str, Column] = {
        name: np.zeros(draws.size) if name in draws.moves else draws.values[name] for name in names
    }
    values = encoder(Table(standing))
    if not moved:
        return _DrawnTensor(info=info, values=values)
    moves = values.reshape(draws.size, -1).astype(np.float64)
    for column in moved:
        moves[:, column] = draws.moves[names[column]]
    return _MovedTensor(
        info=info,
        names=names,
        moves=moves,
        moved=np.array(moved, dtype=np.intp),
        whole=np.array([column for column in moved if names[column] in draws.whole], dtype=np.intp),
        is_flat=values.ndim == 1,
    )
