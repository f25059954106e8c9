"""Rows in which something is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.caveats.spoken import only, said
from xaisvc.types import Players, Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

NAN = float("nan")


def test_missing_values_name_their_players(make_context: MakeContext) -> None:
    (caveat,) = said(make_context(row={"age": NAN, "job": None}), "missing_input")

    assert (caveat.severity, caveat.players, caveat.gates) == (Severity.INFO, ("age", "job"), ())
    assert caveat.evidence == {"features": 2.0}
    assert caveat.message == "a value is missing for age, job; the model answered without; find it, if it can be had"


def test_a_group_counts_its_missing_features(make_context: MakeContext) -> None:
    groups = Players(names=("numbers", "job"), members=(("age", "income", "debt"), ("job",)), kind="custom")
    context = make_context(row={"age": NAN, "debt": NAN}, players=groups, has_opinion=False)
    (caveat,) = said(context, "missing_input")

    assert (caveat.players, caveat.evidence) == (("numbers",), {"features": 2.0})


def test_a_missing_category_that_the_background_knows_is_all_there_is(make_context: MakeContext) -> None:
    assert only(make_context(row={"job": None})).kind == "missing_input"
