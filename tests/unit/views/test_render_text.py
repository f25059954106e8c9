from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_description, make_open_description, make_record
from xaisvc.views import build_view, render_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience


@pytest.mark.parametrize("name", ["business_manager", "customer", "relationship_manager", "fraud_analyst"])
def test_lines_are_short_but_for_tables(audiences: Mapping[str, Audience], name: str) -> None:
    description = make_open_description()
    view = build_view(make_record(description=description), description, audiences[name])
    lines = [line for line in render_view(view, "text").splitlines() if "  " not in line.strip()]

    assert max(map(len, lines)) <= 78


def test_a_letter_reads_like_this(audiences: Mapping[str, Audience]) -> None:
    description = make_open_description()
    view = build_view(make_record(description=description), description, audiences["customer"])

    assert render_view(view, "text").startswith(
        """About your request
==================
3 March 2026 · your reference rec-7f3a

What we decided
---------------
We looked at your request on 3 March 2026. We are sorry: the decision was not
in your favour.

How we used a computer
----------------------
A computer model looked at your information and gave an outcome. People at the
bank set the rule for how we use that outcome. You can ask for a person to
look at it again.

The main reasons
----------------
These points counted most against your request. The strongest comes first. To
find them, we compared your request with those of other people.

  1. Accounts and savings
     Checking account  Overdrawn
     Savings           Little
  2. The loan asked for: Duration of the loan and Amount of the loan
     Duration of the loan  48 months
     What counted the other way is taken off here: Amount of the loan.

Your information
----------------
"""
    )


def test_a_table_too_wide_for_lines_becomes_paragraphs(audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    text = render_view(build_view(record, make_description(), audiences["data_scientist"]), "text")

    assert "Player            Value in this row" in text
    players = tuple(replace(p, player=f"{p.player} {'word ' * 30}end") for p in record.attribution.players)
    wide = replace(record, attribution=replace(record.attribution, players=players))
    text = render_view(build_view(wide, make_description(), audiences["data_scientist"]), "text")

    assert "  Value in this row: Overdrawn\n  Attribution: +0.62\n" in text


def test_a_dutch_letter_reads_like_this(audiences: Mapping[str, Audience]) -> None:
    description = make_open_description()
    view = build_view(make_record(description=description), description, audiences["customer"], "nl")

    assert render_view(view, "text").startswith(
        """Over uw aanvraag
================
3 maart 2026 · kenmerk rec-7f3a

Wat wij hebben besloten
-----------------------
Wij hebben uw aanvraag op 3 maart 2026 bekeken. Het spijt ons: het besluit is
niet in uw voordeel.
"""
    )


@pytest.mark.parametrize(
    ("form", "care", "stop"), [("text", "[Let op] ", "[Stop] "), ("markdown", "> **Let op:** ", "> **Stop:** ")]
)
def test_the_tone_of_a_notice_is_worded_in_the_readers_language(
    audiences: Mapping[str, Audience], form: str, care: str, stop: str
) -> None:
    odd = make_record(row={"credit_amount": 99999.0})
    card = render_view(build_view(odd, make_description(), audiences["relationship_manager"], "nl"), form)

    assert f"{care}Controleer deze gegevens" in card
    assert stop in render_view(build_view(odd, make_description(), audiences["fraud_analyst"], "nl"), form)
    assert "Take care" not in card
