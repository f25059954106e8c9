"""The table of a view that is meant for other programs, as comma-separated values (RFC 4180)."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError
from xaisvc.views.document import Table

if TYPE_CHECKING:
    from xaisvc.views.document import Cell, View

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(view: View) -> str:
    """The exported table: numbers in full, a point as separator; texts as they are read.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.

    Raises:
        InvalidRequestError: If no section of the view has a table for it.
    """
    found = next(
        (block for part in view.sections for block in part.blocks if isinstance(block, Table) and block.exported), None
    )
    if found is None:
        raise InvalidRequestError.of(
            "format", "this view has no table that 'csv' could hold; ask for another format", "NOT_SERVED"
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_safe(column.label) for column in found.columns])
    writer.writerows([_value(cell) for cell in row] for row in found.rows)
    return text.getvalue()


def _value(cell: Cell) -> str:
    return repr(cell.number) if cell.number is not None else _safe(cell.text)


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
