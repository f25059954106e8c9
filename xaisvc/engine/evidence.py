"""Which rows a model cannot answer: looked for only when it has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.errors import ModelOutputError

if TYPE_CHECKING:
    from xaisvc.types import ModelFunction, Table

MOST_NAMED = 3


def rows_at_fault(model: ModelFunction, rows: Table, *, most: int = MOST_NAMED) -> list[int]:
    """Indices of the first rows that the model cannot answer, at most `most`, found by halving."""
    found: list[int] = []
    waiting = [(0, len(rows))]
    while waiting and len(found) < most:
        start, stop = waiting.pop()
        try:
            model(rows.take(slice(start, stop)))
        except ModelOutputError:
            if stop - start == 1:
                found.append(start)
                continue
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
    return found


def fault_text(model: ModelFunction, rows: Table, *, offset: int = 0) -> str:
    """What the failure of a call comes from, one clause for the error's text.

    Args:
        model: The model that failed.
        rows: The rows being explained.
        offset: Place of the first of them among the caller's rows.
    """
    found = rows_at_fault(model, rows)
    if not found:
        return "every row alone is answered; what is not are rows that mix it with background rows"
    return f"seen at {', '.join(f'rows[{offset + i}]' for i in found)}" + (
        " and perhaps others" if len(found) == MOST_NAMED else ""
    )
