"""The scale of each feature, so that a change of unit can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import InvalidInputError
from xaisvc.structure.support_tails import VALUES, upper_quantile
from xaisvc.types.units import Units, off_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.table import Table

MIN_VALUES = 50
MIN_DISTINCT = 10
MOST_TIES = 0.5
GRIDS = (1.0, 0.5, 0.1, 0.05, 0.01)
ROW_LEVEL = 0.0015
"""Share of rows of the background's law with any suspicious value."""
BATCH_LEVEL = 0.0006
"""Share of batches of the background's law with any shifted feature, by design: the target is 0.001."""
QUANTILES = 101
LOG_SHAPES = (-0.15, 0.05)
"""Logarithms of values with a power tail, at either end, have an exponential one."""


def study_units(table: Table) -> Units:
    """What is known of the units of a background.

    Changes of unit multiply, so features without negative values are looked at as logarithms, without their zeros.
    Bounds for single values lie where the tails (generalised Pareto, of the logarithms where there are any) leave
    0.0015 for all features together. O(p n log n) time, O(p) memory.

    Args:
        table: The background, b rows.

    Returns:
        The scales. Features with fewer than 50 values, fewer than 10 different ones, or one value in more than half of
        the rows are not judged: flags, small counts and codes have no unit.

    Raises:
        InvalidInputError: If the table has no rows.
    """
    from scipy.special import ndtr, ndtri  # noqa: PLC0415 - heavy: loaded when used

    if not len(table):
        raise InvalidInputError("the background has no rows")
    p = len(table.feature_ids)
    own = [_known(values) for values in table.columns.values()]
    positive = np.array([bool(len(values)) and bool(values.min() >= 0) for values in own], dtype=bool)
    own = [values[values > 0] if above else values for values, above in zip(own, positive, strict=True)]
    judged = np.array([_has_unit(values) for values in own], dtype=bool)
    probabilities = np.asarray(ndtr(np.linspace(-3.5, 3.5, QUANTILES)))
    quantiles = np.full((p, QUANTILES), np.nan)
    grids, floors, ceilings = np.zeros(p), np.full(p, -np.inf), np.full(p, np.inf)
    level = ROW_LEVEL / (2 * max(int(judged.sum()), 1))
    for j in np.flatnonzero(judged):
        values = own[j]
        quantiles[j] = np.quantile(values, probabilities)
        grids[j] = next((grid for grid in GRIDS if not off_grid(values, grid).any()), 0.0)
        scaled = np.log(values) if positive[j] else values
        shapes = LOG_SHAPES if positive[j] else VALUES
        low, high = -upper_quantile(-scaled, level, shapes=shapes), upper_quantile(scaled, level, shapes=shapes)
        low, high = (float(np.exp(low)), float(np.exp(high))) if positive[j] else (low, high)
        floors[j], ceilings[j] = min(low, float(values.min())), max(high, float(values.max()))
    tests = max(int((judged & positive).sum() + 2 * (judged & ~positive).sum()), 1)
    return Units(
        rows=len(table),
        features=table.feature_ids,
        judged=judged,
        positive=positive,
        probabilities=probabilities,
        quantiles=quantiles,
        counts=np.array([float(len(values)) for values in own]),
        grids=grids,
        floors=floors,
        ceilings=ceilings,
        critical=float(-ndtri(BATCH_LEVEL / 2 / tests)),
    )


def _known(values: NDArray[np.float64] | NDArray[np.object_]) -> NDArray[np.float64]:
    if values.dtype == np.object_:
        return np.zeros(0)
    numbers = values.astype(np.float64)
    return numbers[np.isfinite(numbers)]


def _has_unit(values: NDArray[np.float64]) -> bool:
    if len(values) < MIN_VALUES:
        return False
    _, counts = np.unique(values, return_counts=True)
    return len(counts) >= MIN_DISTINCT and int(counts.max()) <= MOST_TIES * len(values)
