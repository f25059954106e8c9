"""Models that answer made-up rows with something else than real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.caveats.findings import everywhere
from xaisvc.caveats.wording import listed
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


@dataclass(frozen=True, slots=True)
class PossibleManipulation:
    """Speaks for all rows of a model that relies on other features in made-up rows than in real ones.

    SHAP and LIME ask about made-up rows. A model that tells them apart can show any explanation it likes, so no reasons
    are given.
    """

    kind: str = "possible_manipulation"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The same caveat for every row, or none; see `CaveatRule.find`."""
        found = context.studies.manipulation
        if found is None or found.suspected is not True:
            return ()
        wanted = {*found.hidden, *found.decoys}
        players = context.names([not wanted.isdisjoint(members) for members in context.players.members])
        signs = []
        if found.hidden:
            signs.append(f"{listed(found.hidden)} matters in real rows and much less there")
        if found.decoys:
            signs.append(f"{listed(found.decoys)} matters there and much less in real rows")
        caveat = Caveat(
            kind=self.kind,
            severity=Severity.UNRELIABLE,
            players=players,
            message=(
                "the model relies on other features in made-up rows, which explanations are computed from, than in "
                f"real ones, as a model does that hides something{': ' if signs else ''}{'; '.join(signs)}. "
                "Explanations of it cannot be relied on"
            ),
            evidence={"distance": found.distance, "distance_lower": found.distance_lower, "swaps": float(found.swaps)},
            gates=(Gate.NO_REASONS,),
        )
        return everywhere(context, caveat)
