"""What the data scientist is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import CORRELATED, make_description, make_record
from tests.unit.views.every_caveat import EVERY_CAVEAT
from xaisvc.types import Caveat, Severity
from xaisvc.views import build_view, render_view
from xaisvc.views.document import Facts, Notice, Table
from xaisvc.views.language import Language

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience


def test_data_scientist_gets_every_player_and_number(audiences: Mapping[str, Audience]) -> None:
    record = make_record(caveats=(CORRELATED,))
    view = build_view(record, make_description(), audiences["data_scientist"])
    (table,) = blocks(view, "attributions", Table)

    assert {player.player: player.value for player in record.attribution.players} == {
        row[0].text: row[2].number for row in table.rows
    }
    assert sorted((abs(row[2].number or 0.0) for row in table.rows), reverse=True) == [
        abs(row[2].number or 0.0) for row in table.rows
    ]
    assert blocks(view, "caveats", Facts)[0].title == f"{CORRELATED.id} · care"
    reproduction = {row.label: row.value for facts in blocks(view, "reproduction", Facts) for row in facts.rows}
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
def test_the_method_is_named_with_its_kind(
    audiences: Mapping[str, Audience], method: str, said: str, *, exact: bool
) -> None:
    record = make_record()
    record = replace(record, attribution=replace(record.attribution, method=method, exact=exact))
    view = build_view(record, make_description(), audiences["data_scientist"])
    rows = [row for facts in blocks(view, "reproduction", Facts) for row in facts.rows]

    assert said == next(row.value for row in rows if row.label == "Method")


def test_each_caveat_is_told_with_its_figures_and_what_it_keeps_from_customers(
    audiences: Mapping[str, Audience],
) -> None:
    shared, units = EVERY_CAVEAT["shared_credit"], EVERY_CAVEAT["unit_change"]
    view = build_view(make_record(caveats=(shared, units)), make_description(), audiences["data_scientist"])
    first, second = blocks(view, "caveats", Facts)

    assert first.title == f"{shared.id} · care"
    assert {row.label: row.value for row in first.rows} == {
        "What was found": shared.message,
        "Players": "duration_months, credit_amount",
        "Read instead": "duration_months + credit_amount = +0.3512 [-0.04321, +0.3876]",
        "Evidence": "association = 0.8123, moved_share = 0.1234",
        "Kept from customers": "no_ranking",
    }
    assert {row.label: row.value for row in second.rows} == {
        "Players": "duration_months",
        "Kept from customers": "no_reasons",
        "Model rows scored for it": "12",
    }


@pytest.mark.parametrize(
    ("names", "tone", "level", "told"),
    [
        (["near_threshold"], "info", "normal", "No caveat of severity care or unreliable fired."),
        (["stale_background", "near_threshold"], "care", "care", "Set by stale_background-"),
        (["additivity_failure", "stale_background"], "stop", "unreliable", "Set by additivity_failure-"),
    ],
)
def test_the_level_comes_with_the_caveats_that_set_it(
    audiences: Mapping[str, Audience], names: list[str], tone: str, level: str, told: str
) -> None:
    caveats = tuple(EVERY_CAVEAT[name] for name in names)
    view = build_view(make_record(caveats=caveats), make_description(), audiences["data_scientist"])
    (notice,) = blocks(view, "caveats", Notice)

    assert (notice.tone, notice.title) == (tone, f"Reliability: {level}.")
    assert notice.text.startswith(told)
    assert not [caveat.id for caveat in caveats[1:] if caveat.id in notice.text]


def test_data_scientist_sees_the_additivity_residual(audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    off = replace(record, attribution=replace(record.attribution, output=record.attribution.output + 0.25))
    view = build_view(off, make_description(), audiences["data_scientist"])
    residual = {row.label: row.value for row in blocks(view, "checks", Facts)[0].rows}["Residual"]

    assert pytest.approx(float(residual)) == 0.25


def test_lime_is_described_as_what_it_is(audiences: Mapping[str, Audience]) -> None:
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


@pytest.mark.parametrize("name", sorted(EVERY_CAVEAT))
def test_a_caveat_is_told_in_the_readers_language_with_the_records_own_words_beside_it(
    audiences: Mapping[str, Audience], name: str
) -> None:
    caveat = replace(EVERY_CAVEAT[name], message="words of the rule")
    record, reader = make_record(caveats=(caveat,)), audiences["data_scientist"]
    (english,), (dutch,) = (
        blocks(build_view(record, make_description(), reader, language), "caveats", Facts) for language in ("en", "nl")
    )
    told = {row.label: row.value for row in dutch.rows}

    assert english.rows[0].value == "words of the rule"
    said, _, recorded = told["Wat er is gevonden"].partition(" Zoals vastgelegd, in het Engels: ")
    assert recorded == "words of the rule."
    assert said in {
        message.fill({"facts": caveat.players}, Language(reader.catalogue("nl")))
        for key, found in reader.catalogue("nl").messages.items()
        if key.startswith(f"caveat.{caveat.kind}.")
        for message in found
    }


def test_a_kind_that_the_catalogue_does_not_know_keeps_the_words_of_its_rule(audiences: Mapping[str, Audience]) -> None:
    caveat = Caveat(kind="brand_new", severity=Severity.INFO, message="words of the rule")
    view = build_view(make_record(caveats=(caveat,)), make_description(), audiences["data_scientist"], "nl")
    (found,) = blocks(view, "caveats", Facts)

    assert [row.value for row in found.rows] == ["words of the rule", "het hele antwoord"]


@pytest.mark.parametrize(
    ("language", "players", "adverse"), [("en", "12 features", "higher"), ("nl", "12 (kenmerken)", "hoger")]
)
def test_words_of_the_record_are_said_in_the_readers_language(
    audiences: Mapping[str, Audience], language: str, players: str, adverse: str
) -> None:
    view = build_view(make_record(), make_description(), audiences["data_scientist"], language)
    values = [row.value for name in ("reproduction", "prediction") for row in blocks(view, name, Facts)[0].rows]

    assert players in values
    assert adverse in values


@pytest.mark.parametrize(("language", "label"), [("en", "Why this method"), ("nl", "in het Engels)")])
def test_why_this_method_is_quoted_where_it_is_another_language(
    audiences: Mapping[str, Audience], language: str, label: str
) -> None:
    record = make_record()
    record = replace(record, attribution=replace(record.attribution, detail="Auto chose 'tree'."))
    view = build_view(record, make_description(), audiences["data_scientist"], language)
    (row,) = (row for row in blocks(view, "reproduction", Facts)[0].rows if row.value == "Auto chose 'tree'.")

    assert row.label.endswith(label)
