"""Linear values against shap's LinearExplainer on the original estimators, and against enumeration on the ONNX file.

Agreement is asked for relative to `scale`: the spread (largest minus smallest) of the explained number over the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shap

from tests.oracle.onnx_models import (
    FEATURES,
    SETTINGS,
    bind,
    binned,
    enumerate_shapley,
    from_sklearn,
    grouped,
    numbers,
    pipeline,
    quiet,
    table,
)
from xaisvc.attribution.linear import LinearMethod
from xaisvc.attribution.tree import TreeMethod
from xaisvc.graphs import list_outputs
from xaisvc.types import Space

if TYPE_CHECKING:
    from collections.abc import Callable

# ONNX stores weights in float32: 6e-8 of their size, and a value adds up to six of them.
AGREEMENT = 1e-6
BACKGROUND, EXPLAINED = 30, 12


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


def _ridge() -> Any:
    from sklearn.linear_model import Ridge

    return Ridge()


def _ordinary() -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression()


@pytest.mark.parametrize(
    ("make", "target"),
    [(_logistic, "binary"), (_logistic, "classes"), (_ridge, "score"), (_ordinary, "score")],
    ids=["logistic-binary", "logistic-classes", "ridge", "least-squares"],
)
def test_values_equal_shap_on_the_original_estimator(make: Callable[[], Any], target: str) -> None:
    data = numbers()
    estimator = make().fit(data.x, getattr(data, target))
    model = quiet(lambda: from_sklearn(estimator))
    background, rows = data.x[:BACKGROUND], data.x[-EXPLAINED:]
    # shap thins its background out to 100 rows; 30 stay as they are.
    truth = quiet(lambda: np.asarray(shap.LinearExplainer(estimator, background).shap_values(rows)))

    for output in list_outputs(model):
        problem = bind(model, table(background), output=output)
        found = LinearMethod().attribute(problem, table(rows), SETTINGS)
        expected = truth[:, :, int(output.target)] if truth.ndim == 3 else truth
        if truth.ndim == 2 and output.target == 0:
            expected = -truth  # shap explains the positive class; the other is its mirror

        assert np.abs(found.values - expected).max() <= AGREEMENT * np.ptp(found.outputs)


@pytest.mark.parametrize(
    "groups", [None, (("age", "income"), ("home", "purpose")), (("age", "home", "income", "purpose"),)]
)
@pytest.mark.parametrize("scaled", [False, True], ids=["imputer", "imputer-scaler"])
def test_pipelines_in_the_graph_are_explained_by_raw_features(
    groups: tuple[tuple[str, ...], ...] | None,
    scaled: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    from sklearn.linear_model import LogisticRegression

    bundle = pipeline(LogisticRegression(max_iter=2000), scaled=scaled)
    players = None if groups is None else grouped(*groups)
    problem = bind(bundle.model, bundle.rows(0, BACKGROUND), features=bundle.features, players=players)
    rows = bundle.rows(100, 104)
    found = LinearMethod().attribute(problem, rows, SETTINGS)
    scale = np.ptp(problem.model(bundle.rows(0, 160)))

    assert problem.space is Space.LOG_ODDS
    for i in range(len(rows)):
        assert np.abs(found.values[i] - enumerate_shapley(problem, rows.take([i]))).max() <= AGREEMENT * scale


@pytest.mark.parametrize("encode", ["onehot-dense", "ordinal"])
def test_a_scorecard_is_explained_by_raw_features(encode: str) -> None:
    from sklearn.linear_model import LogisticRegression

    data = numbers()
    problem = bind(binned(LogisticRegression(), encode), table(data.x[:BACKGROUND]))
    row = table(data.x[-1:])
    found = LinearMethod().attribute(problem, row, SETTINGS)

    scale = np.ptp(problem.model(table(data.x)))
    assert np.abs(found.values[0] - enumerate_shapley(problem, row)).max() <= AGREEMENT * scale


def test_rotated_features_are_followed_to_the_raw_ones() -> None:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    data = numbers()
    model = quiet(lambda: from_sklearn(make_pipeline(PCA(3), LogisticRegression()).fit(data.x, data.binary)))
    problem = bind(model, table(data.x[:BACKGROUND]))
    row = table(data.x[-1:])
    found = LinearMethod().attribute(problem, row, SETTINGS)

    scale = np.ptp(problem.model(table(data.x)))
    assert np.abs(found.values[0] - enumerate_shapley(problem, row)).max() <= AGREEMENT * scale


def test_trees_beside_a_linear_model_equal_enumeration() -> None:
    from sklearn.ensemble import RandomForestRegressor, VotingRegressor
    from sklearn.linear_model import LinearRegression

    data = numbers()
    forest = RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0)
    both = VotingRegressor([("line", LinearRegression()), ("forest", forest)]).fit(data.x, data.score)
    problem = bind(quiet(lambda: from_sklearn(both)), table(data.x[:BACKGROUND]))
    row = table(data.x[-1:])
    found = TreeMethod().attribute(problem, row, SETTINGS)

    scale = np.ptp(problem.model(table(data.x)))
    assert "tree" in LinearMethod().why_not(problem)
    assert np.abs(found.values[0] - enumerate_shapley(problem, row)).max() <= AGREEMENT * scale


def test_the_oracle_rejects_values_with_another_mean() -> None:
    data = numbers()
    model = quiet(lambda: from_sklearn(_ordinary().fit(data.x, data.score)))
    right, wrong = (bind(model, table(data.x[start : start + BACKGROUND])) for start in (0, 1))
    row = table(data.x[-1:])
    found = LinearMethod().attribute(wrong, row, SETTINGS).values[0]

    assert found.shape == (FEATURES,)
    assert np.abs(found - enumerate_shapley(right, row)).max() > 100 * AGREEMENT
