"""Sampled attributions whose error is large against what they say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext

CARE_RATIO = 0.1
UNRELIABLE_RATIO = 0.5
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class NotConverged:
    """Speaks when the largest standard error of a row is a tenth or more of its largest absolute attribution.

    From one half on, not even the sign of the leading reason is safe (two standard errors reach zero), so reasons must
    not be given at all. LIME is left to its own rule: its errors come from a bootstrap of the surrogate.
    """

    kind: str = "not_converged"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The rows whose error is too large; see `CaveatRule.find`."""
        found = context.attribution
        if found.exact or found.value_function == "local_surrogate":
            return ()
        largest = np.abs(found.values).max(axis=1, initial=0.0)
        errors = found.standard_errors.max(axis=1, initial=0.0)
        # Where everything is zero up to rounding there is nothing to converge to.
        real = errors > _ROUNDING * np.maximum(1.0, np.abs(found.outputs))
        ratios = np.divide(errors, largest, out=np.full(len(errors), np.inf), where=largest > 0)
        speaks = real & (ratios >= CARE_RATIO)
        return (Finding(speaks, partial(self._caveat, context)),) if speaks.any() else ()

    def _caveat(self, context: CaveatContext, row: int) -> Caveat:
        values = np.abs(context.attribution.values[row])
        errors = context.attribution.standard_errors[row]
        largest = float(values.max(initial=0.0))
        error = float(errors.max(initial=0.0))
        ratio = error / largest if largest > 0 else float("inf")
        return Caveat(
            kind=self.kind,
            severity=Severity.UNRELIABLE if ratio >= UNRELIABLE_RATIO else Severity.CARE,
            players=tuple(
                name
                for name, value, se in zip(context.players.names, values, errors, strict=True)
                if se > CARE_RATIO * value and se > 0
            ),
            message=(
                f"the largest standard error is {error:.3g} against a largest attribution of {largest:.3g}; "
                "raise the budget, or give an error target"
            ),
            evidence={"largest_standard_error": error, "largest_absolute_value": largest},
        )
