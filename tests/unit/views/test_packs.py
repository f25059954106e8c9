"""Jurisdiction packs: what they may say, who decides that they speak, and what a letter looks like when one does."""

from __future__ import annotations

import json
import shutil
import warnings
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import UNRELIABLE, make_description, make_open_description, make_record
from xaisvc.errors import AudienceError
from xaisvc.types import SelectionRule
from xaisvc.views import FORMATS, ViewStatus, build_view, load_audiences, render_view
from xaisvc.views.loader import audiences_folder
from xaisvc.views.loader_packs import read_packs
from xaisvc.views.packs import StalePackWarning
from xaisvc.views.reading import measure_reading

if TYPE_CHECKING:
    from pathlib import Path

EU, US = "eu_consumer_credit", "us_reg_b"
OPEN = make_open_description()
ADVERSE = make_record(description=OPEN)
AUTOMATED = {
    "en": "This decision rests on automated processing of your personal data.",
    "nl": "Dit besluit berust op geautomatiseerde verwerking van uw persoonsgegevens.",
}


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _use(folder: Path, text: str) -> None:
    (folder / "packs.yaml").write_text(f"schema: xaisvc.packs/v1\n{text}\n", encoding="utf-8")


def test_no_pack_speaks_unless_somebody_names_one() -> None:
    for audience in load_audiences().values():
        assert audience.packs.of("any") is None
        assert audience.packs.packs == ()


def test_a_folder_without_the_file_has_no_pack_in_use(folder: Path) -> None:
    before = render_view(build_view(ADVERSE, OPEN, load_audiences(folder)["customer"]), "json")
    (folder / "packs.yaml").unlink()
    shutil.rmtree(folder / "packs")
    after = render_view(build_view(ADVERSE, OPEN, load_audiences(folder)["customer"]), "json")

    assert before == after


def test_the_packs_are_dated_sourced_and_no_legal_advice(folder: Path) -> None:
    packs = read_packs(folder)

    assert set(packs) == {EU, US}
    for name, pack in packs.items():
        assert pack.as_of < pack.review_by
        assert pack.sources
        assert pack.max_reasons == 4
        assert set(pack.allowed_rules) == set(SelectionRule)
        assert "NOT LEGAL ADVICE" in (folder / "packs" / f"{name}.yaml").read_text(encoding="utf-8")
    assert packs[US].open_values == ("agency",)


@pytest.mark.parametrize("language", ["en", "nl"])
def test_an_adverse_letter_holds_the_rights_and_the_mandated_sentence_of_its_pack(folder: Path, language: str) -> None:
    _use(folder, f"default: {EU}")
    audience = load_audiences(folder)["customer"]
    view = build_view(ADVERSE, OPEN, audience, language)

    assert view.status is ViewStatus.COMPLETE
    for form in FORMATS:
        text = " ".join(render_view(view, form).split())
        assert AUTOMATED[language] in text
        assert ("review the decision" if language == "en" else "besluit herzien") in text
    assert json.loads(render_view(view, "json"))["pack"] == f"{EU} (2026-11-22)"


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_mandated_sentence_is_listed_and_not_measured(folder: Path, language: str) -> None:
    _replace(folder / "packs" / f"{US}.yaml", "agency: null", "agency: the Example Agency")
    _use(folder, f"default: {US}")
    audience = load_audiences(folder)["customer"]
    reading = measure_reading(build_view(ADVERSE, OPEN, audience, language), audience.reading[language])

    assert len(reading.mandated) == 1
    assert "Example Agency" in reading.mandated[0]
    assert reading.excess == ()  # the mandated sentence alone has more words than any sentence may have


def test_sentences_for_refusals_are_in_no_other_letter(folder: Path) -> None:
    _use(folder, f"default: {EU}")
    audience = load_audiences(folder)["customer"]
    granted = build_view(make_record(adverse=False, description=OPEN), OPEN, audience)
    held = {
        render_view(build_view(record, make_description(), audience), "text")
        for record in (make_record(caveats=(UNRELIABLE,)), make_record(caveats=(UNRELIABLE,), adverse=False))
    }

    assert AUTOMATED["en"] not in render_view(granted, "text")
    assert len(held) == 1  # what is held says nothing of the decision
    assert AUTOMATED["en"] not in held.pop()


def test_a_pack_can_be_named_for_one_bundle_alone(folder: Path) -> None:
    _use(folder, f"default: none\nbundles: {{credit-fixture: {EU}}}")
    packs = load_audiences(folder)["customer"].packs

    assert packs.of("credit-fixture") is not None
    assert packs.of("another") is None


