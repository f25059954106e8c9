"""Rules look at all rows at once, and say of each what they say of it alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc import caveats
from xaisvc.caveats import CAVEATS, Coverage, Finding, find_caveats, outside_background
from xaisvc.caveats.coverage import Range
from xaisvc.types import Attribution, Players, Table

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext
    from xaisvc.caveats import CaveatContext

COUNT = 90


@pytest.fixture
def context(make_context: MakeContext) -> CaveatContext:
    """Many rows, of which each rule speaks about some: sampled, near and far, inside and outside, with gaps."""
    rng = np.random.default_rng(5)
    one = make_context(association={(0, 1): 0.8}, exact=False)
    jobs = np.empty(COUNT, dtype=np.object_)
    jobs[:] = [("clerk", "manager", "astronaut", None)[i] for i in rng.integers(4, size=COUNT)]
    ages = rng.uniform(-20, 120, COUNT)
    ages[::7] = np.nan
    values = rng.normal(size=(COUNT, 3))
    values[::5, :2] = 0.0
    values[3] = 0.0
    return replace(
        one,
        rows=Table({"age": ages, "income": rng.uniform(0, 100, COUNT), "job": jobs}),
        predictions=rng.uniform(0.4, 0.6, COUNT),
        attribution=Attribution(
            values=values,
            base_values=np.full(COUNT, 0.1),
            outputs=0.1 + values.sum(axis=1),
            standard_errors=np.abs(rng.normal(size=(COUNT, 3))) * rng.choice([0.0, 0.05, 0.5], (COUNT, 1)),
            method="kernel",
            exact=False,
            model_evaluations=np.ones(COUNT, dtype=np.int64),
        ),
    )


def test_a_row_gets_the_caveats_that_it_gets_alone(context: CaveatContext) -> None:
    together = find_caveats(context)
    alone = [find_caveats(context.part(i, i + 1))[0] for i in range(COUNT)]

    assert list(together) == alone
    seen = {caveat.kind for row in alone for caveat in row}
    assert seen == {rule.kind for rule in CAVEATS} - {"local_surrogate", "small_background"}
    for kind in seen:  # each rule is silent about some rows, or the comparison would say little
        assert any(kind not in {caveat.kind for caveat in row} for row in alone)


def test_pieces_change_nothing(context: CaveatContext, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(find_caveats(context))
    monkeypatch.setattr(caveats, "PIECE_ROWS", 7)

    assert list(find_caveats(context)) == whole


def test_nothing_is_looked_for_before_somebody_reads(context: CaveatContext, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Rule:
        kind = "counted"

        def find(self, context: CaveatContext) -> tuple[Finding, ...]:
            asked.append(len(context.rows))
            return ()

    monkeypatch.setattr(caveats, "CAVEATS", (Rule(),))
    found = find_caveats(context)

    assert len(found) == COUNT
    assert asked == []
    assert found[0] == found[COUNT - 1] == ()
    assert asked == [COUNT]


def test_rows_are_read_as_from_a_sequence(context: CaveatContext) -> None:
    found = find_caveats(context)

    assert len(found) == COUNT
    assert found[-1] == found[COUNT - 1]
    assert found[2:4] == (found[2], found[3])
    with pytest.raises(IndexError):
        _ = found[COUNT]


def test_lime_finds_the_diagnostics_of_each_row(make_context: MakeContext) -> None:
    one = make_context(exact=False, value_function="local_surrogate", diagnostics={"stability_top3_jaccard": 0.5})
    two = replace(
        one,
        rows=Table({name: np.repeat(values, 2) for name, values in one.rows.columns.items()}),
        predictions=np.repeat(one.predictions, 2),
        attribution=replace(
            one.attribution,
            values=np.repeat(one.attribution.values, 2, axis=0),
            diagnostics=({"stability_top3_jaccard": 0.5}, {"stability_top3_jaccard": 0.9}),
        ),
    )
    jaccards = [row[0].evidence["stability_top3_jaccard"] for row in find_caveats(two)]

    assert jaccards == [0.5, 0.9]


def test_texts_are_made_when_they_are_read(context: CaveatContext, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_caveats(context)
    monkeypatch.setattr("xaisvc.caveats.missing_values.Caveat", lambda **_: pytest.fail("made"))
    missing = next(i for i in range(COUNT) if context.rows.columns["job"][i] is None)

    with pytest.raises(pytest.fail.Exception, match="made"):
        _ = found[missing]


def test_features_compared_together_say_what_each_says_alone(
    context: CaveatContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = np.array([0.0, 100.0, 100.5, -1.0, np.nan, 50.0])
    few = replace(
        context.part(0, len(ages)),
        rows=Table({"age": ages, "income": ages[::-1].copy(), "job": np.full(len(ages), "clerk", dtype=object)}),
    )
    empty = Coverage(
        count=100,
        ranges={**context.coverage.ranges, "income": Range(low=np.nan, high=np.nan, misses=True)},
        categories=context.coverage.categories,
    )
    for one in (few, replace(few, coverage=empty)):
        pieces = [one, *(one.part(i, i + 1) for i in range(len(ages)))]
        together = [list(find_caveats(piece)) for piece in pieces]
        with monkeypatch.context() as patched:
            patched.setattr(outside_background, "FEW_ROWS", 0)
            apart = [list(find_caveats(piece)) for piece in pieces]

        assert together == apart
        kinds = [{caveat.kind for caveat in row} for row in together[0]]
        assert "outside_background" in kinds[2]


def test_linked_players_are_kept_until_bundle_or_players_change(make_context: MakeContext) -> None:
    one = make_context(association={(0, 1): 0.9})
    grouped = replace(one, players=Players(names=("both", "job"), members=(("age", "income"), ("job",))))
    other = replace(one, association=make_context(association={(1, 2): 0.6}).association)
    fresh = [replace(case, coverage=make_context().coverage) for case in (grouped, other)]

    first = _linked(one)
    kept = one.coverage.linked["features"]

    assert first == [("age", "income")]
    assert _linked(one) == first
    assert one.coverage.linked["features"] is kept
    assert [_linked(grouped), _linked(other)] == [_linked(case) for case in fresh] == [[], [("income", "job")]]
    assert len(one.coverage.linked) == 1
    assert _linked(one) == first


def _linked(context: CaveatContext) -> list[tuple[str, ...]]:
    """Players of the caveats about association in the first row, whose attribution has a value per player."""
    count = len(context.players)
    attribution = replace(context.attribution, values=np.ones((1, count)), standard_errors=np.zeros((1, count)))
    found = find_caveats(replace(context, attribution=attribution))[0]
    return [caveat.players for caveat in found if caveat.kind == "correlated_features"]
