"""Rows in which something is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext


@dataclass(frozen=True, slots=True)
class MissingValues:
    """Speaks when values are missing: the model decided without them, and whoever can fill them in should know."""

    kind: str = "missing_values"

    def find(self, context: CaveatContext) -> list[tuple[Caveat, ...]]:
        """At most one caveat per row; see `CaveatRule.find`."""
        return [self._find(context, row) for row in range(len(context.rows))]

    def _find(self, context: CaveatContext, row: int) -> tuple[Caveat, ...]:
        missing = [feature for feature, value in context.rows.row(row).items() if value is None]
        if not missing:
            return ()
        return (
            Caveat(
                kind=self.kind,
                severity=Severity.INFO,
                players=context.owners(missing),
                message=f"no value was given for {', '.join(missing)}; the model answered without",
                evidence={"features": float(len(missing))},
            ),
        )
