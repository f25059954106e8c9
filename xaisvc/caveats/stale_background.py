"""Backgrounds that are older than the bank allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.caveats.findings import everywhere
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


@dataclass(frozen=True, slots=True)
class StaleBackground:
    """Speaks for all rows when the background is older than the bank allows: today's usual row may be another one."""

    kind: str = "stale_background"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The same caveat for every row, or none; see `CaveatRule.find`."""
        found = context.studies.adequacy
        if found.stale is not True:
            return ()
        caveat = Caveat(
            kind=self.kind,
            severity=Severity.CARE,
            message=(
                f"the background's rows are from {found.as_of}, which is longer ago than the bank allows; attributions "
                "compare the row with what was usual then; renew the background"
            ),
            evidence={} if found.age_days is None else {"age_days": float(found.age_days)},
        )
        return everywhere(context, caveat)
