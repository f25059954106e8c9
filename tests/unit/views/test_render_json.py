from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.views.cases import make_description, make_open_description, make_record
from xaisvc.views import build_view, render_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xaisvc.views import Audience

NAMES = ["business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager"]


@pytest.mark.parametrize("name", NAMES)
def test_json_holds_the_sections_in_order(audiences: Mapping[str, Audience], name: str) -> None:
    view = build_view(make_record(adverse=False), make_description(), audiences[name])
    document = json.loads(render_view(view, "json"))

    assert document["schema"] == "xaisvc.view/v1"
    assert (view.id, name, "en", "complete") == tuple(document[key] for key in ("id", "audience", "language", "status"))
    assert [(s.id, s.type, s.title, len(s.blocks)) for s in view.sections] == [
        (s["id"], s["type"], s["title"], len(s["blocks"])) for s in document["sections"]
    ]


@pytest.mark.parametrize("name", ["customer", "fraud_analyst", "relationship_manager"])
def test_the_day_of_a_fact_is_a_member_where_it_was_said(audiences: Mapping[str, Audience], name: str) -> None:
    description = make_open_description()
    days = dict.fromkeys(("checking_status", "house_rating"), date(2026, 2, 1))
    plain = make_record(description=description, adverse=False)
    pages = [
        render_view(build_view(record, description, audiences[name]), "json")
        for record in (plain, replace(plain, fact_dates=days))
    ]
    facts = list(_facts(json.loads(pages[1])["sections"]))

    assert "as_of" not in pages[0]
    assert {fact["label"]: fact["as_of"] for fact in facts if "as_of" in fact} == {"Checking account": "2026-02-01"}
    assert "" not in [fact.get("source") for fact in facts]


def _facts(found: Any) -> Iterator[dict[str, Any]]:
    """Every object with a value and a note, wherever it stands."""
    if isinstance(found, dict):
        if {"value", "note"} <= found.keys():
            yield found
        found = list(found.values())
    if isinstance(found, list):
        for one in found:
            yield from _facts(one)


def test_data_scientists_get_the_exact_numbers_beside_the_words(audiences: Mapping[str, Audience]) -> None:
    record = make_record(values={"purpose": 0.1234567890123456})
    document = json.loads(render_view(build_view(record, make_description(), audiences["data_scientist"]), "json"))
    table = next(
        block
        for section in document["sections"]
        if section["id"] == "attributions"
        for block in section["blocks"]
        if block["type"] == "table"
    )
    row = next(row for row in table["rows"] if row[0]["text"] == "purpose")

    assert (row[2]["text"], row[2]["number"]) == ("+0.123457", 0.1234567890123456)


def test_what_is_not_finite_is_null_and_text_is_ascii(audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    players = tuple(replace(p, standard_error=float("inf")) for p in record.attribution.players)
    record = replace(record, attribution=replace(record.attribution, players=players))
    text = render_view(build_view(record, make_description(), audiences["data_scientist"]), "json")

    assert text.isascii()
    assert "Infinity" not in text
    assert json.loads(text)
