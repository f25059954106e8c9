"""The cells of tables. A page for data scientists has a thousand of them, so they are made without detours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xaisvc.views.cleaning import clean

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class Cell:
    """One cell. Its text is cleaned as all texts are.

    Attributes:
        text: What is read.
        number: The exact number behind it, for audiences that may have it.
        marked: Whether it should catch the eye; the text must say why.
    """

    text: str
    number: float | None = None
    marked: bool = False

    def __init__(self, *, text: str, number: float | None = None, marked: bool = False) -> None:
        _set_text(self, clean(text))
        _set_number(self, number)
        _set_marked(self, marked)


# The slots themselves: setting them takes a third of the time that `object.__setattr__` takes.
_set_text, _set_number, _set_marked = (Cell.__dict__[name].__set__ for name in ("text", "number", "marked"))

_SIGNED: Final[Mapping[int, str]] = {digits: f"%+.{digits}g" for digits in range(1, 13)}
_PLAIN: Final[Mapping[int, str]] = {digits: f"%.{digits}g" for digits in range(1, 13)}
_SHARES: Final[Mapping[int, str]] = {digits: f"%.{digits}f%%" for digits in range(3)}


def signed_number(value: float, digits: int = 4) -> str:
    """A number with its sign and at most 12 significant digits, a point as separator; `0` for zero."""
    return _SIGNED[digits] % value if value else "0"


def signed_cell(value: float, digits: int = 4) -> Cell:
    """The cell of a number as `signed_number` writes it."""
    return _written(_SIGNED[digits] % value if value else "0", value)


def number_cell(value: float | None, digits: int) -> Cell:
    """The cell of a number with at most 12 significant digits; an empty one for None."""
    return EMPTY if value is None else _written(_PLAIN[digits] % value, value)


def share_cell(value: float | None, digits: int = 0) -> Cell:
    """The cell of a share as percent, with at most two decimals; an empty one for None."""
    return EMPTY if value is None else _written(_SHARES[digits] % (100 * value), value)


def ratio_cell(value: float | None) -> Cell:
    """The cell of a number that is only read, with one decimal; an empty one for None."""
    return EMPTY if value is None else _written(f"{value:.1f}", None)


def _written(text: str, number: float | None) -> Cell:
    """A cell whose text has just been written from a number: there is nothing in it to clean."""
    cell: Cell = _new(Cell)
    _set_text(cell, text)
    _set_number(cell, number)
    _set_marked(cell, False)  # noqa: FBT003 - the value of a slot
    return cell


_new = object.__new__

EMPTY: Final = Cell(text="")
"""The cell that says nothing."""
