"""Features that the model is proven not to use, and that are or would be credited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players
from xaisvc.caveats.leading import most_of
from xaisvc.caveats.numbers import both_values, numbers_around, parts_around, players_of
from xaisvc.caveats.wording import listed
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


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
        """Findings for credit given here and for credit given elsewhere; see `CaveatRule.find`."""
        if not context.facts.unused_any:
            return ()
        opinion, values = context.differing, context.attribution.values
        credited = context.unused & (context.shares >= context.thresholds.credited_share) & (context.sizes > 0)

        def figures_here(rows: NDArray[np.intp]) -> Figures:
            at = most_of(context.sizes[rows], credited[rows])
            return Figures({"value": values[rows, at], "share": context.shares[rows, at]})

        gates = (Gate.NOT_A_REASON,)
        found = by_players(
            context, self.kind, credited, lambda names, _: Words(Severity.CARE, _say_here(names), gates), figures_here
        )
        if opinion is None:
            return found
        elsewhere = opinion.unused & ~credited
        if not np.count_nonzero(elsewhere):
            return found
        most = most_of(np.abs(opinion.conditional), elsewhere)

        def words(names: tuple[str, ...], number: int) -> Words:
            return Words(Severity.INFO, _say_elsewhere(names), gates, players_of(context, number))

        def figures_elsewhere(rows: NDArray[np.intp]) -> Figures:
            at = most[rows]
            share = np.abs(opinion.conditional[rows, at]) / context.totals[rows]  # it speaks only where T > 0
            values = both_values(context, opinion, at, rows)
            return Figures({"conditional_share": share, **values}, numbers_around(context, at, rows))

        variants = parts_around(context, most)
        return (*found, *by_players(context, self.kind, elsewhere, words, figures_elsewhere, variants))


def _say_here(names: tuple[str, ...]) -> str:
    return (
        f"{listed(names)}: the graph proves that the model does not use it, and yet these numbers credit it, as the "
        "surrogate cannot tell it from what goes with it, or from noise; leave it out"
    )


def _say_elsewhere(names: tuple[str, ...]) -> str:
    return (
        f"{listed(names)}: the graph proves that the model does not use it, so its value here is 0; a tool with "
        "conditional or path-dependent values would credit it, for what goes with it, which reflects dependence and "
        "not use"
    )
