"""What holds for the views of several audiences, from one record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import (
    CORRELATED,
    NUMBERS,
    UNRELIABLE,
    make_description,
    make_description_without_decision,
    make_record,
)
from xaisvc.types import Adverse, Sensitivity
from xaisvc.views import FORMATS, ViewStatus, build_view, render_view
from xaisvc.views.document import BarChart, Facts, Notice, Paragraph, Reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.views import Audience


NAMES = ["business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager"]


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


def test_a_bundle_with_money_laundering_facts_is_closed_to_client_facing_audiences(
    audiences: Mapping[str, Audience],
) -> None:
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


def test_an_unreliable_explanation_gives_nobody_reasons_but_data_scientists(audiences: Mapping[str, Audience]) -> None:
    record = make_record(caveats=(UNRELIABLE,))
    for name, audience in audiences.items():
        view = build_view(record, make_description(), audience)
        shown = [b for s in view.sections for b in s.blocks if isinstance(b, Reasons | BarChart)]

        assert bool(shown) is (name == "data_scientist"), name
    manager = build_view(record, make_description(), audiences["relationship_manager"])

    assert blocks(manager, "reasons", Notice)[0].title == "No reasons are shown for this client."
    assert blocks(manager, "next_step", Notice)[0].title == "Do not use this outcome yet. Ask for a review first."
    assert ViewStatus.HELD_FOR_REVIEW is build_view(record, make_description(), audiences["customer"]).status


def test_few_past_cases_are_not_shown(audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    assert record.portfolio is not None
    small = replace(record, portfolio=replace(record.portfolio, rows=19))
    for case in (small, replace(record, portfolio=None)):
        view = build_view(case, make_description(), audiences["fraud_analyst"])

        assert [row.label for row in blocks(view, "standing", Facts)[0].rows] == ["Rule"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", ODD)
def test_every_audience_has_a_view_of_every_kind_of_record(
    audiences: Mapping[str, Audience], name: str, case: str
) -> None:
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


def test_a_view_is_a_pure_function_of_its_arguments(audiences: Mapping[str, Audience]) -> None:
    for audience in audiences.values():
        views = [build_view(make_record(caveats=(CORRELATED,)), make_description(), audience) for _ in range(2)]

        assert views[0] == views[1]
        for form in FORMATS:
            assert render_view(views[0], form) == render_view(views[1], form)
