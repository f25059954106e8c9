"""Lint finds what it is there to find: each test plants one defect in a folder that has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_open_description, make_record
from xaisvc.types import Sensitivity
from xaisvc.views.lint import Finding, GoldenCase, lint_audiences, told_once
from xaisvc.views.lint_cases import golden_cases
from xaisvc.views.lint_catalogues import lint_labels, lint_languages, lint_lexicons, lint_shared
from xaisvc.views.loader import audiences_folder, load_audiences

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.types import BundleDescription

TODAY = date(2026, 11, 22)
LANGUAGES = ("en", "nl")


def _named() -> BundleDescription:
    """The fixture's bundle with a name in every language, the same one."""
    found = make_open_description()
    features = tuple(
        replace(
            f,
            labels=dict.fromkeys(LANGUAGES, f.labels["en"]),
            category_labels={language: f.category_labels.get("en", {}) for language in LANGUAGES},
        )
        for f in found.features
    )
    outputs = tuple(
        replace(
            o,
            labels=dict.fromkeys(LANGUAGES, "Risk"),
            bands=tuple(replace(b, labels=dict.fromkeys(LANGUAGES, b.labels["en"])) for b in o.bands),
        )
        for o in found.outputs
    )
    concepts = tuple(replace(c, labels=dict.fromkeys(LANGUAGES, c.labels["en"])) for c in found.concepts)
    return replace(found, features=features, outputs=outputs, concepts=concepts)


NAMED = _named()
CASE = GoldenCase(name="adverse", record=make_record(description=NAMED), description=NAMED)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _found(folder: Path, case: GoldenCase = CASE, only: str = "customer") -> list[str]:
    return [f"{f.where}: {f.what}" for f in lint_audiences(folder, [case], today=TODAY, only=[only]).findings]


def test_a_sound_folder_has_no_findings_and_reports_what_was_measured(folder: Path) -> None:
    report = lint_audiences(folder, [CASE], today=TODAY, only=["customer"])

    assert report.findings == ()
    assert report.audiences == ("customer",)
    assert report.packs == ("eu_consumer_credit", "us_reg_b")
    assert [(r.language, r.views) for r in report.readings] == [("en", report.cases), ("nl", report.cases)]
    assert all(reading.hardest for reading in report.readings)
    assert any("automated processing" in text for text in report.mandated)


def test_what_is_wrong_with_every_case_is_told_once_for_each_reader_and_language() -> None:
    findings = (
        Finding("auditor, en: case one", "no table"),
        Finding("auditor, en: case two", "no table"),
        Finding("auditor, en: case two", "a raw name"),
        Finding("auditor, nl: case one", "no table"),
        Finding("packs/eu.yaml", "past its day"),
    )

    quoted = [
        Finding("a, en: one", "5 words: \u201cYou owe 1\u201d"),
        Finding("a, en: two", "5 words: \u201cYou owe 2\u201d"),
    ]

    assert told_once(quoted) == (Finding("a, en: one and 1 more", "5 words: \u201cYou owe 1\u201d"),)
    assert told_once(findings) == (
        Finding("auditor, en: case one and 1 more", "no table"),
        Finding("auditor, en: case two", "a raw name"),
        Finding("auditor, nl: case one", "no table"),
        Finding("packs/eu.yaml", "past its day"),
    )


