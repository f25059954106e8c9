"""Rules look at all rows at once, and say of each what they say of it alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.caveats.spoken import all_caveats, kinds
from xaisvc import caveats
from xaisvc.caveats import CAVEATS, find_caveats
from xaisvc.types import Attribution, Finding, Severity, Table, reliability_level
from xaisvc.types.proxies import Proxies, Proxy
from xaisvc.types.record import Level
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext
    from xaisvc.caveats import CaveatContext

COUNT = 90
OF_ALL_ROWS = {"possible_manipulation", "off_manifold", "stale_background", "low_fidelity_surrogate"}
KINDS = {
    "additivity_failure",
    "attributed_but_unused",
    "background_sensitivity",
    "estimator_noise",
    "hidden_proxy_use",
    "input_out_of_range",
    "interaction_dominates",
    "low_fidelity_surrogate",
    "missing_input",
    "near_threshold",
    "off_manifold",
    "possible_manipulation",
    "proxy_of_protected",
    "rare_usage",
    "shared_credit",
    "stale_background",
    "unit_change",
    "value_function_disagreement",
}


def test_every_kind_has_one_rule() -> None:
    assert len(CAVEATS) == len(KINDS)
    assert {rule.kind for rule in CAVEATS} == KINDS


def test_all_rules_are_silent_when_nothing_is_the_matter(make_context: MakeContext) -> None:
    assert list(all_caveats(make_context())) == [()]


@pytest.fixture
def context(make_context: MakeContext) -> CaveatContext:
    """Many rows, of which each rule speaks about some: sampled, near and far, inside and outside, with gaps."""
    proxy = Proxy(
        source="age",
        features=("age",),
        group="a",
        area=0.8,
        area_error=0.02,
        p_value=0.0,
        share=0.3,
        tells=True,
        matters=True,
    )
    study = Proxies(
        attribute="origin",
        rows=500,
        groups=(("a", 250), ("b", 250)),
        too_small=(),
        features=(proxy,),
        clusters=(),
        together=None,
        score=None,
        refusal="",
    )
    one = make_context(
        exact=False,
        effects={(0, 1): 0.8, (2, 3): 0.7},
        gaps={(0, 1): (-0.1, 0.1), (2, 3): (0.15, -0.2)},
        uses={"debt": Use.PROVEN_UNUSED, "income": Use.RARELY_USED},
        dense=True,
        proxies=(study,),
        background_errors=(0.1, 0.1, 0.1, 0.1),
        interplay=(0.6, 0.1, 0.0, 0.0),
    )
    rng = np.random.default_rng(5)
    jobs = np.empty(COUNT, dtype=np.object_)
    jobs[:] = [("clerk", "manager", "astronaut", None)[i] for i in rng.choice(4, COUNT, p=[0.45, 0.45, 0.05, 0.05])]
    ages = rng.uniform(-5, 105, COUNT)
    ages[::11] = np.nan
    ages[::13] *= 1000
    values = rng.normal(size=(COUNT, 4)) * rng.choice([0.1, 1.0], (COUNT, 1))
    values[::5, :2] = 0.0
    values[:, 3] = 0.0
    values[3] = 0.0
    return replace(
        one,
        rows=Table({"age": ages, "income": rng.uniform(0, 100, COUNT), "job": jobs, "debt": rng.uniform(1, 99, COUNT)}),
        predictions=rng.uniform(0.4, 0.6, COUNT),
        attribution=Attribution(
            values=values,
            base_values=np.full(COUNT, 0.1),
            outputs=0.1 + values.sum(axis=1) + np.where(np.arange(COUNT) % 17, 0.0, 9.0),
            standard_errors=np.abs(rng.normal(size=(COUNT, 4))) * rng.choice([0.0, 0.05, 0.5], (COUNT, 1)),
            method="kernel",
            exact=False,
            model_evaluations=np.ones(COUNT, dtype=np.int64),
        ),
    )


def test_a_row_gets_the_caveats_that_it_gets_alone(context: CaveatContext) -> None:
    together = all_caveats(context)
    alone = [all_caveats(context.part(i, i + 1))[0] for i in range(COUNT)]

    assert list(together) == alone
    seen = {caveat.kind for row in alone for caveat in row}
    assert seen == KINDS - OF_ALL_ROWS
    for kind in seen:  # each rule is silent about some rows, or the comparison would say little
        assert any(kind not in {caveat.kind for caveat in row} for row in alone)


def test_pieces_change_nothing(context: CaveatContext, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(all_caveats(context))
    monkeypatch.setattr(caveats, "PIECE_ROWS", 7)
    cut = all_caveats(context)

    assert list(cut) == whole
    assert [cut[i] for i in range(COUNT)[::-1]] == whole[::-1]


def test_many_features_make_small_pieces_and_few_are_kept(
    context: CaveatContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Rule:
        kind = "counted"

        def find(self, context: CaveatContext) -> tuple[Finding, ...]:
            asked.append(len(context.rows))
            return ()

    monkeypatch.setattr(caveats, "CAVEATS", (Rule(),))
    monkeypatch.setattr(caveats, "PIECE_NUMBERS", 60)  # of four features each: 15 rows
    found = all_caveats(context)

    assert list(found) == [()] * COUNT
    assert asked == [15] * 6
    _ = found[COUNT - 1], found[COUNT - 60]  # the last four pieces are known
    assert len(asked) == 6
    _ = found[0]
    assert len(asked) == 7


def test_rows_of_the_same_kind_severity_and_players_share_a_message(context: CaveatContext) -> None:
    said: dict[tuple[object, ...], set[str]] = {}
    several = 0
    for row in all_caveats(context):
        for caveat in row:
            # Two findings of one kind may name the same players: their gates tell them apart.
            texts = said.setdefault((caveat.kind, caveat.severity, caveat.players, caveat.gates), set())
            several += caveat.message in texts
            texts.add(caveat.message)

    # The conversion belongs to the name of a finding about units.
    assert [texts for (kind, *_), texts in said.items() if len(texts) > 1 and kind != "unit_change"] == []
    assert several > COUNT


def test_evidence_is_finite_and_costs_nothing(context: CaveatContext) -> None:
    for row in all_caveats(context):
        for caveat in row:
            assert np.isfinite(list(caveat.evidence.values())).all(), caveat
            assert all(type(value) is float for value in caveat.evidence.values()), caveat
            assert caveat.model_rows == 0


def test_the_most_severe_comes_first(context: CaveatContext) -> None:
    order = [Severity.UNRELIABLE, Severity.CARE, Severity.INFO]
    ranks = [[order.index(caveat.severity) for caveat in row] for row in all_caveats(context)]

    assert all(row == sorted(row) for row in ranks)
    assert max(len(set(row)) for row in ranks) == len(order)
    levels = {reliability_level(row) for row in all_caveats(context)}
    assert levels >= {Level.CARE, Level.UNRELIABLE}


def test_nothing_is_looked_for_before_somebody_reads(context: CaveatContext, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Rule:
        kind = "counted"

        def find(self, context: CaveatContext) -> tuple[Finding, ...]:
            asked.append(len(context.rows))
            return ()

    def make() -> CaveatContext:
        asked.append(-1)
        return context

    monkeypatch.setattr(caveats, "CAVEATS", (Rule(),))
    found = find_caveats(make, COUNT)

    assert len(found) == COUNT
    assert asked == []
    assert found[0] == found[COUNT - 1] == ()
    assert asked == [-1, COUNT]


def test_rows_are_read_as_from_a_sequence(context: CaveatContext) -> None:
    found = all_caveats(context)

    assert len(found) == COUNT
    assert found[-1] == found[COUNT - 1]
    assert found[2:4] == (found[2], found[3])
    with pytest.raises(IndexError):
        _ = found[COUNT]


def test_lime_finds_the_diagnostics_of_each_row(make_context: MakeContext) -> None:
    one = make_context(lime=True, diagnostics={"stability_top3_jaccard": 0.5})
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
    jaccards = [row[0].evidence["stability_top3_jaccard"] for row in all_caveats(two)]

    assert jaccards == [0.5, 0.9]


def test_objects_are_made_when_a_row_is_read(context: CaveatContext, monkeypatch: pytest.MonkeyPatch) -> None:
    found = all_caveats(context)
    silent = next(i for i in range(COUNT) if not found[i])
    table = found.table
    monkeypatch.setattr("xaisvc.types.caveat_table.Caveat", lambda **_: pytest.fail("made"))

    assert found[silent] == ()
    assert len(found.table) == len(table) == COUNT
    with pytest.raises(pytest.fail.Exception, match="made"):
        _ = found[next(i for i in range(COUNT) if table.starts[i] < table.starts[i + 1])]


def test_the_table_holds_what_the_rows_say(context: CaveatContext, monkeypatch: pytest.MonkeyPatch) -> None:
    found = all_caveats(context)
    monkeypatch.setattr(caveats, "PIECE_ROWS", 7)

    assert list(found.table) == list(found)
    assert list(all_caveats(context).table) == list(found)


def test_shares_of_a_row_of_zeros_are_zero(make_context: MakeContext) -> None:
    assert make_context(values=(0.0,)).shares.tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_a_row_of_zeros_is_plain(make_context: MakeContext) -> None:
    context = make_context(
        values=(0.0,), effects={(0, 1): 0.9}, gaps={(0, 1): (-0.1, 0.1)}, interplay=(1.0, 1.0, 1.0, 1.0)
    )

    assert kinds(context) == []
