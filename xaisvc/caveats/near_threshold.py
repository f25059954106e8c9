"""Predictions so close to the decision threshold that little separates yes from no."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
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

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The rows whose prediction is close to the threshold; see `CaveatRule.find`."""
        threshold = context.output.threshold
        if threshold is None:
            return ()
        seen = context.background_predictions
        low = np.minimum(context.predictions, threshold)
        high = np.maximum(context.predictions, threshold)
        inside = np.searchsorted(seen, high, side="left") - np.searchsorted(seen, low, side="right")
        between = np.maximum(inside, 0) / len(seen)  # below 0 where prediction and threshold are one number
        if not (between < NEAR_SHARE).any():
            return ()
        distance = high - low
        near = (between < NEAR_SHARE) & (distance <= NEAR_DEVIATIONS * float(seen.std()))
        return (Finding(near, partial(self._caveat, context, threshold, distance, between)),) if near.any() else ()

    def _caveat(
        self,
        context: CaveatContext,
        threshold: float,
        distance: NDArray[np.float64],
        between: NDArray[np.float64],
        row: int,
    ) -> Caveat:
        return Caveat(
            kind=self.kind,
            severity=Severity.INFO,
            message=(
                f"the prediction {float(context.predictions[row]):.3g} is close to the decision threshold "
                f"{threshold:.3g} ({float(between[row]):.0%} of the background lies between); a small change of the "
                "inputs can change the decision"
            ),
            evidence={"distance": float(distance[row]), "background_share_between": float(between[row])},
        )
