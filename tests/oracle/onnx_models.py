"""Tiny trained models as ONNX files, and models bound to ONNX Runtime as the engine does it, without the engine."""

from __future__ import annotations

import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from tests.oracle.definition import shapley_by_definition
from xaisvc.graphs import NotAdditive, list_outputs, plan_scorer, read_additive
from xaisvc.types import (
    AdditiveModel,
    Feature,
    Kind,
    LinearTerm,
    Output,
    Players,
    Problem,
    Settings,
    Space,
    Table,
    TensorColumn,
    TreeTerm,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

TARGET_OPSET = {"": 18, "ai.onnx.ml": 3}
ROWS, FEATURES = 160, 6
SETTINGS = Settings(budget=None, seed=0, row_seeds=(), clock=time.monotonic)


@dataclass(frozen=True)
class Data:
    """A numeric table, exact in float32, with targets of every kind.

    Attributes:
        x: float32, (ROWS, FEATURES).
        score: Number to predict; float64, (ROWS,).
    """

    x: NDArray[np.float32]
    score: NDArray[np.float64]

    @property
    def binary(self) -> NDArray[np.int64]:
        return (self.score > np.median(self.score)).astype(np.int64)

    @property
    def classes(self) -> NDArray[np.int64]:
        return np.digitize(self.score, np.quantile(self.score, [1 / 3, 2 / 3]))


def numbers(*, missing: bool = False) -> Data:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, FEATURES))
    x[:, 1] = 0.7 * x[:, 0] + 0.7 * x[:, 1]
    x[:, 5] = np.round(x[:, 5])  # few values, so that rows sit on thresholds
    score = x[:, 0] + x[:, 1] * x[:, 2] - np.abs(x[:, 3]) + 0.5 * x[:, 5] + 0.3 * rng.normal(size=ROWS)
    if missing:
        x[rng.random(x.shape) < 0.15] = np.nan
    return Data(x.astype(np.float32), score)


def from_sklearn(estimator: Any, *, zipmap: bool = True) -> bytes:
    from skl2onnx import to_onnx

    options = None if zipmap else {id(estimator): {"zipmap": False}}
    sample = np.zeros((1, FEATURES), dtype=np.float32)
    return to_onnx(estimator, sample, options=options, target_opset=TARGET_OPSET).SerializeToString()


def from_lightgbm(estimator: Any, *, zipmap: bool = True) -> bytes:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [("X", FloatTensorType([None, FEATURES]))]
    return convert_lightgbm(estimator, initial_types=inputs, zipmap=zipmap, target_opset=15).SerializeToString()


def from_xgboost(estimator: Any) -> bytes:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [("X", FloatTensorType([None, FEATURES]))]
    return convert_xgboost(estimator, initial_types=inputs, target_opset=15).SerializeToString()


def from_catboost(estimator: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        estimator.save_model(str(path), format="onnx")
        return path.read_bytes()


def table(matrix: NDArray[np.floating[Any]]) -> Table:
    """Features f0, f1, ... of a matrix."""
    return Table({f"f{i}": matrix[:, i].astype(np.float64) for i in range(matrix.shape[1])})


def matrix_features(model: bytes, count: int = FEATURES) -> tuple[Feature, ...]:
    """Features f0, f1, ... as the columns of the graph's first input."""
    name = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()[0].name
    return tuple(
        Feature(id=f"f{i}", kind=Kind.NUMERIC, source=TensorColumn(tensor=name, column=i)) for i in range(count)
    )


def each_alone(features: Sequence[Feature]) -> Players:
    names = tuple(feature.id for feature in features)
    return Players(names=names, members=tuple((name,) for name in names))


def grouped(*members: tuple[str, ...]) -> Players:
    return Players(names=tuple(f"g{i}" for i in range(len(members))), members=members, kind="custom")


class Session:
    """A graph in ONNX Runtime that takes tables."""

    def __init__(self, model: bytes, features: Sequence[Feature]) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # onnxmltools declares label shapes that ONNX Runtime remarks on
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._features = tuple(features)

    def run(self, rows: Table, tensor: str) -> NDArray[Any]:
        feeds = {}
        for entry in self._session.get_inputs():
            here = sorted((f.source.column, f.id) for f in self._features if f.source.tensor == entry.name)
            columns = [rows.columns[name] for _, name in here]
            dtype = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}.get(
                entry.type, object
            )
            feeds[entry.name] = np.stack([np.asarray(column, dtype=dtype) for column in columns], axis=1)
        return self._session.run([tensor], feeds)[0]


