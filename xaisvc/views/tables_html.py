"""A table as HTML. In code instead of a template: pages for data scientists have a thousand cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from xaisvc.views.escaping import all_escaped, escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.views.document import Table


def table(block: Table) -> Markup:
    """Draws a table that can be scrolled by itself; its first column names the row."""
    caption = escaped(block.caption)
    labels = all_escaped([column.label for column in block.columns])
    heads = "".join(
        [
            f'<th scope="col"{_class("numeric" if column.numeric else "")}>{label}</th>'
            for column, label in zip(block.columns, labels, strict=True)
        ]
    )
    # What stands before a cell that is not marked, and before one that is.
    starts = [
        (
            f'<td data-label="{label}"{_class("numeric" if column.numeric else "")}>',
            f'<td data-label="{label}"{_class("numeric" if column.numeric else "marked")}>',
        )
        for column, label in zip(block.columns[1:], labels[1:], strict=True)
    ]
    rows = "\n".join(_rows(block, starts))
    return Markup(  # noqa: S704 - every text is escaped
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">\n<table>\n'
        f"<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _rows(block: Table, starts: Sequence[tuple[str, str]]) -> list[str]:
    """The lines of the table. All its texts are escaped in one go, and most lines are marked in the same places."""
    texts = all_escaped([cell.text for row in block.rows for cell in row])
    forms: dict[tuple[bool, ...], str] = {}
    found, at, width = [], 0, len(starts) + 1
    for row in block.rows:
        marks = tuple([cell.marked for cell in row])
        form = forms.get(marks)
        if form is None:
            form = forms[marks] = _form(marks, starts)
        found.append(form % tuple(texts[at : at + width]))
        at += width
    return found


def _form(marks: tuple[bool, ...], starts: Sequence[tuple[str, str]]) -> str:
    """A line with `%s` for each text."""
    starting = [start[marked].replace("%", "%%") for start, marked in zip(starts, marks[1:], strict=True)]
    return f'<tr><th scope="row">%s</th>{"".join([f"{start}%s</td>" for start in starting])}</tr>'
