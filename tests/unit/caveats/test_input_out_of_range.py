"""Rows that the background does not support."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only, said
from xaisvc.types import Gate, Players, Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "input_out_of_range"
NAN = float("nan")


@pytest.mark.parametrize(
    ("row", "players", "evidence"),
    [
        ({"age": 130.0}, ("age",), {"features": 1.0, "unknown": 0.0, "largest_excess_in_ranges": 0.3}),
        (
            {"age": 120.0, "income": 200.0},
            ("age", "income"),
            {"features": 2.0, "unknown": 0.0, "largest_excess_in_ranges": 1.0},
        ),
        ({"job": "astronaut"}, ("job",), {"features": 1.0, "unknown": 1.0, "largest_excess_in_ranges": 0.0}),
    ],
)
def test_values_outside_name_their_players(
    make_context: MakeContext, row: dict[str, float | str], players: tuple[str, ...], evidence: dict[str, float]
) -> None:
    caveat = only(make_context(row=row))

    assert (caveat.kind, caveat.severity, caveat.players) == (KIND, Severity.CARE, players)
    assert caveat.gates == (Gate.NO_REASONS,)
    assert caveat.evidence == pytest.approx(evidence)
    assert caveat.message == (
        f"{', '.join(players)}: the background holds no such value, so this attribution compares the row with rows "
        "that are unlike it; check the input"
    )


def test_a_group_is_named_once(make_context: MakeContext) -> None:
    groups = Players(names=("numbers", "job"), members=(("age", "income", "debt"), ("job",)), kind="custom")
    caveat = only(make_context(row={"age": 500.0, "debt": 400.0}, players=groups, has_opinion=False))

    assert caveat.players == ("numbers",)
    assert caveat.evidence["features"] == 2.0


def test_the_widened_range_is_inside(make_context: MakeContext) -> None:
    assert kinds(make_context(row={"age": 110.0, "income": 100.0, "job": "manager", "debt": 0.0})) == []


def test_a_missing_value_counts_where_the_background_never_misses_it(make_context: MakeContext) -> None:
    assert kinds(make_context(row={"age": NAN})) == [KIND, "missing_input"]
    assert kinds(make_context(row={"job": None})) == ["missing_input"]


def test_values_that_do_not_go_together(make_context: MakeContext) -> None:
    # Age and income have a correlation of 0.95 there: the highest age with the lowest income is none of its rows.
    caveat = only(make_context(row={"age": 95.0, "income": 5.0}, dense=True))

    assert (caveat.kind, caveat.severity, caveat.players) == (KIND, Severity.CARE, ())
    assert caveat.gates == (Gate.NO_REASONS,)
    # z = (1.8, -1.8): z P z / 2 - z z / 2 = 3.24 (1 / 0.05 - 1)
    assert caveat.evidence == pytest.approx({"discord": 3.24 * 19.0, "limit": 4.0})
    assert caveat.message == (
        "each value of this row occurs in the background, but they do not go together as its rows' values do, so this "
        "attribution compares the row with rows that are unlike it; check the input"
    )


def test_values_that_go_together_are_fine(make_context: MakeContext) -> None:
    assert kinds(make_context(row={"age": 95.0, "income": 94.0}, dense=True)) == []


def test_infinite_numbers_give_finite_figures(make_context: MakeContext) -> None:
    (caveat,) = said(make_context(row={"age": float("inf")}), KIND)

    assert caveat.evidence["largest_excess_in_ranges"] == pytest.approx(1.7976931348623157e308)
