"""Closed cases of a bundle, found for rows that were explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.bundles import load_bundle
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.similar_cases import feature_weights, similar_cases
from xaisvc.runtimes import OrtRuntime
from xaisvc.structure.similar_cases import CaseIndex
from xaisvc.types import Players

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def loaded() -> Callable[[str], LoadedBundle]:
    kept: dict[str, LoadedBundle] = {}

    def load(name: str) -> LoadedBundle:
        if name not in kept:
            kept[name] = LoadedBundle(load_bundle(BUNDLES / name), OrtRuntime(), "cpu", threads=1)
        return kept[name]

    return load


def test_a_bundle_without_cases_has_no_similar_ones(loaded: Callable[[str], LoadedBundle]) -> None:
    credit = loaded("german-credit-logistic")

    assert similar_cases(credit, credit.bundle.background.take([0])) is None


def test_rows_get_the_cases_that_the_index_finds(loaded: Callable[[str], LoadedBundle]) -> None:
    fraud = loaded("card-fraud")
    rows = fraud.bundle.background.take(slice(0, 20))
    values = np.random.default_rng(0).normal(size=(20, len(fraud.bundle.description.features)))
    assert fraud.bundle.cases is not None
    index = CaseIndex(fraud.bundle.description, fraud.bundle.cases)

    for found, expected in (
        (similar_cases(fraud, rows, k=4), index.nearest(rows, k=4)),
        (similar_cases(fraud, rows, values=values), index.nearest(rows, weights=np.abs(values))),
    ):
        assert found is not None
        assert np.array_equal(found.confirmed.places, expected.confirmed.places)
        assert np.array_equal(found.cleared.distances, expected.cleared.distances)


def test_a_group_shares_its_size_among_its_features() -> None:
    players = Players(names=("x", "rest"), members=(("b",), ("a", "c")), kind="custom")

    found = feature_weights(("a", "b", "c"), np.array([[-4.0, 3.0], [0.0, -1.0]]), players)

    assert found.tolist() == [[1.5, 4.0, 1.5], [0.5, 0.0, 0.5]]
