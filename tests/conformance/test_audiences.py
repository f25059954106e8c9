"""What every audience keeps to, whoever it is: those that come with xaisvc, and a sixth one made of files alone."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import date
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
from xaisvc.views.document import Reasons
from xaisvc.views.lint import GoldenCase, lint_audiences
from xaisvc.views.loader import audiences_folder
from xaisvc.views.reading import measure_reading
from xaisvc.views.wording import find_banned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xaisvc.types import BundleDescription, ExplanationRecord

SIXTH = """
schema: xaisvc.audience/v1
id: internal_auditor
version: 1
label: {en: Internal auditor, nl: Interne auditor}
purpose: {en: "Judge whether a decision can be reconstructed.", nl: "Beoordelen of een besluit is na te gaan."}
questions: [reproduce, why]
clearance: [public, customer_own, internal, confidential]
languages: [en, nl]
formats: [html, markdown, text, json]
layout: brief
on_unreliable: no_reasons
caveats: 3
wording:
  banned: [causal]
  reading: {en: {max_sentence_words: 25, max_grade: 12}, nl: {max_sentence_words: 25, min_ease: 45}}
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
SIXTH_MESSAGES_NL = """
messages:
  view:
    title: "Dossier {reference}"
    subtitle: "{bundle} {version} · {date:date}"
  opening:
    title: Doel
    text: "Deze pagina dient om het besluit na te gaan."
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
CHILD = """
schema: xaisvc.audience/v1
id: call_centre
extends: relationship_manager
version: 1
label: {en: Call centre, nl: Klantenservice}
purpose: {en: "Answer a client who calls.", nl: "Een klant die belt antwoord geven."}
clearance: [public, customer_own]
"""
CHILD_CLASSES = """
  call_centre:
    public: show
    customer_own: show
    internal: hide
    confidential: hide
    protected: hide
    proxy: hide
    fraud_signal: hide
    aml: closed
    unclassified: hide
"""
LANGUAGES = ["en", "nl"]
NAMES = [
    "business_manager",
    "call_centre",
    "customer",
    "data_scientist",
    "fraud_analyst",
    "internal_auditor",
    "relationship_manager",
]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank's folder: the five audiences, a sixth made of files alone, and one that extends another."""
    folder: Path = shutil.copytree(audiences_folder(), tmp_path_factory.mktemp("bank") / "audiences")
    (folder / "internal_auditor" / "messages").mkdir(parents=True)
    (folder / "internal_auditor" / "audience.yaml").write_text(SIXTH, encoding="utf-8")
    (folder / "internal_auditor" / "messages" / "en.yaml").write_text(SIXTH_MESSAGES, encoding="utf-8")
    (folder / "internal_auditor" / "messages" / "nl.yaml").write_text(SIXTH_MESSAGES_NL, encoding="utf-8")
    (folder / "call_centre").mkdir()
    (folder / "call_centre" / "audience.yaml").write_text(CHILD, encoding="utf-8")
    with (folder / "classes.yaml").open("a", encoding="utf-8") as file:
        file.write(SIXTH_CLASSES + CHILD_CLASSES)
    return folder


@pytest.fixture(scope="module")
def audiences(bank: Path) -> Mapping[str, Audience]:
    return load_audiences(bank)


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


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def view(audience: Audience, case: tuple[BundleDescription, ExplanationRecord], language: str) -> View:
    description, record = case
    return build_view(record, description, audience, language)


def test_sections_are_those_of_the_declaration_in_its_order(audience: Audience, view: View) -> None:
    declared = audience.sections if view.status is ViewStatus.COMPLETE else audience.held

    assert [(spec.id, spec.builder.type) for spec in declared] == [(s.id, s.type) for s in view.sections]


def test_no_banned_term_reaches_the_reader(audience: Audience, view: View) -> None:
    for form in FORMATS:
        rendered = render_view(view, form)
        text = " ".join(Page(rendered).texts) if form == "html" else rendered

        assert find_banned(text, audience.banned[view.language]) == ()


