"""The models that are explained. A case whose data, model or settings change gets a new version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from benchmarks.performance.data import Dataset, correlated, credit_like

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Family = Literal["trees", "network", "linear"]
OPSETS: Final = {"": 18, "ai.onnx.ml": 3}
MAX_DRIFT: Final = 1e-4
"""Largest difference of the ONNX file from its estimator, in output units; float32 sums of 500 trees leave 1e-5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One model with its data.

    Attributes:
        id: Short name.
        version: Goes up with any change of data, model or settings.
        family: What kind of model it is, which decides which tools apply.
        space: Unit in which it is explained: `probability`, `log_odds` or `raw`.
        title: A few words for tables.
        data: Makes the table.
        train: Fits the estimator.
        is_classifier: Whether the explained number belongs to class 1.
    """

    id: str
    version: int
    family: Family
    space: str
    title: str
    data: Callable[[], Dataset]
    train: Callable[[Dataset], Any]
    is_classifier: bool = True

    @property
    def name(self) -> str:
        """Identifier with version, as in file names and results."""
        return f"{self.id}-v{self.version}"

    @property
    def n_features(self) -> int:
        """Number of features d."""
        return len(self.data().names)


def _lightgbm(data: Dataset, *, n_trees: int = 500, regression: bool = False) -> Any:  # noqa: ANN401 - untyped library
    import lightgbm as lgb  # noqa: PLC0415 - heavy: loaded when used

    kind = lgb.LGBMRegressor if regression else lgb.LGBMClassifier
    model = kind(
        n_estimators=n_trees,
        num_leaves=31,
        learning_rate=0.05,
        n_jobs=2,
        random_state=0,
        deterministic=True,
        verbose=-1,
    )
    return model.fit(data.train, data.amounts() if regression else data.labels())


def _xgboost(data: Dataset) -> Any:  # noqa: ANN401 - untyped library
    import xgboost as xgb  # noqa: PLC0415 - heavy: loaded when used

    model = xgb.XGBClassifier(n_estimators=300, max_depth=6, learning_rate=0.05, n_jobs=2, random_state=0)
    return model.fit(data.train, data.labels())


def _forest(data: Dataset) -> Any:  # noqa: ANN401 - untyped library
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - heavy: loaded when used

    return RandomForestClassifier(100, max_depth=8, n_jobs=2, random_state=0).fit(data.train, data.labels())


def _network(data: Dataset) -> Any:  # noqa: ANN401 - untyped library
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - heavy: loaded when used

    network = MLPClassifier((128, 128), max_iter=15, early_stopping=False, random_state=0, tol=0.0)
    return _quietly_fit(network, data)


def _scaled_network(data: Dataset) -> Any:  # noqa: ANN401 - untyped library
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - heavy: loaded when used

    network = MLPClassifier((128, 128), max_iter=15, early_stopping=False, random_state=0, tol=0.0)
    return _quietly_fit(make_pipeline(StandardScaler(), network), data)


def _logistic(data: Dataset) -> Any:  # noqa: ANN401 - untyped library
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - heavy: loaded when used

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(data.train, data.labels())


def _quietly_fit(network: Any, data: Dataset) -> Any:  # noqa: ANN401 - untyped library
    import warnings  # noqa: PLC0415 - only training needs it

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # fifteen passes are enough for a model that bends; convergence is not the point
        return network.fit(data.train, data.labels())


_TABLE_30: Final = partial(correlated, 30, 30)
_CASES: Final = (
    Case(id="lgb", version=1, family="trees", space="log_odds", title="LightGBM, 500 trees of 31 leaves, 30 features",
         data=_TABLE_30, train=_lightgbm),
    Case(id="xgb", version=1, family="trees", space="log_odds", title="XGBoost, 300 trees of depth 6, 30 features",
         data=_TABLE_30, train=_xgboost),
    Case(id="rf", version=1, family="trees", space="probability", title="forest, 100 trees of depth 8, 30 features",
         data=_TABLE_30, train=_forest),
    Case(id="lgb14", version=1, family="trees", space="log_odds", title="LightGBM, 500 trees of 31 leaves, 14 features",
         data=partial(credit_like, 14), train=_lightgbm),
    Case(id="lgbr30", version=1, family="trees", space="raw", title="LightGBM regressor, 100 trees, 30 features",
         data=_TABLE_30, train=partial(_lightgbm, n_trees=100, regression=True), is_classifier=False),
    Case(id="mlp14", version=1, family="network", space="probability", title="scaler and MLP 128-128, 14 features",
         data=partial(credit_like, 14), train=_scaled_network),
    Case(id="mlp30", version=1, family="network", space="probability", title="MLP 128-128, 30 features",
         data=_TABLE_30, train=_network),
    Case(id="mlp100", version=1, family="network", space="probability", title="MLP 128-128, 100 features",
         data=partial(correlated, 100, 100), train=_network),
    Case(id="lr", version=1, family="linear", space="probability", title="scaler and logistic regression, 30 features",
         data=_TABLE_30, train=_logistic),
    Case(id="tiny", version=1, family="trees", space="log_odds", title="LightGBM, 10 trees, 5 features (for tests)",
         data=partial(correlated, 5, 5), train=partial(_lightgbm, n_trees=10)),
)  # fmt: skip

CASES: Final[Mapping[str, Case]] = MappingProxyType({case.id: case for case in _CASES})
"""Every case by its id."""


def convert(case: Case, estimator: Any) -> bytes:  # noqa: ANN401 - untyped library
    """The fitted estimator as ONNX with one float matrix `x` as input and plain tensors as outputs."""
    import warnings  # noqa: PLC0415 - only conversion needs it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters warn about their own future
        return bytes(_convert(case, estimator).SerializeToString())


def _convert(case: Case, estimator: Any) -> Any:  # noqa: ANN401 - untyped library
    shape = [None, case.n_features]
    if type(estimator).__module__.startswith(("lightgbm", "xgboost")):
        import onnxmltools  # noqa: PLC0415 - heavy: loaded when used
        from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415 - heavy: loaded when used

        types = [("x", FloatTensorType(shape))]
        if type(estimator).__module__.startswith("xgboost"):
            return onnxmltools.convert_xgboost(estimator, name=case.name, initial_types=types, target_opset=15)
        return onnxmltools.convert_lightgbm(
            estimator, name=case.name, initial_types=types, target_opset=15, zipmap=False
        )
    from skl2onnx import convert_sklearn  # noqa: PLC0415 - heavy: loaded when used
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415 - heavy: loaded when used

    options = {"zipmap": False} if case.is_classifier else None
    types = [("x", FloatTensorType(shape))]
    # a name of its own choice would be another in each run, and with it the model's digest and every seed
    return convert_sklearn(estimator, name=case.name, initial_types=types, target_opset=OPSETS, options=options)


def predict(case: Case, estimator: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: ANN401 - untyped library
    """The estimator's own answer: probability of class 1, or the number; float64, (n,)."""
    found = estimator.predict_proba(rows)[:, 1] if case.is_classifier else estimator.predict(rows)
    return np.asarray(found, np.float64)


