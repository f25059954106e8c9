"""What the background covers, worked out once per bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

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
class LinkedSets:
    """Sets of players that hold associated features, and what they were worked out from.

    Attributes:
        association: Association between features; float64, (f, f).
        members: Features of each player.
        sets: Places of the linked players, ascending, and the strongest association among them.
    """

    association: NDArray[np.float64]
    members: tuple[tuple[str, ...], ...]
    sets: tuple[tuple[list[int], float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the rows of a background hold, feature by feature.

    Attributes:
        count: Number of background rows.
        ranges: Feature id to range, for all features that are no categories.
        categories: Feature id to the categories that occur, with None where a value is missing.
        lows: `low` of all ranges, in their order; float64, (r, 1).
        highs: `high` of all ranges, in their order; float64, (r, 1).
        linked: Kind of players to the sets of them that are linked, once somebody has worked them out: they depend on
            the bundle and the players alone. At most one entry per kind, each with what it was worked out from.
    """

    count: int
    ranges: Mapping[str, Range]
    categories: Mapping[str, frozenset[object]]
    lows: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    highs: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    linked: dict[str, LinkedSets] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Stacks the ranges, so that a row is compared with all of them at once."""
        ranges = list(self.ranges.values())
        object.__setattr__(self, "lows", np.array([one.low for one in ranges], dtype=np.float64).reshape(-1, 1))
        object.__setattr__(self, "highs", np.array([one.high for one in ranges], dtype=np.float64).reshape(-1, 1))


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
