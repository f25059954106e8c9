"""The draws of discretised LIME. They depend on the background and the plan's seed alone, so all rows share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from xaisvc.attribution.lime_columns import lime_columns
from xaisvc.attribution.masking import PREFERRED_BATCH_ROWS, score
from xaisvc.attribution.parallel import in_threads
from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from xaisvc.attribution.lime_columns import LimeColumn
    from xaisvc.types import Problem, Settings
    from xaisvc.types.table import Column

    Codes = NDArray[np.uint8 | np.uint32]

Kept = TypeVar("Kept")

SAMPLE_ROWS = "rows of the LIME sample"
# Model rows scored between two looks at whether anybody still waits.
_SCORED_TOGETHER = PREFERRED_BATCH_ROWS // 4
# Draws whose values are held at a time; only their bins and answers are kept.
_DRAWN_TOGETHER = 4 * PREFERRED_BATCH_ROWS


def generator_of(seed: bytes, stream: int) -> np.random.Generator:
    """A generator that gives the same numbers for the same seed and stream on every machine."""
    return np.random.Generator(np.random.PCG64([int.from_bytes(seed, "little"), stream]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """m draws; the first stands for the explained row, which is different for every row.

    Attributes:
        codes: Bin of each feature in each draw, 0 in the first; (f, m).
        answers: f of each draw, 0 for the first; float64, (m,).
    """

    codes: Codes
    answers: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of draws m."""
        return len(self.answers)

    @property
    def n_bytes(self) -> int:
        """Memory that they take."""
        return self.codes.nbytes + self.answers.nbytes


class LimeSample:
    """Draws for one problem and one seed, made and scored when they are first asked for.

    They are kept for the life of this object, and in the problem's plan store beyond it. A larger sample goes on from
    the smaller one before it.
    """

    def __init__(self, problem: Problem, settings: Settings) -> None:
        self._problem = problem
        self._settings = settings
        self.columns: Mapping[str, LimeColumn] = learn(problem)
        widest = max(len(column) for column in self.columns.values())
        # The largest number marks a value that no draw can have.
        self.dtype: type[np.uint8 | np.uint32] = np.uint8 if widest < np.iinfo(np.uint8).max else np.uint32
        self._draws = Draws(codes=np.zeros((len(self.columns), 1), dtype=self.dtype), answers=np.zeros(1))

    def bins(self, rows: Table) -> Codes:
        """The bins of n rows, the largest number where the background holds no such value; (n, f)."""
        found = [column.bins_of(rows.columns[name]) for name, column in self.columns.items()]
        return np.ascontiguousarray(np.column_stack(found).astype(np.int64).astype(self.dtype))

    def draws(self, size: int) -> Draws:
        """The first `size` draws; sizes must not shrink from call to call.

        Raises:
            ModelOutputError: If the model's answers are not finite numbers, one per row.
        """
        have = len(self._draws)
        if size > have:
            settings = self._settings
            key = f"lime {settings.plan_seed.hex()} {have}-{size} {settings.max_batch_rows} {self._problem.space}"
            more = kept(self._problem, key, lambda: self._make(have, size), lambda draws: draws.n_bytes)
            self._draws = Draws(
                codes=np.concatenate([self._draws.codes, more.codes], axis=1),
                answers=np.concatenate([self._draws.answers, more.answers]),
            )
        return self._draws

    def _make(self, start: int, stop: int) -> Draws:
        generator = generator_of(self._settings.plan_seed, 0)
        # One row of numbers for each draw, so that draws are the same however many are made at a time.
        generator.bit_generator.advance((start - 1) * len(self.columns))  # type: ignore[attr-defined] # PCG64 has it
        codes = np.empty((len(self.columns), stop - start), dtype=self.dtype)
        answers = np.empty(stop - start)
        for first in range(0, stop - start, _DRAWN_TOGETHER):
            piece = slice(first, min(first + _DRAWN_TOGETHER, stop - start))
            uniforms = generator.random((piece.stop - piece.start, len(self.columns)))
            drawn: dict[str, Column] = {}
            for index, (name, column) in enumerate(self.columns.items()):
                codes[index, piece], drawn[name] = column.draw(uniforms[:, index])
            answers[piece] = _score_spread(self._problem, Table(drawn), self._settings)
        return Draws(codes=codes, answers=answers)


def learn(problem: Problem) -> Mapping[str, LimeColumn]:
    """What LIME learns from the background about each feature."""
    return kept(problem, "lime columns", lambda: lime_columns(problem.background), lambda _: 0)


def _score_spread(problem: Problem, rows: Table, settings: Settings) -> NDArray[np.float64]:
    """The model's answers for rows, a piece at a time, pieces spread over threads; float64, (n,)."""
    size = min(settings.max_batch_rows, _SCORED_TOGETHER)

    def piece(start: int) -> NDArray[np.float64]:
        settings.check()
        return score(problem, rows.take(slice(start, start + size)), SAMPLE_ROWS)

    return np.concatenate(in_threads(piece, range(0, len(rows), size), settings.threads))


def kept(problem: Problem, key: str, make: Callable[[], Kept], n_bytes: Callable[[Kept], int]) -> Kept:
    """A value from the problem's plan store, or made anew where it has none."""
    if problem.plans is None:
        return make()
    return cast("Kept", problem.plans.keep(key, make, cast("Callable[[object], int]", n_bytes)))
