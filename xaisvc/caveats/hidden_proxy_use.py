"""Features that the model uses and that hide behind others under conditional values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import by_players
from xaisvc.caveats.conditional import are_top
from xaisvc.caveats.numbers import both_values, number_around
from xaisvc.types import Caveat, Sensitivity, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext, Finding

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
        if opinion is None or not opinion.hidden.any():
            return ()
        values, hidden = context.attribution.values, opinion.hidden
        ids = [feature.id for feature in context.description.features if feature.sensitivity in SENSITIVE]
        sensitive = np.array([not set(ids).isdisjoint(names) for names in context.players.members], dtype=np.bool_)
        care = np.asarray((hidden & (are_top(values) | sensitive)).any(axis=1))
        most = np.where(hidden, context.sizes, -1.0).argmax(axis=1)

        def caveat(names: tuple[str, ...], message: str, row: int) -> Caveat:
            at = int(most[row])
            return Caveat(
                kind=self.kind,
                severity=Severity.CARE if care[row] else Severity.INFO,
                players=names,
                message=message,
                evidence={"share": float(context.shares[row, at]), **both_values(context, opinion, at, row)},
                robust=number_around(context, opinion, at, row),
            )

        return by_players(context, hidden, caveat, _say)


def _say(names: tuple[str, ...]) -> str:
    return (
        f"the model uses {', '.join(names)}, and conditional values give next to nothing for it: what it does is "
        "credited to features that go with it. A tool with conditional values would hide its use"
    )
