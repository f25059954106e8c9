"""Predictions so close to the decision threshold that little separates yes from no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext

NEAR_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class NearThreshold:
    """Speaks when fewer than one in twenty background rows lie between the prediction and the threshold.

    Closeness is counted in cases rather than in units of the output, because an output's unit says nothing about how
    far apart people are.
    """

    kind: str = "near_threshold"

    def find(self, context: CaveatContext) -> list[tuple[Caveat, ...]]:
        """At most one caveat per row; see `CaveatRule.find`."""
        return [self._find(context, row) for row in range(len(context.rows))]

    def _find(self, context: CaveatContext, row: int) -> tuple[Caveat, ...]:
        threshold = context.output.threshold
        if threshold is None:
            return ()
        prediction = float(context.predictions[row])
        low, high = sorted((prediction, threshold))
        between = float(np.mean((context.background_predictions > low) & (context.background_predictions < high)))
        if between >= NEAR_SHARE:
            return ()
        return (
            Caveat(
                kind=self.kind,
                severity=Severity.INFO,
                message=(
                    f"the prediction is close to the decision threshold: {between:.0%} of the background lies between; "
                    "a small change of the inputs can change the decision"
                ),
                evidence={"distance": abs(prediction - threshold), "background_share_between": between},
            ),
        )
