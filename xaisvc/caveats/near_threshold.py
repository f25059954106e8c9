"""Predictions so close to the decision threshold that little separates yes from no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext

NEAR_SHARE = 0.05
NEAR_DEVIATIONS = 0.25


@dataclass(frozen=True, slots=True)
class NearThreshold:
    """Speaks when little separates the prediction from the threshold, in cases and in the spread of predictions.

    Fewer than one in twenty background rows must lie between the two, and their distance must be at most a quarter of
    the standard deviation of the background's predictions. Cases alone would call every prediction near wherever few
    people are, as in fraud; distance alone means nothing without the spread.
    """

    kind: str = "near_threshold"

    def find(self, context: CaveatContext) -> list[tuple[Caveat, ...]]:
        """At most one caveat per row; see `CaveatRule.find`."""
        threshold = context.output.threshold
        if threshold is None:
            return [()] * len(context.rows)
        seen = context.background_predictions
        reach = NEAR_DEVIATIONS * float(seen.std())
        return [self._find(float(prediction), threshold, seen, reach) for prediction in context.predictions]

    def _find(self, prediction: float, threshold: float, seen: NDArray[np.float64], reach: float) -> tuple[Caveat, ...]:
        low, high = sorted((prediction, threshold))
        between = float(np.mean((seen > low) & (seen < high)))
        if between >= NEAR_SHARE or high - low > reach:
            return ()
        return (
            Caveat(
                kind=self.kind,
                severity=Severity.INFO,
                message=(
                    f"the prediction {prediction:.3g} is close to the decision threshold {threshold:.3g} "
                    f"({between:.0%} of the background lies between); a small change of the inputs can change the "
                    "decision"
                ),
                evidence={"distance": high - low, "background_share_between": between},
            ),
        )
