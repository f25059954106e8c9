"""What every LIME answer has to say about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import one_by_one
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


@dataclass(frozen=True, slots=True)
class LowFidelitySurrogate:
    """Speaks for every LIME answer: its weights do not sum to the output, and it says how stable they are.

    There is no cut-off on R2: in LIME's default, discretised mode even an exactly linear model reaches only about 0.4.
    """

    kind: str = "low_fidelity_surrogate"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """Every row of a LIME answer, none of other methods; see `CaveatRule.find`."""
        if not context.is_surrogate:
            return ()
        limits = context.thresholds

        def caveat(row: int) -> Caveat:
            figures: Mapping[str, float] = (
                context.attribution.diagnostics[row] if context.attribution.diagnostics else {}
            )
            unstable = (
                figures.get("stability_top3_jaccard", 1.0) < limits.surrogate_jaccard
                or figures.get("stability_sign_flips", 0.0) > limits.surrogate_sign_flips
            )
            return Caveat(
                kind=self.kind,
                severity=Severity.CARE if unstable else Severity.INFO,
                message=_UNSTABLE if unstable else _STABLE,
                evidence=dict(figures),
            )

        return one_by_one(np.ones(len(context.rows), dtype=np.bool_), caveat)


_STABLE = "LIME's weights describe a simple model fitted around the row; they do not sum to the output"
_UNSTABLE = f"{_STABLE}, and the leading ones change when the sample changes"
