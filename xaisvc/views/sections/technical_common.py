"""What several sections for data scientists have in common."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xaisvc.views.document import Cell, Column, Notice, Paragraph
from xaisvc.views.entries import player_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import PlayerValue
    from xaisvc.views.context import SectionContext

LOCAL_SURROGATE = "local_surrogate"
"""Value function of LIME."""

SIDES: Mapping[str, tuple[str, ...]] = {
    "below": (),
    "above": (),
    "raised": ("value",),
    "lowered": ("value",),
    "nothing": ("value",),
}
"""Messages of sections with signed bars."""


def note(context: SectionContext, *words: str) -> Paragraph:
    """What a chart shows and what it does not: `words`, or else the messages `shows` and `shows_not`."""
    return Paragraph(text=" ".join(words or (context.say("shows"), context.say("shows_not"))), role="fine")


def absent(context: SectionContext) -> Notice:
    """That there is nothing to be shown: the message `absent`."""
    return Notice(tone="info", title=context.say("absent"))


def name_of(context: SectionContext, player: PlayerValue) -> str:
    """A player's name in the reader's language, with its own name where that is another."""
    return player_label(player, context.view.description, context.view.language)


def label_of(context: SectionContext, player: str) -> str:
    """As `name_of`, by the player's own name; that name itself if the record has no such player."""
    found = next((one for one in context.view.record.attribution.players if one.player == player), None)
    return player if found is None else name_of(context, found)


@lru_cache(maxsize=4096)
def name_cell(name: str) -> Cell:
    """The cell with the name of a player or a feature. Kept: they are those of a bundle, in every table."""
    return Cell(text=name)


@lru_cache(maxsize=1024)
def rank_cell(rank: int) -> Cell:
    """The cell of a rank."""
    return Cell(text=str(rank), number=float(rank))


@lru_cache(maxsize=2048)
def column(label: str, *, numeric: bool = False) -> Column:
    """A column. Kept: columns are those of a section, whatever the case."""
    return Column(label=label, numeric=numeric)


def signed(context: SectionContext, value: float) -> str:
    """An attribution with its direction in words."""
    word = "raised" if value > 0 else "lowered" if value < 0 else "nothing"
    return context.say(word, value=number(value))


def number(value: float, digits: int = 4) -> str:
    """A signed number, a point as separator; `0` for zero."""
    return f"{value:+.{digits}g}" if value else "0"
