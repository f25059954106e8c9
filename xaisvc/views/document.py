"""The view as a value: typed blocks of plain text, before any format. Whatever is not in here, no renderer can show.

Every text of every block is cleaned when the block is built: no control, zero-width or direction-changing characters,
no line breaks. Escaping belongs to the renderers, because each format has its own dangerous characters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Literal, TypeAlias

_NO_BREAK = "\u00a0"
_WHITE_SPACE = re.compile(r"\s+")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def clean(text: str) -> str:
    """`text` on one line, without characters that change how other text is read.

    Dropped are control, format (bidirectional, zero-width), private, surrogate and unassigned characters; runs of white
    space, line and paragraph separators become one space. A single no-break space stays: it holds an amount together.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    spaced = "".join(" " if ch in "\t\n\r\v\f\x85\u2028\u2029" else ch for ch in text)
    kept = "".join(ch for ch in spaced if unicodedata.category(ch) not in _FORBIDDEN_CATEGORIES)
    if _NO_BREAK not in kept:
        return " ".join(kept.split())
    return _WHITE_SPACE.sub(_one_space, kept).strip()


def _one_space(run: re.Match[str]) -> str:
    return _NO_BREAK if run.group() == _NO_BREAK else " "


class _Cleaned:
    """Cleans every text field, and every tuple of texts, of a frozen dataclass when it is built."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if isinstance(value, str) and not isinstance(value, StrEnum):
                object.__setattr__(self, field.name, clean(value))
            elif isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
                object.__setattr__(self, field.name, tuple(clean(item) for item in value))


class ViewStatus(StrEnum):
    """Whether a view says what its audience asked for.

    `held_for_review`: a person must look first, because a reason that must be given must not be shown, or because the
    explanation cannot be relied on. `not_available`: this audience gets no view of any case of this bundle.
    """

    COMPLETE = "complete"
    HELD_FOR_REVIEW = "held_for_review"
    NOT_AVAILABLE = "not_available"


Tone: TypeAlias = Literal["info", "care", "stop"]
_TONES: tuple[Tone, ...] = ("info", "care", "stop")
Side: TypeAlias = Literal["for", "against", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph(_Cleaned):
    """A paragraph.

    `lead` is the sentence to read if only one is read, `fine` is the small print, `mandated` are words of the law.
    """

    text: str
    role: Literal["lead", "text", "fine", "mandated"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets(_Cleaned):
    """Sentences one under the other; `ordered` where the order is that of doing them."""

    items: tuple[str, ...]
    title: str = ""
    ordered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(_Cleaned):
    """One named value in words.

    Attributes:
        label: What it is.
        value: The value in words.
        note: What is remarkable about it; empty for nothing.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(_Cleaned):
    """Named values, one to a line. `code` marks digests and the like, which are read letter by letter."""

    rows: tuple[Fact, ...]
    title: str = ""
    code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(_Cleaned):
    """One reason.

    Attributes:
        label: What it is about.
        direction: Which way it counted, in words.
        facts: The facts behind it.
        note: For example that several facts are shown as one.
    """

    label: str
    direction: str
    facts: tuple[Fact, ...] = ()
    note: str = ""

    @property
    def own_value(self) -> str:
        """The value, if the only fact behind the reason has the reason's own name; else empty."""
        return self.facts[0].value if len(self.facts) == 1 and self.facts[0].label == self.label else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons(_Cleaned):
    """Reasons of one direction, strongest first.

    Attributes:
        title: Heading of the list; may be empty.
        items: The reasons; their rank is their place.
        empty: What is said when there are none.
        side: Against the person concerned, for them, or neither.
    """

    title: str
    items: tuple[Reason, ...]
    empty: str
    side: Side = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(_Cleaned):
    """A column of a table; numeric columns are aligned to the right."""

    label: str
    numeric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(_Cleaned):
    """One cell.

    Attributes:
        text: What is read.
        number: The exact number behind it, for audiences that may have it.
        marked: Whether it should catch the eye; the text must say why.
    """

    text: str
    number: float | None = None
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(_Cleaned):
    """A table; the first column names the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(_Cleaned):
    """Something the reader must not overlook."""

    tone: Tone
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar(_Cleaned):
    """One bar.

    Attributes:
        label: What it stands for.
        value: Its length, in the unit of the chart; negative to the left.
        text: The value in words, with its direction.
        mark: Value of a comparison mark on the same scale; None for no mark.
    """

    label: str
    value: float
    text: str
    mark: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart(_Cleaned):
    """Bars on one scale, which is set by these bars and nothing else.

    Attributes:
        title: What is shown.
        description: The same in words, for readers who do not see the chart.
        bars: The bars from top to bottom.
        below: Word for the left of zero; empty if no bar goes there.
        above: Word for the right of zero.
        mark: What the comparison mark is; empty for no marks.
    """

    title: str
    description: str
    bars: tuple[Bar, ...]
    below: str = ""
    above: str = ""
    mark: str = ""


Block: TypeAlias = Paragraph | Bullets | Facts | Reasons | Table | Notice | BarChart


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(_Cleaned):
    """A titled part of a view.

    Attributes:
        id: The section's id in the audience's declaration.
        type: Its type.
        title: Heading in the reader's language; may be empty.
        blocks: What it says.
    """

    id: str
    type: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View(_Cleaned):
    """What one audience sees of one record.

    Attributes:
        id: Record, audience and language.
        record_id: Id of the record that it was made from.
        audience: Id of the audience.
        audience_label: Name of the audience in the reader's language.
        audience_version: Version of the audience's declaration.
        language: Language of all texts.
        status: Whether it says what was asked for.
        title: Heading.
        subtitle: Line under the heading, for example date and reference.
        layout: Which page layout fits it.
        formats: Formats that the audience is served in.
        sections: The content, in order.
        tones: Words for the tones `info`, `care` and `stop`, for formats that have no colours.
        pack: The jurisdiction pack that spoke in it, with its date; empty for none.
    """

    id: str
    record_id: str
    audience: str
    audience_label: str
    audience_version: int
    language: str
    status: ViewStatus
    title: str
    subtitle: str
    layout: str
    formats: tuple[str, ...]
    sections: tuple[Section, ...]
    tones: tuple[str, str, str]
    pack: str = ""

    def tone(self, tone: Tone) -> str:
        """The word for a tone."""
        return self.tones[_TONES.index(tone)]
