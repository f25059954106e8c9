"""Coalitions evaluated row by row through the model: what every model can do.

Keeps to the form of `CoalitionGames`, so that a graph which does the same faster can take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.masking import HYBRID_ROWS, PREFERRED_BATCH_ROWS, base_value, hybrid_rows, score, steady_mean
from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.projecting import project
from xaisvc.types.sampling import PairValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from xaisvc.types import Problem, Table
    from xaisvc.types.sampling import CoalitionDesign, Projected, Projection


class PlainGames:
    """The games of any model: hybrid rows built with numpy, scored in chunks. Safe to call from several threads."""

    def __init__(self, problem: Problem, max_batch_rows: int, threads: int) -> None:
        self._problem = problem
        self._batch_rows = min(max_batch_rows, PREFERRED_BATCH_ROWS)
        self._threads = threads
        self._none = base_value(problem, max_batch_rows)

    @property
    def none(self) -> float:
        """v0: the mean output over the background."""
        return self._none

    def evaluate(self, design: CoalitionDesign) -> PlainPairs:
        """Makes a design ready."""
        return PlainPairs(self._problem, design, self._batch_rows, self._threads)

    def attribute(self, design: CoalitionDesign, projection: Projection) -> PlainProjected:
        """Makes a design and its projection ready."""
        return PlainProjected(self.evaluate(design), projection, self._none, self._threads)


class PlainPairs:
    """A design on a problem."""

    def __init__(self, problem: Problem, design: CoalitionDesign, batch_rows: int, threads: int) -> None:
        self._problem = problem
        self._batch_rows = batch_rows
        self._threads = threads
        # Both coalitions of a pair side by side, so that they share their background rows.
        self._masks = np.stack([design.masks, ~design.masks], axis=1).reshape(-1, design.masks.shape[1])
        self._picks = None if design.background is None else np.repeat(design.background, 2, axis=0)

    @property
    def detail(self) -> str:
        """Nothing to say: this is how every model runs."""
        return ""

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows one after the other; chunks depend on the design alone, so a row's bits do too."""

        def evaluate(index: int) -> tuple[NDArray[np.float64], float]:
            row = rows.take([index])
            output = float(score(self._problem, row, "explained rows")[0])
            means = np.empty(len(self._masks))
            for chunk, answers in self._slabs(row):
                check()
                means[chunk] = steady_mean(answers)
            return means, output

        found = in_threads(evaluate, range(len(rows)), self._threads)
        means = np.array([means for means, _ in found]).reshape(len(rows), len(self._masks) // 2, 2)
        return PairValues(
            on=means[..., 0], off=means[..., 1], outputs=np.array([output for _, output in found], dtype=np.float64)
        )

    def _slabs(self, row: Table) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """The answers for consecutive coalitions, (coalitions, background rows of each), in bounded calls."""
        problem, masks, size = self._problem, self._masks, self._batch_rows
        n_stand_ins = len(problem.background) if self._picks is None else self._picks.shape[1]
        n_together = max(1, size // n_stand_ins)
        for start in range(0, len(masks), n_together):
            chunk = slice(start, min(start + n_together, len(masks)))
            pieces = []
            for first in range(0, n_stand_ins, size):
                part = slice(first, first + size)
                picks = None if self._picks is None else self._picks[chunk, part]
                stand_ins = (
                    problem.background if picks is not None or n_stand_ins <= size else problem.background.take(part)
                )
                hybrids = hybrid_rows(row, stand_ins, masks[chunk], problem.players, picks)
                pieces.append(score(problem, hybrids, HYBRID_ROWS).reshape(chunk.stop - chunk.start, -1))
            yield chunk, pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


class PlainProjected:
    """A design and its projection on a problem."""

    def __init__(self, pairs: PlainPairs, projection: Projection, none: float, threads: int) -> None:
        self._pairs = pairs
        self._projection = projection
        self._none = none
        self._threads = threads

    @property
    def detail(self) -> str:
        """Nothing to say: this is how every model runs."""
        return ""

    def __call__(self, rows: Table, check: Callable[[], None]) -> Projected:
        """Attributes n rows."""
        return project(self._projection, self._pairs(rows, check), self._none, self._threads)
