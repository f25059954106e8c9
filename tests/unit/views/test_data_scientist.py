"""What the data scientist is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import CORRELATED, make_description, make_record
from xaisvc.views import build_view, render_view
from xaisvc.views.document import Facts, Table

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
    assert blocks(view, "caveats", Table)[0].rows[0][0].text == "correlated_features"
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