def test_no_raw_name_reaches_readers_outside_data_science(audience: Audience, view: View) -> None:
    if audience.id == "data_scientist":
        return
    for form in ("html", "markdown", "text"):
        rendered = render_view(view, form)
        text = " ".join(Page(rendered).texts) if form == "html" else rendered.replace("\\", "")

        assert not re.findall(r"\b[a-z]+_[a-z_]+\b", text)


def test_sentences_are_as_short_and_plain_as_declared(audience: Audience, view: View) -> None:
    assert measure_reading(view, audience.reading[view.language]).excess == ()


@pytest.mark.parametrize("which", EVERY_CAVEAT)
def test_a_page_with_any_caveat_is_plain_and_says_nothing_banned(audience: Audience, which: str, language: str) -> None:
    description = make_open_description()
    record = make_record(description=description, caveats=(EVERY_CAVEAT[which],))
    page = build_view(record, description, audience, language)
    text = render_view(page, "text")

    assert measure_reading(page, audience.reading[language]).excess == ()
    assert find_banned(text, audience.banned[language]) == ()
    assert not re.findall(r"\b[a-z]+_[a-z_]+\b", "" if audience.id == "data_scientist" else text)


def test_an_audience_keeps_to_every_gate_unless_it_says_otherwise(audiences: Mapping[str, Audience]) -> None:
    kept = {name: audience.gates for name, audience in audiences.items()}

    assert (
        kept["call_centre"]
        == kept["internal_auditor"]
        == kept["customer"]
        == kept["relationship_manager"]
        == frozenset(Gate)
    )
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
    audiences: Mapping[str, Audience], case: tuple[BundleDescription, ExplanationRecord], language: str
) -> None:
    description, record = case
    order: dict[str, list[tuple[str, str]]] = {}
    for name, audience in audiences.items():
        view = build_view(record, description, audience, language)
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
    assert page.tags("html")[0][1]["lang"] == view.language


def test_rendering_twice_gives_the_same_bytes(
    audience: Audience, case: tuple[BundleDescription, ExplanationRecord], view: View
) -> None:
    description, record = case
    again = build_view(record, description, audience, view.language)
    for form in FORMATS:
        assert render_view(view, form) == render_view(again, form)


def _numerals(text: str) -> set[str]:
    """The numerals of a text, without the numbers that lists put before their items."""
    return set(re.findall(r"\d[\d,.]*\d|\d", re.sub(r"(?m)^ *\d+\. ", "", text)))


@pytest.mark.parametrize(("language", "amounts"), [("en", ("5,951", "7,083")), ("nl", ("5.951", "7.083"))])
def test_every_number_that_a_customer_reads_is_in_the_record(
    audiences: Mapping[str, Audience], language: str, amounts: tuple[str, str]
) -> None:
    description, record = CASES["open"]
    before = build_view(record, description, audiences["customer"], language)
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
    after = build_view(changed, description, audiences["customer"], language)

    assert {"48", amounts[0], "2", "3", "2026", "1", "2004", "7"} == _numerals(render_view(before, "text"))
    assert {"61", amounts[1], "4", "28", "2031", "13", "2017", "9999"} == _numerals(render_view(after, "text"))


def test_sentences_hold_no_numbers_of_their_own(audience: Audience) -> None:
    for catalogue in audience.catalogues.values():
        for key, messages in catalogue.messages.items():
            for message in messages:
                assert not re.search(r"(?<![\w-])\d", message.literal), key


def test_every_language_says_the_same_things(audience: Audience) -> None:
    keys = {language: set(catalogue.messages) for language, catalogue in audience.catalogues.items()}
    for catalogue in audience.catalogues.values():
        assert keys["en"] == set(catalogue.messages)


def test_lint_finds_nothing_to_put_right(bank: Path) -> None:
    """The fixture's bundle has English names only, so that is what lint has to say of it, and nothing else."""
    open_ = make_open_description()
    given = [
        GoldenCase(name=name, record=record, description=description)
        for name, (description, record) in CASES.items()
        if description == open_ or name == "undecided"
    ]
    report = lint_audiences(bank, given, today=date(2026, 11, 22))

    assert list(report.audiences) == NAMES
    assert [f.what for f in report.findings if "has no label in 'nl'" not in f.what] == []
    assert {summary.language for summary in report.readings} == set(LANGUAGES)
    assert len(report.mandated) == 4
