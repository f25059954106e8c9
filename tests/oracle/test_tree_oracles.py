"""Exact tree values against shap's TreeExplainer on the original estimators, and against enumeration on the ONNX file.

Agreement is asked for relative to `scale`: the spread (largest minus smallest) of the explained number over the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shap

from tests.oracle.onnx_models import (
    SETTINGS,
    Data,
    bind,
    binned,
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
from xaisvc.attribution.tree import TreeMethod
from xaisvc.errors import AdditivityError
from xaisvc.graphs import NotAdditive, list_outputs, read_additive
from xaisvc.types import TensorColumn, TreeMode, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from xaisvc.types import Players, Table

# ONNX stores leaf values in float32 (6e-8 of their size) and a value adds up to a hundred of them.
AGREEMENT = 1e-6
BACKGROUND, EXPLAINED = 30, 12


@dataclass(frozen=True)
class Case:
    """One trained model in both forms.

    Attributes:
        data: What it was trained on.
        estimator: The original.
        model: The ONNX file.
        classes: Number of classes, 0 for a regression.
    """

    data: Data
    estimator: Any
    model: bytes
    classes: int = 0


def _lightgbm(kind: str, *, missing: bool = False) -> Case:
    import lightgbm

    data = numbers(missing=missing)
    settings = {"n_estimators": 12, "num_leaves": 8, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
    if kind == "regression":
        estimator = lightgbm.LGBMRegressor(**settings).fit(data.x, data.score)
        return Case(data, estimator, from_lightgbm(estimator))
    target = data.binary if kind == "binary" else data.classes
    estimator = lightgbm.LGBMClassifier(**settings).fit(data.x, target)
    return Case(data, estimator, from_lightgbm(estimator, zipmap=kind == "binary"), int(target.max()) + 1)


def _xgboost(kind: str, *, missing: bool = False) -> Case:
    import xgboost

    data = numbers(missing=missing)
    settings = {"n_estimators": 12, "max_depth": 3, "n_jobs": 1}
    if kind == "regression":
        estimator = xgboost.XGBRegressor(**settings).fit(data.x, data.score)
        return Case(data, estimator, from_xgboost(estimator))
    target = data.binary if kind == "binary" else data.classes
    estimator = xgboost.XGBClassifier(**settings).fit(data.x, target)
    return Case(data, estimator, from_xgboost(estimator), int(target.max()) + 1)


def _sklearn(make: Callable[[], Any], kind: str, *, missing: bool = False, zipmap: bool = True) -> Case:
    data = numbers(missing=missing)
    if kind == "regression":
        estimator = make().fit(data.x, data.score)
        return Case(data, estimator, from_sklearn(estimator))
    target = data.binary if kind == "binary" else data.classes
    estimator = make().fit(data.x, target)
    return Case(data, estimator, from_sklearn(estimator, zipmap=zipmap), int(target.max()) + 1)


def _catboost(kind: str) -> Case:
    import catboost

    data = numbers()
    settings = {"iterations": 12, "depth": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    if kind == "regression":
        estimator = catboost.CatBoostRegressor(**settings).fit(data.x, data.score)
        return Case(data, estimator, from_catboost(estimator))
    target = data.binary if kind == "binary" else data.classes
    estimator = catboost.CatBoostClassifier(**settings).fit(data.x, target)
    return Case(data, estimator, from_catboost(estimator), int(target.max()) + 1)


def _forest(kind: str, **more: Any) -> Case:
    from sklearn import ensemble

    make = ensemble.RandomForestRegressor if kind == "regression" else ensemble.RandomForestClassifier
    return _sklearn(lambda: make(n_estimators=10, max_depth=5, random_state=0), kind, **more)


def _boosting(kind: str, **more: Any) -> Case:
    from sklearn import ensemble

    make = ensemble.GradientBoostingRegressor if kind == "regression" else ensemble.GradientBoostingClassifier
    return _sklearn(lambda: make(n_estimators=12, max_depth=3, random_state=0), kind, **more)


def _histogram(kind: str, **more: Any) -> Case:
    from sklearn import ensemble

    regression = kind == "regression"
    make = ensemble.HistGradientBoostingRegressor if regression else ensemble.HistGradientBoostingClassifier
    return _sklearn(lambda: make(max_iter=12, max_leaf_nodes=8, min_samples_leaf=5), kind, **more)


CASES: dict[str, Callable[[], Case]] = {
    "lightgbm-binary": lambda: _lightgbm("binary"),
    "lightgbm-classes": lambda: _lightgbm("classes"),
    "lightgbm-regression": lambda: _lightgbm("regression"),
    "lightgbm-binary-missing": lambda: _lightgbm("binary", missing=True),
    "lightgbm-regression-missing": lambda: _lightgbm("regression", missing=True),
    "xgboost-binary": lambda: _xgboost("binary"),
    "xgboost-classes": lambda: _xgboost("classes"),
    "xgboost-regression": lambda: _xgboost("regression"),
    "xgboost-binary-missing": lambda: _xgboost("binary", missing=True),
    "forest-binary": lambda: _forest("binary"),
    "forest-binary-tensor": lambda: _forest("binary", zipmap=False),
    "forest-classes": lambda: _forest("classes"),
    "forest-regression": lambda: _forest("regression"),
    "boosting-binary": lambda: _boosting("binary"),
    "boosting-regression": lambda: _boosting("regression"),
    "histogram-binary": lambda: _histogram("binary"),
    "histogram-classes": lambda: _histogram("classes"),
    "histogram-regression": lambda: _histogram("regression"),
    "histogram-binary-missing": lambda: _histogram("binary", missing=True),
    "histogram-regression-missing": lambda: _histogram("regression", missing=True),
    "catboost-binary": lambda: _catboost("binary"),
    "catboost-regression": lambda: _catboost("regression"),
}

# shap takes no gradient boosting of several classes, and crashes on CatBoost's: enumeration alone judges these.
BEYOND_SHAP: dict[str, Callable[[], Case]] = {
    "boosting-classes": lambda: _boosting("classes", zipmap=False),
    "catboost-classes": lambda: _catboost("classes"),
}


@cache
def _case(name: str) -> Case:
    return quiet((CASES | BEYOND_SHAP)[name])


def _shap_values(case: Case) -> NDArray[np.float64]:
    """shap's values of the explained rows; (n, p) or (n, p, classes)."""
    background, rows = case.data.x[:BACKGROUND], case.data.x[-EXPLAINED:]

    def explain() -> NDArray[np.float64]:
        explainer = shap.TreeExplainer(case.estimator, data=background, feature_perturbation="interventional")
        return np.asarray(explainer.shap_values(rows, check_additivity=False))

    return quiet(explain)


