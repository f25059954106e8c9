"""What views show beside records: computed from the bundle that they were made with, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.similar_cases import similar_cases
from xaisvc.errors import AbandonedError
from xaisvc.types.supplements import NO_SUPPLEMENTS, Supplement

if TYPE_CHECKING:
    from xaisvc.engine.batch import ExplanationBatch

ROWS = 12


def explained(name: str) -> tuple[Explainer, ExplanationBatch]:
    explainer = Explainer(BUNDLES / name, device="cpu", threads=1)
    return explainer, explainer.explain(explainer.bundle.background.take(slice(0, ROWS)))


@pytest.fixture(scope="module")
def credit() -> tuple[Explainer, ExplanationBatch]:
    return explained("german-credit-boosting")


@pytest.fixture(scope="module")
def cards() -> tuple[Explainer, ExplanationBatch]:
    return explained("card-fraud")


def test_changes_are_those_of_a_search(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    records = [one.record for one in batch]

    supplied = explainer.supplier.supply(records, {Supplement.COUNTERFACTUALS})

    expected = explainer.counterfactuals(batch.rows)
    assert expected.rows == tuple(one.counterfactuals for one in supplied)
    assert any(one.adverse for one in expected)
    assert all(one.similar_cases is None and one.bands is None for one in supplied)


def test_cases_are_the_nearest_by_what_moved_the_model(cards: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = cards
    records = [one.record for one in batch]

    supplied = explainer.supplier.supply(records, {Supplement.SIMILAR_CASES, Supplement.BANDS}, rows=batch.rows)

    cases = explainer.bundle.cases
    found = similar_cases(
        explainer._loaded,
        batch.rows,
        values=batch.values,
        players=batch.players,
    )
    assert cases is not None
    assert found is not None
    for i, one in enumerate(supplied):
        near = one.similar_cases
        assert near is not None
        for side, expected, confirmed in (
            (near.confirmed, found.confirmed, True),
            (near.cleared, found.cleared, False),
        ):
            assert [cases.rows.row(place) for place in expected.places[i].tolist()] == [case.row for case in side]
            assert expected.distances[i].tolist() == [case.distance for case in side]
            assert {confirmed} == {case.confirmed for case in side}
        assert sum(near.on_file) == len(cases)
        assert near.on_file[0] == int(np.count_nonzero(cases.confirmed))
        assert one.bands is explainer.bundle.bands[batch.provenance.output.id]


def test_nothing_is_computed_that_nobody_needs(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit

    assert explainer.supplier.supply([one.record for one in batch], ()) == [NO_SUPPLEMENTS] * ROWS
    assert explainer.supplier.supply([], {Supplement.COUNTERFACTUALS}) == []


def test_a_record_of_another_version_gets_nothing(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit
    record = batch[0].record

    assert explainer.supplier.made(record)
    for part in ("model", "background", "schema"):
        assert not explainer.supplier.made(replace(record, digests=replace(record.digests, **{part: "0" * 64})))


def test_a_bundle_without_cases_has_none(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit

    (one,) = explainer.supplier.supply([batch[0].record], {Supplement.SIMILAR_CASES, Supplement.BANDS})

    assert one == NO_SUPPLEMENTS


def test_the_search_stops_when_nobody_waits(credit: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = credit

    def gone() -> None:
        raise AbandonedError("nobody waits")

    with pytest.raises(AbandonedError):
        explainer.supplier.supply([one.record for one in batch], {Supplement.COUNTERFACTUALS}, check=gone)
