"""Credit shared between features that go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
from xaisvc.caveats.numbers import number_of
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.caveats.facts import LinkedPlayers, StudiedPart
    from xaisvc.types.second_opinion import SecondOpinion

_CARE_FROM = 2
"""Severity of a second opinion from which a sign, a top-three entry or a tenth of the total is at stake."""
_SURROGATE = "LIME's weights have none"
_NOT_STUDIED = "none is made for players that a caller puts together"


@dataclass(frozen=True, slots=True)
class SharedCredit:
    """Speaks where players that go together could share their credit otherwise.

    With a second opinion it speaks of a studied set where the conditional value of a member differs, and the set's sum
    is the number to read. It asks for care where a sign or a top-three entry changes or more than a tenth of the total
    moves between players; then members must not be ranked. The same holds where the interval of a member with a
    material share contains 0: its sign is not known. A set whose own interval contains 0 is no reason at all.

    Where nothing can be told it speaks of players linked by `CaveatThresholds.info_association` or more, in chains too,
    if one of them has a material share: how the model divides weight between facts that move together is an accident of
    training as much as a property of the world.
    """

    kind: str = "shared_credit"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding per set of players; see `CaveatRule.find`."""
        if not context.compared:
            reason = _SURROGATE if context.is_surrogate else _NOT_STUDIED
            return self._untold(context, context.facts.linked, reason)
        opinion = context.differing
        if opinion is None:
            return ()
        plan = context.studies.opinion
        return (
            *self._told(context, opinion),
            *self._untold(context, context.facts.untold, plan.reason if plan is not None else ""),
        )

    def _told(self, context: CaveatContext, opinion: SecondOpinion) -> list[Finding]:
        parts = context.facts.parts
        speaking = [(one, np.asarray(opinion.gap.take(one.players.places, axis=1).any(axis=1))) for one in parts]
        speaking = [(one, speaks) for one, speaks in speaking if speaks.any()]
        if not speaking:
            return []
        care = (opinion.severity >= _CARE_FROM).tolist()
        unsafe = (opinion.low <= 0) & (opinion.high >= 0) & (context.shares >= context.thresholds.material_share)
        gaps = np.abs(opinion.conditional - context.attribution.values)

        def finding(part: StudiedPart, speaks: NDArray[np.bool_]) -> Finding:
            places = part.players.places
            unranked = np.asarray(unsafe.take(places, axis=1).any(axis=1))
            largest = gaps.take(places, axis=1).max(axis=1)
            sums = opinion.conditional.take(places, axis=1).sum(axis=1)
            names, association = part.players.names, part.players.association
            text = (
                f"{_listed(names)} go together in the background (strongest association {association:.2f}), and "
                "conditional values divide their credit otherwise; read their sum, which holds under both value "
                "functions"
            )

            def caveat(row: int) -> Caveat:
                robust = number_of(context, opinion, part, row)
                return Caveat(
                    kind=self.kind,
                    severity=Severity.CARE if care[row] else Severity.INFO,
                    players=names,
                    message=text,
                    evidence={
                        "association": association,
                        "moved_share": float(opinion.moved[row]),
                        "largest_gap_share": float(largest[row] / context.totals[row]),  # it needs T > 0
                        "conditional_sum": float(sums[row]),
                    },
                    robust=robust,
                    gates=(
                        *((Gate.NO_RANKING,) if care[row] or unranked[row] else ()),
                        *((Gate.NOT_A_REASON,) if robust.low <= 0 <= robust.high else ()),
                    ),
                )

            return Finding(speaks, caveat)

        return [finding(part, speaks) for part, speaks in speaking]

    def _untold(self, context: CaveatContext, sets: Sequence[LinkedPlayers], reason: str) -> tuple[Finding, ...]:
        if not sets:
            return ()
        limits = context.thresholds
        material = [context.shares.take(one.places, axis=1).max(axis=1) >= limits.material_share for one in sets]
        return tuple(
            Finding(speaks, self._linked(context, one, reason))
            for one, speaks in zip(sets, material, strict=True)
            if speaks.any()
        )

    def _linked(self, context: CaveatContext, one: LinkedPlayers, reason: str) -> Callable[[int], Caveat]:
        """What is said of a row: the same for all but for its sum, so that it is put into words once."""
        names, care = one.names, one.association >= context.thresholds.care_association
        text = (
            f"{_listed(names)} go together in the background (strongest association {one.association:.2f}), so how "
            "credit is divided between them is not reliable; explain them as one player to see what they do together. "
            f"There is no second opinion on how far it could be divided otherwise: {reason}"
        )
        sums = context.attribution.values.take(one.places, axis=1).sum(axis=1)

        def caveat(row: int) -> Caveat:
            return Caveat(
                kind=self.kind,
                severity=Severity.CARE if care else Severity.INFO,
                players=names,
                message=text,
                evidence={"association": one.association, "sum_of_values": float(sums[row])},
                gates=(Gate.NO_RANKING,) if care else (),
            )

        return caveat


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