@pytest.mark.parametrize("name", CASES)
def test_values_equal_shap_on_the_original_estimator(name: str) -> None:
    case = _case(name)
    background, rows = table(case.data.x[:BACKGROUND]), table(case.data.x[-EXPLAINED:])
    truth = _shap_values(case)

    outputs = list_outputs(case.model)
    assert len(outputs) == max(case.classes, 1)
    for output in outputs:
        problem = bind(case.model, background, output=output)
        found = TreeMethod().attribute(problem, rows, SETTINGS)
        expected = truth
        if truth.ndim == 3:
            expected = truth[:, :, int(output.target)]  # type: ignore[arg-type]
        elif case.classes and output.target == 0:
            expected = -truth  # shap explains the positive class; the other is its mirror
        scale = np.ptp(found.outputs)

        assert np.abs(found.values - expected).max() <= AGREEMENT * scale
        assert found.exact
        assert not found.standard_errors.any()


@pytest.mark.parametrize("name", ["lightgbm-binary-missing", "xgboost-classes", "forest-binary", "catboost-regression"])
@pytest.mark.parametrize(
    "players", [None, grouped(("f0", "f3"), ("f1", "f2", "f4"), ("f5",)), grouped(("f0", "f1", "f2", "f3", "f4", "f5"))]
)
def test_values_equal_enumeration_on_the_onnx_file(name: str, players: Players | None) -> None:
    case = _case(name)
    rows = table(case.data.x[-3:])
    problem = bind(case.model, table(case.data.x[:BACKGROUND]), players=players)
    found = TreeMethod().attribute(problem, rows, SETTINGS)
    scale = np.ptp(problem.model(table(case.data.x)))

    for i in range(len(rows)):
        expected = enumerate_shapley(problem, rows.take([i]))
        assert np.abs(found.values[i] - expected).max() <= AGREEMENT * scale
    assert found.base_values[0] == pytest.approx(problem.model(problem.background).mean(), abs=AGREEMENT * scale)


@pytest.mark.parametrize("name", BEYOND_SHAP)
def test_every_class_equals_enumeration(name: str) -> None:
    case = _case(name)
    row = table(case.data.x[-1:])

    outputs = list_outputs(case.model)
    assert len(outputs) == case.classes
    for output in outputs:
        problem = bind(case.model, table(case.data.x[:BACKGROUND]), output=output)
        found = TreeMethod().attribute(problem, row, SETTINGS)
        scale = np.ptp(problem.model(table(case.data.x)))
        assert np.abs(found.values[0] - enumerate_shapley(problem, row)).max() <= AGREEMENT * scale


