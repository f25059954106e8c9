"""Features that the model uses for few rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import by_players
from xaisvc.types import Caveat, Severity
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext, Finding


@dataclass(frozen=True, slots=True)
class RareUsage:
    """Speaks where a player has a material share and holds a feature that the model uses for few rows only.

    The model does use it, here and hardly anywhere else: a look at the whole portfolio would not show it.
    """

    kind: str = "rare_usage"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for the rows with such players; see `CaveatRule.find`."""
        rare = context.facts.rare
        if not rare.any():
            return ()
        chosen = rare & (context.shares >= context.thresholds.material_share)

        def caveat(names: tuple[str, ...], message: str, row: int) -> Caveat:
            members = [set(context.players.members[i]) for i in np.flatnonzero(chosen[row])]
            entries = [
                entry
                for entry in context.studies.reliance.features
                if entry.use is Use.RARELY_USED and any(entry.features[0] in own for own in members)
            ]
            rarest = min(entries, key=lambda entry: entry.usage_rate)
            return Caveat(
                kind=self.kind,
                severity=Severity.INFO,
                players=names,
                message=message,
                evidence={
                    "share": float(context.shares[row][chosen[row]].max()),
                    "usage_rate": rarest.usage_rate,
                    "usage_upper": rarest.usage_upper_new_rows,
                    "largest_effect": rarest.largest_effect,
                },
            )

        return by_players(context, np.asarray(chosen), caveat, _say)


def _say(names: tuple[str, ...]) -> str:
    return (
        f"the model uses {', '.join(names)} for few rows only, and this is one of them; what is usual in the portfolio "
        "says little about it"
    )
