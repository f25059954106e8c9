"""Features that the model uses for few rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players
from xaisvc.caveats.wording import listed
from xaisvc.types import Severity
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding
    from xaisvc.types.reliance import FeatureReliance


@dataclass(frozen=True, slots=True)
class RareUsage:
    """Speaks where a player has a material share and holds a feature that the model uses for few rows only.

    The model does use it, here and hardly anywhere else: a look at the whole portfolio would not show it. A row for
    which the model does not use it has credit for it too, from the hybrids in which it is used: about the usage rate
    times the effect there. Only above the usage rate times the largest effect is the row called one of the few.
    """

    kind: str = "rare_usage"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for the rows with such players; see `CaveatRule.find`."""
        rare = context.facts.rare
        if not rare.any():
            return ()
        rarest = _rarest(context)
        elsewhere = np.array([0.0 if one is None else one.usage_rate * one.largest_effect for one in rarest])
        material = context.shares >= context.thresholds.material_share
        chosen = np.asarray(rare & material & (context.sizes > elsewhere))

        def figures(rows: NDArray[np.intp]) -> Figures:
            own = chosen[rows]
            at = np.where(own, [np.inf if one is None else one.usage_rate for one in rarest], np.inf).argmin(axis=1)
            entries = [one for one in map(rarest.__getitem__, at.tolist()) if one is not None]
            return Figures(
                {
                    "share": np.where(own, context.shares[rows], 0.0).max(axis=1),
                    "usage_rate": np.array([one.usage_rate for one in entries]),
                    "usage_upper": np.array([one.usage_upper_new_rows for one in entries]),
                    "largest_effect": np.array([one.largest_effect for one in entries]),
                }
            )

        return by_players(context, self.kind, chosen, lambda names, _: Words(Severity.INFO, _say(names)), figures)


def _rarest(context: CaveatContext) -> list[FeatureReliance | None]:
    """Of each player, the feature that the model uses for the fewest rows; None without one that is rarely used."""
    found: list[FeatureReliance | None] = []
    for members in context.players.members:
        entries = [
            entry
            for entry in context.studies.reliance.features
            if entry.use is Use.RARELY_USED and entry.features[0] in members
        ]
        found.append(min(entries, key=lambda entry: entry.usage_rate, default=None))
    return found


def _say(names: tuple[str, ...]) -> str:
    return (
        f"the model uses {listed(names)} for few rows only, and this is one of them; what is usual in the portfolio "
        "says little about it"
    )
