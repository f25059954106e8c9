"""Cells that are written from numbers say what the same cell says with its text written out."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pytest

from xaisvc.views.cells import EMPTY, Cell, number_cell, ratio_cell, share_cell, signed_cell, signed_number

NUMBERS = (0.0, -0.0, 0.1234567, -0.00001234, 5, -123456.789, 1e300, -1e-300, math.inf, -math.inf, math.nan, 1 / 3)


def _slow(text: str, number: float | None) -> Cell:
    return Cell(text=text, number=number)


def _same(found: Cell, expected: Cell) -> bool:
    """As equality, but for what is no number, which equals nothing."""
    return repr(found) == repr(expected)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("digits", [1, 2, 4, 6, 12])
def test_a_number_is_written_as_python_formats_it(number: float, digits: int) -> None:
    signed = f"{number:+.{digits}g}" if number else "0"

    assert signed_number(number, digits) == signed
    assert _same(signed_cell(number, digits), _slow(signed, number))
    assert _same(number_cell(number, digits), _slow(f"{number:.{digits}g}", number))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999, 1.0, 1 / 3])
def test_a_share_is_percent_and_a_ratio_is_only_read(share: float) -> None:
    assert _same(share_cell(share), _slow(f"{100 * share:.0f}%", share))
    assert _same(share_cell(share, 1), _slow(f"{100 * share:.1f}%", share))
    assert _same(ratio_cell(share), _slow(f"{share:.1f}", None))


def test_nothing_known_is_an_empty_cell() -> None:
    assert number_cell(None, 4) == share_cell(None) == ratio_cell(None) == EMPTY == Cell(text="")


def test_a_cell_that_was_written_from_a_number_is_as_frozen_as_any() -> None:
    with pytest.raises(FrozenInstanceError):
        signed_cell(1.0).text = "other"  # type: ignore[misc]  # frozen, which is what is tested
