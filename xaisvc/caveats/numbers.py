"""Numbers that hold where those of single players do not: sums over a studied set, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.caveats.facts import StudiedPart
    from xaisvc.types.second_opinion import SecondOpinion


def numbers_of(context: CaveatContext, opinion: SecondOpinion, part: StudiedPart) -> NDArray[np.float64]:
    """The sum of some studied players in every row, and the interval that is to hold it under both value functions.

    For a whole set it is the one that was studied. For a part of one it is the sum of its players' intervals, which is
    wider than need be: it holds the sum where they hold their values.

    Args:
        context: The rows.
        opinion: Their second opinion.
        part: The players.

    Returns:
        Value, low and high of each row; float64, (n, 3).
    """
    found = np.empty((len(opinion.conditional), 3))
    if part.whole:
        for place, one in enumerate((opinion.set_values, opinion.set_low, opinion.set_high)):
            found[:, place] = one[:, part.place]
    else:
        for place, one in enumerate((context.attribution.values, opinion.low, opinion.high)):
            found[:, place] = one.take(part.players.places, axis=1).sum(axis=1)
    return found


def sums_of_parts(context: CaveatContext, opinion: SecondOpinion) -> NDArray[np.float64]:
    """`numbers_of` every part in every row, by the number of the part; float64, (n, k + 1, 3), NaN at number 0."""
    parts = context.facts.parts
    found = np.empty((len(opinion.conditional), len(parts) + 1, 3))
    found[:, 0] = np.nan
    for number, part in enumerate(parts, start=1):
        found[:, number] = numbers_of(context, opinion, part)
    return found


def parts_around(context: CaveatContext, players: NDArray[np.intp]) -> NDArray[np.intp]:
    """The part that each of some players is spoken of with, from 1 on; 0 for a player outside all of them."""
    return context.facts.part_numbers[players]


def players_of(context: CaveatContext, number: int) -> tuple[str, ...] | None:
    """The players of the part with this number, as `parts_around` gives it; None for 0."""
    return context.facts.parts[number - 1].players.names if number else None


def numbers_around(context: CaveatContext, players: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """The numbers of those that some players are spoken of with, one player in each row.

    Args:
        context: The rows; they have a second opinion.
        players: Place of a player for each of r rows; intp, (r,).
        rows: Indices of the rows; intp, (r,).

    Returns:
        As `numbers_of`; NaN for a player outside all parts.
    """
    return context.part_sums[rows, parts_around(context, players)]


def both_values(
    context: CaveatContext, opinion: SecondOpinion, players: NDArray[np.intp], rows: NDArray[np.intp]
) -> dict[str, NDArray[np.float64] | float]:
    """Both values of one player in each of some rows, and the interval that is to hold both; float64, (r,) each."""
    return {
        "interventional": context.attribution.values[rows, players],
        "conditional": opinion.conditional[rows, players],
        "low": opinion.low[rows, players],
        "high": opinion.high[rows, players],
    }
