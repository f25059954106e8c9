"""What each audience is told, from one record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

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
from xaisvc.types import Adverse, Caveat, Sensitivity, Severity
from xaisvc.views import FORMATS, View, ViewStatus, build_view, render_view
from xaisvc.views.document import BarChart, Block, Bullets, Facts, Notice, Paragraph, Reasons, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.views import Audience

    Audiences = Mapping[str, Audience]

NAMES = ["business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager"]
B = TypeVar("B", bound=Block)


def _blocks(view: View, section: str, kind: type[B]) -> list[B]:
    found = next(s for s in view.sections if s.id == section)
    return [block for block in found.blocks if isinstance(block, kind)]


def _letter(audiences: Audiences, record: ExplanationRecord | None = None) -> View:
    description = make_open_description()
    return build_view(record or make_record(description=description), description, audiences["customer"])


# --- customer


def test_customer_is_told_the_adverse_reasons_of_an_adverse_decision_in_order(audiences: Audiences) -> None:
    view = _letter(audiences)
    (reasons,) = _blocks(view, "principal_reasons", Reasons)

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


def test_customer_is_told_what_helped_after_a_favourable_decision(audiences: Audiences) -> None:
    description = make_open_description()
    view = _letter(audiences, make_record(adverse=False, description=description))
    (reasons,) = _blocks(view, "principal_reasons", Reasons)

    assert "The decision was in your favour." in _blocks(view, "decision", Paragraph)[0].text
    assert [reason.label for reason in reasons.items] == ["History with the bank"]


def test_customer_sees_own_information_in_plain_words(audiences: Audiences) -> None:
    (facts,) = _blocks(_letter(audiences), "own_information", Facts)

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
def test_a_principal_reason_that_must_be_withheld_holds_the_letter(audiences: Audiences, name: str) -> None:
    view = build_view(make_record(values={name: 0.9}), make_description(), audiences["customer"])

    assert ViewStatus.HELD_FOR_REVIEW is view.status
    assert [section.id for section in view.sections] == ["held", "rights"]


def test_a_withheld_reason_is_never_replaced_by_the_next_one(audiences: Audiences) -> None:
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
            given = [reason.label.split(":")[0] for reason in _blocks(view, "principal_reasons", Reasons)[0].items]

            assert [label for label, _ in truth[: len(given)]] == given
        complete.add(view.status)
    assert {ViewStatus.COMPLETE, ViewStatus.HELD_FOR_REVIEW} == complete


def test_a_favourable_letter_is_not_held_for_withheld_facts(audiences: Audiences) -> None:
    record = make_record(values={"age_years": 0.9, "house_rating": -0.9}, adverse=False)

    assert ViewStatus.COMPLETE is build_view(record, make_description(), audiences["customer"]).status


def test_an_adverse_letter_without_reasons_is_held(audiences: Audiences) -> None:
    description = make_open_description()
    helpful = make_record(values=dict.fromkeys(NUMBERS, -0.2), description=description)

    assert ViewStatus.HELD_FOR_REVIEW is _letter(audiences, helpful).status


def test_a_held_letter_is_the_same_for_every_case(audiences: Audiences) -> None:
    one = build_view(make_record(values={"age_years": 0.9}), make_description(), audiences["customer"])
    other = build_view(
        make_record(values={"house_rating": 2.0, "purpose": 0.6}, row={"purpose": "A43"}, caveats=(UNRELIABLE,)),
        make_description(),
        audiences["customer"],
    )

    assert one == other


def test_a_bundle_with_money_laundering_facts_is_closed_to_client_facing_audiences(audiences: Audiences) -> None:
    description = make_description()
    features = tuple(
        replace(f, sensitivity=Sensitivity.AML) if f.id == "branch_note" else f for f in description.features
    )
    description = replace(description, features=features)
    for name in ("customer", "relationship_manager"):
        flagged = build_view(make_record(values={"branch_note": 3.0}), description, audiences[name])
        clean = build_view(make_record(adverse=False, row={"branch_note": 0.0}), description, audiences[name])

        assert ViewStatus.NOT_AVAILABLE is flagged.status
        assert flagged == clean


# --- relationship manager


def test_relationship_manager_gets_reasons_for_the_outcome_then_against_it(audiences: Audiences) -> None:
    view = build_view(make_record(), make_description(), audiences["relationship_manager"])
    first, second = _blocks(view, "reasons", Reasons)

    assert (first.side, second.side) == ("against", "for")
    assert first.items[0].label == "Accounts and savings"
    assert [reason.label for reason in second.items] == ["History with the bank"]
    assert len(first.items) <= 3
    assert len(second.items) <= 2

    favourable = build_view(make_record(adverse=False), make_description(), audiences["relationship_manager"])

    assert [block.side for block in _blocks(favourable, "reasons", Reasons)] == ["for", "against"]


def test_the_strongest_opposing_reason_is_given_however_small(audiences: Audiences) -> None:
    values = dict.fromkeys(NUMBERS, 0.5) | {"telephone": -0.001}
    view = build_view(make_record(values=values), make_description(), audiences["relationship_manager"])

    assert [reason.label for reason in _blocks(view, "reasons", Reasons)[1].items] == ["Telephone on file"]


def test_no_opposing_reason_is_said_in_words(audiences: Audiences) -> None:
    view = build_view(
        make_record(values=dict.fromkeys(NUMBERS, 0.5)), make_description(), audiences["relationship_manager"]
    )
    opposing = _blocks(view, "reasons", Reasons)[1]

    assert (opposing.items, opposing.empty) == ((), "None found among the facts shown here.")


def test_the_data_check_comes_before_the_reasons_and_names_what_is_odd(audiences: Audiences) -> None:
    novel = Caveat(kind="outside_background", severity=Severity.CARE, players=("purpose",))
    record = make_record(row={"duration_months": 96.0, "existing_credits": None, "purpose": "A49"}, caveats=(novel,))
    view = build_view(record, make_description(), audiences["relationship_manager"])
    ids = [section.id for section in view.sections]
    (facts,) = _blocks(view, "data_check", Facts)

    assert ids.index("data_check") < ids.index("reasons")
    assert [(row.label, row.value, row.note) for row in facts.rows] == [
        ("Duration of the loan", "96 months", "Higher than anything the model has seen; the highest was 72 months."),
        ("Purpose", "A49", "The model has not seen this value before."),
        ("Loans you have with us", "Not given", "Missing. The model worked without it."),
    ]
    assert _blocks(view, "next_step", Bullets)[0].items[0].startswith("First sort out the facts")


def test_relationship_manager_knows_what_to_say_and_what_to_keep(audiences: Audiences) -> None:
    record = make_record(values={"branch_note": 0.5})
    say, keep = _blocks(build_view(record, make_description(), audiences["relationship_manager"]), "may_say", Bullets)

    assert "Accounts and savings" in say.items[1]
    assert all("Note of the branch" not in item for item in say.items)
    assert keep.items[0] == "Do not name: Note of the branch."


def test_an_unreliable_explanation_gives_nobody_reasons_but_data_scientists(audiences: Audiences) -> None:
    record = make_record(caveats=(UNRELIABLE,))
    for name, audience in audiences.items():
        view = build_view(record, make_description(), audience)
        shown = [b for s in view.sections for b in s.blocks if isinstance(b, Reasons | BarChart)]

        assert bool(shown) is (name == "data_scientist"), name
    manager = build_view(record, make_description(), audiences["relationship_manager"])

    assert _blocks(manager, "reasons", Notice)[0].title == "No reasons are shown for this client"
    assert _blocks(manager, "next_step", Notice)[0].title == "Do not use this outcome yet. Ask for a review first."
    assert ViewStatus.HELD_FOR_REVIEW is build_view(record, make_description(), audiences["customer"]).status


# --- fraud analyst


def test_fraud_analyst_reads_evidence_before_any_rating(audiences: Audiences) -> None:
    record = make_record(row={"credit_amount": 20000.0})
    view = build_view(record, make_description(), audiences["fraud_analyst"])
    ids = [section.id for section in view.sections]
    before = render_view(replace(view, sections=view.sections[: ids.index("signals")]), "text")
    (table,) = _blocks(view, "evidence", Table)

    assert ids == ["disclosure", "evidence", "signals", "standing", "reliability", "unlike", "record"]
    assert "High risk" not in before
    assert "83%" not in before
    assert "Risk of default" not in before
    assert tuple(cell.text for cell in table.rows[0]) == (
        "Amount of the loan",
        "€20,000",
        "UNUSUAL: higher than any; the highest was €18,424",
    )


def test_the_order_of_the_evidence_does_not_follow_the_model(audiences: Audiences) -> None:
    one = build_view(make_record(), make_description(), audiences["fraud_analyst"])
    other = build_view(
        make_record(values={"telephone": 5.0, "purpose": -3.0}), make_description(), audiences["fraud_analyst"]
    )

    assert _blocks(one, "evidence", Table) == _blocks(other, "evidence", Table)


def test_signals_of_concern_come_first_whatever_the_outcome(audiences: Audiences) -> None:
    for adverse in (True, False):
        view = build_view(make_record(adverse=adverse), make_description(), audiences["fraud_analyst"])
        concern, normal = _blocks(view, "signals", Reasons)

        assert (concern.title, normal.title) == ("Signals of concern", "Signals of normal behaviour")
        assert concern.items[0].direction == "raised concern, strongly"
        assert normal.items[0].direction == "lowered concern, clearly"


def test_rating_comes_with_the_rank_among_past_cases(audiences: Audiences) -> None:
    view = build_view(make_record(), make_description(), audiences["fraud_analyst"])
    (facts,) = _blocks(view, "standing", Facts)

    assert {"Band": "High risk", "Among past cases": "Higher than 83% of 700 past cases"}.items() <= {
        row.label: row.value for row in facts.rows
    }.items()


# --- business manager


def test_business_manager_compares_shares_with_the_usual_ones(audiences: Audiences) -> None:
    view = build_view(make_record(), make_description(), audiences["business_manager"])
    (chart,) = _blocks(view, "influence", BarChart)
    bars = {bar.label: bar for bar in chart.bars}

    # |0.62| + |0.21| of a visible total of 1.97; 0.41 + 0.18 of a usual total of 1.62
    assert (
        bars["Accounts and savings"].value,
        bars["Accounts and savings"].mark,
        bars["Accounts and savings"].text,
    ) == (0.42, 0.36, "42% (usually 36%)")
    assert all(bar.value == round(bar.value, 2) for bar in chart.bars)
    assert sum(bar.value for bar in chart.bars) <= 1.05  # each of seven shares is rounded to a hundredth


def test_business_manager_reads_that_both_directions_are_added_up(audiences: Audiences) -> None:
    """The other readers' lists set one off against the other, so the first of them can be another theme."""
    record = make_record(values={"duration_months": 0.8, "credit_amount": -0.7, "purpose": 0.0})
    view = build_view(record, make_description(), audiences["business_manager"])
    lead = _blocks(view, "conclusion", Paragraph)[0].text
    (chart,) = _blocks(view, "influence", BarChart)
    manager = build_view(record, make_description(), audiences["relationship_manager"])

    assert lead.endswith(
        "The loan asked for: Duration of the loan and Amount of the loan weighed most, with 54% of the model's "
        "attention, counting what spoke for and against together."
    )
    assert chart.title == "Share of the model's attention by theme, for and against added up"
    assert "their order can differ" in _blocks(view, "influence", Paragraph)[0].text
    assert _blocks(manager, "reasons", Reasons)[0].items[0].label == "Accounts and savings"


