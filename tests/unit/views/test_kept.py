"""What is kept between views follows from audiences and bundles alone: no view can tell what was made before it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.unit.views.cases import make_description, make_record
from tests.unit.views.overviews import make_supplements
from xaisvc.views import build_view, load_audiences, render_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xaisvc.types import ExplanationRecord
    from xaisvc.views import Audience

ORDINARY = make_record()
MARK = "QX7-"
OTHER = replace(
    ORDINARY,
    id=f"{MARK}other",
    created_at="2031-05-06T07:08:09+00:00",
    row={**ORDINARY.row, "credit_amount": 98765.43, "duration_months": 777.0},
)
"""A record of another case, whose id, date and numbers stand in no other."""

TOLD = (MARK, "2031", "98,765", "98.765", "777")


def _keepers() -> Iterator[object]:
    """The caches of the package of views."""
    for name, module in list(sys.modules.items()):
        if name.startswith("xaisvc.views"):
            yield from (one for one in vars(module).values() if hasattr(one, "cache_clear"))


def _forget() -> None:
    for keeper in _keepers():
        keeper.cache_clear()  # type: ignore[attr-defined]  # asked for above


def _pages(known: Mapping[str, Audience], record: ExplanationRecord) -> dict[tuple[str, str, str], str]:
    return {
        (audience.id, language, form): render_view(
            build_view(record, make_description(), audience, language, make_supplements()), form
        )
        for audience in known.values()
        for language in audience.languages
        for form in ("html", "json", "text")
    }


def test_a_view_is_the_same_whatever_was_made_before_it(audiences: Mapping[str, Audience]) -> None:
    expected = {}
    for name, audience in audiences.items():
        for language in audience.languages:
            _forget()
            alone = {name: replace(audience, catalogues={language: audience.catalogues[language]})}
            expected |= _pages(alone, ORDINARY)

    _pages(audiences, OTHER)
    later = _pages(audiences, ORDINARY)

    assert later == expected


def test_nothing_of_another_case_is_read_in_a_later_view(audiences: Mapping[str, Audience]) -> None:
    first = _pages(audiences, OTHER)
    assert all(any(words in page for page in first.values()) for words in (MARK, "2031", "777"))

    later = _pages(audiences, ORDINARY)

    assert not [key for key, page in later.items() if any(words in page for words in TOLD)]


def test_two_sets_of_words_are_kept_apart_even_where_every_key_is_the_same(folder: Path) -> None:
    ours = load_audiences()
    file = folder / "customer" / "messages" / "en.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("How we used a computer", "A heading of our own"), encoding="utf-8")
    theirs = load_audiences(folder)
    key = "customer", "en", "html"

    assert "A heading of our own" not in _pages(ours, ORDINARY)[key]
    assert "A heading of our own" in _pages(theirs, ORDINARY)[key]
    assert "A heading of our own" not in _pages(ours, ORDINARY)[key]


def test_every_cache_is_bounded_or_holds_classes_only() -> None:
    unbounded = {
        keeper.__name__  # type: ignore[attr-defined]  # a function
        for keeper in _keepers()
        if keeper.cache_parameters()["maxsize"] is None  # type: ignore[attr-defined]  # as above
    }

    assert unbounded <= {"_names", "_reader"}
