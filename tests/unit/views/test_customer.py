"""What the customer is told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import NUMBERS, UNRELIABLE, make_description, make_open_description, make_record
from xaisvc.types import Adverse, SelectionRule
from xaisvc.views import View, ViewStatus, build_view
from xaisvc.views.document import Facts, Paragraph, Reasons
from xaisvc.views.lint import GoldenCase, lint_audiences
from xaisvc.views.loader import audiences_folder
from xaisvc.views.loader_packs import read_packs
from xaisvc.views.packs import PackUse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xaisvc.types import ExplanationRecord
    from xaisvc.views import Audience


def _letter(audiences: Mapping[str, Audience], record: ExplanationRecord | None = None) -> View:
    description = make_open_description()
    return build_view(record or make_record(description=description), description, audiences["customer"])


def test_customer_is_told_the_adverse_reasons_of_an_adverse_decision_in_order(
    audiences: Mapping[str, Audience],
) -> None:
    view = _letter(audiences)
    (reasons,) = blocks(view, "principal_reasons", Reasons)

    assert ViewStatus.COMPLETE is view.status
    assert reasons.side == "against"
    assert [reason.label for reason in reasons.items] == [
        "Accounts and savings",
        "The loan asked for: Duration of the loan and Amount of the loan",
    ]
    assert [(fact.label, fact.value) for fact in reasons.items[0].facts] == [
        ("Checking account", "Overdrawn"),
        ("Savings", "Little"),
    ]


def test_customer_is_told_what_helped_after_a_favourable_decision(audiences: Mapping[str, Audience]) -> None:
    description = make_open_description()
    view = _letter(audiences, make_record(adverse=False, description=description))
    (reasons,) = blocks(view, "principal_reasons", Reasons)

    assert "The decision was in your favour." in blocks(view, "decision", Paragraph)[0].text
    assert [reason.label for reason in reasons.items] == ["History with the bank"]


def test_customer_sees_own_information_in_plain_words(audiences: Mapping[str, Audience]) -> None:
    (facts,) = blocks(_letter(audiences), "own_information", Facts)

    assert {row.label: row.value for row in facts.rows} == {
        "Checking account": "Overdrawn",
        "Savings": "Little",
        "Duration of the loan": "48 months",
        "Amount of the loan": "€5,951",
        "Purpose": "New car",
        "Customer since": "1 January 2004",
        "Loans you have with us": "2",
        "Telephone on file": "Yes",
    }


@pytest.mark.parametrize("name", ["age_years", "branch_note", "house_rating", "unlisted_fact"])
def test_a_principal_reason_that_must_be_withheld_holds_the_letter(
    audiences: Mapping[str, Audience], name: str
) -> None:
    view = build_view(make_record(values={name: 0.9}), make_description(), audiences["customer"])

    assert ViewStatus.HELD_FOR_REVIEW is view.status
    assert [section.id for section in view.sections] == ["held", "rights"]


def test_a_withheld_reason_is_never_replaced_by_the_next_one(audiences: Mapping[str, Audience]) -> None:
    """Whatever the withheld fact weighs, the reasons given are the true first ones, or none are given."""
    complete = set()
    for step in range(-20, 21):
        record = make_record(values={"age_years": step / 10})
        view = build_view(record, make_description(), audiences["customer"])
        truth = sorted(
            [("Accounts and savings", 0.83), ("The loan asked for", 0.35), ("Age", step / 10)],
            key=lambda pair: -pair[1],
        )
        if view.status is ViewStatus.COMPLETE:
            given = [reason.label.split(":")[0] for reason in blocks(view, "principal_reasons", Reasons)[0].items]

            assert [label for label, _ in truth[: len(given)]] == given
        complete.add(view.status)
    assert {ViewStatus.COMPLETE, ViewStatus.HELD_FOR_REVIEW} == complete


def test_a_favourable_letter_is_not_held_for_withheld_facts(audiences: Mapping[str, Audience]) -> None:
    record = make_record(values={"age_years": 0.9, "house_rating": -0.9}, adverse=False)

    assert ViewStatus.COMPLETE is build_view(record, make_description(), audiences["customer"]).status


def test_an_adverse_letter_without_reasons_is_held(audiences: Mapping[str, Audience]) -> None:
    description = make_open_description()
    helpful = make_record(values=dict.fromkeys(NUMBERS, -0.2), description=description)

    assert ViewStatus.HELD_FOR_REVIEW is _letter(audiences, helpful).status


def test_a_held_letter_is_the_same_for_every_case(audiences: Mapping[str, Audience]) -> None:
    one = build_view(make_record(values={"age_years": 0.9}), make_description(), audiences["customer"])
    other = build_view(
        make_record(values={"house_rating": 2.0, "purpose": 0.6}, row={"purpose": "A43"}, caveats=(UNRELIABLE,)),
        make_description(),
        audiences["customer"],
    )

    assert one == other


def _with_pack(audience: Audience, rule: SelectionRule) -> Audience:
    """The audience under a pack that asks for a rule."""
    pack = replace(read_packs(audiences_folder())["eu_consumer_credit"], rule=rule)
    return replace(audience, packs=PackUse(default=pack))


@pytest.mark.parametrize("drawn_from", [*SelectionRule, None])
@pytest.mark.parametrize("asked", SelectionRule)
def test_a_pack_can_ask_for_the_rule_by_which_reasons_are_chosen(
    audiences: Mapping[str, Audience], asked: SelectionRule, drawn_from: SelectionRule | None
) -> None:
    description = replace(make_open_description(), background_drawn_from=drawn_from)
    customer = _with_pack(audiences["customer"], asked)
    statuses = {
        adverse: build_view(make_record(adverse=adverse, description=description), description, customer).status
        for adverse in (True, False, None)
    }

    given = ViewStatus.COMPLETE if asked is drawn_from else ViewStatus.HELD_FOR_REVIEW
    assert {True: given, None: given, False: ViewStatus.COMPLETE} == statuses


def test_lint_tells_before_the_first_letter_is_held(tmp_path: Path) -> None:
    folder = shutil.copytree(audiences_folder(), tmp_path / "audiences")
    use = folder / "packs.yaml"
    use.write_text(use.read_text(encoding="utf-8").replace("default: none", "default: eu_consumer_credit"), "utf-8")
    found = {}
    for rule in (*SelectionRule, None):
        description = replace(make_open_description(), background_drawn_from=rule)
        case = GoldenCase(name="adverse", record=make_record(description=description), description=description)
        report = lint_audiences(folder, [case], today=date(2026, 11, 22), only=["customer"])
        found[rule] = [finding.what for finding in report.findings if finding.what.startswith("declares")]

    assert found[SelectionRule.POPULATION] == []
    assert found[None][0].startswith(
        "declares nothing of who its background is drawn from, but the pack 'eu_consumer_c"
    )
    assert "declares 'drawn_from: approved_near_threshold'" in found[SelectionRule.APPROVED_NEAR_THRESHOLD][0]


def test_a_letter_says_whom_it_was_compared_with(audiences: Mapping[str, Audience]) -> None:
    said = {}
    for rule in (*SelectionRule, None):
        description = replace(make_open_description(), background_drawn_from=rule)
        view = build_view(make_record(description=description), description, audiences["customer"])
        said[rule] = blocks(view, "principal_reasons", Paragraph)[0].text

    assert said[SelectionRule.POPULATION].endswith("compared your request with those of other people.")
    assert said[SelectionRule.APPROVED_NEAR_THRESHOLD].endswith("with some that we only just approved.")
    assert said[None].endswith("The strongest comes first.")


@pytest.mark.parametrize(
    ("language", "headings"),
    [("en", ["", "From the bank's own records", "From the form"]), ("nl", ["", "Uit onze boeken", "Uit the form"])],
)
def test_own_information_stands_by_where_it_is_from(
    audiences: Mapping[str, Audience], language: str, headings: list[str]
) -> None:
    bank, form = {"en": "the bank's own records", "nl": "onze boeken"}, {"en": "the form"}
    origins = {"checking_status": bank, "customer_since": bank, "purpose": form}
    description = make_open_description()
    features = tuple(replace(f, origins=origins.get(f.id, {})) for f in description.features)
    view = build_view(
        make_record(description=description), replace(description, features=features), audiences["customer"], language
    )
    groups = {group.title: [row.label for row in group.rows] for group in blocks(view, "own_information", Facts)}

    assert headings == list(groups)
    assert groups[headings[1]] == ["Checking account", "Customer since"]
    assert len(description.features) == sum(map(len, groups.values()))


@pytest.mark.parametrize(
    ("language", "headings"),
    [
        ("en", ["", "From the form", "From the form, 14 December 2025", "From the form, 1 February 2026",
                "As it was on 1 February 2026"]),
        ("nl", ["", "Uit the form", "Uit the form, 14 december 2025", "Uit the form, 1 februari 2026",
                "Zoals het was op 1 februari 2026"]),
    ],
)  # fmt: skip
def test_own_information_of_one_source_and_day_stands_together(
    audiences: Mapping[str, Audience], language: str, headings: list[str]
) -> None:
    form = {"en": "the form"}
    described = make_open_description()
    origins = dict.fromkeys(("checking_status", "customer_since", "purpose", "credit_amount"), form)
    description = replace(
        described, features=tuple(replace(f, origins=origins.get(f.id, {})) for f in described.features)
    )
    new, old = date(2026, 2, 1), date(2025, 12, 14)
    days = {"checking_status": new, "purpose": old, "credit_amount": new, "telephone": new}
    record = replace(make_record(description=description), fact_dates=days)
    view = build_view(record, description, audiences["customer"], language)
    groups = {group.title: group.rows for group in blocks(view, "own_information", Facts)}

    assert list(groups) == headings
    assert [[row.label for row in groups[heading]] for heading in headings[1:]] == [
        ["Customer since"],
        ["Purpose"],
        ["Checking account", "Amount of the loan"],
        ["Telephone on file"],
    ]
    assert [{row.as_of for row in rows} for rows in groups.values()] == [
        {""}, {""}, {"2025-12-14"}, {"2026-02-01"}, {"2026-02-01"},
    ]  # fmt: skip


def test_adverse_lower_turns_the_directions_round(audiences: Mapping[str, Audience]) -> None:
    description = make_open_description()
    output = replace(description.outputs[0], adverse=Adverse.LOWER)
    view = build_view(
        make_record(description=description), replace(description, outputs=(output,)), audiences["customer"]
    )

    assert [r.label for r in blocks(view, "principal_reasons", Reasons)[0].items] == ["History with the bank"]
