"""Probabilities read as the link of sums, through the engine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import xaisvc
from tests.oracle.onnx_models import enumerate_shapley, from_lightgbm, numbers, quiet
from xaisvc.engine import linked as linked_module
from xaisvc.engine.explainer import Explainer
from xaisvc.types import Space

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.types import Problem

# The model's probabilities are float32; seen 1e-7.
FLOAT32 = 1e-6


@cache
def _model(kind: str) -> bytes:
    import lightgbm
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier

    data = numbers()
    if kind == "network":
        network = quiet(lambda: MLPClassifier((4,), max_iter=50, random_state=0).fit(data.x, data.binary))
        return to_onnx(network, data.x[:1], options={"zipmap": False}, target_opset=17).SerializeToString()
    made = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=6, min_child_samples=5, verbose=-1, n_jobs=1)
    target = data.binary if kind == "binary" else data.classes
    return quiet(lambda: from_lightgbm(made.fit(data.x, target), zipmap=False))


def _explainer(kind: str, folder: Path) -> Explainer:
    background = pd.DataFrame(numbers().x[:30], columns=[f"f{i}" for i in range(6)])
    xaisvc.create_bundle(model=_model(kind), background=background, path=folder / kind)
    return Explainer(folder / kind, "cpu")


def _problem(explainer: Explainer, space: Space = Space.PROBABILITY, output: str | None = None) -> Problem:
    description = explainer.bundle.description
    players = explainer._loaded.players("features")
    return explainer._loaded.problem(description.output(output), space, players)


@pytest.mark.parametrize(("kind", "sums", "link"), [("binary", 1, "logistic"), ("classes", 3, "softmax")])
def test_boosted_probabilities_are_explained_exactly_from_their_trees(
    tmp_path: Path, kind: str, sums: int, link: str
) -> None:
    explainer = _explainer(kind, tmp_path)
    rows = explainer.bundle.background.take(slice(0, 2))
    for output in explainer.bundle.description.outputs:
        batch = explainer.explain_table(rows, output=output.id, space="probability")
        problem = _problem(explainer, output=output.id)

        assert (batch.method, batch.exact) == ("exact", True)
        assert f"under the {link} link instead of from model rows" in batch.attribution.detail
        assert problem.linked is not None
        assert len(problem.linked.sums) == sums
        for i in range(len(rows)):
            assert batch.values[i] == pytest.approx(enumerate_shapley(problem, rows.take([i])), abs=FLOAT32)


def test_what_is_a_sum_or_no_sum_at_all_has_no_link(tmp_path: Path) -> None:
    assert _problem(_explainer("binary", tmp_path), Space.LOG_ODDS).linked is None
    assert _problem(_explainer("network", tmp_path)).linked is None


def test_a_reading_that_does_not_give_the_models_probabilities_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = _explainer("classes", tmp_path)
    honest = linked_module.additive_output
    monkeypatch.setattr(linked_module, "additive_output", lambda model, rows: honest(model, rows) * (1 + 1e-4))
    rows = explainer.bundle.background.take(slice(0, 1))

    assert _problem(explainer).linked is None
    assert "instead of from model rows" not in explainer.explain_table(rows, space="probability").attribution.detail


def test_too_many_classes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linked_module, "MOST_CLASSES", 2)

    assert _problem(_explainer("classes", tmp_path)).linked is None


def test_the_values_add_up_to_the_probability(tmp_path: Path) -> None:
    explainer = _explainer("classes", tmp_path)
    rows = explainer.bundle.background.take(slice(0, 5))
    batch = explainer.explain_table(rows, space="probability")

    assert batch.base_values + batch.values.sum(axis=1) == pytest.approx(batch.outputs, abs=FLOAT32)
    np.testing.assert_array_equal(batch.outputs, batch.predictions)