def bind(  # noqa: PLR0913  one helper for every kind of problem
    model: bytes,
    background: Table,
    *,
    features: Sequence[Feature] | None = None,
    output: Output | None = None,
    space: Space | None = None,
    players: Players | None = None,
) -> Problem:
    """A problem about a model file: its default output in its default space, each feature a player."""
    features = features or matrix_features(model, len(background.columns))
    output = output or list_outputs(model)[0]
    space = space or output.space
    scorer = plan_scorer(model, output, space)
    scoring = Session(scorer.model, features)

    def score(rows: Table) -> NDArray[np.float64]:
        numbers_ = np.asarray(scoring.run(rows, scorer.tensor), dtype=np.float64).reshape(len(rows), -1)
        found = numbers_[:, scorer.column or 0]
        return np.log(found / (1 - found)) if scorer.transform == "logit" else found

    finite = {feature.id for feature in features if feature.kind is not Kind.CATEGORY and not feature.allow_missing}
    read = read_additive(model, output, space, {feature.id: feature.source for feature in features}, finite=finite)
    additive, reason = None, ""
    if isinstance(read, NotAdditive):
        reason = read.reason
    else:
        preparing = Session(read.columns_model, features)

        def columns(tensor: str) -> Callable[[Table], NDArray[Any]]:
            return lambda rows: preparing.run(rows, tensor)

        terms: list[LinearTerm | TreeTerm] = []
        for term in read.terms:
            if term.trees is not None:
                terms.append(TreeTerm(columns=columns(term.tensor), owners=term.owners, trees=term.trees))
            elif term.weights is not None:
                terms.append(LinearTerm(columns=columns(term.tensor), owners=term.owners, weights=term.weights))
        additive = AdditiveModel(constant=read.constant, terms=tuple(terms))
    return Problem(
        model=score,
        background=background,
        players=players or each_alone(features),
        space=space,
        additive=additive,
        additive_reason=reason,
    )


def enumerate_shapley(problem: Problem, row: Table) -> NDArray[np.float64]:
    """Shapley values of one row from the definition, every coalition scored by the ONNX model itself; (p,)."""
    known: dict[frozenset[int], float] = {}

    def value(members: frozenset[int]) -> float:
        if members not in known:
            from_row = {feature for i in members for feature in problem.players.members[i]}
            mixed = {
                name: np.repeat(row.columns[name], len(problem.background)) if name in from_row else column
                for name, column in problem.background.columns.items()
            }
            known[members] = float(problem.model(Table(mixed)).mean())
        return known[members]

    return shapley_by_definition(value, len(problem.players))


@dataclass(frozen=True)
class Pipeline:
    """A model with its preprocessing in the graph: one tensor per feature, float and string.

    Attributes:
        model: The ONNX file.
        features: Two numbers, one with holes, and two categories.
        data: Feature id to values.
    """

    model: bytes
    features: tuple[Feature, ...]
    data: dict[str, NDArray[Any]]

    def rows(self, start: int, end: int) -> Table:
        return Table({name: values[start:end].copy() for name, values in self.data.items()})


def pipeline(estimator: Any, *, scaled: bool = False) -> Pipeline:
    """Imputer (and scaler) for numbers, one-hot for categories, then the estimator."""
    import pandas as pd
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(5)
    data = pd.DataFrame(
        {
            "age": rng.integers(18, 80, ROWS).astype(np.float32),
            "income": np.exp(rng.normal(7, 0.5, ROWS)).astype(np.float32),
            "home": rng.choice(["own", "rent", "free"], ROWS),
            "purpose": rng.choice(["car", "house", "study"], ROWS),
        }
    )
    target = (data["age"] / 40 - np.log(data["income"]) + (data["home"] == "own") + rng.normal(0, 0.5, ROWS)) > -5.3
    data.loc[rng.random(ROWS) < 0.1, "income"] = np.nan
    names = ["age", "income", "home", "purpose"]
    prepared = make_pipeline(SimpleImputer(), StandardScaler()) if scaled else SimpleImputer()
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((prepared, names[:2]), (encoder, names[2:]))
    kinds = [FloatTensorType([None, 1])] * 2 + [StringTensorType([None, 1])] * 2
    inputs = list(zip(names, kinds, strict=True))

    def make() -> bytes:
        whole = make_pipeline(columns, estimator).fit(data, target.astype(int))
        return to_onnx(whole, initial_types=inputs, target_opset=TARGET_OPSET).SerializeToString()

    features = tuple(
        Feature(
            id=name,
            kind=Kind.NUMERIC if i < 2 else Kind.CATEGORY,
            source=TensorColumn(tensor=name),
            allow_missing=name == "income",
        )
        for i, name in enumerate(names)
    )
    values = {name: data[name].to_numpy(dtype=np.float64 if i < 2 else object) for i, name in enumerate(names)}
    return Pipeline(quiet(make), features, values)


def binned(estimator: Any, encode: str) -> bytes:
    """Quantile bins for all columns at once, then the estimator, as a scorecard has them."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer

    data = numbers()
    bins = KBinsDiscretizer(4, encode=encode, strategy="quantile", quantile_method="averaged_inverted_cdf")
    return quiet(lambda: from_sklearn(make_pipeline(bins, estimator).fit(data.x, data.binary)))


def quiet(make: Callable[[], Any]) -> Any:
    """Runs third-party code (training, converting, shap) whose own warnings are not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()