def test_business_manager_sees_no_value_of_the_client(audiences: Audiences) -> None:
    view = build_view(make_record(), make_description(), audiences["business_manager"])
    for form in FORMATS:
        text = render_view(view, form)
        for value in ("Overdrawn", "Little", "48 months", "5,951", "5951", "New car", "1 January 2004"):
            assert value not in text


def test_protected_facts_that_weigh_are_an_alarm(audiences: Audiences) -> None:
    loud = build_view(make_record(values={"age_years": 0.9}), make_description(), audiences["business_manager"])
    quiet = build_view(make_record(values={"age_years": 0.01}), make_description(), audiences["business_manager"])
    none = build_view(
        make_record(description=make_open_description()), make_open_description(), audiences["business_manager"]
    )

    assert _blocks(loud, "fairness", Notice)[0].title == "Alarm: Age weighed in this case."
    assert "hardly weighed" in _blocks(quiet, "fairness", Notice)[0].title
    assert "uses no fact that is marked as protected" in _blocks(none, "fairness", Notice)[0].title


def test_few_past_cases_are_not_shown(audiences: Audiences) -> None:
    record = make_record()
    assert record.portfolio is not None
    small = replace(record, portfolio=replace(record.portfolio, rows=19))
    for name in ("business_manager", "fraud_analyst"):
        for case in (small, replace(record, portfolio=None)):
            view = build_view(case, make_description(), audiences[name])

            assert ["Band", "Rule" if name == "fraud_analyst" else "Decision rule"] == [
                row.label for row in _blocks(view, "standing", Facts)[0].rows
            ]
            assert "too few past cases" in _blocks(view, "standing", Paragraph)[0].text


