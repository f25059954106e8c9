"""Parts of a page that are kept follow from a bundle and from words, and hold nothing of a record."""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_description, make_record
from tests.unit.views.overviews import make_overview, make_supplements
from xaisvc.types.overview import Profile
from xaisvc.views import build_view, render_view
from xaisvc.views.catalogue import Catalogue, Message, Slot, parse_message
from xaisvc.views.context import SectionContext, ViewContext
from xaisvc.views.document import Table
from xaisvc.views.kept import Kept, Same, SectionWords, pattern, said
from xaisvc.views.language import Language

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.types.supplements import Supplements
    from xaisvc.views import Audience

ORDINARY = make_record()
MARK = "QX7-other"
OTHER = replace(
    ORDINARY,
    id=MARK,
    created_at="2031-05-06T07:08:09+00:00",
    row={**ORDINARY.row, "credit_amount": 98765.43, "duration_months": 777.0},
)
TOLD = (MARK, "2031-05-06", "98,765.43", "777 months", "98765.43")


@pytest.fixture
def scientist(audiences: Mapping[str, Audience]) -> Audience:
    return audiences["data_scientist"]


def _page(
    audience: Audience,
    record: ExplanationRecord = ORDINARY,
    description: BundleDescription | None = None,
    beside: Supplements | None = None,
) -> str:
    view = build_view(record, description or make_description(), audience, "en", beside or make_supplements())
    return render_view(view, "html") + render_view(view, "json")


def _keepers() -> dict[int, object]:
    """The caches of the package of views, by identity."""
    return {
        id(one): one
        for name, module in list(sys.modules.items())
        if name.startswith("xaisvc.views")
        for one in vars(module).values()
        if hasattr(one, "cache_clear")
    }


def _forget() -> None:
    for one in _keepers().values():
        one.cache_clear()  # type: ignore[attr-defined]  # asked for above


def _held(caches: Mapping[int, object]) -> Iterator[object]:
    """Everything that caches lead to, but for what is of the program."""
    waiting, seen = list(caches.values()), set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (ModuleType, FunctionType, type)):
            continue
        seen.add(id(one))
        yield one
        waiting += gc.get_referents(one)


def _asking(audience: Audience) -> Audience:
    """The audience with sentences that all begin with the reference of the record."""
    ours = audience.catalogues["en"]
    asked = {
        key: tuple(Message((Slot("reference", "text"), " ", *message.parts)) for message in messages)
        for key, messages in ours.messages.items()
        if not key.startswith(("view.", "words.", "units.", "caveat"))
    }
    theirs = Catalogue(language="en", locale=ours.locale, messages={**ours.messages, **asked})
    return replace(audience, catalogues={"en": theirs})


def _words(audience: Audience, section: str, record: ExplanationRecord = ORDINARY) -> SectionWords:
    return SectionWords.of(_context(audience, section, record))


def _context(audience: Audience, section: str, record: ExplanationRecord = ORDINARY) -> SectionContext:
    language = Language(audience.catalogue("en"))
    view = ViewContext(record=record, description=make_description(), audience=audience, language=language)
    return SectionContext(view=view, spec=next(spec for spec in audience.sections if spec.id == section))


def test_no_cache_holds_a_text_or_a_value_of_a_record(scientist: Audience) -> None:
    _forget()
    page = _page(scientist, OTHER)
    assert all(words in page for words in (MARK, "98,765.43", "777 months"))

    held = list(_held(_keepers()))

    texts = [one for one in held if isinstance(one, str)]
    assert any("checking_status" in text for text in texts)  # the walk gets to what is kept
    assert not [text for text in texts if any(words in text for words in TOLD)]
    assert not {98765.43, 777.0} & {one for one in held if isinstance(one, float)}


def test_sentences_that_ask_for_something_of_the_record_are_never_kept(scientist: Audience) -> None:
    asking = _asking(scientist)
    _forget()
    expected = _page(asking, ORDINARY)
    _forget()
    other = _page(asking, OTHER)

    assert other.count(MARK) > 100
    assert MARK not in _page(asking, ORDINARY)
    assert _page(asking, ORDINARY) == expected
    kept = [one for one in _keepers().values() if isinstance(one, Kept)]
    assert len(kept) > 10
    assert [one.cache_info().currsize for one in kept] == [0] * len(kept)


