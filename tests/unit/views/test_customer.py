"""What the customer is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import NUMBERS, UNRELIABLE, make_description, make_open_description, make_record
from xaisvc.types import Adverse
from xaisvc.views import View, ViewStatus, build_view
from xaisvc.views.document import Facts, Paragraph, Reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def test_adverse_lower_turns_the_directions_round(audiences: Mapping[str, Audience]) -> None:
    description = make_open_description()
    output = replace(description.outputs[0], adverse=Adverse.LOWER)
    view = build_view(
        make_record(description=description), replace(description, outputs=(output,)), audiences["customer"]
    )

    assert [r.label for r in blocks(view, "principal_reasons", Reasons)[0].items] == ["History with the bank"]
