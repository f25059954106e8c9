from __future__ import annotations

import pytest

from xaisvc.views.catalogue import Catalogue, parse_message
from xaisvc.views.language import Language

LANGUAGE = Language(Catalogue("en", "en_GB", {}))


def test_a_message_words_each_slot_by_its_type() -> None:
    message = parse_message("{who} has {rows:integer} rows on {day:date}: {names:list}, {value:exact}")
    slots = {
        "who": "Ann",
        "rows": 1200.0,
        "day": "2026-03-03T23:30:00+00:00",
        "names": ("a", "b", "c"),
        "value": 0.123456789,
    }

    assert message.fill(slots, LANGUAGE) == "Ann has 1,200 rows on 3 March 2026: a, b and c, 0.123456789"


def test_double_braces_are_braces() -> None:
    assert parse_message("{{x}}").fill({}, LANGUAGE) == "{x}"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{a:colour}", "slot 'a' has the unknown type 'colour'; known: text, integer"),
        ("{0}", "is no slot"),
        ("{a.b}", "is no slot"),
        ("{a!r}", "is no slot"),
        ("{a", "braces do not match"),
    ],
)
def test_a_malformed_slot_is_refused(text: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        parse_message(text)


def test_find_takes_the_first_key_that_exists() -> None:
    catalogue = Catalogue("en", "en_GB", {"b": (parse_message("B"),), "c": (parse_message("C"),)})

    assert (catalogue.find("a", "b", "c") or ())[0].literal == "B"
    assert catalogue.find("a") is None
