"""Credit shared between features that go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_rows
from xaisvc.caveats.numbers import numbers_of
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.caveats.facts import LinkedPlayers, StudiedPart
    from xaisvc.types import Finding
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
        care = opinion.severity >= _CARE_FROM
        unsafe = (opinion.low <= 0) & (opinion.high >= 0) & (context.shares >= context.thresholds.material_share)
        gaps = np.abs(opinion.conditional - context.attribution.values)

        def found(part: StudiedPart, speaks: NDArray[np.bool_]) -> tuple[Finding, ...]:
            places = part.players.places
            names, association = part.players.names, part.players.association
            text = (
                f"{_listed(names)} go together in the background (strongest association {association:.2f}), and "
                "conditional values divide their credit otherwise; read their sum, which holds under both value "
                "functions"
            )
            robust = numbers_of(context, opinion, part, np.arange(len(speaks)))
            unranked = care | unsafe.take(places, axis=1).any(axis=1)
            variants = care + 2 * unranked
            variants += 4 * ((robust[:, 1] <= 0) & (robust[:, 2] >= 0))

            def words(variant: int) -> Words:
                return Words(
                    Severity.CARE if variant & 1 else Severity.INFO,
                    text,
                    (*((Gate.NO_RANKING,) if variant & 2 else ()), *((Gate.NOT_A_REASON,) if variant & 4 else ())),
                    names,
                )

            def figures(rows: NDArray[np.intp]) -> Figures:
                columns = (rows[:, None], np.array(places))
                return Figures(
                    {
                        "association": association,
                        "moved_share": opinion.moved[rows],
                        "largest_gap_share": gaps[columns].max(axis=1) / context.totals[rows],  # it needs T > 0
                        "conditional_sum": opinion.conditional[columns].sum(axis=1),
                    },
                    robust[rows],
                )

            return by_rows(self.kind, speaks, words, figures, players=names, variants=variants)

        return [one for part, speaks in speaking for one in found(part, speaks)]

    def _untold(self, context: CaveatContext, sets: Sequence[LinkedPlayers], reason: str) -> tuple[Finding, ...]:
        if not sets:
            return ()
        limits = context.thresholds
        found: list[Finding] = []
        for one in sets:
            speaks = context.shares.take(one.places, axis=1).max(axis=1) >= limits.material_share
            found += self._linked(context, one, reason, speaks)
        return tuple(found)

    def _linked(
        self, context: CaveatContext, one: LinkedPlayers, reason: str, speaks: NDArray[np.bool_]
    ) -> tuple[Finding, ...]:
        care = one.association >= context.thresholds.care_association
        text = (
            f"{_listed(one.names)} go together in the background (strongest association {one.association:.2f}), so how "
            "credit is divided between them is not reliable; explain them as one player to see what they do together. "
            f"There is no second opinion on how far it could be divided otherwise: {reason}"
        )

        def figures(rows: NDArray[np.intp]) -> Figures:
            sums = context.attribution.values[rows[:, None], np.array(one.places)].sum(axis=1)
            return Figures({"association": one.association, "sum_of_values": sums})

        words = Words(Severity.CARE if care else Severity.INFO, text, (Gate.NO_RANKING,) if care else ())
        return by_rows(self.kind, speaks, lambda _: words, figures, players=one.names)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
