"""Models as converters really write them, each small, with the data they were trained on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURES = 5
ROWS = 240


@dataclass(frozen=True)
class Case:
    """One model file and the data that fits it."""

    model: bytes
    data: pd.DataFrame
    method: str
    """The method that the planner must pick."""


def numbers(*, missing: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Correlated numbers, exact in float32, and a score that is not linear in them."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    x[:, 1] = (0.8 * x[:, 0] + 0.6 * x[:, 1]).astype(np.float32)
    score = x[:, 0] + x[:, 1] * x[:, 2] - np.abs(x[:, 3]) + 0.3 * rng.normal(size=ROWS)
    if missing:
        x[rng.random(x.shape) < 0.1] = np.nan
    return x, score


def frame(x: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(x, columns=[f"f{i}" for i in range(x.shape[1])])


def mixed() -> tuple[pd.DataFrame, np.ndarray]:
    """Two numbers, one of them with holes, and two categories."""
    rng = np.random.default_rng(11)
    data = pd.DataFrame(
        {
            "age": rng.integers(18, 80, ROWS).astype(np.float32),
            "income": np.exp(rng.normal(7, 0.5, ROWS)).astype(np.float32),
            "home": rng.choice(["own", "rent", "free"], ROWS),
            "purpose": rng.choice(["car", "house", "study", "other"], ROWS),
        }
    )
    score = data["age"] / 40 - np.log(data["income"]) + (data["home"] == "own") * 0.8 + rng.normal(0, 0.5, ROWS)
    data.loc[rng.random(ROWS) < 0.1, "income"] = np.nan
    return data, (score - score.mean()).to_numpy()


def _matrix_model(estimator: object, *, options: dict[str, object] | None = None) -> bytes:
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters warn about their own future
        types = [("x", FloatTensorType([None, FEATURES]))]
        model = skl2onnx.convert_sklearn(
            estimator, initial_types=types, options=options, target_opset={"": 18, "ai.onnx.ml": 3}
        )
    return bytes(model.SerializeToString())


def _labels(score: np.ndarray, classes: int) -> np.ndarray:
    return np.digitize(score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1]))


def sklearn_case(
    make: Callable[[], object], method: str, *, classes: int = 2, missing: bool = False, zipmap: bool = True
) -> Case:
    x, score = numbers(missing=missing)
    estimator = make()
    estimator.fit(x, _labels(score, classes) if classes else score)  # type: ignore[attr-defined]
    options = None if zipmap or not classes else {id(estimator): {"zipmap": False}}
    return Case(_matrix_model(estimator, options=options), frame(x), method)


def lightgbm_case(*, classes: int, missing: bool = False) -> Case:
    import lightgbm
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, score = numbers(missing=missing)
    kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
    estimator = kind(n_estimators=12, num_leaves=7, min_child_samples=5, verbose=-1, n_jobs=1, random_state=0)
    estimator.fit(x, _labels(score, classes) if classes else score)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = onnxmltools.convert_lightgbm(estimator, initial_types=[("x", FloatTensorType([None, FEATURES]))])
    return Case(bytes(model.SerializeToString()), frame(x), "tree")


def xgboost_case(*, classes: int, missing: bool = False) -> Case:
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, score = numbers(missing=missing)
    kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
    estimator = kind(n_estimators=12, max_depth=3, n_jobs=1, random_state=0)
    estimator.fit(x, _labels(score, classes) if classes else score)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = onnxmltools.convert_xgboost(estimator, initial_types=[("x", FloatTensorType([None, FEATURES]))])
    return Case(bytes(model.SerializeToString()), frame(x), "tree")


def catboost_case(*, classes: int, folder: str) -> Case:
    from pathlib import Path

    import catboost

    x, score = numbers()
    kind = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
    estimator = kind(iterations=12, depth=3, verbose=False, thread_count=1, random_seed=0, allow_writing_files=False)
    estimator.fit(x, _labels(score, classes) if classes else score)
    path = Path(folder) / "catboost.onnx"
    estimator.save_model(str(path), format="onnx")
    return Case(path.read_bytes(), frame(x), "tree")


def pipeline_case(make: Callable[[], object], method: str, *, scale: bool, classes: int = 2) -> Case:
    """One named tensor per feature, strings and floats, preprocessing in the graph."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    data, score = mixed()
    numeric = make_pipeline(SimpleImputer(), *([StandardScaler()] if scale else []))
    columns = ColumnTransformer(
        [("numeric", numeric, ["age", "income"]), ("text", OneHotEncoder(handle_unknown="ignore"), ["home", "purpose"])]
    )
    estimator = make_pipeline(columns, make())
    estimator.fit(data, _labels(score, classes) if classes else score)
    types = [
        (name, StringTensorType([None, 1]) if data[name].dtype.kind != "f" else FloatTensorType([None, 1]))
        for name in data.columns
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = skl2onnx.convert_sklearn(
            estimator,
            initial_types=types,
            options={"zipmap": False} if classes else None,
            target_opset={"": 18, "ai.onnx.ml": 3},
        )
    return Case(bytes(model.SerializeToString()), data, method)


def exported_network(*, batch: int | str = "batch", sigmoid: bool = True) -> Case:
    """A two-layer network as exporters of deep-learning frameworks write it: Gemm, Relu, Gemm, Sigmoid."""
    from onnx import TensorProto, helper, numpy_helper

    x, _ = numbers()
    rng = np.random.default_rng(3)
    sizes = [(8, FEATURES), (8,), (1, 8), (1,)]
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.7, size).astype(np.float32), name)
        for size, name in zip(sizes, ["0.weight", "0.bias", "2.weight", "2.bias"], strict=True)
    ]
    nodes = [
        helper.make_node("Gemm", ["input", "0.weight", "0.bias"], ["h"], transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "2.weight", "2.bias"], ["z" if sigmoid else "output"], transB=1),
    ]
    if sigmoid:
        nodes.append(helper.make_node("Sigmoid", ["z"], ["output"]))
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, FEATURES])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Case(model.SerializeToString(), frame(x), "exact")


