from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_description, make_record
from xaisvc.errors import AudienceError
from xaisvc.views import Audience, build_view, load_audiences, render_view
from xaisvc.views.audience import Action

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_five_audiences_come_with_labels_purposes_languages_and_formats(audiences: Mapping[str, Audience]) -> None:
    assert list(audiences) == [
        "business_manager",
        "customer",
        "data_scientist",
        "fraud_analyst",
        "relationship_manager",
    ]
    for audience in audiences.values():
        assert audience.label
        assert audience.purpose.endswith(".")
        assert "en" in audience.languages
        assert {"html", "markdown", "text", "json"} <= set(audience.formats)


def test_a_feature_without_a_class_is_shown_to_data_scientists_only(audiences: Mapping[str, Audience]) -> None:
    feature = make_description().feature("unlisted_fact")

    assert {"data_scientist"} == {name for name, a in audiences.items() if a.action(feature) is Action.SHOW}


def test_a_class_is_shown_only_if_both_files_say_so(folder: Path) -> None:
    declaration = folder / "relationship_manager" / "audience.yaml"
    _replace(declaration, "clearance: [public, customer_own, internal]", "clearance: [public, customer_own]")
    audience = load_audiences(folder)["relationship_manager"]

    assert Action.HIDE is audience.actions["internal"]


def test_a_letter_never_leaves_out_a_principal_reason(folder: Path) -> None:
    """Whoever edits one of the two files alone would have the next reason named in place of the first."""
    declaration = folder / "customer" / "audience.yaml"
    _replace(declaration, "clearance: [public, customer_own]", "clearance: [public]")

    with pytest.raises(
        AudienceError, match=r"customer/audience.yaml:\d+: clearance: 'customer_own' is 'hide' here: .*'hold'"
    ):
        load_audiences(folder)

    _replace(declaration, "clearance: [public]", "clearance: [public, customer_own]")
    classes = folder / "classes.yaml"
    head, row = classes.read_text(encoding="utf-8").split("  customer:\n")
    classes.write_text(f"{head}  customer:\n{row.replace('proxy: hold', 'proxy: hide')}", encoding="utf-8")

    with pytest.raises(AudienceError, match=r"clearance: 'proxy' is 'hide' here: .* lesser ones named in their place"):
        load_audiences(folder)


def test_an_audience_with_principal_reasons_says_what_a_held_view_says(folder: Path) -> None:
    classes = folder / "classes.yaml"
    head, row = classes.read_text(encoding="utf-8").split("  customer:\n")
    classes.write_text(f"{head}  customer:\n{row.replace(': hold', ': generalise')}", encoding="utf-8")
    declaration = folder / "customer" / "audience.yaml"
    _replace(declaration, "on_unreliable: hold", "on_unreliable: no_reasons")
    _replace(declaration, "held:\n  - {type: text, id: held}\n  - {type: text, id: rights, style: bullets}\n", "")

    with pytest.raises(AudienceError, match=r"held: must list what a view says that is held"):
        load_audiences(folder)


