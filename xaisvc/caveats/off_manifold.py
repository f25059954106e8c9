"""Attributions that rest on combinations of values that nobody has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.caveats.findings import everywhere
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


@dataclass(frozen=True, slots=True)
class OffManifold:
    """Speaks for all rows of a bundle whose hybrids can be told from real rows, where enough of them are implausible.

    A value is a mean over hybrids, so that about this share of it rests on rows that nobody has, and on what the model
    makes of them. 0.05 is what the study may err by; up to there nothing is said. Implausible hybrids do not answer
    wrongly as such. If one in two does, a fifth of them moves a tenth of the total, which is what the other rules ask
    care for; so 0.2 asks for care. The hybrids are those of the players: groups mix what goes
    together only as a whole. Silent where no two players go together.
    """

    kind: str = "off_manifold"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The same caveat for every row, or none; see `CaveatRule.find`."""
        found, limits = context.studies.hybrids, context.thresholds
        # NaN, where it cannot be told, is not above anything.
        if found.unreal is not True or not found.fraction >= limits.off_manifold_info or not context.facts.mixed:
            return ()
        caveat = Caveat(
            kind=self.kind,
            severity=Severity.CARE if found.fraction >= limits.off_manifold_care else Severity.INFO,
            message=(
                f"about {found.fraction:.0%} of the mixed rows that these values average over are implausible: they "
                "combine values that do not occur together in the background, so the values also rest on what the "
                "model does where there is no data; explain features that go together as one player"
            ),
            evidence={"fraction": found.fraction, "fraction_error": found.fraction_error, "area": found.area},
        )
        return everywhere(context, caveat)
