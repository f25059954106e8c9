"""Designs of a model made of trees, mixed row by mixed row, scored without a runtime; see `SumModel`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.masking import PREFERRED_BATCH_ROWS, score, steady_mean
from xaisvc.attribution.parallel import in_threads
from xaisvc.engine.network_pairs import mended
from xaisvc.types import PairValues

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.engine.sum_model import Matrix, SumModel
    from xaisvc.types import CoalitionDesign, PairFunction, Problem, Table

MOST_NUMBERS = 2**25
"""Columns of the background rows of one coalition: 128 MiB of float32 numbers."""

_NUMBERS_TOGETHER = 2**21
"""Columns that are mixed together: they stay near the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePairs:
    """A design evaluated by mixing columns behind the preprocessing; rows and pieces are spread over threads.

    Attributes:
        problem: The problem; every column belongs to one of its players at most.
        design: The design.
        model: The model.
        scoring: The model as the runtime has it, in the same space.
        player_of: See `SumModel.players_of_columns`.
        otherwise: The design evaluated by the model's graph, for rows that come to no number.
        threads: Threads.
    """

    problem: Problem
    design: CoalitionDesign
    model: SumModel
    scoring: ScoringModel
    player_of: Sequence[NDArray[np.int64]]
    otherwise: Callable[[], PairFunction]
    threads: int = 1

    @property
    def detail(self) -> str:
        """How coalitions are evaluated."""
        return "Coalitions are evaluated by the model's trees as read from its graph."

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; see `PairFunction`."""
        background = self._matrices(self.problem.background)
        # One row at a time: what a runtime makes of a row may depend on the number of rows by a rounding.
        alone = [rows.take([i]) for i in range(len(rows))]
        own = [self._matrices(row) for row in alone]
        outputs = np.array([score(self.problem, row, "explained rows")[0] for row in alone], dtype=np.float64)
        q = len(self.design)
        values = np.empty((len(rows), 2 * q))

        def run(item: tuple[int, slice]) -> None:
            check()
            place, piece = item
            values[place, piece] = self._values(own[place], background, piece)

        in_threads(run, [(place, piece) for place in range(len(rows)) for piece in self._pieces()], self.threads)
        pairs = PairValues(on=values[:, :q], off=values[:, q:], outputs=outputs)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        return mended(pairs, rows, bad.tolist(), check, self.otherwise) if len(bad) else pairs

    def _matrices(self, rows: Table) -> list[Matrix]:
        return self.model.matrices(self.scoring.feeds(rows), len(rows))

    @property
    def _each(self) -> int:
        """Background rows of a coalition."""
        drawn = self.design.background
        return len(self.problem.background) if drawn is None else drawn.shape[1]

    def _pieces(self) -> list[slice]:
        """Coalitions that are mixed together, the pairs' second ones after all first ones."""
        widest = max(len(players) for players in self.player_of)
        together = max(1, min(PREFERRED_BATCH_ROWS, _NUMBERS_TOGETHER // widest) // self._each)
        return [slice(start, start + together) for start in range(0, 2 * len(self.design), together)]

    def _values(self, own: Sequence[Matrix], background: Sequence[Matrix], piece: slice) -> NDArray[np.float64]:
        """Coalition values of one row; float64, (coalitions of the piece,)."""
        q = len(self.design)
        places = np.arange(*piece.indices(2 * q))
        keeps = self.design.masks[places % q] ^ (places >= q)[:, None]
        drawn = self.design.background
        mixed: list[Matrix] = []
        for player, row, stand_ins in zip(self.player_of, own, background, strict=True):
            of_column = (keeps[:, player] & (player >= 0))[:, None, :]
            others = stand_ins if drawn is None else stand_ins[drawn[places % q]]
            mixed.append(np.where(of_column, row[0], others).reshape(-1, row.shape[1]))
        return steady_mean(self.model.of_matrices(mixed).reshape(len(places), self._each))
