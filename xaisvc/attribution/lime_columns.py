"""How LIME perturbs one feature: what it learns from the background, and how it draws from it.

As `lime_tabular` in its default mode. A numeric feature is cut at the quartiles of the background; a draw picks a bin
by its frequency, then a number from a normal with the bin's mean and standard deviation, truncated to the bin. A
category is drawn by its frequency. What matters for the surrogate is only whether the draw falls into the explained
row's own bin or category.

Three differences, each because a model would be asked nonsense otherwise: a numeric feature with at most two distinct
background values is a category (a flag is 0 or 1, never 0.4); a feature whose background holds whole numbers only is
rounded after the draw; missing values are a bin of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Table
    from xaisvc.types.table import Column

# A numeric column with no more distinct values than this is drawn by frequency.
MAX_FLAG_VALUES = 2
# Added to the standard deviation of a bin, as lime does, so that a bin of equal values can be divided by it.
_STD_FLOOR = 1e-11


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A feature drawn by the frequency of its k values.

    Attributes:
        values: The distinct values, missing among them; as in the table, (k,).
        frequencies: Share of each; float64, (k,).
    """

    values: Column
    frequencies: NDArray[np.float64]

    def bins_of(self, values: Column) -> NDArray[np.intp]:
        """Index of each value among `values`, (n,); -1 where the background does not hold it."""
        known = {_key(value): index for index, value in enumerate(self.values.tolist())}
        return np.array([known.get(_key(value), -1) for value in values.tolist()], dtype=np.intp)

    def __len__(self) -> int:
        """Number of bins k."""
        return len(self.frequencies)

    def draw(self, uniforms: NDArray[np.float64]) -> tuple[NDArray[np.intp], Column]:
        """Draws by inversion of n numbers in [0, 1): their bins, (n,), and their values, (n,)."""
        bins, _ = _invert(self.frequencies, uniforms)
        return bins, self.values[bins]


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """A feature drawn from k bins between quartiles; the last bin is `missing` and may have frequency 0.

    Attributes:
        edges: Upper edges of all bins but the last numeric one; a value equal to an edge lies below it.
        frequencies: Share of each bin; float64, (k,).
        means: Mean of each bin's values, 0 if it has none; float64, (k,).
        stds: Standard deviation of each bin's values plus 1e-11; float64, (k,).
        lows: Smallest value that a bin draws; float64, (k,).
        highs: Largest value that a bin draws; float64, (k,).
        whole: Whether draws are rounded to whole numbers.
        mean: Mean of all present values.
        std: Standard deviation of all present values, the unit of the continuous mode.
    """

    edges: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    means: NDArray[np.float64]
    stds: NDArray[np.float64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    whole: bool
    mean: float
    std: float

    def __len__(self) -> int:
        """Number of bins k."""
        return len(self.frequencies)

    def bins_of(self, values: Column) -> NDArray[np.intp]:
        """Index of the bin that each value falls into, (n,)."""
        numbers = values.astype(np.float64)
        return np.where(np.isnan(numbers), len(self.edges) + 1, np.searchsorted(self.edges, numbers))

    def draw(self, uniforms: NDArray[np.float64]) -> tuple[NDArray[np.intp], Column]:
        """Draws by inversion of n numbers in [0, 1): their bins, (n,), and their values, float64, (n,)."""
        from scipy.special import ndtr, ndtri  # noqa: PLC0415 - heavy: loaded when used

        bins, within = _invert(self.frequencies, uniforms)
        means, stds, lows, highs = self.means[bins], self.stds[bins], self.lows[bins], self.highs[bins]
        low, high = ndtr((lows - means) / stds), ndtr((highs - means) / stds)
        standard = ndtri(low + within * (high - low))
        values = np.clip(means + stds * standard, lows, highs)
        if self.whole:
            values = np.round(values)
        values[bins == len(self.frequencies) - 1] = np.nan
        return bins, values


LimeColumn: TypeAlias = CategoryColumn | NumericColumn


def lime_columns(background: Table) -> dict[str, LimeColumn]:
    """What LIME learns from the background about each feature."""
    return {name: _learn(values) for name, values in background.columns.items()}


def _invert(
    frequencies: NDArray[np.float64], uniforms: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The bin that each uniform number falls into, and how far into it, in [0, 1]: uniform again."""
    upper = np.cumsum(frequencies)
    upper[np.flatnonzero(frequencies)[-1] :] = 1.0  # the sum may end a bit below 1, and the rest is no bin's
    bins = np.searchsorted(upper, uniforms, side="right")
    return bins, np.clip((uniforms - (upper - frequencies)[bins]) / frequencies[bins], 0.0, 1.0)


def is_whole(values: NDArray[np.float64]) -> bool:
    """Whether all present values are whole numbers."""
    present = values[~np.isnan(values)]
    return bool((present == np.round(present)).all())


def _key(value: float | str | None) -> float | str | None:
    """A value as it is looked up: every kind of missing is one."""
    return None if isinstance(value, float) and np.isnan(value) else value


def _learn(values: Column) -> LimeColumn:
    n = len(values)
    if values.dtype == np.object_:
        counts: dict[str | None, int] = {}
        for value in values:
            counts[value] = counts.get(value, 0) + 1
        # Sorted, so that draws do not depend on the order of the background; missing comes last.
        known = sorted(counts, key=lambda value: (value is None, value or ""))
        distinct = np.empty(len(known), dtype=np.object_)
        distinct[:] = known
        return CategoryColumn(distinct, np.array([counts[value] / n for value in known]))
    numbers = values.astype(np.float64)
    distinct_numbers, repeats = np.unique(numbers, return_counts=True)  # all NaN count as one
    if np.count_nonzero(~np.isnan(distinct_numbers)) <= MAX_FLAG_VALUES:
        return CategoryColumn(distinct_numbers, repeats / n)
    return _learn_bins(numbers)


def _learn_bins(numbers: NDArray[np.float64]) -> NumericColumn:
    present = numbers[~np.isnan(numbers)]
    edges = np.unique(np.percentile(present, [25, 50, 75]))
    bins = np.searchsorted(edges, present)
    inside = [present[bins == index] for index in range(len(edges) + 1)]
    return NumericColumn(
        edges=edges,
        frequencies=np.array([len(part) for part in inside] + [len(numbers) - len(present)]) / len(numbers),
        means=np.array([part.mean() if len(part) else 0.0 for part in inside] + [0.0]),
        stds=np.array([part.std() if len(part) else 0.0 for part in inside] + [0.0]) + _STD_FLOOR,
        lows=np.concatenate([[present.min()], edges, [0.0]]),
        highs=np.concatenate([edges, [present.max()], [0.0]]),
        whole=is_whole(present),
        mean=float(present.mean()),
        std=float(present.std()),
    )
