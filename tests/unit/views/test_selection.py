from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import CORRELATED, make_description, make_record
from xaisvc.types import Caveat, Gate, PlayerValue, Sensitivity, Severity
from xaisvc.views import load_audiences
from xaisvc.views.entries import make_entries
from xaisvc.views.language import Language
from xaisvc.views.selection import Rule, Selection, select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import ExplanationRecord
    from xaisvc.views import Audience
    from xaisvc.views.entries import Entry


def _selection(audience: Audience, record: ExplanationRecord, level: str = "concept") -> Selection:
    return select(record, make_description(), audience, Language(audience.catalogue("en")), level)  # type: ignore[arg-type]


def _labels(selection: Selection) -> list[str]:
    return [entry.label for entry in selection.entries]


def test_a_concept_is_the_sum_of_its_features(audiences: Mapping[str, Audience]) -> None:
    entries = {entry.label: entry for entry in _selection(audiences["fraud_analyst"], make_record()).entries}

    assert entries["Accounts and savings"].value == pytest.approx(0.62 + 0.21)
    assert entries["History with the bank"].value == pytest.approx(-0.31 - 0.05)


def test_features_of_one_concept_but_two_classes_stay_apart_and_get_names(audiences: Mapping[str, Audience]) -> None:
    labels = _labels(_selection(audiences["customer"], make_record()))

    assert "The loan asked for: Duration of the loan and Amount of the loan" in labels
    assert "The loan asked for: Purpose" in labels


def test_withheld_entries_leave_before_ranking_and_scaling(audiences: Mapping[str, Audience]) -> None:
    quiet = _selection(audiences["relationship_manager"], make_record(values={"age_years": 0.0, "house_rating": 0.0}))
    loud = _selection(audiences["relationship_manager"], make_record(values={"age_years": 99.0, "house_rating": -99.0}))

    assert quiet.entries == loud.entries
    assert quiet.total == loud.total


@pytest.mark.parametrize("level", ["concept", "feature"])
def test_no_two_audiences_disagree_on_order_or_direction(audiences: Mapping[str, Audience], level: str) -> None:
    record = make_record(caveats=(CORRELATED,))
    full = [(e.order, e.value) for e in _selection(audiences["data_scientist"], record, level).entries]
    for audience in audiences.values():
        seen = [(entry.order, entry.value) for entry in _selection(audience, record, level).entries]

        assert [pair for pair in full if pair in seen] == seen


def test_facts_that_move_together_are_one_entry_at_every_level(audiences: Mapping[str, Audience]) -> None:
    for level in ("concept", "feature"):
        entries = _selection(audiences["customer"], make_record(caveats=(CORRELATED,)), level).entries
        joined = next(e for e in entries if "duration_months" in {m.feature.id for m in e.members})

        assert {"duration_months", "customer_since"} <= {m.feature.id for m in joined.members}


def test_a_mild_association_does_not_join(audiences: Mapping[str, Audience]) -> None:
    mild = replace(CORRELATED, severity=Severity.INFO)

    assert _labels(_selection(audiences["customer"], make_record())) == _labels(
        _selection(audiences["customer"], make_record(caveats=(mild,)))
    )


@pytest.mark.parametrize("name", ["customer", "data_scientist", "relationship_manager"])
def test_facts_of_another_class_are_never_joined_with_visible_ones(
    audiences: Mapping[str, Audience], name: str
) -> None:
    caveat = Caveat(kind="shared_credit", severity=Severity.CARE, players=("duration_months", "age_years"))
    plain = _selection(audiences[name], make_record())
    joined = _selection(audiences[name], make_record(caveats=(caveat,)))
    kept_back = [entry.label for entry in joined.barred]

    assert kept_back == (
        ["The loan asked for: Duration of the loan and Amount of the loan"] if name == "customer" else []
    )
    assert [label for label in _labels(plain) if label not in kept_back] == _labels(joined)
    assert {entry.value for entry in joined.entries} <= {entry.value for entry in plain.entries}
    assert plain.total == joined.total


@pytest.mark.parametrize("gate", Gate)
@pytest.mark.parametrize("level", ["concept", "feature"])
def test_gates_never_make_two_audiences_disagree(audiences: Mapping[str, Audience], level: str, gate: Gate) -> None:
    """Entries are made alike for everybody, and each audience leaves out what it keeps back."""
    for kind in ("shared_credit", "attributed_but_unused", "value_function_disagreement"):
        caveat = Caveat(kind=kind, severity=Severity.INFO, players=("purpose", "duration_months"), gates=(gate,))
        record = make_record(caveats=(caveat,))
        full = [(e.order, e.value) for e in _selection(audiences["data_scientist"], record, level).entries]
        for audience in audiences.values():
            seen = [(entry.order, entry.value) for entry in _selection(audience, record, level).entries]

            assert [pair for pair in full if pair in seen] == seen