def folder_of(case: Case, work: Path) -> Path:
    """Where the files of a case are built."""
    return work / "cases" / case.name


def build(case: Case, work: Path, backgrounds: tuple[int, ...]) -> None:
    """Trains, converts and writes a case: `model.onnx`, the estimator for peers, and a bundle for each background.

    Raises:
        ValueError: If the ONNX file does not answer as its estimator does.
    """
    import onnxruntime as ort  # noqa: PLC0415 - heavy: loaded when used
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    import xaisvc  # noqa: PLC0415 - not needed by peers

    folder = folder_of(case, work)
    data = case.data()
    if not (folder / "built.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        estimator = case.train(data)
        model = convert(case, estimator)
        session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        answer = np.asarray(session.run([session.get_outputs()[-1].name], {"x": data.background})[0], np.float64)
        drift = float(np.abs(answer.reshape(len(answer), -1)[:, -1] - predict(case, estimator, data.background)).max())
        if drift > MAX_DRIFT:
            raise ValueError(f"{case.name}: the ONNX file differs from its estimator by up to {drift:.1e}")
        (folder / "model.onnx").write_bytes(model)
        if type(estimator).__module__.startswith("lightgbm"):
            estimator.booster_.save_model(str(folder / "model.txt"))
        elif type(estimator).__module__.startswith("xgboost"):
            estimator.get_booster().save_model(str(folder / "model.json"))
        (folder / "built.json").write_text(json.dumps({"drift": drift, "model_bytes": len(model)}), encoding="utf-8")
    for b in backgrounds:
        bundle = folder / f"b{b}"
        if not (bundle / "bundle.yaml").exists():
            frame = pd.DataFrame(data.background[:b], columns=list(data.names))
            xaisvc.create_bundle(
                model=folder / "model.onnx", background=frame, path=bundle, name=f"{case.name}-b{b}", overwrite=True
            )


def load_estimator(case: Case, work: Path) -> Any:  # noqa: ANN401 - untyped library
    """The estimator as other explainers want it: a booster from its own file, anything else trained again."""
    folder = folder_of(case, work)
    if (folder / "model.txt").exists():
        import lightgbm as lgb  # noqa: PLC0415 - heavy: loaded when used

        return lgb.Booster(model_file=str(folder / "model.txt"))
    if (folder / "model.json").exists():
        import xgboost as xgb  # noqa: PLC0415 - heavy: loaded when used

        booster = xgb.Booster()
        booster.load_model(folder / "model.json")
        return booster
    return case.train(case.data())
