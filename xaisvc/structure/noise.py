"""How much a model's output of the same row differs from batch to batch: what an effect must exceed to be one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.types.table import Table

    Score = Callable[[Table], NDArray[np.float64]]

_CONTROLS = 512
_LEVELS = 16
_SINGLE = float(np.finfo(np.float32).eps)
_SINGLE_STEPS = 16.0
"""Steps of single precision that an output may differ by without meaning anything: models answer in float32."""
_NEGLIGIBLE = 1e-5
"""Effects below this share of the output's standard deviation are none: converted models differ by 1e-6 of it."""
_SAFETY = 10.0
"""An effect must be this many times the largest difference seen between outputs of equal rows."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How much outputs of equal rows differ, by the size of the output.

    Attributes:
        edges: Bounds between the levels of output; float64, (l - 1,).
        levels: Largest difference at each level or one beside it; float64, (l,).
        largest: Largest difference of all.
        spread: Standard deviation of the output.
    """

    edges: NDArray[np.float64]
    levels: NDArray[np.float64]
    largest: float
    spread: float

    def floor(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a change of these outputs must exceed to be one; float64, (n,)."""
        outputs = np.where(np.isfinite(outputs), outputs, 0.0)
        steps = _SINGLE_STEPS * _SINGLE * np.abs(outputs)
        seen = _SAFETY * self.levels[np.searchsorted(self.edges, outputs)]
        return np.maximum(np.maximum(steps, seen), _NEGLIGIBLE * self.spread)


def measure_noise(
    score: Score, rows: Table, outputs: NDArray[np.float64], spread: float, rng: np.random.Generator
) -> tuple[Noise, int]:
    """How much outputs differ between batches of other sizes, orders and company, and the rows that this took."""
    count = min(len(rows), _CONTROLS)
    chosen = rng.choice(len(rows), count, replace=False)
    sizes = (count, max(1, count // 3), 61)
    difference = np.zeros(count)
    for size in sizes:
        order = rng.permutation(count)
        again = np.empty(count)
        for start in range(0, count, size):
            here = order[start : start + size]
            again[here] = np.asarray(score(rows.take(chosen[here])), dtype=np.float64)
        with np.errstate(invalid="ignore"):  # infinite outputs are left out below
            difference = np.fmax(difference, np.abs(again - outputs[chosen]))
    reference = outputs[chosen]
    finite = np.isfinite(reference) & np.isfinite(difference)
    reference, difference = reference[finite], difference[finite]
    if not len(reference):
        return Noise(np.zeros(0), np.zeros(1), 0.0, spread), len(sizes) * count
    edges = np.unique(np.quantile(reference, np.arange(1, _LEVELS) / _LEVELS))
    level = np.searchsorted(edges, reference)
    largest = np.zeros(len(edges) + 1)
    np.maximum.at(largest, level, difference)
    beside = np.pad(largest, 1)
    wide = np.maximum(largest, np.maximum(beside[:-2], beside[2:]))
    return Noise(edges, wide, float(largest.max()), spread), len(sizes) * count
