"""Predictions so close to the decision threshold that little separates yes from no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_rows
from xaisvc.types import Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


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
        threshold, limits = context.output.threshold, context.thresholds
        if threshold is None:
            return ()
        seen = context.background_predictions
        low = np.minimum(context.predictions, threshold)
        high = np.maximum(context.predictions, threshold)
        inside = np.searchsorted(seen, high, side="left") - np.searchsorted(seen, low, side="right")
        between = np.maximum(inside, 0) / len(seen)  # below 0 where prediction and threshold are one number
        close = between < limits.near_share
        if not close.any():
            return ()
        distance = high - low
        deviation = context.kept.deviation(seen)
        # A model that answers everybody alike may answer the threshold itself; no input changes that.
        near = close & (distance <= limits.near_deviations * deviation) & (deviation > 0)
        if not near.any():
            return ()
        message = (
            f"the prediction is close to the decision threshold {threshold:.3g}; a small change of the inputs can "
            "change the decision"
        )
        return by_rows(
            self.kind,
            near,
            lambda _: Words(Severity.INFO, message),
            lambda rows: Figures({"distance": distance[rows], "background_share_between": between[rows]}),
        )
