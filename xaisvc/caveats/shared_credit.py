"""Credit shared between features that go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_rows
from xaisvc.caveats.wording import listed
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


class _Seen(NamedTuple):
    """Of every part, in every row.

    Attributes:
        speaks: Whether the conditional value of a player differs; bool, (k, n).
        unsafe: Whether the interval of a player with a material share contains 0; bool, (k, n).
        gaps: Largest absolute difference of a player's values; float64, (k, n).
    """

    speaks: NDArray[np.bool_]
    unsafe: NDArray[np.bool_]
    gaps: NDArray[np.float64]


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
        seen = self._seen(context, opinion)
        if seen is None:
            return []
        care = opinion.severity >= _CARE_FROM

        def found(number: int, part: StudiedPart) -> tuple[Finding, ...]:
            places, place = part.players.places, number - 1
            names, association = part.players.names, part.players.association
            text = (
                f"{listed(names)} go together in the background (strongest association {association:.2f}), and "
                "conditional values divide their credit otherwise; read their sum, which holds under both value "
                "functions"
            )
            robust = context.part_sums[:, number]
            variants = care + 2 * (care | seen.unsafe[place])
            variants += 4 * ((robust[:, 1] <= 0) & (robust[:, 2] >= 0))

            def words(variant: int) -> Words:
                return Words(
                    Severity.CARE if variant & 1 else Severity.INFO,
                    text,
                    (*((Gate.NO_RANKING,) if variant & 2 else ()), *((Gate.NOT_A_REASON,) if variant & 4 else ())),
                    names,
                )

            def figures(rows: NDArray[np.intp]) -> Figures:
                return Figures(
                    {
                        "association": association,
                        "moved_share": opinion.moved[rows],
                        "largest_gap_share": seen.gaps[place, rows] / context.totals[rows],  # it needs T > 0
                        "conditional_sum": opinion.conditional[rows[:, None], np.array(places)].sum(axis=1),
                    },
                    robust[rows],
                )

            return by_rows(self.kind, seen.speaks[place], words, figures, players=names, variants=variants)

        return [one for number, part in enumerate(context.facts.parts, start=1) for one in found(number, part)]

    @staticmethod
    def _seen(context: CaveatContext, opinion: SecondOpinion) -> _Seen | None:
        """What rules ask of every part; None if no part speaks."""
        from xaisvc.caveats.parts_kernel import look_at_parts  # noqa: PLC0415 (heavy: loaded when used)

        starts, members = context.facts.part_members
        shape = (len(starts) - 1, len(opinion.conditional))
        found = _Seen(np.empty(shape, dtype=np.bool_), np.empty(shape, dtype=np.bool_), np.empty(shape))
        speaks = look_at_parts(
            (context.attribution.values, opinion.conditional, opinion.low, opinion.high, context.shares),
            opinion.gap,
            (starts, members),
            context.thresholds.material_share,
            found,
        )
        return found if speaks else None

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
            f"{listed(one.names)} go together in the background (strongest association {one.association:.2f}), so how "
            "credit is divided between them is not reliable; explain them as one player to see what they do together. "
            f"There is no second opinion on how far it could be divided otherwise: {reason}"
        )

        def figures(rows: NDArray[np.intp]) -> Figures:
            sums = context.attribution.values[rows[:, None], np.array(one.places)].sum(axis=1)
            return Figures({"association": one.association, "sum_of_values": sums})

        words = Words(Severity.CARE if care else Severity.INFO, text, (Gate.NO_RANKING,) if care else ())
        return by_rows(self.kind, speaks, lambda _: words, figures, players=one.names)
