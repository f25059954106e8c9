"""Credit that depends on the other players."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players
from xaisvc.caveats.leading import are_top
from xaisvc.caveats.wording import listed
from xaisvc.types import Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding

_WORTH_NAMING = 0.1
"""Share of what depends on others, from which on a player is named."""


@dataclass(frozen=True, slots=True)
class InteractionDominates:
    """Speaks where more than a quarter of a row's credit usually depends on what the other players are.

    A player's value is then a mean over situations in which it does different things. With t_j the usual share of the
    value of player j that depends on the others (`PlayerSpread.interplay`), it speaks where
    sum_j |phi_j| t_j > 0.25 sum_j |phi_j|, and names the players, up to three, that most of it comes from.
    """

    kind: str = "interaction_dominates"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for the rows with so much interplay; see `CaveatRule.find`."""
        spread = context.studies.spread
        limit = context.thresholds.interplay_share
        if spread is None or context.is_surrogate or spread.interplay.max(initial=0.0) <= limit:
            return ()
        depends = context.shares * spread.interplay
        share = depends.sum(axis=1)
        speaks = share > limit
        if not np.count_nonzero(speaks):
            return ()
        chosen = are_top(depends) & (depends >= _WORTH_NAMING * share[:, None]) & speaks[:, None]
        return by_players(
            context,
            self.kind,
            np.asarray(chosen),
            lambda names, _: Words(Severity.INFO, _say(names)),
            lambda rows: Figures({"interplay_share": share[rows], "largest": depends[rows].max(axis=1)}),
        )


def _say(names: tuple[str, ...]) -> str:
    return (
        f"much of this row's credit depends on how players act together, most of all {listed(names)}; single values "
        "are averages over situations in which a player does different things; read none of them alone"
    )
