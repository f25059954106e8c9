"""Numbers that hold where those of single players do not: sums over a studied set, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.types import RobustNumber

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext
    from xaisvc.caveats.facts import StudiedPart
    from xaisvc.types.second_opinion import SecondOpinion


def number_of(context: CaveatContext, opinion: SecondOpinion, part: StudiedPart, row: int) -> RobustNumber:
    """The sum of some studied players in one row, and the interval that is to hold it under both value functions.

    For a whole set it is the one that was studied. For a part of one it is the sum of its players' intervals, which is
    wider than need be: it holds the sum where they hold their values.

    Args:
        context: The rows.
        opinion: Their second opinion.
        part: The players.
        row: Index of the row.
    """
    players = part.players
    if part.whole:
        value, low, high = (one[row, part.place] for one in (opinion.set_values, opinion.set_low, opinion.set_high))
    else:
        of_part = (one[row].take(players.places) for one in (context.attribution.values, opinion.low, opinion.high))
        value, low, high = (one.sum() for one in of_part)
    return RobustNumber(players=players.names, value=float(value), low=float(low), high=float(high))


def number_around(context: CaveatContext, opinion: SecondOpinion, player: int, row: int) -> RobustNumber | None:
    """The number of those that a player is spoken of with; None for a player outside all sets."""
    place = context.facts.part_of[player]
    return None if place < 0 else number_of(context, opinion, context.facts.parts[place], row)


def both_values(context: CaveatContext, opinion: SecondOpinion, player: int, row: int) -> dict[str, float]:
    """A player's two values in one row, and the interval that is to hold both."""
    return {
        "interventional": float(context.attribution.values[row, player]),
        "conditional": float(opinion.conditional[row, player]),
        "low": float(opinion.low[row, player]),
        "high": float(opinion.high[row, player]),
    }
