"""How the second opinion compares the values of a column: numbers by rank, categories by equality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.second_opinion import ComparedColumn

if TYPE_CHECKING:
    from xaisvc.types.table import Column

MOST_LEVELS = 64
"""Levels of a category with a code of their own: the most frequent that come at least `FEWEST_OF_LEVEL` times."""

FEWEST_OF_LEVEL = 5


def compared_column(feature: str, values: Column) -> ComparedColumn:
    """How the values of a column are compared, from the background's."""
    if values.dtype == np.object_:
        names, counts = np.unique(np.array([str(v) for v in values if v is not None]), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
        kept = tuple(str(names[k]) for k in order if counts[k] >= FEWEST_OF_LEVEL)
        nothing = np.empty(0)
        return ComparedColumn(
            feature=feature, knots=nothing, scores=nothing, levels=kept, is_number=False, by_level=1.0
        )
    from scipy.special import ndtri  # noqa: PLC0415 (heavy: loaded when used)

    numbers = np.asarray(values, dtype=np.float64)
    present = numbers[~np.isnan(numbers)]
    knots, counts = np.unique(present, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / max(len(present), 1)
    return ComparedColumn(
        feature=feature,
        knots=knots,
        scores=np.asarray(ndtri(middle), dtype=np.float64),
        levels=(),
        is_number=True,
        by_level=float(len(present) < len(numbers)),
    )
