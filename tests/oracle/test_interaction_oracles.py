"""Exact interaction values against enumeration on the ONNX file, and their lines against shap's values.

shap's own `shap_interaction_values` knows no background (it is path-dependent only), so the definition is the judge.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shap

from tests.oracle.definition import interactions_by_definition
from tests.oracle.onnx_models import (
    SETTINGS,
    Data,
    bind,
    from_catboost,
    from_lightgbm,
    from_sklearn,
    grouped,
    numbers,
    pipeline,
    quiet,
    table,
)
from tests.unit.attribution.tree_problems import game
from tests.unit.graphs.set_trees import SetTrees, set_model
from xaisvc.attribution.tree_interactions import tree_interactions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Players, Problem, Table

# ONNX stores leaf values in float32 (6e-8 of their size), and an interaction index adds up some hundred of them.
AGREEMENT = 2e-6
BACKGROUND = 20


@cache
def _models() -> dict[str, tuple[Data, Any, bytes]]:
    import catboost
    import lightgbm
    from sklearn.ensemble import RandomForestClassifier

    def make() -> dict[str, tuple[Data, Any, bytes]]:
        data, holes = numbers(), numbers(missing=True)
        boosted = lightgbm.LGBMClassifier(n_estimators=12, num_leaves=8, min_child_samples=5, verbose=-1, n_jobs=1).fit(
            holes.x, holes.binary
        )
        forest = RandomForestClassifier(n_estimators=8, max_depth=5, random_state=0).fit(data.x, data.binary)
        oblivious = catboost.CatBoostRegressor(
            iterations=10, depth=4, verbose=0, allow_writing_files=False, thread_count=1
        ).fit(data.x, data.score)
        return {
            "lightgbm-missing": (holes, boosted, from_lightgbm(boosted)),
            "forest": (data, forest, from_sklearn(forest)),
            "catboost": (data, oblivious, from_catboost(oblivious)),
        }

    return quiet(make)


def _expected(problem: Problem, rows: Table) -> NDArray[np.float64]:
    p = len(problem.players)
    return np.array([interactions_by_definition(game(problem, rows.take([i])), p) for i in range(len(rows))])


@pytest.mark.parametrize("players", [None, grouped(("f0", "f3"), ("f1", "f2", "f4"), ("f5",))])
@pytest.mark.parametrize("name", ["lightgbm-missing", "forest", "catboost"])
def test_interactions_equal_enumeration_on_the_onnx_file(name: str, players: Players | None) -> None:
    data, _, model = _models()[name]
    problem = bind(model, table(data.x[:BACKGROUND]), players=players)
    rows = table(data.x[-2:])
    scale = np.ptp(problem.model(table(data.x)))

    assert np.abs(tree_interactions(problem, rows, SETTINGS).values - _expected(problem, rows)).max() <= (
        AGREEMENT * scale
    )


@pytest.mark.parametrize("double", [False, True])
def test_tests_of_sets_equal_enumeration(double: bool) -> None:  # noqa: FBT001 - a parameter
    trees = SetTrees(5, trees=6, width=4, double=double)
    matrix = np.nan_to_num(trees.rows(BACKGROUND + 3), nan=np.nan, posinf=31.5, neginf=-0.5)
    problem, rows = bind(set_model([trees.node()], 4, double=double), table(matrix[3:])), table(matrix[:3])
    found = tree_interactions(problem, rows, SETTINGS).values

    assert np.abs(found - _expected(problem, rows)).max() <= AGREEMENT * np.ptp(problem.model(table(matrix)))
    assert np.abs(found[:, 0, 1:]).max() > 100 * AGREEMENT


def test_lines_sum_to_shaps_values() -> None:
    data, estimator, model = _models()["catboost"]
    background, rows = data.x[:BACKGROUND], data.x[-12:]
    found = tree_interactions(bind(model, table(background)), table(rows), SETTINGS).values
    expected = quiet(
        lambda: shap.TreeExplainer(estimator, data=background, feature_perturbation="interventional").shap_values(
            rows, check_additivity=False
        )
    )

    assert np.abs(found.sum(axis=2) - expected).max() <= AGREEMENT * np.ptp(estimator.predict(data.x))


def test_pipelines_in_the_graph_are_split_by_raw_features() -> None:
    from sklearn.ensemble import RandomForestClassifier

    bundle = pipeline(RandomForestClassifier(n_estimators=8, max_depth=4, random_state=0))
    problem = bind(bundle.model, bundle.rows(0, BACKGROUND), features=bundle.features)
    rows = bundle.rows(100, 104)
    found = tree_interactions(problem, rows, SETTINGS).values

    assert np.abs(found - _expected(problem, rows)).max() <= AGREEMENT
    assert np.abs(found[:, 0, 1:]).max() > 0.001


class TestTheOracleItself:
    def test_it_knows_a_product(self) -> None:
        # The surplus of 4 over the single effects 1 and 2 is shared by the two.
        worth = {frozenset(): 0.0, frozenset({0}): 1.0, frozenset({1}): 2.0, frozenset({0, 1}): 7.0}

        assert interactions_by_definition(lambda members: worth[members], 2).tolist() == [[1.0, 2.0], [2.0, 2.0]]

    def test_it_rejects_another_background_swapped_players_and_interactions_not_halved(self) -> None:
        data, _, model = _models()["lightgbm-missing"]
        rows = table(data.x[-1:])
        right = bind(model, table(data.x[:BACKGROUND]))
        expected = _expected(right, rows)
        scale = np.ptp(right.model(table(data.x)))
        found = tree_interactions(right, rows, SETTINGS).values
        other = tree_interactions(bind(model, table(data.x[1 : BACKGROUND + 1])), rows, SETTINGS).values
        order = [1, 0, 2, 3, 4, 5]

        for wrong in (other, found[:, order][:, :, order], found * 2):
            assert np.abs(wrong - expected).max() > 100 * AGREEMENT * scale
