"""What several sections for data scientists have in common."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.views.cells import Cell, signed_number
from xaisvc.views.document import Column, Notice, Paragraph
from xaisvc.views.entries import player_label
from xaisvc.views.kept import SectionWords, kept, pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def note(context: SectionContext) -> Paragraph:
    """What a chart shows and what it does not: the messages `shows` and `shows_not`."""
    return _note(SectionWords.of(context))


@kept(1024)
def _note(words: SectionWords) -> Paragraph:
    return Paragraph(text=f"{words.say('shows')} {words.say('shows_not')}", role="fine")


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


@kept(1024)
def columns(words: SectionWords, texts: tuple[str, ...], numbers: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """The columns of a table by the keys of their messages: columns of texts, then columns of numbers."""
    return (
        *(Column(label=words.say(key)) for key in texts),
        *(Column(label=words.say(key), numeric=True) for key in numbers),
    )


@kept(1024)
def verdicts(
    words: SectionWords, keys: tuple[str, ...], quiet: tuple[str, ...], prefix: str = ""
) -> Mapping[str, Cell]:
    """Cells with the messages `prefix` and each of `keys`, marked but for those that are `quiet`."""
    return MappingProxyType({key: Cell(text=words.say(f"{prefix}{key}"), marked=key not in quiet) for key in keys})


def signer(words: SectionWords) -> Callable[[float], str]:
    """Says an attribution with its direction in words."""
    raised, lowered, nothing = (pattern(words, word, "value") for word in ("raised", "lowered", "nothing"))

    def signed(value: float) -> str:
        form = raised if value > 0 else lowered if value < 0 else nothing
        return form % {"value": signed_number(value)}

    return signed