# --- data scientist


def test_data_scientist_gets_every_player_and_number(audiences: Audiences) -> None:
    record = make_record(caveats=(CORRELATED,))
    view = build_view(record, make_description(), audiences["data_scientist"])
    (table,) = _blocks(view, "attributions", Table)

    assert {player.player: player.value for player in record.attribution.players} == {
        row[0].text: row[2].number for row in table.rows
    }
    assert sorted((abs(row[2].number or 0.0) for row in table.rows), reverse=True) == [
        abs(row[2].number or 0.0) for row in table.rows
    ]
    assert _blocks(view, "caveats", Table)[0].rows[0][0].text == "correlated_features"
    reproduction = {row.label: row.value for facts in _blocks(view, "reproduction", Facts) for row in facts.rows}
    assert {"Model": "a1" * 32, "Method": "tree (exact)", "Seed": "0", "Value function": "interventional"}.items() <= (
        reproduction.items()
    )


@pytest.mark.parametrize(
    ("method", "exact", "said"),
    [
        ("tree", True, "tree (exact)"),
        ("exact", True, "exact (enumeration)"),
        ("kernel", True, "kernel (exact)"),
        ("kernel", False, "kernel (sampled)"),
    ],
)
def test_the_method_is_named_with_its_kind(audiences: Audiences, method: str, said: str, *, exact: bool) -> None:
    record = make_record()
    record = replace(record, attribution=replace(record.attribution, method=method, exact=exact))
    view = build_view(record, make_description(), audiences["data_scientist"])
    rows = [row for facts in _blocks(view, "reproduction", Facts) for row in facts.rows]

    assert said == next(row.value for row in rows if row.label == "Method")


