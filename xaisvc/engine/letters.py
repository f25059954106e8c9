"""What stands in the way of letters to the persons concerned, known before the first one is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from xaisvc.views.loader_packs import stale_sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from xaisvc.types import BundleDescription
    from xaisvc.views import Audience


class LetterConcern(StrEnum):
    """What is the matter with the letters about a bundle's cases."""

    HELD = "letters_held"
    """Every adverse letter is held for a person: reasons are not chosen by the rule that the pack asks for."""
    STALE = "pack_stale"
    """The pack that speaks in them is past the day by which it was to be read against the law again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterWarning:
    """What whoever runs the service should have mended before letters go out.

    Attributes:
        bundle: Name of the bundle.
        concern: What is the matter.
        pack: Id of the jurisdiction pack.
        text: What is the matter and what to do, in words. Names fields and dates, no value of a row.
    """

    bundle: str
    concern: LetterConcern
    pack: str
    text: str


def letter_warnings(
    description: BundleDescription, audiences: Iterable[Audience], today: date
) -> tuple[LetterWarning, ...]:
    """What is the matter with the letters about a bundle's cases; nothing where no pack speaks in any.

    Args:
        description: The bundle.
        audiences: The audiences. Letters are the views that can be held for a person.
        today: The day to compare `review_by` with.
    """
    packs = {
        pack.id: pack
        for audience in audiences
        if audience.held and description.concerns(audience.id)
        and (pack := audience.packs.of(description.name)) is not None
    }  # fmt: skip

    def found() -> Iterator[LetterWarning]:
        for pack in packs.values():
            problem = pack.rule_problem(description)
            if problem:
                text = f"the bundle '{description.name}' {problem}"
                yield LetterWarning(bundle=description.name, concern=LetterConcern.HELD, pack=pack.id, text=text)
            if pack.is_stale(today):
                text = stale_sentence(pack)
                yield LetterWarning(bundle=description.name, concern=LetterConcern.STALE, pack=pack.id, text=text)

    return tuple(found())