def test_a_pack_limits_the_number_of_principal_reasons(folder: Path) -> None:
    _replace(folder / "packs" / f"{EU}.yaml", "max_reasons: 4", "max_reasons: 1")
    _use(folder, f"default: {EU}")
    record, description = ADVERSE, OPEN
    with_pack = render_view(build_view(record, description, load_audiences(folder)["customer"]), "json")
    without = render_view(build_view(record, description, load_audiences()["customer"]), "json")

    assert [len(_reasons(text)) for text in (with_pack, without)] == [1, 2]
    assert _reasons(with_pack) == _reasons(without)[:1]


def _reasons(text: str) -> list[object]:
    section = next(s for s in json.loads(text)["sections"] if s["type"] == "principal_reasons")
    return [item for block in section["blocks"] for item in block.get("items", [])]


def test_a_pack_in_use_past_its_day_is_warned_of(folder: Path) -> None:
    _use(folder, f"default: {EU}")
    with pytest.warns(
        StalePackWarning, match=r"'eu_consumer_credit' was to be reviewed by 2027-02-20: have its sources"
    ):
        load_audiences(folder, today=date(2027, 2, 21))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_audiences(folder, today=date(2027, 2, 20))
        load_audiences(folder)
        load_audiences(audiences_folder(), today=date(2099, 1, 1))  # not in use there


@pytest.mark.parametrize(
    ("file", "old", "new", "match"),
    [
        (
            "packs.yaml",
            "default: none",
            "default: mars",
            r"packs.yaml:\d+: default: there is no pack 'mars'; known: none",
        ),
        (
            "packs.yaml",
            "default: none",
            f"default: {US}",
            r"leaves 'agency' open; fill it in under values in packs/us_reg",
        ),
        ("packs.yaml", "packs/v1", "packs/v2", r"schema: must be 'xaisvc.packs/v1'"),
        (
            f"packs/{EU}.yaml",
            "as_of: 2026-11-22",
            "as_of: last week",
            r"as_of: 'last week' is no date; write year-month",
        ),
        (f"packs/{EU}.yaml", "review_by: 2027", "review_by: 2025", r"review_by: must be after as_of"),
        (f"packs/{EU}.yaml", "id: eu", "id: us", r"id: must be the file's name 'eu_consumer_credit'"),
        (f"packs/{EU}.yaml", "read: secondary", "read: rumour", r"sources.0.read: must be one of: primary, secondary"),
        (f"packs/{EU}.yaml", "rule: population", "rule: luck", r"selection.rule: must be one of those allowed"),
        (f"packs/{EU}.yaml", "[population, app", "[all, app", r"selection.allowed.0: must be one of: population"),
        (f"packs/{EU}.yaml", "max_reasons: 4", "max_reasons: 0", r"max_reasons: must be a whole number, 1 or more"),
        (f"packs/{EU}.yaml", "values: {}", "values: {date: x}", r"values.date: cannot be a slot"),
        (f"packs/{EU}.yaml", "{reference}", "{ref}", r"nobody fills the slot 'ref'; this sentence may use: reference"),
        (
            f"packs/{EU}.yaml",
            "review the decision.",
            "review it in 30 days.",
            r"rights.en.3: holds a number; put it under",
        ),
        (f"packs/{EU}.yaml", "how you see it", "your score", r"rights.en.2: says 'score', which is banned for this"),
        (f"packs/{EU}.yaml", "mandated: true", "mandated: maybe", r"mandated: must be true or false"),
        (f"packs/{EU}.yaml", "when: adverse", "when: monday", r"when: must be one of: always, adverse"),
        (
            f"packs/{EU}.yaml",
            "        - You may tell us how you see it.\n",
            "",
            r"must have the same sentences as 'en'",
        ),
        (f"packs/{EU}.yaml", "  customer:", "  guest:", r"texts.guest: there is no audience 'guest'"),
        (
            f"packs/{EU}.yaml",
            "    rights:",
            "    duties:",
            r"audience 'customer' has no section of type text of that id; it",
        ),
        (f"packs/{EU}.yaml", "schema: xaisvc.pack/v1", "schema: pack", r"schema: must be 'xaisvc.pack/v1'"),
        (f"packs/{EU}.yaml", "values: {}", "colour: red", r"unknown key 'colour'; known here: schema, id, label"),
    ],
)
def test_a_mistake_in_a_pack_is_refused_with_file_line_and_field(
    folder: Path, file: str, old: str, new: str, match: str
) -> None:
    _replace(folder / file, old, new)

    with pytest.raises(AudienceError, match=match):
        load_audiences(folder)


def test_a_pack_must_speak_every_language_of_the_audience(folder: Path) -> None:
    path = folder / "packs" / f"{EU}.yaml"
    text = path.read_text(encoding="utf-8")
    start = text.index("      nl:\n")
    path.write_text(text[:start].replace("languages: [en, nl]", "languages: [en]"), encoding="utf-8")

    with pytest.raises(
        AudienceError, match=r"languages: lacks 'nl', a language of audience 'customer'; add its sentences"
    ):
        load_audiences(folder)
