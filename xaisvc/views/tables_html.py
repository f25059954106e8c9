"""A table as HTML. In code instead of a template: pages for data scientists have a thousand cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from markupsafe import Markup

from xaisvc.views.escaping import all_escaped, escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.views.cells import Cell
    from xaisvc.views.document import Column, Table

_text, _marked = attrgetter("text"), attrgetter("marked")


def table(block: Table) -> Markup:
    """Draws a table that can be scrolled by itself; its first column names the row.

    Raises:
        ValueError: If a line has not one cell for each column.
    """
    caption = escaped(block.caption)
    frame = _frame(block.columns)
    rows = _rows(block.rows, frame)
    return Markup(  # noqa: S704 - every text is escaped
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">\n<table>\n'
        f"<caption>{caption}</caption>\n<thead><tr>{frame.heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """What columns write around the texts of a table.

    Attributes:
        heads: The heads.
        starts: For each column but the first, what stands before a cell that is not marked, and before one that is.
    """

    heads: str
    starts: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1024)
def _frame(columns: tuple[Column, ...]) -> _Frame:
    """One object for equal columns. Kept: columns are those of a section, whatever the case."""
    labels = all_escaped([column.label for column in columns])
    kinds = ["numeric" if column.numeric else "" for column in columns]
    heads = [f'<th scope="col"{_class(kind)}>{label}</th>' for kind, label in zip(kinds, labels, strict=True)]
    starts = [
        (f'<td data-label="{label}"{_class(kind)}>', f'<td data-label="{label}"{_class(kind or "marked")}>')
        for kind, label in zip(kinds[1:], labels[1:], strict=True)
    ]
    return _Frame("".join(heads), tuple(starts))


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _rows(rows: Sequence[Sequence[Cell]], frame: _Frame) -> str:
    """The lines of the table. All its texts are escaped in one go, and set into forms that many lines share."""
    width = len(frame.starts) + 1
    for row in rows:
        if len(row) != width:
            msg = f"a line of a table has {len(row)} cells, but there are {width} columns; give each column a cell"
            raise ValueError(msg)
    cells = list(chain.from_iterable(rows))
    texts, marks = all_escaped(list(map(_text, cells))), list(map(_marked, cells))
    if True in marks:
        forms = [_form(frame, tuple(marks[at : at + width])) for at in range(0, len(cells), width)]
    else:
        forms = [_form(frame, (False,) * width)] * len(rows)
    return "\n".join(forms) % tuple(texts)


@lru_cache(maxsize=1024)
def _form(frame: _Frame, marks: tuple[bool, ...]) -> str:
    """A line with `%s` for each text."""
    starts = [start[marked].replace("%", "%%") for start, marked in zip(frame.starts, marks[1:], strict=True)]
    return f'<tr><th scope="row">%s</th>{"".join([f"{start}%s</td>" for start in starts])}</tr>'