def test_data_scientist_sees_the_additivity_residual(audiences: Audiences) -> None:
    record = make_record()
    off = replace(record, attribution=replace(record.attribution, output=record.attribution.output + 0.25))
    view = build_view(off, make_description(), audiences["data_scientist"])
    residual = {row.label: row.value for row in _blocks(view, "checks", Facts)[0].rows}["Residual"]

    assert pytest.approx(float(residual)) == 0.25


def test_lime_is_described_as_what_it_is(audiences: Audiences) -> None:
    record = make_record()
    attribution = replace(
        record.attribution,
        method="lime",
        exact=False,
        value_function="local_surrogate",
        diagnostics={"r2": 0.41},
        budget="5000 samples",
    )
    view = build_view(replace(record, attribution=attribution), make_description(), audiences["data_scientist"])
    text = render_view(view, "text")

    assert "A local surrogate need not add up" in text
    assert "r2  0.41" in text
    assert "5000 samples" in text
    assert "The weights of a linear model" in text


# --- every audience, odd records


def _many(description: BundleDescription, count: int) -> tuple[BundleDescription, ExplanationRecord]:
    features = tuple(
        replace(description.features[2], id=f"fact_{i}", labels={"en": f"Fact number {i}"}, concept=None)
        for i in range(count)
    )
    record = make_record()
    players = tuple(
        replace(record.attribution.players[2], player=f.id, features=(f.id,), value=(-1) ** i * (i + 1) / count)
        for i, f in enumerate(features)
    )
    record = replace(
        record,
        row={f.id: float(i) for i, f in enumerate(features)},
        attribution=replace(record.attribution, players=players),
    )
    return replace(description, features=features, concepts=()), record


