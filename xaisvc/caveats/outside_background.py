"""Rows that hold values which the background does not cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import Caveat, Kind, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext


@dataclass(frozen=True, slots=True)
class OutsideBackground:
    """Speaks when a value lies outside the range of the background, or a category or a missing value is new to it.

    The attribution then compares the row with rows that are unlike it. Whether the model itself was trained on such
    values is not known from the background.
    """

    kind: str = "outside_background"

    def find(self, context: CaveatContext) -> list[tuple[Caveat, ...]]:
        """At most one caveat per row, for all such features together; see `CaveatRule.find`."""
        n = len(context.rows)
        outside: list[list[str]] = [[] for _ in range(n)]
        excess = np.zeros(n)
        for feature in context.description.features:
            values = context.rows.columns[feature.id]
            seen = context.background.columns[feature.id]
            if feature.kind is Kind.CATEGORY:
                known = set(seen.tolist())
                is_outside = np.array([value not in known for value in values.tolist()], dtype=bool)
            else:
                is_outside, beyond = _outside_range(values.astype(np.float64), seen.astype(np.float64))
                excess = np.maximum(excess, beyond)
            for row in np.flatnonzero(is_outside):
                outside[row].append(feature.id)
        return [
            self._caveat(context, names, float(beyond)) if names else ()
            for names, beyond in zip(outside, excess, strict=True)
        ]

    def _caveat(self, context: CaveatContext, features: list[str], excess: float) -> tuple[Caveat, ...]:
        return (
            Caveat(
                kind=self.kind,
                severity=Severity.CARE,
                players=context.owners(features),
                message=(
                    f"{', '.join(features)}: the background holds no such value, so this attribution compares the row "
                    "with people unlike it"
                ),
                evidence={"features": float(len(features)), "largest_excess_in_ranges": excess},
            ),
        )


def _outside_range(
    values: NDArray[np.float64], seen: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which values the background does not cover, and how far outside they are in widths of its range; both (n,)."""
    missing = np.isnan(values)
    known = seen[~np.isnan(seen)]
    if len(known) == 0:
        return ~missing, np.zeros(len(values))
    low, high = known.min(), known.max()
    beyond = np.maximum(np.maximum(low - values, values - high), 0.0)
    beyond[missing] = 0.0
    new_missing = missing & (len(known) == len(seen))
    return (beyond > 0) | new_missing, beyond / max(float(high - low), 1e-12)
