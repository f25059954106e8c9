"""A table as HTML. In code instead of a template: pages for data scientists have a thousand cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from xaisvc.views.document import Cell, Table


def table(block: Table) -> Markup:
    """Draws a table that can be scrolled by itself; its first column names the row."""
    caption = escape(block.caption)
    heads = "".join(
        f'<th scope="col"{_class("numeric" if column.numeric else "")}>{escape(column.label)}</th>'
        for column in block.columns
    )
    starts = [
        (
            f'<td data-label="{escape(column.label)}"{_class("numeric" if column.numeric else "")}>',
            f'<td data-label="{escape(column.label)}"{_class("numeric" if column.numeric else "marked")}>',
        )
        for column in block.columns[1:]
    ]
    rows = "\n".join(_row(row, starts) for row in block.rows)
    return Markup(  # noqa: S704 - every text is escaped
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">\n<table>\n'
        f"<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _row(row: tuple[Cell, ...], starts: list[tuple[str, str]]) -> str:
    cells = "".join(
        f"{start[cell.marked]}{escape(cell.text)}</td>" for cell, start in zip(row[1:], starts, strict=True)
    )
    return f'<tr><th scope="row">{escape(row[0].text)}</th>{cells}</tr>'
