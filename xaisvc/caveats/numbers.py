"""Numbers that hold where those of single players do not: sums over a studied set, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.caveats.facts import StudiedPart
    from xaisvc.types.second_opinion import SecondOpinion


def numbers_of(
    context: CaveatContext, opinion: SecondOpinion, part: StudiedPart, rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The sum of some studied players in some rows, and the interval that is to hold it under both value functions.

    For a whole set it is the one that was studied. For a part of one it is the sum of its players' intervals, which is
    wider than need be: it holds the sum where they hold their values.

    Args:
        context: The rows.
        opinion: Their second opinion.
        part: The players.
        rows: Indices of r rows; intp, (r,).

    Returns:
        Value, low and high of each row; float64, (r, 3).
    """
    if part.whole:
        sources = (opinion.set_values, opinion.set_low, opinion.set_high)
        return np.stack([one[rows, part.place] for one in sources], axis=1)
    columns = (rows[:, None], np.array(part.players.places))
    return np.stack(
        [one[columns].sum(axis=1) for one in (context.attribution.values, opinion.low, opinion.high)], axis=1
    )


def sums_of_parts(context: CaveatContext, opinion: SecondOpinion) -> NDArray[np.float64]:
    """`numbers_of` every part in every row, by the number of the part; float64, (n, k + 1, 3), NaN at number 0."""
    n, parts = len(opinion.conditional), context.facts.parts
    found = np.empty((n, len(parts) + 1, 3))
    found[:, 0] = np.nan
    every = np.arange(n)
    for number, part in enumerate(parts, start=1):
        if part.whole:
            found[:, number, 0] = opinion.set_values[:, part.place]
            found[:, number, 1] = opinion.set_low[:, part.place]
            found[:, number, 2] = opinion.set_high[:, part.place]
        else:
            found[:, number] = numbers_of(context, opinion, part, every)
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
