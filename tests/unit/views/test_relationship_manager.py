"""What the relationship manager is told."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import NUMBERS, UNRELIABLE, make_description, make_description_without_decision, make_record
from xaisvc.types import Caveat, Severity
from xaisvc.views import build_view, render_view
from xaisvc.views.document import Bullets, Facts, Notice, Paragraph, Reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription
    from xaisvc.views import Audience


def test_relationship_manager_gets_reasons_for_the_outcome_then_against_it(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(), make_description(), audiences["relationship_manager"])
    first, second = blocks(view, "reasons", Reasons)

    assert (first.side, second.side) == ("against", "for")
    assert first.items[0].label == "Accounts and savings"
    assert [reason.label for reason in second.items] == ["History with the bank"]
    assert len(first.items) <= 3
    assert len(second.items) <= 2

    favourable = build_view(make_record(adverse=False), make_description(), audiences["relationship_manager"])

    assert [block.side for block in blocks(favourable, "reasons", Reasons)] == ["for", "against"]


def test_the_strongest_opposing_reason_is_given_however_small(audiences: Mapping[str, Audience]) -> None:
    values = dict.fromkeys(NUMBERS, 0.5) | {"telephone": -0.001}
    view = build_view(make_record(values=values), make_description(), audiences["relationship_manager"])

    assert [reason.label for reason in blocks(view, "reasons", Reasons)[1].items] == ["Telephone on file"]


def test_no_opposing_reason_is_said_in_words(audiences: Mapping[str, Audience]) -> None:
    view = build_view(
        make_record(values=dict.fromkeys(NUMBERS, 0.5)), make_description(), audiences["relationship_manager"]
    )
    opposing = blocks(view, "reasons", Reasons)[1]

    assert (opposing.items, opposing.empty) == ((), "None found among the facts shown here.")


def test_nobody_is_sent_to_points_against_that_are_not_there(audiences: Mapping[str, Audience]) -> None:
    record = make_record(values=dict.fromkeys(NUMBERS, -0.5), adverse=False)
    for language, step in (("en", "Check any points that counted against"), ("nl", "Zijn er punten in het nadeel?")):
        view = build_view(record, make_description(), audiences["relationship_manager"], language)

        assert blocks(view, "reasons", Reasons)[1].items == ()
        assert blocks(view, "next_step", Bullets)[0].items[0].startswith(step)


def test_the_data_check_comes_before_the_reasons_and_names_what_is_odd(audiences: Mapping[str, Audience]) -> None:
    novel = Caveat(kind="input_out_of_range", severity=Severity.CARE, players=("purpose",))
    record = make_record(row={"duration_months": 96.0, "existing_credits": None, "purpose": "A49"}, caveats=(novel,))
    view = build_view(record, make_description(), audiences["relationship_manager"])
    ids = [section.id for section in view.sections]
    (facts,) = blocks(view, "data_check", Facts)

    assert ids.index("data_check") < ids.index("reasons")
    assert [(row.label, row.value, row.note) for row in facts.rows] == [
        ("Duration of the loan", "96 months", "Higher than anything the model has seen; the highest was 72 months."),
        ("Purpose", "A49", "The model has not seen this value before."),
        ("Loans you have with us", "Not given", "Missing. The model worked without it."),
    ]
    assert blocks(view, "next_step", Bullets)[0].items[0].startswith("First sort out the facts")


def test_relationship_manager_knows_what_to_say_and_what_to_keep(audiences: Mapping[str, Audience]) -> None:
    record = make_record(values={"branch_note": 0.5})
    say, keep = blocks(build_view(record, make_description(), audiences["relationship_manager"]), "may_say", Bullets)

    assert "Accounts and savings" in say.items[1]
    assert all("Note of the branch" not in item for item in say.items)
    assert keep.items[0] == "Do not name: Note of the branch."


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("from the bank's own records, 1 February 2026", "dated 14 December 2025", "from the form")),
        ("nl", ("uit onze boeken, 1 februari 2026", "van 14 december 2025", "uit the form")),
    ],
)
def test_the_facts_behind_a_reason_come_with_their_day_and_their_source(
    audiences: Mapping[str, Audience], language: str, words: tuple[str, str, str]
) -> None:
    bank, form = {"en": "the bank's own records", "nl": "onze boeken"}, {"en": "the form"}
    description = _with(make_description(), origins={"checking_status": bank, "duration_months": form})
    record = replace(
        make_record(),
        fact_dates={"checking_status": date(2026, 2, 1), "savings_status": date(2025, 12, 14)},
    )
    view = build_view(record, description, audiences["relationship_manager"], language)
    both, dated, named = words
    facts = {fact.label: fact for reason in blocks(view, "reasons", Reasons)[0].items for fact in reason.facts}

    assert {label: (fact.source, fact.as_of, fact.note) for label, fact in facts.items()} == {
        "Checking account": (both, "2026-02-01", ""),
        "Savings": (dated, "2025-12-14", ""),
        "Duration of the loan": (named, "", ""),
        "Purpose": ("", "", ""),
    }


def test_what_is_on_file_is_said_to_be_of_the_day_of_the_answer(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(), make_description(), audiences["relationship_manager"])

    assert "as they were on file on 3 March 2026" in blocks(view, "reasons", Paragraph)[0].text


@pytest.mark.parametrize("form", ["html", "markdown", "text"])
def test_a_fact_that_is_a_reason_alone_has_its_source_beside_it(audiences: Mapping[str, Audience], form: str) -> None:
    values = dict.fromkeys(NUMBERS, -0.001) | {"telephone": 0.9}
    description = _with(make_description(), origins={"telephone": {"en": "the branch"}})
    record = replace(make_record(values=values), fact_dates={"telephone": date(2026, 2, 1)})
    page = render_view(build_view(record, description, audiences["relationship_manager"]), form)
    words = re.sub(r"<[^>]+>|\*|\s+", " ", page)

    assert re.search(r"Telephone on file *: +Yes *, +from the branch, 1 February 2026", words)


def test_facts_that_are_too_old_are_to_be_checked(audiences: Mapping[str, Audience]) -> None:
    """The record is of 3 March 2026: a value of 1 March is 2 days old, one of 28 February 3."""
    names = ("checking_status", "savings_status", "credit_amount", "existing_credits", "house_rating", "purpose")
    description = _with(make_description(), stale_after_days=dict.fromkeys(names, 2))
    old, new = date(2026, 2, 28), date(2026, 3, 1)
    days = dict.fromkeys(names, old) | {"savings_status": new, "duration_months": date(1999, 1, 1)}
    del days["purpose"]  # nobody said
    record = replace(make_record(row={"existing_credits": None}), fact_dates=days)
    view = build_view(record, description, audiences["relationship_manager"])
    stale = "Dated 28 February 2026. It should be no older than 2 days."

    assert [(row.label, row.note, row.as_of) for row in blocks(view, "data_check", Facts)[0].rows] == [
        ("Checking account", stale, "2026-02-28"),
        ("Amount of the loan", stale, "2026-02-28"),
        ("Loans you have with us", "Missing. The model worked without it.", ""),
    ]
    assert blocks(view, "next_step", Bullets)[0].items[0].startswith("First sort out the facts")


def test_a_fact_can_be_odd_and_too_old(audiences: Mapping[str, Audience]) -> None:
    description = _with(make_description(), stale_after_days={"duration_months": 1})
    record = replace(make_record(row={"duration_months": 96.0}), fact_dates={"duration_months": date(2026, 3, 1)})
    (row,) = blocks(build_view(record, description, audiences["relationship_manager"]), "data_check", Facts)[0].rows

    assert row.note == (
        "Higher than anything the model has seen; the highest was 72 months. "
        "Dated 1 March 2026. It should be no older than 1 day."
    )


def _with(description: BundleDescription, **changes: Mapping[str, object]) -> BundleDescription:
    """The description with fields of some features changed: field to (feature to value)."""
    features = tuple(
        replace(one, **{field: of[one.id] for field, of in changes.items() if one.id in of})
        for one in description.features
    )
    return replace(description, features=features)


def test_the_decision_is_written_down_in_the_same_words_for_every_case(audiences: Mapping[str, Audience]) -> None:
    records = (make_record(), make_record(adverse=False), make_record(caveats=(UNRELIABLE,)), make_record(adverse=None))
    found = {
        next(
            s
            for s in build_view(r, make_description(), audiences["relationship_manager"]).sections
            if s.id == "decision_capture"
        )
        for r in records
    }
    (section,) = found
    text = " ".join(item for block in section.blocks if isinstance(block, Bullets) for item in block.items)
    codes = {row.value: row.label for block in section.blocks if isinstance(block, Facts) for row in block.rows}

    assert [word in text for word in ("Agree:", "Deviate:", "Not used:")] == [True, True, True]
    assert codes["MISSED_SOMETHING"] == "The model missed something I know"


def test_what_cannot_be_relied_on_leaves_something_to_say(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(caveats=(UNRELIABLE,)), make_description(), audiences["relationship_manager"])
    titles = {id_: blocks(view, id_, Notice)[0].title for id_ in ("reasons", "changes", "may_say")}

    assert titles == {
        "reasons": "No reasons are shown for this client.",
        "changes": "No changes are shown for this client.",
        "may_say": "Say nothing about the reasons.",
    }


def test_without_a_bad_direction_facts_raise_and_lower(audiences: Mapping[str, Audience]) -> None:
    record = make_record(adverse=None)
    description = make_description_without_decision()
    first, second = blocks(build_view(record, description, audiences["relationship_manager"]), "reasons", Reasons)

    assert (first.title, first.side) == ("What raised the outcome", "none")
    assert first.items[0].direction == "raised the outcome"
    assert second.items[0].direction == "lowered the outcome"