@pytest.mark.parametrize("name", ["forest-classes", "lightgbm-classes", "histogram-binary-missing"])
def test_all_outputs_in_one_pass_are_those_of_each_alone(name: str) -> None:
    case = _case(name)
    background, rows = table(case.data.x[:BACKGROUND]), table(case.data.x[-EXPLAINED:])
    problems = [bind(case.model, background, output=output) for output in list_outputs(case.model)]
    together = TreeMethod().attribute_outputs(problems, rows, SETTINGS)

    for problem, found in zip(problems, together, strict=True):
        assert np.array_equal(found.values, TreeMethod().attribute(problem, rows, SETTINGS).values)


def test_deep_trees_equal_shap() -> None:
    from sklearn.ensemble import RandomForestRegressor

    case = quiet(lambda: _sklearn(lambda: RandomForestRegressor(n_estimators=3, random_state=0), "regression"))
    problem = bind(case.model, table(case.data.x[:BACKGROUND]))
    found = TreeMethod().attribute(problem, table(case.data.x[-EXPLAINED:]), SETTINGS)

    assert max(tree.get_depth() for tree in case.estimator.estimators_) > 8
    assert np.abs(found.values - _shap_values(case)).max() <= AGREEMENT * np.ptp(found.outputs)


@pytest.mark.parametrize(
    "groups", [None, (("age", "income"), ("home", "purpose")), (("age", "purpose"), ("income", "home"))]
)
@pytest.mark.parametrize("name", ["forest", "boosting"])
def test_pipelines_in_the_graph_are_explained_by_raw_features(
    name: str, groups: tuple[tuple[str, ...], ...] | None
) -> None:
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

    estimators = {
        "forest": lambda: RandomForestClassifier(n_estimators=8, max_depth=4, random_state=0),
        "boosting": lambda: GradientBoostingClassifier(n_estimators=10, max_depth=3, random_state=0),
    }
    bundle = pipeline(estimators[name]())
    players = None if groups is None else grouped(*groups)
    problem = bind(bundle.model, bundle.rows(0, BACKGROUND), features=bundle.features, players=players)
    rows = bundle.rows(100, 104)
    found = TreeMethod().attribute(problem, rows, SETTINGS)
    scale = np.ptp(problem.model(bundle.rows(0, 160)))

    for i in range(len(rows)):
        assert np.abs(found.values[i] - enumerate_shapley(problem, rows.take([i]))).max() <= AGREEMENT * scale


@pytest.mark.parametrize("encode", ["onehot-dense", "ordinal"])
def test_trees_behind_bins_are_explained_by_raw_features(encode: str) -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    data = numbers()
    estimator = GradientBoostingClassifier(n_estimators=10, max_depth=3, random_state=0)
    problem = bind(binned(estimator, encode), table(data.x[:BACKGROUND]))
    row = table(data.x[-1:])
    found = TreeMethod().attribute(problem, row, SETTINGS)

    scale = np.ptp(problem.model(table(data.x)))
    assert np.abs(found.values[0] - enumerate_shapley(problem, row)).max() <= AGREEMENT * scale


