"""Features that the model is proven not to use, and that are or would be credited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import by_players
from xaisvc.caveats.numbers import both_values, number_around
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext, Finding


@dataclass(frozen=True, slots=True)
class AttributedButUnused:
    """Speaks of players that the graph proves unused: where conditional values credit them, or these values do.

    Interventional values give such a player exactly 0, so that what others would say is context: a tool with
    conditional or path-dependent values would name a fact that the model never used, because it goes with one that it
    did. Where the numbers themselves credit the player, as LIME's can, they are wrong about it, which asks for care.
    In both cases the player is no reason.
    """

    kind: str = "attributed_but_unused"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for credit given here and one for credit given elsewhere; see `CaveatRule.find`."""
        if not context.facts.unused_any:
            return ()
        opinion, values = context.differing, context.attribution.values
        credited = context.unused & (context.shares >= context.thresholds.credited_share) & (context.sizes > 0)

        def here(names: tuple[str, ...], message: str, row: int) -> Caveat:
            at = int(np.where(credited[row], context.sizes[row], -1.0).argmax())
            return Caveat(
                kind=self.kind,
                severity=Severity.CARE,
                players=names,
                message=message,
                evidence={"value": float(values[row, at]), "share": float(context.shares[row, at])},
                gates=(Gate.NOT_A_REASON,),
            )

        found = by_players(context, credited, here, _say_here)
        if opinion is None:
            return found
        elsewhere = opinion.unused & ~credited

        def there(names: tuple[str, ...], message: str, row: int) -> Caveat:
            at = int(np.where(elsewhere[row], np.abs(opinion.conditional[row]), -1.0).argmax())
            share = abs(float(opinion.conditional[row, at])) / float(context.totals[row])  # it speaks only where T > 0
            return Caveat(
                kind=self.kind,
                severity=Severity.INFO,
                players=names,
                message=message,
                evidence={"conditional_share": share, **both_values(context, opinion, at, row)},
                robust=number_around(context, opinion, at, row),
                gates=(Gate.NOT_A_REASON,),
            )

        return (*found, *by_players(context, elsewhere, there, _say_elsewhere))


def _say_here(names: tuple[str, ...]) -> str:
    return (
        f"{', '.join(names)}: the graph proves that the model does not use it, and yet these numbers credit it, as the "
        "surrogate cannot tell it from what goes with it, or from noise; leave it out"
    )


def _say_elsewhere(names: tuple[str, ...]) -> str:
    return (
        f"{', '.join(names)}: the graph proves that the model does not use it, so its value here is 0; a tool with "
        "conditional or path-dependent values would credit it, for what goes with it, which reflects dependence and "
        "not use"
    )
