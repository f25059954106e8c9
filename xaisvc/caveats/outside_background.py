"""Rows that hold values which the background does not cover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
from xaisvc.types import Caveat, Kind, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.caveats.coverage import Range
    from xaisvc.types import Feature
    from xaisvc.types.table import Column


FEW_ROWS = 64
"""Up to so many rows a comparison costs numpy more than its values do, so that features are compared together."""


@dataclass(frozen=True, slots=True)
class OutsideBackground:
    """Speaks when a value lies outside the range of the background, or a category or a missing value is new to it.

    The attribution then compares the row with rows that are unlike it. Whether the model itself was trained on such
    values is not known from the background.
    """

    kind: str = "outside_background"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The rows with such a value, one caveat for all its features together; see `CaveatRule.find`."""
        count = len(context.rows)
        excess = np.zeros(count)
        outside: dict[str, NDArray[np.bool_]] = {}
        inside = _inside_all(context) if count <= FEW_ROWS else frozenset()
        for feature in context.description.features:
            if feature.id in inside:
                continue
            values = context.rows.columns[feature.id]
            if feature.kind is Kind.CATEGORY:
                is_outside = _outside_categories(feature, values, context.coverage.categories[feature.id])
            else:
                is_outside, beyond = _outside_range(
                    values.astype(np.float64, copy=False), context.coverage.ranges[feature.id]
                )
                np.maximum(excess, beyond, out=excess)
            if is_outside.any():
                outside[feature.id] = is_outside
        if not outside:
            return ()
        speaks = np.logical_or.reduce(list(outside.values()))
        return (Finding(speaks, partial(self._caveat, context, outside, excess)),)

    def _caveat(
        self,
        context: CaveatContext,
        outside: Mapping[str, NDArray[np.bool_]],
        excess: NDArray[np.float64],
        row: int,
    ) -> Caveat:
        features = [feature for feature, is_outside in outside.items() if is_outside[row]]
        return Caveat(
            kind=self.kind,
            severity=Severity.CARE,
            players=context.owners(features),
            message=(
                f"{', '.join(features)}: the background holds no such value, so this attribution compares the row "
                "with people unlike it"
            ),
            evidence={"features": float(len(features)), "largest_excess_in_ranges": float(excess[row])},
        )


def _inside_all(context: CaveatContext) -> frozenset[str]:
    """Features of numbers whose values are all there and within the range of the background."""
    seen, columns = context.coverage, context.rows.columns
    if not seen.ranges:
        return frozenset()
    values = np.concatenate([columns[feature] for feature in seen.ranges], dtype=np.float64, casting="unsafe")
    values = values.reshape(len(seen.ranges), -1)
    within = (values >= seen.lows) & (values <= seen.highs)  # false for what is missing on either side
    return frozenset(compress(seen.ranges, np.logical_and.reduce(within, axis=1)))


def _outside_categories(feature: Feature, values: Column, known: frozenset[object]) -> NDArray[np.bool_]:
    """Which categories, or missing values, the background does not hold; bool, (n,)."""
    possible = {*feature.categories, *([None] if feature.allow_missing else [])}
    if feature.categories and possible <= known:  # the schema lets no other value in
        return np.zeros(len(values), dtype=bool)
    return ~np.fromiter(map(known.__contains__, values), dtype=bool, count=len(values))


def _outside_range(values: NDArray[np.float64], seen: Range) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which values the background does not cover, and how far outside they are in widths of its range; both (n,)."""
    missing = np.isnan(values)
    if np.isnan(seen.low):
        return ~missing, np.zeros(len(values))
    beyond = np.maximum(np.maximum(seen.low - values, values - seen.high), 0.0)
    beyond[missing] = 0.0
    new_missing = missing & (not seen.misses)
    return (beyond > 0) | new_missing, beyond / max(seen.high - seen.low, 1e-12)
