"""Designs evaluated by a graph that holds them: many rows in, their values or attributions out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.engine.keeping import Kept
from xaisvc.errors import ModelOutputError
from xaisvc.graphs import fused_graph
from xaisvc.types import PairValues, Projected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from xaisvc.engine.mixed_model import MixedModel
    from xaisvc.types import CoalitionDesign, Device, LoadedModel, Problem, Projection, Runtime, Table

# One row alone would leave a GPU idle. Blocks are filled up, so that a row is computed in the same shapes in any
# company.
BLOCK_ROWS = 16
# Mixed rows of a chunk, for all rows of a block together: enough for large products, and with 128 units a layer 64 MB
# for each intermediate.
BLOCK_CHUNK_ROWS = 2**17
MOST_TABLE_BYTES = 2**30
"""Tables that are put on the device; with larger ones, layers are not split."""
KEPT_GRAPH_BYTES = 2**31


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: LoadedModel
    n_bytes: int


class FusedMaker:
    """Makes fused graphs of one output and keeps the last ones."""

    def __init__(self, runtime: Runtime, device: Device, unsplit: Callable[[], MixedModel]) -> None:
        """Holds what is needed.

        Args:
            runtime: Runs the graphs.
            device: Where.
            unsplit: The model taken apart without tables.
        """
        self._runtime = runtime
        self._device = device
        self._unsplit = unsplit
        self._kept: Kept[_Loaded] = Kept(KEPT_GRAPH_BYTES, lambda loaded: loaded.n_bytes)

    def pairs(self, mixed: MixedModel, design: CoalitionDesign, problem: Problem, key: bytes) -> FusedPairs:
        """A design as a `PairFunction`."""
        return FusedPairs(self._load(mixed, design, problem, key, None, 0.0), mixed)

    def projected(  # noqa: PLR0913, PLR0917 - what the graph holds
        self,
        mixed: MixedModel,
        design: CoalitionDesign,
        problem: Problem,
        key: bytes,
        projection: Projection,
        none: float,
    ) -> FusedProjected:
        """A design and its projection as a `ProjectedFunction`."""
        digest = hashlib.blake2b(key, digest_size=32)
        for array in (projection.weights, projection.share, projection.spread, projection.scale, projection.energy):
            digest.update(np.ascontiguousarray(array).tobytes())
        model = self._load(mixed, design, problem, digest.digest(), projection, none)
        return FusedProjected(model, mixed)

    def _load(  # noqa: PLR0913, PLR0917 - as above
        self,
        mixed: MixedModel,
        design: CoalitionDesign,
        problem: Problem,
        key: bytes,
        projection: Projection | None,
        none: float,
    ) -> LoadedModel:
        def make() -> _Loaded:
            layout = mixed.layout(design, problem.players, rows=BLOCK_CHUNK_ROWS // BLOCK_ROWS)
            source = mixed
            if layout.n_bytes > MOST_TABLE_BYTES:
                source = self._unsplit()
                layout = source.layout(design, problem.players, rows=BLOCK_CHUNK_ROWS // BLOCK_ROWS)
            graph = fused_graph(
                source.plan,
                source.background,
                layout.whole(),
                n_pairs=layout.n_pairs,
                projection=projection,
                none=none,
            ).SerializeToString()
            return _Loaded(self._runtime.load(graph, device=self._device), len(graph))

        return self._kept.get(key, make).model


@dataclass(frozen=True, slots=True)
class FusedPairs:
    """A design evaluated for blocks of rows."""

    model: LoadedModel
    mixed: MixedModel

    @property
    def detail(self) -> str:
        """How the graph is cut."""
        return self.mixed.detail

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; see `PairFunction`."""
        on, off, outputs = run_in_blocks(self.model, self.mixed, rows, check)
        return PairValues(on=on, off=off, outputs=outputs)


@dataclass(frozen=True, slots=True)
class FusedProjected:
    """A design and its projection evaluated for blocks of rows."""

    model: LoadedModel
    mixed: MixedModel

    @property
    def detail(self) -> str:
        """How the graph is cut."""
        return self.mixed.detail

    def __call__(self, rows: Table, check: Callable[[], None]) -> Projected:
        """Attributes n rows; see `ProjectedFunction`."""
        values, errors, _, outputs = run_in_blocks(self.model, self.mixed, rows, check)
        return Projected(values=values, standard_errors=errors, outputs=outputs)


def run_in_blocks(
    model: LoadedModel, mixed: MixedModel, rows: Table, check: Callable[[], None]
) -> list[NDArray[np.float64]]:
    """Runs a fused graph on blocks of `BLOCK_ROWS` rows, the last one filled up by repeating its last row.

    Returns:
        Each output of the graph in its order, float64, (n, ...).

    Raises:
        ModelOutputError: If an answer is not finite.
    """
    feeds = mixed.scoring.feeds(rows)
    names = [info.name for info in model.outputs]
    parts: list[Mapping[str, NDArray[np.generic]]] = []
    for start in range(0, len(rows), BLOCK_ROWS):
        check()
        index = np.minimum(np.arange(start, start + BLOCK_ROWS), len(rows) - 1)
        parts.append(model.run({info.name: feeds[info.name][index] for info in model.inputs}, names))
    found = [
        np.concatenate([np.asarray(part[name], dtype=np.float64) for part in parts])[: len(rows)] for name in names
    ]
    if not all(np.isfinite(numbers).all() for numbers in found):
        raise ModelOutputError(
            "the model answered NaN or infinity for rows that mix an explained row with background rows; attributions "
            "need finite answers: check how the model treats missing and unusual values"
        )
    return found
