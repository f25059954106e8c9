"""What the background covers, worked out once per bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What the background holds of a feature of numbers.

    Attributes:
        low: Smallest value; NaN if all are missing.
        high: Largest value; NaN if all are missing.
        misses: Whether a value is missing in some row.
    """

    low: float
    high: float
    misses: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the rows of a background hold, feature by feature.

    Attributes:
        count: Number of background rows.
        ranges: Feature id to range, for all features that are no categories.
        categories: Feature id to the categories that occur, with None where a value is missing.
    """

    count: int
    ranges: Mapping[str, Range]
    categories: Mapping[str, frozenset[object]]


def cover(description: BundleDescription, background: Table) -> Coverage:
    """What a background covers."""
    ranges: dict[str, Range] = {}
    categories: dict[str, frozenset[object]] = {}
    for feature in description.features:
        values = background.columns[feature.id]
        if feature.kind is Kind.CATEGORY:
            categories[feature.id] = frozenset(values.tolist())
            continue
        numbers = values.astype(np.float64)
        known = numbers[~np.isnan(numbers)]
        ranges[feature.id] = Range(
            low=float(known.min()) if len(known) else float("nan"),
            high=float(known.max()) if len(known) else float("nan"),
            misses=len(known) < len(numbers),
        )
    return Coverage(count=len(background), ranges=ranges, categories=categories)