def test_every_player_is_in_one_entry_whatever_the_gates(audiences: Mapping[str, Audience]) -> None:
    language = Language(audiences["data_scientist"].catalogue("en"))
    caveats = tuple(
        Caveat(kind=kind, severity=Severity.CARE, players=players, gates=gates)
        for kind, players, gates in (
            ("shared_credit", ("purpose", "duration_months", "age_years"), (Gate.NO_RANKING,)),
            ("shared_credit", ("age_years", "telephone"), (Gate.NO_RANKING, Gate.NOT_A_REASON)),
            ("attributed_but_unused", ("telephone", "purpose"), (Gate.NOT_A_REASON,)),
            ("value_function_disagreement", ("savings_status",), (Gate.NOT_A_REASON,)),
        )
    )
    record = make_record(caveats=caveats)
    for level in ("concept", "feature"):
        entries = make_entries(record, make_description(), language, level)  # type: ignore[arg-type]
        members = [member.player.player for entry in entries for member in entry.members]
        units = [player.player for entry in entries for unit in entry.units for player in unit]

        assert sorted(members) == sorted(units) == sorted(player.player for player in record.attribution.players)
        assert sum(entry.value for entry in entries) == pytest.approx(sum(p.value for p in record.attribution.players))
        unused = {member.player.player for entry in entries if entry.unused for member in entry.members}
        assert unused == {"telephone", "purpose"}


def test_an_entry_shows_the_facts_that_carry_its_direction(audiences: Mapping[str, Audience]) -> None:
    language = Language(audiences["data_scientist"].catalogue("en"))
    record = make_record(values={"duration_months": 0.5, "credit_amount": -0.1})
    entries = make_entries(record, make_description(), language, "concept")
    loan = next(e for e in entries if "duration_months" in {m.feature.id for m in e.members})

    assert [feature.id for feature in loan.facts()] == ["duration_months"]


def _loan_of_two_players(pair: float, purpose: float) -> Entry:
    """The entry of the loan, whose duration and amount are one player of the value `pair`."""
    language = Language(load_audiences()["data_scientist"].catalogue("en"))
    record = make_record(values={"purpose": purpose})
    both = PlayerValue(player="both", features=("duration_months", "credit_amount"), value=pair)
    others = tuple(p for p in record.attribution.players if p.player not in both.features)
    record = replace(record, attribution=replace(record.attribution, players=(*others, both), players_kind="custom"))
    description = make_description()
    own = tuple(
        replace(feature, sensitivity=Sensitivity.CUSTOMER_OWN) if feature.id == "purpose" else feature
        for feature in description.features
    )
    entries = make_entries(record, replace(description, features=own), language, "concept")
    return next(entry for entry in entries if "purpose" in {member.feature.id for member in entry.members})


@pytest.mark.parametrize(
    ("pair", "purpose", "facts", "offsets"),
    [
        (0.6, -0.4, ["duration_months", "credit_amount"], ["purpose"]),
        (0.4, -0.6, ["purpose"], ["duration_months", "credit_amount"]),
        (-0.4, -0.6, ["purpose", "duration_months", "credit_amount"], []),
        (0.6, -0.05, ["duration_months", "credit_amount"], []),
        (0.6, -0.07, ["duration_months", "credit_amount"], ["purpose"]),
    ],
)
def test_facts_never_stand_for_a_direction_that_their_player_did_not_take(
    pair: float, purpose: float, facts: list[str], offsets: list[str]
) -> None:
    loan = _loan_of_two_players(pair, purpose)

    assert facts == [feature.id for feature in loan.facts()]
    assert offsets == [feature.id for feature in loan.offsets()]


def test_a_player_of_several_features_is_shown_only_if_all_may_be(audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    mixed = PlayerValue(player="mixed", features=("telephone", "age_years"), value=0.4)
    others = tuple(p for p in record.attribution.players if p.player not in mixed.features)
    record = replace(record, attribution=replace(record.attribution, players=(*others, mixed), players_kind="custom"))

    assert "Telephone on file and Age" not in _labels(_selection(audiences["customer"], record))
    assert "Telephone on file and Age" in _labels(_selection(audiences["data_scientist"], record))


def test_a_rule_takes_material_and_certain_entries_of_one_direction(audiences: Mapping[str, Audience]) -> None:
    selection = _selection(audiences["data_scientist"], make_record(), "feature")
    against = [entry.label for entry in selection.reasons(1, Rule(maximum=3, floor=0.05))]

    assert against == ["Checking account", "Duration of the loan", "Savings"]
    assert [e.label for e in selection.reasons(-1, Rule(maximum=3, floor=0.1))] == ["Customer since"]


def test_an_entry_within_its_error_is_no_reason(audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    noisy = tuple(
        replace(p, standard_error=0.4) if p.player == "checking_status" else p for p in record.attribution.players
    )
    record = replace(record, attribution=replace(record.attribution, players=noisy))
    selection = _selection(audiences["data_scientist"], record, "feature")

    assert "Checking account" not in [e.label for e in selection.reasons(1, Rule(maximum=9, floor=0, certainty=2))]
    assert "Checking account" in [e.label for e in selection.reasons(1, Rule(maximum=9, floor=0, certainty=1))]


@pytest.mark.parametrize(("value", "missing"), [(0.9, True), (0.3, True), (0.05, False), (-0.9, False), (0.0, False)])
def test_a_list_misses_a_principal_reason_if_a_held_one_would_be_in_it(
    audiences: Mapping[str, Audience], value: float, *, missing: bool
) -> None:
    selection = _selection(audiences["customer"], make_record(values={"age_years": value}))
    rule = Rule(maximum=3, floor=0.1)
    shown = selection.reasons(1, rule)

    assert missing is selection.misses_principal(1, shown, rule)
