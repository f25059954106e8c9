from __future__ import annotations

import sys
import unicodedata

import pytest

from xaisvc.views.cleaning import clean
from xaisvc.views.document import Bullets, Cell, Fact

HOSTILE = "\u202ea\u200b\n\x00  b\ud800\u2028"
CLEANED = "a b"


def test_a_printable_character_is_never_one_that_is_dropped_or_white_space() -> None:
    """What the quick way for ordinary texts rests on."""
    odd = [
        code
        for code in range(sys.maxunicode + 1)
        if code != ord(" ")
        and chr(code).isprintable()
        and (unicodedata.category(chr(code))[0] in "CZ" or chr(code).isspace())
    ]

    assert odd == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("48 months", "48 months"),
        (" a ", "a"),
        ("a  b", "a b"),
        ("caf\u00e9 \u00d7 \u2013", "caf\u00e9 \u00d7 \u2013"),
        ("\u20ac\u00a05", "\u20ac\u00a05"),
        ("\u00a0a\u00a0", "a"),
        ("a\u00a0 b", "a b"),
        ("a\u00a0\u00a0b", "a b"),
        ("a\u00a0b\u200bc", "a\u00a0bc"),
        ("a\u2003b", "a b"),
        (HOSTILE, CLEANED),
        ("", ""),
    ],
)
def test_a_text_is_one_line_of_characters_that_change_no_other(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_every_text_of_a_block_is_cleaned_wherever_it_stands() -> None:
    fact = Fact(label="plain", value="plain", note=HOSTILE)
    bullets = Bullets(items=("plain", HOSTILE), title="plain")

    assert (fact.label, fact.note) == ("plain", CLEANED)
    assert bullets.items == ("plain", CLEANED)
    assert Cell(text=HOSTILE, number=1.0).text == CLEANED
