"""What every audience keeps to, whoever it is: those that come with xaisvc, and a sixth one made of files alone."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import (
    CORRELATED,
    NUMBERS,
    UNRELIABLE,
    make_description,
    make_description_without_decision,
    make_open_description,
    make_record,
)
from tests.unit.views.every_caveat import EVERY_CAVEAT
from tests.unit.views.pages import Page
from xaisvc.types import Caveat, Gate, Severity
from xaisvc.views import FORMATS, Audience, View, ViewStatus, build_view, load_audiences, render_view
from xaisvc.views.audience import Action
from xaisvc.views.document import Bullets, Notice, Paragraph, Reasons
from xaisvc.views.loader import audiences_folder
from xaisvc.views.wording import find_banned, longest_sentence, reading_grade

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xaisvc.types import BundleDescription, ExplanationRecord

SIXTH = """
schema: xaisvc.audience/v1
id: internal_auditor
version: 1
label: {en: Internal auditor}
purpose: {en: "Judge whether a decision can be reconstructed."}
questions: [reproduce, why]
clearance: [public, customer_own, internal, confidential]
languages: [en]
formats: [html, markdown, text, json]
layout: brief
on_unreliable: no_reasons
caveats: 3
wording:
  banned: [causal]
  reading: {en: {max_sentence_words: 25, max_grade: 12}}
sections:
  - {type: text, id: opening}
  - {type: reasons, first: adverse, max_first: 6, max_second: 4, numbers: words}
  - {type: reliability}
"""
SIXTH_MESSAGES = """
messages:
  view:
    title: "Case {reference}"
    subtitle: "{bundle} {version} · {date:date}"
  opening:
    title: Purpose
    text: "This page serves to reconstruct the decision."
"""
SIXTH_CLASSES = """
  internal_auditor:
    public: show
    customer_own: show
    internal: show
    confidential: show
    protected: hide
    proxy: hide
    fraud_signal: hide
    aml: hide
    unclassified: hide
