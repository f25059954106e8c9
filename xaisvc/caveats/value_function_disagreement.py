"""Signs and leading entries that depend on the value function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import by_players
from xaisvc.caveats.conditional import are_top
from xaisvc.caveats.numbers import both_values, number_around
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext, Finding
    from xaisvc.types.second_opinion import SecondOpinion


@dataclass(frozen=True, slots=True)
class ValueFunctionDisagreement:
    """Speaks where interventional and conditional values differ in a sign, or in which three players lead.

    Both value functions are in use, and each is right about its own question. A reader who is given one of them must
    know where the other says the opposite. A player whose sign is in doubt is no reason.
    """

    kind: str = "value_function_disagreement"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for signs and one for the leading three; see `CaveatRule.find`."""
        opinion = context.differing
        if opinion is None or not (opinion.sign.any() or opinion.top_changes.any()):
            return ()
        values = context.attribution.values
        sizes = np.minimum(context.sizes, np.abs(opinion.conditional))

        flipped = np.where(opinion.sign, sizes, -1.0).argmax(axis=1)

        def sign(names: tuple[str, ...], message: str, row: int) -> Caveat:
            return self._caveat(
                context, opinion, names, message, row, int(flipped[row]), "sign_changes", (Gate.NOT_A_REASON,)
            )

        found = by_players(context, opinion.sign, sign, _say_sign)
        if not opinion.top_changes.any():
            return found
        moved = are_top(values) != are_top(opinion.conditional)
        moved &= opinion.top_changes[:, None]

        farthest = np.where(moved, np.abs(opinion.conditional - values), -1.0).argmax(axis=1)

        def rank(names: tuple[str, ...], message: str, row: int) -> Caveat:
            return self._caveat(context, opinion, names, message, row, int(farthest[row]), "top_three_changes", ())

        return (*found, *by_players(context, moved, rank, _say_rank))

    def _caveat(  # noqa: PLR0913, PLR0917 - what both findings say, and where they differ
        self,
        context: CaveatContext,
        opinion: SecondOpinion,
        names: tuple[str, ...],
        message: str,
        row: int,
        most: int,
        count: str,
        gates: tuple[Gate, ...],
    ) -> Caveat:
        return Caveat(
            kind=self.kind,
            severity=Severity.CARE,
            players=names,
            message=message,
            evidence={count: float(len(names)), **both_values(context, opinion, most, row)},
            robust=number_around(context, opinion, most, row),
            gates=gates,
        )


def _say_sign(names: tuple[str, ...]) -> str:
    return (
        f"the sign of {', '.join(names)} is undetermined: interventional values (what the model used) and conditional "
        "values (what the feature tells, its companions included) point in opposite directions"
    )


def _say_rank(names: tuple[str, ...]) -> str:
    return (
        f"which three players lead depends on the value function: {', '.join(names)} are among them under one of "
        "interventional and conditional values only"
    )
