"""How hard a view is to read, measured on the words that its reader gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.views.document import Bullets, Notice, Paragraph, Reasons
from xaisvc.views.wording import READING_MEASURES, longest_sentence, sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from xaisvc.types import BundleDescription
    from xaisvc.views.document import View
    from xaisvc.views.wording import ReadingLimits

_ENDS = (".", "!", "?")
QUOTED = ": \u201c"
"""Stands before the sentence that a finding quotes, and nowhere else in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How hard a view is to read.

    Attributes:
        longest: Words in the longest sentence, the bank's own names counted as one word each.
        figure: Flesch-Kincaid grade (English) or Flesch-Douma ease (Dutch); None in a language without a measure.
        mandated: Sentences that were left out, as their words are the law's.
        excess: What is beyond the limits, in words; empty if nothing is.
    """

    longest: int
    figure: float | None
    mandated: tuple[str, ...]
    excess: tuple[str, ...]


def measure_reading(view: View, limits: ReadingLimits, names: Iterable[str] = ()) -> Reading:
    """Measures a view against the limits of its language.

    Measured are the sentences of the catalogue as filled, and the pack's that the law does not mandate. Headings, names
    and values are not: they end no sentence, and would make any text look easier than it is.

    Args:
        view: The view.
        limits: What is declared for its language.
        names: What the bank calls facts and the like, in that language: each counts as one word of a sentence's length,
            however many it has. How hard they are to read counts in full.

    Raises:
        RuntimeUnavailableError: If the package that knows where words break is not installed.
    """
    text = " ".join(part for part in dict.fromkeys(written(view)) if part.endswith(_ENDS))
    counted = tuple(names)
    longest = longest_sentence(_shortened(text, counted))
    found = READING_MEASURES.get(view.language)
    figure = found[1](text) if found else None
    excess = []
    if limits.max_sentence_words and longest > limits.max_sentence_words:
        quoted = next((one for one in sentences(text) if longest_sentence(_shortened(one, counted)) == longest), "")
        said = f"{QUOTED}{quoted}\u201d" if quoted else ""  # none only where a name holds the end of a sentence
        excess.append(f"a sentence of {longest} words; at most {limits.max_sentence_words} are declared{said}")
    if figure is not None and limits.max_grade and figure > limits.max_grade:
        excess.append(f"Flesch-Kincaid grade {figure:.1f}; at most {limits.max_grade:g} is declared")
    if figure is not None and limits.min_ease and figure < limits.min_ease:
        excess.append(f"Flesch-Douma ease {figure:.1f}; at least {limits.min_ease:g} is declared")
    return Reading(longest=longest, figure=figure, mandated=tuple(_mandated(view)), excess=tuple(excess))


def _shortened(text: str, names: Iterable[str]) -> str:
    """`text` with each name as one word; a name within a longer one goes with it."""
    for name in sorted(set(names) - {""}, key=len, reverse=True):
        text = text.replace(name, "\u2026name")
    return text


def written(view: View) -> Iterator[str]:
    """Every text of a view that is a sentence or a heading, but for mandated ones; in order, none of them empty."""
    yield view.title
    for section in view.sections:
        if section.title:
            yield section.title
        for block in section.blocks:
            found: tuple[str, ...] = ()
            if isinstance(block, Paragraph):
                found = () if block.role == "mandated" else (block.text,)
            elif isinstance(block, Notice):
                found = (block.title, block.text)
            elif isinstance(block, Bullets):
                found = (block.title, *block.items)
            elif isinstance(block, Reasons):
                empty = () if block.items else (block.empty,)
                found = (block.title, *empty, *(reason.note for reason in block.items))
            yield from (text for text in found if text)


def names_in(description: BundleDescription, language: str) -> tuple[str, ...]:
    """What a bundle calls its features, concepts, outputs and bands in a language, and its owner."""
    return (
        *(feature.label(language) for feature in description.features),
        *(concept.label(language) for concept in description.concepts),
        *(output.label(language) for output in description.outputs),
        *(band.label(language) for output in description.outputs for band in output.bands),
        description.text("owner", language),
    )


def _mandated(view: View) -> Iterator[str]:
    for section in view.sections:
        for block in section.blocks:
            if isinstance(block, Paragraph) and block.role == "mandated":
                yield block.text
