"""What the relationship manager is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import NUMBERS, UNRELIABLE, make_description, make_description_without_decision, make_record
from xaisvc.types import Caveat, Severity
from xaisvc.views import build_view
from xaisvc.views.document import Bullets, Facts, Notice, Paragraph, Reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def test_the_facts_behind_a_reason_come_with_their_day_and_their_source(audiences: Mapping[str, Audience]) -> None:
    description = make_description()
    origins = {"checking_status": {"en": "the bank's own records"}}
    features = tuple(replace(f, origins=origins.get(f.id, {})) for f in description.features)
    view = build_view(make_record(), replace(description, features=features), audiences["relationship_manager"])
    first = blocks(view, "reasons", Reasons)[0].items[0]

    assert [(fact.label, fact.note) for fact in first.facts] == [
        ("Checking account", "from the bank's own records"),
        ("Savings", ""),
    ]
    assert "as they were on file on 3 March 2026" in blocks(view, "reasons", Paragraph)[0].text


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
