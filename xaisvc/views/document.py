"""The view as a value: typed blocks of plain text, before any format. Whatever is not in here, no renderer can show.

Every text of every block is cleaned when the block is built: no control, zero-width or direction-changing characters,
no line breaks. Escaping belongs to the renderers, because each format has its own dangerous characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from xaisvc.views.cells import Cell
from xaisvc.views.cleaning import Cleaned, clean
from xaisvc.views.figures import (
    Bar,
    BarChart,
    Beeswarm,
    Cloud,
    Grid,
    HeatMap,
    Plot,
    Plots,
    Span,
    Swarm,
    Waterfall,
)

__all__ = [
    "Bar",
    "BarChart",
    "Beeswarm",
    "Block",
    "Bullets",
    "Cell",
    "Cloud",
    "Column",
    "Fact",
    "Facts",
    "Grid",
    "HeatMap",
    "Link",
    "Notice",
    "Paragraph",
    "Plot",
    "Plots",
    "Reason",
    "Reasons",
    "Section",
    "Side",
    "Span",
    "Swarm",
    "Table",
    "Tone",
    "View",
    "ViewStatus",
    "Waterfall",
    "clean",
]


class ViewStatus(StrEnum):
    """Whether a view says what its audience asked for.

    `held_for_review`: a person must look first, because a reason that must be given must not be shown, or because the
    explanation cannot be relied on. `not_available`: this audience gets no view of any case of this bundle.
    `judgement_first`: the facts alone, until the reader's own first judgement is stored.
    """

    COMPLETE = "complete"
    HELD_FOR_REVIEW = "held_for_review"
    NOT_AVAILABLE = "not_available"
    JUDGEMENT_FIRST = "judgement_first"


Tone: TypeAlias = Literal["info", "care", "stop"]
_TONES: tuple[Tone, ...] = ("info", "care", "stop")
Side: TypeAlias = Literal["for", "against", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph(Cleaned):
    """A paragraph.

    `lead` is the sentence to read if only one is read, `fine` is the small print, `mandated` are words of the law.
    """

    text: str
    role: Literal["lead", "text", "fine", "mandated"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets(Cleaned):
    """Sentences one under the other; `ordered` where the order is that of doing them."""

    items: tuple[str, ...]
    title: str = ""
    ordered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Cleaned):
    """One named value in words.

    Attributes:
        label: What it is.
        value: The value in words.
        note: What is remarkable about it; empty for nothing.
        anchor: Where links on the same page can lead to it; empty for nowhere.
        source: Where the value is from and of what day, in words; empty if not known, or said by the list's title.
        as_of: That day as ISO 8601, for programs; empty if it is not known.
    """

    label: str
    value: str
    note: str = ""
    anchor: str = ""
    source: str = ""
    as_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Cleaned):
    """Named values, one to a line.

    Attributes:
        rows: The values.
        title: Heading of the list; may be empty.
        code: Whether they are digests and the like, which are read letter by letter.
        quiet: Whether they are there to be looked up, and not to catch the eye.
        anchor: Where links on the same page can lead to the list; empty for nowhere.
    """

    rows: tuple[Fact, ...]
    title: str = ""
    code: bool = False
    quiet: bool = False
    anchor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Cleaned):
    """A way to another part of the same page.

    Attributes:
        text: What is read; it says where it leads to, for formats that have no links.
        anchor: The anchor that it leads to.
    """

    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(Cleaned):
    """One reason.

    Attributes:
        label: What it is about.
        direction: Which way it counted, in words.
        facts: The facts behind it.
        note: For example that several facts are shown as one.
        links: Where on the page its facts stand.
    """

    label: str
    direction: str
    facts: tuple[Fact, ...] = ()
    note: str = ""
    links: tuple[Link, ...] = ()

    @property
    def own_value(self) -> str:
        """The value, if the only fact behind the reason has the reason's own name; else empty."""
        return self.facts[0].value if len(self.facts) == 1 and self.facts[0].label == self.label else ""

    @property
    def own_source(self) -> str:
        """Where that value is from; empty without one, or if it is not known."""
        return self.facts[0].source if self.own_value else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons(Cleaned):
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
class Column(Cleaned):
    """A column of a table; numeric columns are aligned to the right."""

    label: str
    numeric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Cleaned):
    """A table; the first column names the row.

    Attributes:
        caption: What it shows.
        columns: Its columns.
        rows: A cell for each column.
        exported: Whether it is what the format `csv` holds of the view.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    exported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Cleaned):
    """Something the reader must not overlook."""

    tone: Tone
    title: str
    text: str = ""


Block: TypeAlias = (
    Paragraph | Bullets | Facts | Reasons | Table | Notice | BarChart | Waterfall | Beeswarm | Plots | HeatMap
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(Cleaned):
    """A titled part of a view.

    Attributes:
        id: The section's id in the audience's declaration.
        type: Its type.
        title: Heading in the reader's language; may be empty.
        blocks: What it says.
        rule: Name of the rule by which it chose what to say; empty if it chose nothing.
    """

    id: str
    type: str
    title: str
    blocks: tuple[Block, ...]
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View(Cleaned):
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
        compared_with: Who the background rows are a sample of; empty if the bundle does not say.
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
    compared_with: str = ""

    def tone(self, tone: Tone) -> str:
        """The word for a tone."""
        return self.tones[_TONES.index(tone)]
