"""Any model file, from the ONNX bytes to an explanation, through the public interface alone.

For every converter's output: a bundle is drafted and checked, the planner's own choice is explained, and the answer is
compared with the enumeration of all coalitions of the same ONNX file, which shares no code with the fast methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import xaisvc
from tests.e2e.zoo import cases
from xaisvc.engine.authoring import check_bundle_folder
from xaisvc.types import Space

if TYPE_CHECKING:
    from pathlib import Path

NAMES = sorted(cases(""))
BACKGROUND_ROWS = 30
EXPLAINED_ROWS = 6
# Exact methods sum leaves and weights in float64; the enumeration averages the graph's float32 answers.
RELATIVE_TOLERANCE = 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_from_file_to_explanation(name: str, tmp_path: Path) -> None:
    case = cases(str(tmp_path))[name]()
    bundle = xaisvc.create_bundle(model=case.model, background=case.data[:BACKGROUND_ROWS], path=tmp_path / "bundle")
    _, report = check_bundle_folder(tmp_path / "bundle")
    assert report.ok, report.to_text()

    explainer = xaisvc.Explainer(bundle, device="cpu")
    rows = case.data[100 : 100 + EXPLAINED_ROWS].reset_index(drop=True)
    for output in bundle.description.outputs:
        batch = explainer.explain(rows, output=output.id)
        oracle = explainer.explain(rows, output=output.id, method="exact")
        scale = max(float(np.abs(batch.outputs).max()), float(np.abs(batch.values).max()), 1e-3)

        assert batch.method == case.method
        assert batch.exact
        np.testing.assert_allclose(batch.outputs, oracle.outputs, rtol=0, atol=RELATIVE_TOLERANCE * scale)
        np.testing.assert_allclose(batch.values, oracle.values, rtol=0, atol=RELATIVE_TOLERANCE * scale)
        np.testing.assert_allclose(
            batch.base_values + batch.values.sum(axis=1), batch.outputs, rtol=0, atol=RELATIVE_TOLERANCE * scale
        )
        assert np.abs(batch.values).max() > 0


@pytest.mark.parametrize("name", ["pipeline-boosting", "pipeline-logistic", "lightgbm-missing", "random-forest-binary"])
def test_groups_are_players_for_every_method(name: str, tmp_path: Path) -> None:
    case = cases(str(tmp_path))[name]()
    bundle = xaisvc.create_bundle(model=case.model, background=case.data[:BACKGROUND_ROWS], path=tmp_path / "bundle")
    explainer = xaisvc.Explainer(bundle, device="cpu")
    rows = case.data[100:103].reset_index(drop=True)
    first, second = bundle.description.feature_ids[:2]
    groups = {"together": [first, second]}

    fast = explainer.explain(rows, players=groups)
    oracle = explainer.explain(rows, players=groups, method="exact")

    assert fast.method == case.method
    assert fast.players.names[0] == "together"
    np.testing.assert_allclose(fast.values, oracle.values, rtol=0, atol=RELATIVE_TOLERANCE * 10)
    for method in ("kernel", "permutation"):
        sampled = explainer.explain(rows, players=groups, method=method)
        off = np.abs(sampled.values - oracle.values)
        assert (off <= 5 * sampled.standard_errors + 1e-5).all(), (method, off, sampled.standard_errors)


@pytest.mark.parametrize("name", ["pipeline-boosting", "lightgbm-binary", "logistic-binary"])
def test_the_same_answer_in_probability(name: str, tmp_path: Path) -> None:
    """Probability has no closed form behind a link: it is enumerated or sampled, and says so."""
    case = cases(str(tmp_path))[name]()
    bundle = xaisvc.create_bundle(model=case.model, background=case.data[:BACKGROUND_ROWS], path=tmp_path / "bundle")
    explainer = xaisvc.Explainer(bundle, device="cpu")

    batch = explainer.explain(case.data[100:103].reset_index(drop=True), space="probability")

    assert batch.space is Space.PROBABILITY
    assert batch.method == "exact"
    np.testing.assert_array_equal(batch.outputs, batch.predictions)
    assert ((batch.outputs >= 0) & (batch.outputs <= 1)).all()