def _odd_records() -> dict[str, tuple[BundleDescription, ExplanationRecord]]:
    full, record = make_description(), make_record()
    undecided = replace(record, output=replace(record.output, adverse=None, band=""))
    players = record.attribution.players
    groups = {
        "accounts": ("checking_status", "savings_status"),
        "loan": ("duration_months", "credit_amount", "purpose"),
    }

    def grouped(prefix: str) -> ExplanationRecord:
        found = tuple(replace(players[0], player=prefix + name, features=members) for name, members in groups.items())
        return replace(record, attribution=replace(record.attribution, players=found, players_kind="concepts"))

    unknown = tuple(replace(player, portfolio_mean_abs=None) for player in players)
    lower = replace(full.outputs[0], adverse=Adverse.LOWER)
    alone = tuple(replace(feature, concept=None) for feature in full.features)
    return {
        "all positive": (full, make_record(values=dict.fromkeys(NUMBERS, 0.2))),
        "all negative": (full, make_record(values=dict.fromkeys(NUMBERS, -0.2))),
        "all zero": (full, make_record(values=dict.fromkeys(NUMBERS, 0.0))),
        "no decision": (
            make_description_without_decision(),
            replace(undecided, output=replace(undecided.output, band="")),
        ),
        "lower is adverse": (replace(full, outputs=(lower,)), record),
        "no concepts": (replace(full, concepts=(), features=alone), record),
        "one player": _many(full, 1),
        "hundred players": _many(full, 100),
        "concepts as players": (full, grouped("")),
        "groups of the caller": (full, grouped("my ")),
        "no portfolio": (full, replace(record, portfolio=None)),
        "no usual share": (full, replace(record, attribution=replace(record.attribution, players=unknown))),
        "nothing given": (full, make_record(row=dict.fromkeys(NUMBERS))),
        "nothing stated": (replace(full, purpose="", out_of_scope="", owner=""), record),
        "no date": (full, replace(record, created_at="yesterday")),
    }


ODD = _odd_records()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", ODD)
def test_every_audience_has_a_view_of_every_kind_of_record(audiences: Audiences, name: str, case: str) -> None:
    description, record = ODD[case]
    view = build_view(record, description, audiences[name])

    for form in FORMATS:
        assert render_view(view, form)
    for section in view.sections:
        assert section.title
        assert section.blocks
        for block in section.blocks:
            if isinstance(block, Paragraph):
                assert block.text
            if isinstance(block, Reasons):
                assert block.items or block.empty


def test_adverse_lower_turns_the_directions_round(audiences: Audiences) -> None:
    description = make_open_description()
    output = replace(description.outputs[0], adverse=Adverse.LOWER)
    view = build_view(
        make_record(description=description), replace(description, outputs=(output,)), audiences["customer"]
    )

    assert [r.label for r in _blocks(view, "principal_reasons", Reasons)[0].items] == ["History with the bank"]


