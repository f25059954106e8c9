"""Backgrounds too small to stand for the population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext

ENOUGH_ROWS = 50


@dataclass(frozen=True, slots=True)
class SmallBackground:
    """Speaks when fewer than 50 rows stand in for absent features: another draw would give other attributions."""

    kind: str = "small_background"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The same caveat for every row, or none; see `CaveatRule.find`."""
        count = context.coverage.count
        if count >= ENOUGH_ROWS:
            return ()
        found = Caveat(
            kind=self.kind,
            severity=Severity.CARE,
            message=(
                f"the background has only {count} rows; attributions are relative to it and would differ for "
                f"another draw. Use at least {ENOUGH_ROWS}"
            ),
            evidence={"background_rows": float(count)},
        )
        return (Finding(np.ones(len(context.rows), dtype=bool), lambda _: found),)
