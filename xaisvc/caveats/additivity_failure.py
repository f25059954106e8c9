"""Values that do not add up to the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_rows
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


@dataclass(frozen=True, slots=True)
class AdditivityFailure:
    """Speaks where base value and attributions do not sum to the output beyond rounding and the error of sampling.

    Exact methods refuse such answers themselves, by a tenth of `CaveatThresholds.additivity` and with the size of the
    numbers that the model adds. Here the answer's numbers are all that is known, so that a gap is one from that limit
    on, and for sampled values from six standard errors of their sum on. Part of the output is then explained by nobody,
    and no reasons are given. LIME does not promise to add up.
    """

    kind: str = "additivity_failure"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The rows that do not add up; see `CaveatRule.find`."""
        if context.is_surrogate:
            return ()
        found, limits = context.attribution, context.thresholds
        gap = np.abs(found.base_values + found.values.sum(axis=1) - found.outputs)
        allowed = limits.additivity * np.maximum(context.totals + np.abs(found.base_values), np.abs(found.outputs))
        speaks = gap > allowed
        if not found.exact and speaks.any():
            error = np.sqrt((found.standard_errors**2).sum(axis=1))
            speaks &= gap > limits.additivity_errors * error
        if not np.count_nonzero(speaks):
            return ()
        return by_rows(
            self.kind,
            speaks,
            lambda _: Words(Severity.UNRELIABLE, _MESSAGE, (Gate.NO_REASONS,)),
            lambda rows: Figures({"gap": gap[rows], "output": found.outputs[rows]}),
        )


_MESSAGE = (
    "base value and attributions do not sum to the output, so part of it is explained by nobody; use method "
    "'permutation' for this model and report it"
)
