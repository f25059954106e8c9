"""Features that the model uses and that hide behind others under conditional values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players
from xaisvc.caveats.leading import most_of
from xaisvc.caveats.numbers import both_values, numbers_around, parts_around, players_of
from xaisvc.caveats.wording import listed
from xaisvc.types import Sensitivity, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding

SENSITIVE = frozenset({Sensitivity.PROTECTED, Sensitivity.PROXY})


@dataclass(frozen=True, slots=True)
class HiddenProxyUse:
    """Speaks of players that the model relies on while conditional values give them next to nothing.

    What they do is then shown as the work of others that go with them, which is how the use of a protected feature
    stays unseen. These numbers do show it; who compares them with conditional ones must know. It asks for care where
    a leading entry would vanish, one of the row's three largest, or one that holds a protected feature or a proxy.
    """

    kind: str = "hidden_proxy_use"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for the rows with such players; see `CaveatRule.find`."""
        opinion = context.differing
        if opinion is None or not np.count_nonzero(opinion.hidden):
            return ()
        hidden = opinion.hidden
        ids = [feature.id for feature in context.description.features if feature.sensitivity in SENSITIVE]
        sensitive = np.array([not set(ids).isdisjoint(names) for names in context.players.members], dtype=np.bool_)
        care = np.asarray((hidden & (context.leading | sensitive)).any(axis=1))
        most = most_of(context.sizes, hidden)

        def words(names: tuple[str, ...], variant: int) -> Words:
            number, asks_care = divmod(variant, 2)
            severity = Severity.CARE if asks_care else Severity.INFO
            return Words(severity, _say(names), robust=players_of(context, number))

        def figures(rows: NDArray[np.intp]) -> Figures:
            at = most[rows]
            values = both_values(context, opinion, at, rows)
            return Figures({"share": context.shares[rows, at], **values}, numbers_around(context, at, rows))

        return by_players(context, self.kind, hidden, words, figures, 2 * parts_around(context, most) + care)


def _say(names: tuple[str, ...]) -> str:
    them, their, do = ("it", "its", "it does") if len(names) == 1 else ("them", "their", "each of them does")
    return (
        f"the model uses {listed(names)}, and conditional values give next to nothing for {them}: what {do} is "
        f"credited to features that go with it. A tool with conditional values would hide {their} use"
    )
