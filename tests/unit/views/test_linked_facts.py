"""How facts that move together, or against each other, are told as one reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import CORRELATED, make_description, make_open_description, make_record
from xaisvc.views import build_view
from xaisvc.views.document import Reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience


def test_facts_that_move_together_are_shown_once_with_a_note(audiences: Mapping[str, Audience]) -> None:
    description = make_open_description()
    caveat = replace(CORRELATED, players=("duration_months", "checking_status"))
    record = make_record(caveats=(caveat,), description=description)
    view = build_view(record, description, audiences["customer"])
    (reasons,) = blocks(view, "principal_reasons", Reasons)

    assert len(reasons.items) == 1
    # The reason's third fact, savings, only shares the concept of one of them, so it is not said to be linked.
    assert [fact.label for fact in reasons.items[0].facts] == ["Checking account", "Duration of the loan", "Savings"]
    assert reasons.items[0].note == (
        "Checking account and Duration of the loan: linked in past cases, directly or through other facts. "
        "We count them as one."
    )


def test_the_note_on_linked_facts_is_the_same_with_and_without_withheld_ones(audiences: Mapping[str, Audience]) -> None:
    notes = set()
    for more in ((), ("age_years",), ("age_years", "house_rating", "unlisted_fact")):
        caveat = replace(CORRELATED, players=("duration_months", "customer_since", *more))
        record = make_record(values={"customer_since": 0.3}, caveats=(caveat,))
        view = build_view(record, make_description(), audiences["relationship_manager"])
        (note,) = {r.note for b in blocks(view, "reasons", Reasons) for r in b.items if "linked" in r.note}
        notes.add(note.split(" What counted")[0])

    said = "Duration of the loan and Customer since: linked in past cases, directly or through other facts."
    assert notes == {f"{said} We count them as one."}


def test_every_group_of_linked_facts_is_named_on_its_own(audiences: Mapping[str, Audience]) -> None:
    """Facts of two groups can meet in one reason through a concept; they are still not linked with each other."""
    description = make_open_description()
    caveats = (
        replace(CORRELATED, players=("checking_status", "duration_months")),
        replace(CORRELATED, players=("savings_status", "telephone")),
    )
    record = make_record(values={"telephone": 0.3}, caveats=caveats, description=description)
    (reasons,) = blocks(build_view(record, description, audiences["customer"]), "principal_reasons", Reasons)

    assert [note.split(":")[0] for note in reasons.items[0].note.split("as one. ")][:2] == [
        "Checking account and Duration of the loan",
        "Savings and Telephone on file",
    ]


@pytest.mark.parametrize(("against", "said"), [(-0.5, True), (-0.07, True), (-0.05, False), (0.1, False)])
def test_facts_that_were_set_off_are_named(audiences: Mapping[str, Audience], against: float, *, said: bool) -> None:
    """Without them, a reader could not see why the strongest fact is not under the first reason."""
    description = make_open_description()
    record = make_record(values={"savings_status": against}, row={"savings_status": "A65"}, description=description)
    for name, section in (("customer", "principal_reasons"), ("relationship_manager", "reasons")):
        listed = blocks(build_view(record, description, audiences[name]), section, Reasons)[0].items
        accounts = next(reason for reason in listed if reason.label == "Accounts and savings")

        assert said is (accounts.note == "What counted the other way is taken off here: Savings.")
        assert said is ("Savings" not in {fact.label for fact in accounts.facts} and bool(accounts.note))