def test_a_folder_that_cannot_be_loaded_has_that_as_its_one_finding(folder: Path) -> None:
    _replace(folder / "customer" / "audience.yaml", "layout: letter", "layout: poem")

    assert lint_audiences(folder, [CASE], today=TODAY).findings == (
        Finding("audiences", "customer/audience.yaml:12: layout: must be one of: report, brief, card, case, letter"),
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "match"),
    [
        ("customer/audience.yaml", "max_grade: 7.5", "max_grade: 1", "Flesch-Kincaid grade"),
        ("customer/audience.yaml", "min_ease: 60", "min_ease: 99", "Flesch-Douma ease"),
        (
            "customer/audience.yaml",
            "en: {max_sentence_words: 22",
            "en: {max_sentence_words: 5",
            "a sentence of 17 words; at most 5 are declared: \u201cOur computer model can be wrong, and",
        ),
        ("customer/audience.yaml", ", min_ease: 60", "", "wording.reading.nl has no min_ease; 'en' is limited"),
        (
            "customer/messages/nl.yaml",
            "      - Kijk na of uw gegevens kloppen.\n",
            "",
            "'next.text' has 2 sentences; 'en'",
        ),
        (
            "customer/messages/nl.yaml",
            " en noem kenmerk {reference}",
            " en noem het kenmerk",
            "'rights.text' has the slots none; 'en' has {reference:text}",
        ),
        (
            "messages/nl.yaml",
            "    strong: sterk\n",
            "    strong: sterk\n    stronger: sterker\n",
            "nobody can read 'reasons.st",
        ),
        ("lexicon/nl.yaml", "guilt:\n", "blame:\n", "lexicon/nl.yaml: has no list 'guilt'; another language has it"),
        ("lexicon/nl.yaml", "  - SHAP\n", "  - SHAP\n  - shap\n", "'shap' stands twice in 'ml_jargon'"),
        (
            "packs/eu_consumer_credit.yaml",
            "as_of: 2026-11-22\nreview_by: 2027-02-20",
            "as_of: 2026-01-01\nreview_by: 2026-11-21",
            "packs/eu_consumer_credit.yaml: the pack 'eu_consumer_credit' was to be reviewed by 2026-11-21",
        ),
    ],
)
def test_a_planted_defect_is_found(folder: Path, file: str, old: str, new: str, match: str) -> None:
    if file == "lexicon/nl.yaml" and "guilt" in old:  # who bans the list could not be loaded without it
        _replace(folder / "fraud_analyst" / "audience.yaml", ", guilt]", "]")
    _replace(folder / file, old, new)

    assert any(match in finding for finding in _found(folder))


def test_a_missing_translation_is_found(folder: Path) -> None:
    _replace(
        folder / "messages" / "nl.yaml",
        "  caveat:\n    other:",
        "  caveat:\n    extra:\n      general: Nieuw.\n    other:",
    )
    audience = load_audiences(folder)["customer"]

    assert [f.what for f in lint_languages(audience)] == [
        "'caveat.extra.general' is not in 'en'; add it there, or take it out here"
    ]


def test_a_name_of_the_bank_that_says_what_is_banned_is_found(folder: Path) -> None:
    concepts = tuple(replace(c, labels={"en": c.labels["en"], "nl": "Kans op werk"}) for c in NAMED.concepts)
    case = replace(CASE, description=replace(NAMED, concepts=concepts))

    assert any(
        "nl: adverse: says 'kans', which is banned for this audience" in finding for finding in _found(folder, case)
    )


def test_a_raw_name_is_found(folder: Path) -> None:
    features = tuple(replace(f, labels={}) if f.id == "checking_status" else f for f in NAMED.features)
    found = _found(folder, replace(CASE, description=replace(NAMED, features=features)))

    assert any("shows the raw name 'checking_status'" in finding for finding in found)
    assert any("has no label in 'nl' for feature 'checking_status'" in finding for finding in found)


def test_a_withheld_fact_that_is_named_is_found(folder: Path) -> None:
    """A sentence of the bank that names what the class table hides."""
    features = tuple(
        replace(f, sensitivity=Sensitivity.PROTECTED) if f.id == "telephone" else f for f in NAMED.features
    )
    case = GoldenCase(
        name="open", record=make_record(description=NAMED, adverse=False), description=replace(NAMED, features=features)
    )
    assert _found(folder, case) == []
    _replace(folder / "customer" / "messages" / "en.yaml", "title: Please note", "title: Telephone on file")

    assert any("names the withheld feature 'telephone' by its label" in finding for finding in _found(folder, case))


def test_labels_are_wanted_in_every_language() -> None:
    found = [finding.what for finding in lint_labels(make_open_description(), ("en", "nl"))]

    assert found == [
        "has no label in 'nl' for feature 'checking_status' and 19 more; add labels/nl.yaml",
    ]
    assert list(lint_labels(NAMED, ("en", "nl"))) == []


def test_the_folder_that_comes_along_is_sound() -> None:
    root = audiences_folder()

    assert [*lint_lexicons(root), *lint_shared(root)] == []


def test_golden_cases_are_held_unreliable_closed_undecided_and_every_caveat() -> None:
    cases = golden_cases([CASE, replace(CASE, name="second")], load_audiences().values())
    names = [case.name for case in cases]

    assert names[:4] == ["adverse", "adverse, unreliable", "adverse, closed", "adverse, undecided"]
    assert names[-2:] == ["second", "second, unreliable"]
    assert {"adverse, shared_credit", "adverse, estimator_noise with no_reasons"} <= set(names)
    assert len(names) == len(set(names))
