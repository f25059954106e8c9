"""Exact values of boosted classifiers' probabilities against enumeration on the ONNX file and against shap."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shap
from onnx import helper

from tests.oracle.onnx_models import (
    SETTINGS,
    Data,
    bind,
    enumerate_shapley,
    from_catboost,
    from_lightgbm,
    from_sklearn,
    from_xgboost,
    grouped,
    numbers,
    pipeline,
    quiet,
    table,
)
from tests.unit.graphs.set_trees import SetTrees, set_model
from xaisvc.attribution import METHODS
from xaisvc.attribution.tree_probability import explain_linked
from xaisvc.graphs import list_outputs
from xaisvc.types import LinkedModel, Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.types import Output, Players, Problem

# The ONNX file computes probabilities in float32: seen 1e-7 of 1, asked for 1e-6.
AGREEMENT = 1e-6
BACKGROUND = 20


def _lightgbm(kind: str, *, missing: bool = False) -> tuple[Data, Any, bytes]:
    import lightgbm

    data = numbers(missing=missing)
    made = lightgbm.LGBMClassifier(n_estimators=12, num_leaves=8, min_child_samples=5, verbose=-1, n_jobs=1)
    made.fit(data.x, data.binary if kind == "binary" else data.classes)
    return data, made, from_lightgbm(made, zipmap=False)


def _xgboost(kind: str) -> tuple[Data, Any, bytes]:
    import xgboost

    data = numbers(missing=True)
    made = xgboost.XGBClassifier(n_estimators=12, max_depth=3, n_jobs=1)
    made.fit(data.x, data.binary if kind == "binary" else data.classes)
    return data, made, from_xgboost(made)


def _sklearn(name: str, kind: str = "binary") -> tuple[Data, Any, bytes]:
    from sklearn import ensemble, linear_model

    data = numbers()
    made = {
        "boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=12, max_depth=3, random_state=0),
        "histogram": lambda: ensemble.HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=8),
        "logistic": linear_model.LogisticRegression,
    }[name]()
    made.fit(data.x, data.binary if kind == "binary" else data.classes)
    return data, made, from_sklearn(made, zipmap=False)


def _catboost() -> tuple[Data, Any, bytes]:
    import catboost

    data = numbers()
    made = catboost.CatBoostClassifier(iterations=12, depth=4, verbose=0, allow_writing_files=False, thread_count=1)
    made.fit(data.x, data.binary)
    return data, made, from_catboost(made)


CASES: dict[str, Callable[[], tuple[Data, Any, bytes]]] = {
    "lightgbm": lambda: _lightgbm("binary"),
    "lightgbm-missing": lambda: _lightgbm("binary", missing=True),
    "lightgbm-classes": lambda: _lightgbm("classes"),
    "xgboost": lambda: _xgboost("binary"),
    "xgboost-classes": lambda: _xgboost("classes"),
    "boosting": lambda: _sklearn("boosting"),
    "boosting-classes": lambda: _sklearn("boosting", "classes"),
    "histogram": lambda: _sklearn("histogram"),
    "histogram-classes": lambda: _sklearn("histogram", "classes"),
    "catboost": _catboost,
    "logistic": lambda: _sklearn("logistic"),
    "logistic-classes": lambda: _sklearn("logistic", "classes"),
}


@cache
def _case(name: str) -> tuple[Data, Any, bytes]:
    return quiet(CASES[name])


def _linked(model: bytes, problem: Problem, output: Output, **more: Any) -> Problem:
    """The problem with the sums under its link, read as the engine reads them."""
    outputs = list_outputs(model)
    if len(outputs) == 2:
        sums = [bind(model, problem.background, output=output, space=Space.LOG_ODDS, **more)]
    else:
        others = [other for other in outputs if other.target != output.target]
        sums = [bind(model, problem.background, output=one, space=Space.RAW, **more) for one in (output, *others)]
    assert all(one.additive is not None for one in sums), [one.additive_reason for one in sums]
    return replace(problem, linked=LinkedModel(sums=tuple(one.additive for one in sums if one.additive is not None)))


def _problem(name: str, output: int = 0, players: Players | None = None) -> tuple[Problem, Data, Any]:
    data, estimator, model = _case(name)
    chosen = list_outputs(model)[output]
    plain = bind(model, table(data.x[:BACKGROUND]), output=chosen, space=Space.PROBABILITY, players=players)
    return _linked(model, plain, chosen), data, estimator


@pytest.mark.parametrize("name", CASES)
def test_probabilities_equal_enumeration_on_the_onnx_file(name: str) -> None:
    for output in range(3 if "classes" in name else 2):
        problem, data, _ = _problem(name, output)
        row = table(data.x[-1:])
        found = METHODS["exact"].attribute(problem, row, SETTINGS)

        assert "instead of from model rows" in found.detail
        assert np.abs(found.values[0] - enumerate_shapley(problem, row)).max() <= AGREEMENT
        assert found.base_values[0] == pytest.approx(problem.model(problem.background).mean(), abs=AGREEMENT)


@pytest.mark.parametrize("name", ["lightgbm-missing", "xgboost-classes"])
def test_groups_equal_enumeration_on_the_onnx_file(name: str) -> None:
    problem, data, _ = _problem(name, players=grouped(("f0", "f3"), ("f1", "f2", "f4"), ("f5",)))
    rows = table(data.x[-3:])
    found = explain_linked(problem, rows, SETTINGS, method="exact")

    for i in range(len(rows)):
        assert np.abs(found.values[i] - enumerate_shapley(problem, rows.take([i]))).max() <= AGREEMENT


def test_probabilities_equal_shaps_exact_explainer_on_the_estimator() -> None:
    problem, data, estimator = _problem("boosting")
    rows = data.x[-5:]
    found = explain_linked(problem, table(rows), SETTINGS, method="exact").values
    masker = shap.maskers.Independent(data.x[:BACKGROUND], max_samples=BACKGROUND)
    explainer = shap.explainers.Exact(lambda x: estimator.predict_proba(x)[:, 1], masker)

    assert np.abs(found - quiet(lambda: explainer(rows)).values).max() <= AGREEMENT


@pytest.mark.parametrize("name", ["boosting", "logistic"])
def test_pipelines_in_the_graph_are_explained_by_raw_features(name: str) -> None:
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    boosting, logistic = GradientBoostingClassifier(n_estimators=10, random_state=0), LogisticRegression(max_iter=500)
    bundle = pipeline(boosting if name == "boosting" else logistic, scaled=name == "logistic")
    output = list_outputs(bundle.model)[0]
    background, rows = bundle.rows(0, BACKGROUND), bundle.rows(100, 104)
    plain = bind(bundle.model, background, features=bundle.features, output=output, space=Space.PROBABILITY)
    problem = _linked(bundle.model, plain, output, features=bundle.features)
    found = explain_linked(problem, rows, SETTINGS, method="exact")

    for i in range(len(rows)):
        assert np.abs(found.values[i] - enumerate_shapley(problem, rows.take([i]))).max() <= AGREEMENT


def test_tests_of_sets_equal_enumeration() -> None:
    trees = SetTrees(7, trees=6, width=4)
    nodes = [trees.node(), helper.make_node("Sigmoid", ["Y"], ["P"])]
    model = set_model(nodes, 4, output="P")
    matrix = np.nan_to_num(trees.rows(BACKGROUND + 3), nan=np.nan, posinf=31.5, neginf=-0.5)
    output = list_outputs(model)[0]
    plain = bind(model, table(matrix[3:]), output=output, space=Space.PROBABILITY)
    problem = _linked(model, plain, output)
    rows = table(matrix[:3])
    found = explain_linked(problem, rows, SETTINGS, method="exact")

    for i in range(len(rows)):
        assert np.abs(found.values[i] - enumerate_shapley(problem, rows.take([i]))).max() <= AGREEMENT


class TestTheOracleItself:
    def test_it_rejects_values_of_another_background_and_of_log_odds_scaled_to_fit(self) -> None:
        problem, data, _ = _problem("lightgbm")
        row = table(data.x[-1:])
        expected = enumerate_shapley(problem, row)
        other = replace(problem, background=table(data.x[1 : BACKGROUND + 1]))
        moved = explain_linked(other, row, SETTINGS, method="exact").values[0]
        odds = (
            METHODS["tree"]
            .attribute(bind(_case("lightgbm")[2], problem.background, space=Space.LOG_ODDS), row, SETTINGS)
            .values[0]
        )

        for wrong in (moved, odds * expected.sum() / odds.sum()):
            assert np.abs(wrong - expected).max() > 100 * AGREEMENT