def test_sentences_that_are_missing_are_named_together(folder: Path) -> None:
    _replace(
        folder / "relationship_manager" / "audience.yaml",
        "  - {type: reliability}\n",
        "  - {type: reliability}\n  - {type: novelty, id: news}\n",
    )

    with pytest.raises(AudienceError) as caught:
        load_audiences(folder)

    assert str(caught.value).endswith(
        "sections.news: messages/en.yaml has no 'news.title', 'news.unlike', 'news.unlike_text', 'news.like' for this "
        "audience; add them to its own file"
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "match"),
    [
        (
            "customer/audience.yaml",
            "layout: letter",
            "layout: letter\ncolour: red",
            r"customer/audience.yaml:\d+: colour: unknown key 'colour'; known here: schema, id",
        ),
        (
            "customer/audience.yaml",
            "{type: decision}",
            "{type: decission}",
            r"customer/audience.yaml:\d+: sections.0.type: unknown section type 'decission'; known: .*attributions",
        ),
        (
            "customer/audience.yaml",
            "maximum: 4",
            "maximum: many",
            r"sections.2.maximum: must be a whole number, 0 or more",
        ),
        ("customer/audience.yaml", "floor: 0.1", "floor: 10", r"sections.2.floor: is a share"),
        (
            "customer/audience.yaml",
            "maximum: 4",
            "most: 4",
            r"sections.2.most: unknown key 'most'; known here: type, id",
        ),
        (
            "customer/audience.yaml",
            "- {type: text, id: limits, style: fine}",
            "- {type: text, id: rights, style: fine}",
            r"sections.7.id: 'rights' is used twice",
        ),
        (
            "customer/audience.yaml",
            "[html, markdown,",
            "[html, html,",
            r"formats.1: 'html' is named twice; name it once",
        ),
        ("customer/audience.yaml", "[en, nl]", "[en, en]", r"languages.1: 'en' is named twice; name it once"),
        ("customer/audience.yaml", "style: steps", "style: dance", r"sections.5.style: must be one of: paragraph"),
        ("customer/audience.yaml", "style: steps", "style: [steps]", r"sections.5.style: must be one of: paragraph"),
        (
            "customer/audience.yaml",
            "[public, customer_own]",
            "[public, internal]",
            r"clearance.1: classes.yaml does not grant 'internal' to this audience \(it says 'generalise'\)",
        ),
        ("customer/audience.yaml", "[public, customer_own]", "[secret]", r"unknown sensitivity class 'secret'"),
        (
            "customer/audience.yaml",
            "held:\n  - {type: text, id: held}",
            "held:\n  - {type: decision}",
            r"must be 'text'",
        ),
        (
            "customer/audience.yaml",
            "[no_reasons, not_a_reason, no_ranking]",
            "[no_names]",
            r"gates.0: must be one of: no_reasons, not_a_reason, no_ranking",
        ),
        ("customer/audience.yaml", "[no_reasons, not_a_reason, no_ranking]", "no_reasons", r"gates: must be a list of"),
        ("customer/audience.yaml", "not_a_reason, no_ranking]", "no_ranking]", r"gates: must name 'not_a_reason' as"),
        ("relationship_manager/audience.yaml", "[no_reasons, ", "[", r"gates: must name 'no_reasons' as well: class"),
        (
            "data_scientist/audience.yaml",
            "gates: []\n",
            "",
            r"on_unreliable: is 'show', so reasons are given whatever a caveat says; declare gates without",
        ),
        ("customer/audience.yaml", "held:", "unheld:", r"unknown key 'unheld'"),
        ("customer/audience.yaml", "id: customer", "id: client", r"id: must be the folder's name 'customer'"),
        ("customer/audience.yaml", "audience/v1", "audience/v2", r"schema: must be 'xaisvc.audience/v1'"),
        ("customer/audience.yaml", "version: 3", "version: one", r"version: must be a whole number, 1 or more"),
        ("customer/audience.yaml", "layout: letter", "layout: poem", r"layout: must be one of: report, brief"),
        ("customer/audience.yaml", "text, json, pdf", "text, papyrus", r"formats.3: must be one of: html, markdown"),
        (
            "customer/audience.yaml",
            "languages: [en, nl]",
            "languages: [en, fr]",
            r"messages/fr.yaml: the file is missing",
        ),
        ("customer/audience.yaml", "nl: Klant}", "de: Kunde}", r"label.de: unknown key 'de'"),
        (
            "customer/audience.yaml",
            "min_ease: 60",
            "max_grade: 6",
            r"reading.nl.max_grade: unknown key 'max_grade'; known",
        ),
        (
            "customer/audience.yaml",
            "min_ease: 60",
            "min_ease: high",
            r"reading.nl.min_ease: must be a number, 0 or more",
        ),
        (
            "customer/messages/nl.yaml",
            "title: Wat wij hebben",
            "title: Uw kans, of wat wij hebben",
            r"says 'kans', which is",
        ),
        (
            "customer/audience.yaml",
            "[ml_jargon, probability, causal, certainty]",
            "[slang]",
            r"wording.banned.0: must be one of",
        ),
        ("customer/audience.yaml", "max_grade: 7.5", "max_grade: low", r"max_grade: must be a number"),
        (
            "customer/messages/en.yaml",
            "    title: What we decided\n",
            "",
            r"customer/audience.yaml:\d+: sections.decision: messages/en.yaml has no 'decision.title'",
        ),
        (
            "customer/messages/en.yaml",
            "    title: What we decided",
            "    title: What we decided\n    titel: twice",
            r"customer/messages/en.yaml:\d+: messages.decision.titel: no section of this audience uses this message",
        ),
        (
            "customer/messages/en.yaml",
            "on {date:date}. We are sorry",
            "on {day:date}. We are sorry",
            r"messages.decision.adverse: nobody fills the slot 'day'; this message may use: reference, date",
        ),
        ("customer/messages/en.yaml", "title: What we decided", "title: Your score", r"says 'score', which is banned"),
        ("customer/messages/en.yaml", "title: What we decided", "title: Top 3", r"holds a number; numbers come from"),
        ("customer/messages/en.yaml", "{date:date}. The", "{date:day}. The", r"unknown type 'day'"),
        (
            "messages/en.yaml",
            "locale: en_GB",
            "locale: xx_YY",
            r"messages/en.yaml:\d: locale: 'xx_YY' is no known locale",
        ),
        ("messages/en.yaml", '"yes": "Yes"', '"yes": ""', r"messages.words.yes: must be a text that is not empty"),
        ("messages/en.yaml", "    not_given: Not given\n", "", r"has no 'words.not_given'; add it"),
        ("classes.yaml", "    aml: closed\n", "", r"audiences.relationship_manager: says nothing about: aml"),
        (
            "classes.yaml",
            "aml: closed",
            "aml: maybe",
            r"audiences.relationship_manager.aml: must be one of: show, generalise, hide",
        ),
        ("classes.yaml", "  customer:", "  nobody:", r"audiences.nobody: there is no folder 'nobody'"),
        ("lexicon/en.yaml", "guilt:\n  - fraudster", "guilt:\n  - 7", r"lexicon/en.yaml:\d+: guilt.0: must be a text"),
        (
            "lexicon/en.yaml",
            "\ncausal:",
            "\ncausl:",
            r"^lexicon/en.yaml:\d: causal: is missing: .*/audience.yaml bans this list, and 'nl' has it; .*causl",
        ),
        (
            "customer/audience.yaml",
            "banned: [",
            "banned: [causl, ",
            r"^customer/audience.yaml:\d+: wording.banned.0: must be one of: .*causal",
        ),
        ("customer/audience.yaml", "banned: [", "banned: [[causal], ", r"wording.banned.0: must be one of: "),
    ],
)
def test_a_mistake_is_refused_with_file_line_and_field(folder: Path, file: str, old: str, new: str, match: str) -> None:
    _replace(folder / file, old, new)

    with pytest.raises(AudienceError, match=match):
        load_audiences(folder)


