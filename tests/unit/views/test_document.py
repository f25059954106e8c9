from __future__ import annotations

import pytest

from xaisvc.views.document import Bullets, Fact, Paragraph, Reason, clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("safe\u202eevil", "safeevil"),
        ("zero\u200bwidth\u200d\ufeff", "zerowidth"),
        ("\u2066isolated\u2069", "isolated"),
        ("bell\x07 and escape\x1b[31m", "bell and escape[31m"),
        ("  many   spaces  ", "many spaces"),
        ("line\u2028separator", "line separator"),
        ("caf\u00e9 \u20ac 5", "caf\u00e9 \u20ac 5"),
        ("\u20ac\u00a01.234,50", "\u20ac\u00a01.234,50"),
        ("\u00a0padded \u00a0\u00a0 text\u00a0", "padded text"),
    ],
)
def test_clean_drops_what_changes_how_other_text_is_read(text: str, expected: str) -> None:
    assert expected == clean(text)


def test_every_text_of_a_block_is_cleaned_when_it_is_built() -> None:
    assert Paragraph(text="a\u202eb").text == "ab"
    assert Bullets(items=("a\u200bb", "c\nd")).items == ("ab", "c d")
    assert Fact(label="x", value="a\x00b").value == "ab"


def test_a_reason_has_an_own_value_only_if_its_one_fact_has_its_name() -> None:
    assert Reason(label="Housing", direction="", facts=(Fact(label="Housing", value="Rents"),)).own_value == "Rents"
    assert not Reason(label="Home", direction="", facts=(Fact(label="Housing", value="Rents"),)).own_value
    assert not Reason(label="Housing", direction="").own_value
