"""Another method and interactions for recorded rows: the numbers of the calls that they stand for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.caveats import method_agreement
from xaisvc.demo.cases import BUNDLES, load_cases
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.reader_rights import reader_rights
from xaisvc.engine.second_look import KEPT_PAIRS, row_interactions, second_methods
from xaisvc.types import Gate
from xaisvc.types.record import Caveat, Severity
from xaisvc.types.supplements import Supplement
from xaisvc.views import load_audiences
from xaisvc.views.document import Beeswarm, HeatMap, Notice, Plots

if TYPE_CHECKING:
    from xaisvc.engine.batch import ExplanationBatch

ROWS = 4
ROUNDING = 1e-9
"""Both sides are the same float64 numbers, summed in another order."""


@pytest.fixture(scope="module")
def credit() -> tuple[Explainer, ExplanationBatch]:
    explainer = Explainer(BUNDLES / "german-credit-boosting", device="cpu", threads=1)
    return explainer, explainer.explain([case.row for case in load_cases()[:ROWS]])


def test_the_second_method_of_shapley_values_is_lime(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    found = second_methods(explainer._loaded, [one.record for one in batch], batch.rows)
    expected = explainer.explain(batch.rows, method="lime")
    agreement = method_agreement(batch.attribution, expected.attribution)

    assert found is not None
    for i, one in enumerate(found):
        assert (one.method, one.value_function, one.exact) == ("lime", "local_surrogate", False)
        assert one.values == dict(zip(batch.players.names, expected.values[i].tolist(), strict=True))
        assert one.diagnostics == expected.attribution.diagnostics[i]
        assert one.model_rows == expected.model_evaluations[i]
        assert one.kendall_tau == agreement.kendall_tau[i]
        assert one.material_players == agreement.material_players[i]
        assert bool(one.conflicting) is bool(agreement.sign_agreement[i] < 1)
        assert bool(one.disputed) is bool(agreement.leader_agreement[i] < 1)


def test_the_second_method_of_lime_is_the_planners_choice(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    lime = explainer.explain(batch.rows, method="lime")
    found = second_methods(explainer._loaded, [one.record for one in lime], batch.rows)

    assert found is not None
    for i, one in enumerate(found):
        assert (one.method, one.exact) == ("tree", True)
        assert one.values == pytest.approx(
            dict(zip(batch.players.names, batch.values[i].tolist(), strict=True)), rel=ROUNDING
        )


def test_interactions_are_those_of_the_explainer(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    records = [one.record for one in batch]
    found = row_interactions(explainer._loaded, records, batch.rows)
    expected = explainer.interactions(batch.rows).values

    assert found is not None
    names = batch.players.names
    for record, one, matrix in zip(records, found, expected, strict=True):
        sizes = [abs(pair.value) for pair in one.pairs]
        assert sizes == sorted(sizes, reverse=True)
        assert len(one.pairs) == min(KEPT_PAIRS, np.count_nonzero(np.triu(matrix, 1)))
        for pair in one.pairs:
            i, j = (names.index(name) for name in pair.players)
            assert pair.value == pytest.approx(matrix[i, j] + matrix[j, i], rel=ROUNDING)
        for player in record.attribution.players:
            i = names.index(player.player)
            assert one.main[player.player] == matrix[i, i]
            assert player.value == pytest.approx(matrix[i].sum(), rel=1e-6, abs=1e-9)  # two exact algorithms


def test_a_probability_has_no_interactions(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    other = explainer.explain(batch.rows.take(slice(0, 1)), space="probability")

    assert row_interactions(explainer._loaded, [other[0].record], batch.rows.take(slice(0, 1))) is None


def test_what_others_get_is_what_their_views_say(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    description = explainer.bundle.description
    audiences = load_audiences()
    barred = Caveat(
        kind="shared_credit", severity=Severity.CARE, players=("purpose",), gates=(Gate.NOT_A_REASON, Gate.NO_RANKING)
    )
    record = batch[0].record
    record = replace(record, caveats=(barred,))
    found = {one.audience: one for one in reader_rights(record, description, audiences)}

    assert set(found) == set(audiences)
    many = found.pop("business_manager")
    assert (many.status, set(many.actions.values()), many.kept_back) == ("many_only", {"hide"}, ())
    assert list(many.actions) == list(description.feature_ids)
    for name, one in found.items():
        assert one.actions == {f.id: audiences[name].action(f).value for f in description.features}
        assert one.kept_back == (("purpose",) if Gate.NOT_A_REASON in audiences[name].gates else ())
    assert found["data_scientist"].status == "complete"
    closed = replace(description, audiences=("data_scientist",))
    assert {one.audience for one in reader_rights(record, closed, audiences) if one.status == "not_concerned"} == {
        *audiences
    } - {"data_scientist"}


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_data_scientist_gets_everything_from_one_call(
    credit: tuple[Explainer, ExplanationBatch], language: str
) -> None:
    view = credit[1][0].view("data_scientist", language).document
    kinds = {type(block) for part in view.sections for block in part.blocks}

    assert {Beeswarm, HeatMap, Plots} <= kinds
    assert "interactions" in {part.id for part in view.sections}
    (table,) = [part for part in view.sections if part.id == "readers"]
    assert not isinstance(table.blocks[0], Notice)


def test_nothing_is_supplied_that_is_not_asked_for(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    records = [one.record for one in batch]
    (first, *_) = explainer.supplier.supply(records, {Supplement.OVERVIEW}, rows=batch.rows)

    assert first.overview is explainer.overview()
    assert (first.second_method, first.interactions, first.readers) == (None, None, None)


def test_players_of_a_caller_have_a_second_method_but_no_overview(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    own = explainer.explain(batch.rows.take(slice(0, 1)), players={"loan": ["amount_dm", "duration_months"]})
    needs = {Supplement.OVERVIEW, Supplement.SECOND_METHOD, Supplement.INTERACTIONS}
    (found,) = explainer.supplier.supply([own[0].record], needs)

    assert found.overview is None
    assert found.second_method is not None
    assert set(found.second_method.values) == set(own.players.names)
    assert found.interactions is not None
    assert own[0].view("data_scientist").to_html()