@pytest.mark.parametrize("action", ["show", "generalise", "hide", "hold"])
@pytest.mark.parametrize("reader", ["customer", "relationship_manager"])
def test_clients_and_who_talks_to_them_are_told_the_same_of_every_case_about_laundering(
    folder: Path, reader: str, action: str
) -> None:
    rows = (folder / "classes.yaml").read_text(encoding="utf-8")
    head, mark, tail = rows.partition(f"\n  {reader}:\n")
    (folder / "classes.yaml").write_text(head + mark + tail.replace("aml: closed", f"aml: {action}", 1), "utf-8")

    said = rf"^classes.yaml:\d+: audiences.{reader}.aml: must be 'closed': '{reader}' is a client or talks to clients, "
    with pytest.raises(AudienceError, match=said + r"and a page about money laundering .* tips them off"):
        load_audiences(folder)


def test_an_audience_without_a_row_in_classes_is_refused(folder: Path) -> None:
    shutil.copytree(folder / "customer", folder / "guest")
    _replace(folder / "guest" / "audience.yaml", "id: customer", "id: guest")

    with pytest.raises(AudienceError, match=r"classes.yaml has no row for this audience"):
        load_audiences(folder)


def test_a_folder_without_a_declaration_is_refused(folder: Path) -> None:
    (folder / "empty").mkdir()

    with pytest.raises(AudienceError, match=r"empty/audience.yaml: the file is missing"):
        load_audiences(folder)


def test_a_folder_that_is_not_there_or_holds_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudienceError, match="the audiences folder 'nowhere' does not exist"):
        load_audiences(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(AudienceError, match="'bare' holds no audience"):
        load_audiences(tmp_path / "bare")


def test_the_sentences_of_a_bank_are_data_too(folder: Path) -> None:
    _replace(folder / "customer" / "messages" / "en.yaml", "title: About your request", "title: From your own bank")
    view = build_view(make_record(adverse=False), make_description(), load_audiences(folder)["customer"])

    assert render_view(view, "text").startswith("From your own bank\n")
