"""What LIME's answer is, and when it does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext

CARE_JACCARD = 0.7
CARE_SIGN_FLIPS = 0.2


@dataclass(frozen=True, slots=True)
class LocalSurrogate:
    """Speaks for every LIME answer: its weights do not sum to the output, and it says how stable they are.

    There is no cut-off on R2: in LIME's default, discretised mode even an exactly linear model reaches only about 0.4.
    """

    kind: str = "local_surrogate"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """Every row of a LIME answer, none of other methods; see `CaveatRule.find`."""
        if context.attribution.value_function != "local_surrogate":
            return ()
        return (Finding(np.ones(len(context.rows), dtype=bool), partial(self._caveat, context)),)

    def _caveat(self, context: CaveatContext, row: int) -> Caveat:
        diagnostics = context.attribution.diagnostics[row] if context.attribution.diagnostics else {}
        unstable = (
            diagnostics.get("stability_top3_jaccard", 1.0) < CARE_JACCARD
            or diagnostics.get("stability_sign_flips", 0.0) > CARE_SIGN_FLIPS
        )
        return Caveat(
            kind=self.kind,
            severity=Severity.CARE if unstable else Severity.INFO,
            message=(
                "LIME's weights describe a simple model fitted around the row; they do not sum to the output"
                + (", and the leading ones change when the sample changes" if unstable else "")
            ),
            evidence=dict(diagnostics),
        )