@cache
def _categories() -> tuple[Case, pd.DataFrame]:
    """LightGBM on a frame with two categorical columns of 12 and 40 categories, given to ONNX as their codes."""
    import lightgbm
    import pandas as pd

    data = numbers()
    rng = np.random.default_rng(11)
    few, many = rng.integers(0, 12, len(data.x)), rng.integers(0, 40, len(data.x))
    x = data.x.copy()
    x[:, 1], x[:, 3] = few, many
    frame = pd.DataFrame({f"f{i}": x[:, i] for i in range(x.shape[1])})
    for name, codes, count in (("f1", few, 12), ("f3", many, 40)):
        labels = [f"c{code:02}" for code in range(count)]
        frame[name] = pd.Categorical.from_codes(codes, categories=labels)
    target = ((few % 3 == 0) ^ (many % 5 < 2) ^ (x[:, 0] > 0)).astype(np.int64)
    settings = {"n_estimators": 8, "num_leaves": 8, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
    estimator = quiet(
        lambda: lightgbm.LGBMClassifier(cat_smooth=1, min_data_per_group=1, **settings).fit(frame, target)
    )
    model = quiet(lambda: from_lightgbm(estimator, zipmap=False))
    return Case(Data(x, data.score), estimator, model, 2), frame


def test_categorical_splits_share_their_subtrees() -> None:
    """What the two tests below are about: chains of equality tests whose true child is the same node."""
    from onnx import helper, load_from_string

    trees = next(node for node in load_from_string(_categories()[0].model).graph.node if "Tree" in node.op_type)
    lists = {attribute.name: helper.get_attribute_value(attribute) for attribute in trees.attribute}
    parents = [
        key
        for key in zip(lists["nodes_treeids"], lists["nodes_modes"], lists["nodes_truenodeids"], strict=True)
        if key[1] == b"BRANCH_EQ"
    ]

    assert len(set(parents)) < len(parents)


@pytest.mark.parametrize("players", [None, grouped(("f0", "f3"), ("f1", "f2", "f4"), ("f5",))])
def test_categorical_splits_equal_enumeration(players: Players | None) -> None:
    case, frame = _categories()
    rows = table(case.data.x[-3:])
    for output in list_outputs(case.model):
        problem = bind(case.model, table(case.data.x[:BACKGROUND]), output=output, players=players)
        found = TreeMethod().attribute(problem, rows, SETTINGS)
        scale = np.ptp(problem.model(table(case.data.x)))

        for i in range(len(rows)):
            assert np.abs(found.values[i] - enumerate_shapley(problem, rows.take([i]))).max() <= AGREEMENT * scale
    # The codes given to ONNX mean the categories that the estimator was trained on.
    expected = quiet(lambda: case.estimator.predict(frame.iloc[-EXPLAINED:], raw_score=True))
    last = bind(case.model, table(case.data.x[:BACKGROUND]), output=list_outputs(case.model)[0])
    sign = 1 if list_outputs(case.model)[0].target == 1 else -1
    assert sign * last.model(table(case.data.x[-EXPLAINED:])) == pytest.approx(expected, abs=1e-5)


def _sets(seed: int, *, double: bool) -> tuple[bytes, Table, Table]:
    """Trees of ai.onnx.ml 5 with sets of every kind over four columns; a background and rows, without infinities."""
    trees = SetTrees(seed, trees=6, width=4, double=double)
    matrix = np.nan_to_num(trees.rows(BACKGROUND + EXPLAINED), nan=np.nan, posinf=31.5, neginf=-0.5)
    return set_model([trees.node()], 4, double=double), table(matrix[:BACKGROUND]), table(matrix[BACKGROUND:])


@pytest.mark.parametrize("players", [None, grouped(("f0", "f3"), ("f1", "f2"))])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_tests_of_sets_equal_enumeration(seed: int, double: bool, players: Players | None) -> None:  # noqa: FBT001 - a parameter
    model, background, rows = _sets(seed, double=double)
    problem = bind(model, background, players=players)
    found = TreeMethod().attribute(problem, rows, SETTINGS)
    scale = np.ptp(problem.model(rows))

    for i in range(len(rows)):
        assert np.abs(found.values[i] - enumerate_shapley(problem, rows.take([i]))).max() <= AGREEMENT * scale


def test_a_base_that_onnx_runtime_drops_leaves_no_sum() -> None:
    """onnxmltools writes the zero leaves of XGBoost's trees of several outputs without a weight."""
    import xgboost

    data = numbers()
    targets = np.stack([data.score, data.x[:, 0]], axis=1)
    estimator = xgboost.XGBRegressor(n_estimators=6, max_depth=3, n_jobs=1).fit(data.x, targets)
    model = quiet(lambda: from_xgboost(estimator))
    features = {f"f{i}": TensorColumn(tensor="X", column=i) for i in range(data.x.shape[1])}

    found = [read_additive(model, output, output.space, features) for output in list_outputs(model)]

    assert any(isinstance(reading, NotAdditive) for reading in found), found


class TestTheOracleItself:
    def test_it_rejects_sets_whose_decimals_count(self) -> None:
        """A reading by the standard, in which 31.5 is not in {31}, shows."""
        model, background, rows = _sets(0, double=False)
        right = bind(model, background)
        assert right.additive is not None
        term = right.additive.terms[0]
        assert isinstance(term, TreeTerm)
        strict = np.where(term.trees.mode == TreeMode.WHOLE_MEMBER, TreeMode.MEMBER, term.trees.mode).astype(np.int8)
        sums = replace(right.additive, terms=(replace(term, trees=replace(term.trees, mode=strict)),))

        with pytest.raises(AdditivityError, match="sum to"):
            TreeMethod().attribute(replace(right, additive=sums), rows, SETTINGS)

    def test_it_rejects_values_of_another_background(self) -> None:
        case = _case("boosting-binary")
        row = table(case.data.x[-1:])
        right = bind(case.model, table(case.data.x[:BACKGROUND]))
        wrong = bind(case.model, table(case.data.x[1 : BACKGROUND + 1]))

        found = TreeMethod().attribute(wrong, row, SETTINGS).values[0]

        # One background row of thirty was exchanged: far more than rounding, and it must show.
        assert np.abs(found - enumerate_shapley(right, row)).max() > 100 * AGREEMENT

    def test_it_rejects_swapped_players(self) -> None:
        case = _case("boosting-binary")
        row = table(case.data.x[-1:])
        problem = bind(case.model, table(case.data.x[:BACKGROUND]))

        found = TreeMethod().attribute(problem, row, SETTINGS).values[0]

        assert np.abs(found[[1, 0, 2, 3, 4, 5]] - enumerate_shapley(problem, row)).max() > 100 * AGREEMENT