def test_without_a_bad_direction_facts_raise_and_lower(audiences: Audiences) -> None:
    record = make_record(adverse=None)
    description = make_description_without_decision()
    first, second = _blocks(build_view(record, description, audiences["relationship_manager"]), "reasons", Reasons)

    assert (first.title, first.side) == ("What raised the outcome", "none")
    assert first.items[0].direction == "raised the outcome"
    assert second.items[0].direction == "lowered the outcome"


def test_facts_that_move_together_are_shown_once_with_a_note(audiences: Audiences) -> None:
    description = make_open_description()
    caveat = replace(CORRELATED, players=("duration_months", "checking_status"))
    record = make_record(caveats=(caveat,), description=description)
    view = build_view(record, description, audiences["customer"])
    (reasons,) = _blocks(view, "principal_reasons", Reasons)

    assert len(reasons.items) == 1
    # The reason's third fact, savings, only shares the concept of one of them, so it is not said to be linked.
    assert [fact.label for fact in reasons.items[0].facts] == ["Checking account", "Duration of the loan", "Savings"]
    assert reasons.items[0].note == (
        "Checking account and Duration of the loan: linked in past cases, directly or through other facts. "
        "We count them as one."
    )


def test_the_note_on_linked_facts_is_the_same_with_and_without_withheld_ones(audiences: Audiences) -> None:
    notes = set()
    for more in ((), ("age_years",), ("age_years", "house_rating", "telephone")):
        caveat = replace(CORRELATED, players=("duration_months", "customer_since", *more))
        record = make_record(values={"customer_since": 0.3}, caveats=(caveat,))
        view = build_view(record, make_description(), audiences["relationship_manager"])
        (note,) = {r.note for b in _blocks(view, "reasons", Reasons) for r in b.items if "linked" in r.note}
        notes.add(note.split(" Counted")[0])

    said = "Duration of the loan and Customer since: linked in past cases, directly or through other facts."
    assert notes == {f"{said} We count them as one."}


def test_every_group_of_linked_facts_is_named_on_its_own(audiences: Audiences) -> None:
    """Facts of two groups can meet in one reason through a concept; they are still not linked with each other."""
    description = make_open_description()
    caveats = (
        replace(CORRELATED, players=("checking_status", "duration_months")),
        replace(CORRELATED, players=("savings_status", "telephone")),
    )
    record = make_record(values={"telephone": 0.3}, caveats=caveats, description=description)
    (reasons,) = _blocks(build_view(record, description, audiences["customer"]), "principal_reasons", Reasons)

    assert [note.split(":")[0] for note in reasons.items[0].note.split("as one. ")][:2] == [
        "Checking account and Duration of the loan",
        "Savings and Telephone on file",
    ]


@pytest.mark.parametrize(("against", "said"), [(-0.5, True), (-0.07, True), (-0.05, False), (0.1, False)])
def test_facts_that_were_set_off_are_named(audiences: Audiences, against: float, *, said: bool) -> None:
    """Without them, a reader could not see why the strongest fact is not under the first reason."""
    description = make_open_description()
    record = make_record(values={"savings_status": against}, row={"savings_status": "A65"}, description=description)
    for name, section in (("customer", "principal_reasons"), ("relationship_manager", "reasons")):
        listed = _blocks(build_view(record, description, audiences[name]), section, Reasons)[0].items
        accounts = next(reason for reason in listed if reason.label == "Accounts and savings")

        assert said is (accounts.note == "Counted the other way, and taken off here: Savings.")
        assert said is ("Savings" not in {fact.label for fact in accounts.facts} and bool(accounts.note))


def test_a_view_is_a_pure_function_of_its_arguments(audiences: Audiences) -> None:
    for audience in audiences.values():
        views = [build_view(make_record(caveats=(CORRELATED,)), make_description(), audience) for _ in range(2)]

        assert views[0] == views[1]
        for form in FORMATS:
            assert render_view(views[0], form) == render_view(views[1], form)