def iris_sample() -> Case:
    """The logistic regression that comes with ONNX Runtime: its batch dimension is fixed at 3.

    One-against-rest probabilities are normalised over the classes, so none of them is a link of a sum.
    """
    from pathlib import Path

    from onnxruntime.datasets import get_example
    from sklearn.datasets import load_iris

    data = load_iris()
    measured = pd.DataFrame(data.data[:, :2].astype(np.float32), columns=["sepal_length_cm", "sepal_width_cm"])
    return Case(Path(get_example("logreg_iris.onnx")).read_bytes(), measured, "exact")


def cases(folder: str) -> dict[str, Callable[[], Case]]:
    """Every case by name; `folder` is scratch space."""
    from sklearn import ensemble, linear_model, neural_network, svm

    small = {"n_estimators": 10, "max_depth": 3, "random_state": 0}
    return {
        "lightgbm-binary": lambda: lightgbm_case(classes=2),
        "lightgbm-missing": lambda: lightgbm_case(classes=2, missing=True),
        "lightgbm-multiclass": lambda: lightgbm_case(classes=3),
        "lightgbm-regression": lambda: lightgbm_case(classes=0),
        "xgboost-binary": lambda: xgboost_case(classes=2),
        "xgboost-missing": lambda: xgboost_case(classes=2, missing=True),
        "xgboost-multiclass": lambda: xgboost_case(classes=3),
        "xgboost-regression": lambda: xgboost_case(classes=0),
        "catboost-binary": lambda: catboost_case(classes=2, folder=folder),
        "catboost-multiclass": lambda: catboost_case(classes=3, folder=folder),
        "catboost-regression": lambda: catboost_case(classes=0, folder=folder),
        "random-forest-binary": lambda: sklearn_case(lambda: ensemble.RandomForestClassifier(**small), "tree"),
        "random-forest-multiclass": lambda: sklearn_case(
            lambda: ensemble.RandomForestClassifier(**small), "tree", classes=3, zipmap=False
        ),
        "random-forest-regression": lambda: sklearn_case(
            lambda: ensemble.RandomForestRegressor(**small), "tree", classes=0
        ),
        "gradient-boosting-binary": lambda: sklearn_case(
            lambda: ensemble.GradientBoostingClassifier(**small), "tree", zipmap=False
        ),
        "gradient-boosting-multiclass": lambda: sklearn_case(
            lambda: ensemble.GradientBoostingClassifier(**small), "tree", classes=3
        ),
        "gradient-boosting-regression": lambda: sklearn_case(
            lambda: ensemble.GradientBoostingRegressor(**small), "tree", classes=0
        ),
        "hist-gradient-boosting-binary": lambda: sklearn_case(
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=7), "tree", missing=True
        ),
        "hist-gradient-boosting-regression": lambda: sklearn_case(
            lambda: ensemble.HistGradientBoostingRegressor(max_iter=10, max_leaf_nodes=7), "tree", classes=0
        ),
        "logistic-binary": lambda: sklearn_case(linear_model.LogisticRegression, "linear"),
        "logistic-multiclass": lambda: sklearn_case(linear_model.LogisticRegression, "linear", classes=3),
        "linear-regression": lambda: sklearn_case(linear_model.LinearRegression, "linear", classes=0),
        "network-classifier": lambda: sklearn_case(
            lambda: neural_network.MLPClassifier((6,), solver="lbfgs", alpha=1.0, max_iter=5000, random_state=0),
            "exact",
            zipmap=False,
        ),
        "support-vectors": lambda: sklearn_case(svm.SVR, "exact", classes=0),
        "pipeline-logistic": lambda: pipeline_case(
            lambda: linear_model.LogisticRegression(max_iter=500), "linear", scale=True
        ),
        "pipeline-boosting": lambda: pipeline_case(
            lambda: ensemble.GradientBoostingClassifier(**small), "tree", scale=False
        ),
        "pipeline-forest-regression": lambda: pipeline_case(
            lambda: ensemble.RandomForestRegressor(**small), "tree", scale=False, classes=0
        ),
        "exported-network": exported_network,
        "exported-network-batch-of-4": lambda: exported_network(batch=4),
        "exported-network-raw": lambda: exported_network(sigmoid=False),
        "iris-batch-of-3": iris_sample,
    }
