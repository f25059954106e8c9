"""Numbers that hold where those of single players do not: sums over a studied set, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.types import RobustNumber

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types.second_opinion import SecondOpinion


def number_of_set(context: CaveatContext, opinion: SecondOpinion, place: int, row: int) -> RobustNumber:
    """The sum of a studied set's players in one row, and the interval that is to hold it under both value functions.

    Args:
        context: The rows.
        opinion: Their second opinion.
        place: Place of the set.
        row: Index of the row.
    """
    return RobustNumber(
        players=context.facts.studied[place].names,
        value=float(opinion.set_values[row, place]),
        low=float(opinion.set_low[row, place]),
        high=float(opinion.set_high[row, place]),
    )


def number_around(context: CaveatContext, opinion: SecondOpinion, player: int, row: int) -> RobustNumber | None:
    """The number of the set that holds a player; None for a player outside all sets."""
    place = context.facts.studied_set[player]
    return None if place < 0 else number_of_set(context, opinion, place, row)


def both_values(context: CaveatContext, opinion: SecondOpinion, player: int, row: int) -> dict[str, float]:
    """A player's two values in one row, and the interval that is to hold both."""
    return {
        "interventional": float(context.attribution.values[row, player]),
        "conditional": float(opinion.conditional[row, player]),
        "low": float(opinion.low[row, player]),
        "high": float(opinion.high[row, player]),
    }