def test_what_is_kept_of_one_overview_is_not_said_of_another(scientist: Audience) -> None:
    first = make_supplements()
    wide = Profile(feature="duration_months", rows=700, missing=0.5, quantiles=tuple(8.0 + i for i in range(101)))
    changed = make_overview(duration_months=wide)
    association = replace(changed.association, rows=4321, clusters=(("purpose", "telephone"),))
    second = replace(first, overview=replace(changed, rows=17, association=association))
    _forget()
    expected = _page(scientist, beside=second)
    _forget()
    ordinary = _page(scientist, beside=first)

    assert _page(scientist, beside=second) == expected != ordinary
    assert _page(scientist, beside=first) == ordinary


def test_what_is_kept_of_one_bundle_is_not_said_of_another(scientist: Audience) -> None:
    ours = make_description()
    level = {"en": {"A11": "Deep in the red", "A12": "In credit"}}
    features = tuple(
        replace(one, category_labels=level, concept="history", sensitivity=None) if one.id == "checking_status" else one
        for one in ours.features
    )
    theirs = replace(ours, features=features)
    beside = make_supplements()
    _forget()
    expected = _page(scientist, description=theirs, beside=beside)
    _forget()
    ordinary = _page(scientist, description=ours, beside=beside)

    assert "Deep in the red" in expected
    assert "Deep in the red" not in ordinary
    assert _page(scientist, description=theirs, beside=beside) == expected


def test_what_readers_may_see_is_told_anew_when_it_changes(scientist: Audience) -> None:
    beside = make_supplements()
    first = beside.readers or ()
    hidden = tuple(replace(one, actions=dict.fromkeys(one.actions, "hold")) for one in first)

    def rows(supplements: Supplements) -> tuple[object, ...]:
        view = build_view(ORDINARY, make_description(), scientist, "en", supplements)
        section = next(part for part in view.sections if part.id == "readers")
        return tuple(block.rows for block in section.blocks if isinstance(block, Table))

    before, later = rows(beside), rows(replace(beside, readers=hidden))

    assert before[0] != later[0]
    assert before[1] != later[1]
    assert rows(beside) == before


def test_a_key_stands_for_one_object_and_not_for_its_equals() -> None:
    first, second = make_description(), make_description()

    assert first == second
    assert Same(first) == Same(first)
    assert hash(Same(first)) == hash(Same(first))
    assert Same(first) != Same(second)
    assert Same(first) != first


@pytest.mark.parametrize("value", ["+0.12", "50 %", "%(value)s", " a  b ", "<b>"])
@pytest.mark.parametrize(
    "text", ["{value} raised", "100 % {value}", "{value}", "{value} of {value}", "{value:number}", "%s", "%(value)s"]
)
def test_a_pattern_says_what_the_sentence_says(scientist: Audience, text: str, value: str) -> None:
    ours = scientist.catalogues["en"]
    messages = {**ours.messages, "waterfall.raised": (parse_message(text), parse_message("{reference} {value}!"))}
    audience = replace(scientist, catalogues={"en": Catalogue("en", ours.locale, messages)})
    context, words = _context(audience, "waterfall"), _words(audience, "waterfall")
    cleaned = " ".join(value.split())

    assert pattern(words, "raised", "value") % {"value": cleaned} == context.say("raised", value=value)


def test_kept_words_are_those_of_the_section(scientist: Audience) -> None:
    context, words = _context(scientist, "importance"), _words(scientist, "importance")
    slots = {"rows": 1234, "background": 56789, "method": "tree"}

    assert words is _words(scientist, "importance", OTHER)
    assert said(words, "chart", **slots) == words.say("chart", **slots) == context.say("chart", **slots)
    assert words.sentences("shows") == context.sentences("shows")


def test_a_message_that_no_section_declares_is_a_mistake_that_is_named(scientist: Audience) -> None:
    with pytest.raises(KeyError, match="section 'importance' uses the message 'nowhere' without declaring it"):
        _words(scientist, "importance").say("nowhere")