"""
NAMES = [
    "business_manager",
    "customer",
    "data_scientist",
    "fraud_analyst",
    "internal_auditor",
    "relationship_manager",
]


@pytest.fixture(scope="module")
def audiences(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Audience]:
    folder: Path = shutil.copytree(audiences_folder(), tmp_path_factory.mktemp("bank") / "audiences")
    (folder / "internal_auditor" / "messages").mkdir(parents=True)
    (folder / "internal_auditor" / "audience.yaml").write_text(SIXTH, encoding="utf-8")
    (folder / "internal_auditor" / "messages" / "en.yaml").write_text(SIXTH_MESSAGES, encoding="utf-8")
    with (folder / "classes.yaml").open("a", encoding="utf-8") as file:
        file.write(SIXTH_CLASSES)
    return load_audiences(folder)


def _cases() -> Iterator[tuple[str, BundleDescription, ExplanationRecord]]:
    full, open_, without = make_description(), make_open_description(), make_description_without_decision()
    care = Caveat(kind="input_out_of_range", severity=Severity.CARE, players=("credit_amount",))
    yield "adverse", full, make_record()
    yield "open", open_, make_record(description=open_)
    yield "favourable", full, make_record(adverse=False)
    yield "undecided", without, make_record(adverse=None)
    yield "care", open_, make_record(description=open_, caveats=(care, CORRELATED))
    yield "unreliable", full, make_record(caveats=(UNRELIABLE,))
    yield (
        "odd",
        open_,
        make_record(description=open_, row={"credit_amount": 99999.0, "existing_credits": None}, adverse=False),
    )
    yield "zero", full, make_record(values=dict.fromkeys(NUMBERS, 0.0), adverse=False)


CASES = {name: (description, record) for name, description, record in _cases()}


@pytest.fixture(params=NAMES)
def audience(request: pytest.FixtureRequest, audiences: Mapping[str, Audience]) -> Audience:
    return audiences[request.param]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[BundleDescription, ExplanationRecord]:
    return CASES[request.param]


@pytest.fixture
def view(audience: Audience, case: tuple[BundleDescription, ExplanationRecord]) -> View:
    description, record = case
    return build_view(record, description, audience)


def _texts(view: View) -> list[str]:
    """Every text of a view that came from a sentence of the catalogue: not names and values of the bundle."""
    found = [view.title]
    for section in view.sections:
        found.append(section.title)
        for block in section.blocks:
            if isinstance(block, Paragraph):
                found.append(block.text)
            elif isinstance(block, Notice):
                found += [block.title, block.text]
            elif isinstance(block, Bullets):
                found += [block.title, *block.items]
            elif isinstance(block, Reasons):
                found += [block.title, block.empty, *(reason.note for reason in block.items)]
    return [text for text in found if text]


def test_sections_are_those_of_the_declaration_in_its_order(audience: Audience, view: View) -> None:
    declared = audience.sections if view.status is ViewStatus.COMPLETE else audience.held

    assert [(spec.id, spec.builder.type) for spec in declared] == [(s.id, s.type) for s in view.sections]


def test_no_banned_term_reaches_the_reader(audience: Audience, view: View) -> None:
    for form in FORMATS:
        rendered = render_view(view, form)
        text = " ".join(Page(rendered).texts) if form == "html" else rendered

        assert find_banned(text, audience.banned["en"]) == ()


def test_no_raw_name_reaches_readers_outside_data_science(audience: Audience, view: View) -> None:
    if audience.id == "data_scientist":
        return
    for form in ("html", "markdown", "text"):
        rendered = render_view(view, form)
        text = " ".join(Page(rendered).texts) if form == "html" else rendered.replace("\\", "")

        assert not re.findall(r"\b[a-z]+_[a-z_]+\b", text)


def test_sentences_are_as_short_and_plain_as_declared(audience: Audience, view: View) -> None:
    limits = audience.reading["en"]
    text = " ".join(re.sub(r"(?<=[a-z”])$", ".", part) for part in _texts(view))

    if limits.max_sentence_words:
        assert longest_sentence(text) <= limits.max_sentence_words
    if limits.max_grade:
        assert reading_grade(text) <= limits.max_grade


@pytest.mark.parametrize("which", EVERY_CAVEAT)
def test_a_page_with_any_caveat_is_plain_and_says_nothing_banned(audience: Audience, which: str) -> None:
    description = make_open_description()
    page = build_view(make_record(description=description, caveats=(EVERY_CAVEAT[which],)), description, audience)
    limits = audience.reading["en"]
    text = " ".join(re.sub(r"(?<=[a-z”])$", ".", part) for part in _texts(page))

    assert longest_sentence(text) <= (limits.max_sentence_words or 999)
    assert reading_grade(text) <= (limits.max_grade or 99)
    assert find_banned(render_view(page, "text"), audience.banned["en"]) == ()
    assert not re.findall(r"\b[a-z]+_[a-z_]+\b", "" if audience.id == "data_scientist" else render_view(page, "text"))


def test_an_audience_keeps_to_every_gate_unless_it_says_otherwise(audiences: Mapping[str, Audience]) -> None:
    kept = {name: audience.gates for name, audience in audiences.items()}

    assert kept["internal_auditor"] == kept["customer"] == kept["relationship_manager"] == frozenset(Gate)
    assert kept["data_scientist"] == frozenset()


def test_nothing_withheld_is_in_any_format(
    audience: Audience, case: tuple[BundleDescription, ExplanationRecord], view: View
) -> None:
    description, _ = case
    for feature in description.features:
        if audience.action(feature) is Action.SHOW:
            continue
        for form in FORMATS:
            rendered = render_view(view, form)

            assert feature.id not in rendered
            assert not re.search(rf"\b{re.escape(feature.label('en'))}\b", rendered)


def test_order_and_direction_never_contradict_between_audiences(
    audiences: Mapping[str, Audience], case: tuple[BundleDescription, ExplanationRecord]
) -> None:
    description, record = case
    order: dict[str, list[tuple[str, str]]] = {}
    for name, audience in audiences.items():
        view = build_view(record, description, audience)
        lists = [b for s in view.sections for b in s.blocks if isinstance(b, Reasons)]
        order[name] = [(reason.label, block.side) for block in lists for reason in block.items]
    for one in order.values():
        for other in order.values():
            assert not {(label, "for") for label, side in one if side == "against"} & set(other)
            for side in ("for", "against"):
                mine = [label for label, s in one if s == side]
                theirs = [label for label, s in other if s == side]

                assert [x for x in mine if x in theirs] == [x for x in theirs if x in mine]


def test_opposing_evidence_is_never_an_empty_list(view: View) -> None:
    for section in view.sections:
        for block in section.blocks:
            if isinstance(block, Reasons):
                assert block.items or block.empty


def test_pages_are_well_formed(view: View) -> None:
    page = Page(render_view(view, "html"))

    assert page.problems == []
    assert page.tags("html")[0][1]["lang"] == "en"


def test_rendering_twice_gives_the_same_bytes(
    audience: Audience, case: tuple[BundleDescription, ExplanationRecord], view: View
) -> None:
    description, record = case
    again = build_view(record, description, audience)
    for form in FORMATS:
        assert render_view(view, form) == render_view(again, form)


def _numerals(text: str) -> set[str]:
    """The numerals of a text, without the numbers that lists put before their items."""
    return set(re.findall(r"\d[\d,.]*\d|\d", re.sub(r"(?m)^ *\d+\. ", "", text)))


def test_every_number_that_a_customer_reads_is_in_the_record(audiences: Mapping[str, Audience]) -> None:
    description, record = CASES["open"]
    before = build_view(record, description, audiences["customer"])
    changed = replace(
        record,
        id="rec-9999",
        created_at="2031-11-28T00:00:00+00:00",
        row={
            **record.row,
            "duration_months": 61.0,
            "credit_amount": 7083.0,
            "customer_since": 17330.0,
            "existing_credits": 4.0,
        },
    )
    after = build_view(changed, description, audiences["customer"])

    assert {"48", "5,951", "2", "3", "2026", "1", "2004", "7"} == _numerals(render_view(before, "text"))
    assert {"61", "7,083", "4", "28", "2031", "13", "2017", "9999"} == _numerals(render_view(after, "text"))


def test_sentences_hold_no_numbers_of_their_own(audience: Audience) -> None:
    for catalogue in audience.catalogues.values():
        for key, messages in catalogue.messages.items():
            for message in messages:
                assert not re.search(r"(?<![\w-])\d", message.literal), key


def test_every_language_says_the_same_things(audience: Audience) -> None:
    keys = {language: set(catalogue.messages) for language, catalogue in audience.catalogues.items()}
    for catalogue in audience.catalogues.values():
        assert keys["en"] == set(catalogue.messages)


def test_every_shared_sentence_is_used_by_somebody(audiences: Mapping[str, Audience]) -> None:
    """A sentence that nobody reads is a mistake waiting to be copied."""
    used = {"words", "units", "caveat", "view", "no_reasons"}
    for audience in audiences.values():
        for spec in (*audience.sections, *audience.held, *audience.closed):
            for key in spec.builder.messages:
                for place in (f"{spec.id}.{key}", f"{spec.builder.type}.{key}", key):
                    if place in audience.catalogues["en"].messages:
                        used.add(place)
                        break
    shared = load_audiences()["data_scientist"].catalogues["en"].messages
    own = {"prediction", "caveats", "attributions", "checks", "method_limits", "reproduction"}

    assert [key for key in shared if key not in used and key.split(".")[0] not in used | own] == []
