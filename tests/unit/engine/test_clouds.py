"""Clouds: draws around a row as tensors are, bit for bit, what the same draws are as rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import pytest

import xaisvc
from xaisvc.attribution import METHODS
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine import clouds as clouds_module
from xaisvc.engine.clouds import GraphClouds
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.scoring import ScoringModel
from xaisvc.engine.sum_model import SumModel
from xaisvc.errors import ModelOutputError
from xaisvc.graphs import Scorer
from xaisvc.runtimes import OrtRuntime
from xaisvc.runtimes.ort import OrtModel
from xaisvc.types import (
    BundleDescription,
    CloudDraws,
    Feature,
    Kind,
    Players,
    Settings,
    Space,
    Table,
    TensorColumn,
    TensorInfo,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xaisvc.types import Cloud

M = 40
CODES = ("1", "2.5", "-3")
JOBS = ("clerk", "cook", "pilot")


@dataclass
class Recorder:
    """A model that keeps what it is fed and answers with a constant."""

    inputs: tuple[TensorInfo, ...]
    answer: float = 0.5
    device: str = "cpu"
    outputs: tuple[TensorInfo, ...] = ()
    fed: list[dict[str, NDArray[np.generic]]] = field(default_factory=list)

    def run(self, feeds: Mapping[str, NDArray[np.generic]], outputs: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        self.fed.append(dict(feeds))
        return {outputs[0]: np.full((len(next(iter(feeds.values()))), 1), self.answer)}


def _feature(name: str, kind: Kind, tensor: str, column: int = 0, categories: tuple[str, ...] = ()) -> Feature:
    missing = kind is not Kind.INTEGER
    return Feature(
        id=name,
        kind=kind,
        source=TensorColumn(tensor=tensor, column=column),
        categories=categories,
        allow_missing=missing,
    )


FEATURES = (
    _feature("income", Kind.NUMERIC, "floats", 2),
    _feature("age", Kind.NUMERIC, "floats", 0),
    _feature("code", Kind.CATEGORY, "floats", 1, CODES),
    _feature("rate", Kind.NUMERIC, "doubles"),
    _feature("score", Kind.NUMERIC, "half"),
    _feature("children", Kind.INTEGER, "integers"),
    _feature("job", Kind.CATEGORY, "texts", 0, JOBS),
    _feature("since", Kind.DATE, "texts", 1),
    _feature("town", Kind.CATEGORY, "towns", 0, JOBS),
    _feature("all_moved", Kind.NUMERIC, "moved", 0),
    _feature("large", Kind.NUMERIC, "moved", 1),
)
INPUTS = (
    TensorInfo(name="floats", element="float", shape=(None, 3)),
    TensorInfo(name="doubles", element="double", shape=(None,)),
    TensorInfo(name="half", element="float16", shape=(None, 1)),
    TensorInfo(name="integers", element="int64", shape=(None, 1)),
    TensorInfo(name="texts", element="string", shape=(None, 2)),
    TensorInfo(name="towns", element="string", shape=(None, 1)),
    TensorInfo(name="moved", element="float", shape=(None, 2)),
)
DESCRIPTION = BundleDescription(
    name="n", version="1", owner="o", purpose="p", out_of_scope="s", features=FEATURES, outputs=()
)


def _texts(*values: str | None) -> NDArray[np.object_]:
    found = np.empty(len(values), dtype=np.object_)
    found[:] = values
    return found


def _rows() -> Table:
    return Table(
        {
            "income": np.array([1.1, np.nan]),
            "age": np.array([40.5, -0.0]),  # a row's own number is not rounded, and minus zero stays
            "code": _texts("2.5", None),
            "rate": np.array([0.1, -0.0]),
            "score": np.array([3.3, 1.0]),
            "children": np.array([2.0, 0.0]),
            "job": _texts("cook", None),
            "since": np.array([10000.0, 20000.0]),
            "town": _texts("pilot", "clerk"),
            "all_moved": np.array([0.7, np.nan]),
            "large": np.array([123456789.123, 0.3]),
        }
    )


def _draws() -> CloudDraws:
    rng = np.random.default_rng(0)
    scales = {"income": 3.3, "age": 12.0, "rate": 0.01, "score": 1.0, "children": 1.5, "since": 400.0}
    moves = {name: scale * rng.normal(size=M) for name, scale in {**scales, "all_moved": 1.0, "large": 7.7}.items()}
    for numbers in moves.values():
        numbers[0] = 0.0
    return CloudDraws(
        size=M,
        moves=moves,
        whole=frozenset({"age", "children", "since"}),
        values={
            "code": _texts(*rng.choice([*CODES, None], M).tolist()),
            "job": _texts(*rng.choice(JOBS, M).tolist()),
            "town": _texts(*rng.choice(JOBS, M).tolist()),
        },
    )


def _scoring(model: Recorder) -> ScoringModel:
    scorer = Scorer(model=b"", tensor="y", column=None, transform="none", detail="")
    return ScoringModel(DESCRIPTION, model, scorer)


@pytest.mark.parametrize("chunk", [slice(0, 25), slice(25, M)])
@pytest.mark.parametrize("place", [0, 1])
def test_the_graph_is_fed_the_bits_that_rows_would_feed_it(place: int, chunk: slice) -> None:
    model = Recorder(INPUTS)
    scoring, draws, rows = _scoring(model), _draws(), _rows()

    answers = GraphClouds(DESCRIPTION, scoring).prepare(draws)(rows, place, chunk)
    scoring(draws.around(rows, place, chunk, rows.feature_ids))

    moved, encoded = model.fed
    assert answers.shape == (chunk.stop - chunk.start,)
    assert list(moved) == list(encoded) == [info.name for info in INPUTS]
    for name, tensor in encoded.items():
        assert (moved[name].dtype, moved[name].shape) == (tensor.dtype, tensor.shape)
        if tensor.dtype == np.object_:
            assert moved[name].tolist() == tensor.tolist()
        else:
            np.testing.assert_array_equal(moved[name], tensor)
            numeric = tensor.astype(np.float64)
            present = ~np.isnan(numeric)
            assert (np.signbit(moved[name].astype(np.float64)) == np.signbit(numeric))[present].all()


def test_one_row_does_not_change_the_draws_of_the_next() -> None:
    model = Recorder(INPUTS)
    cloud, rows = GraphClouds(DESCRIPTION, _scoring(model)).prepare(_draws()), _rows()

    for place in (0, 1, 0):
        cloud(rows, place, slice(0, M))

    first, _, again = model.fed
    for name in first:
        assert repr(first[name].tolist()) == repr(again[name].tolist())  # NaN in the same places


def test_an_answer_that_is_not_finite_is_an_error() -> None:
    cloud = GraphClouds(DESCRIPTION, _scoring(Recorder(INPUTS, answer=np.inf))).prepare(_draws())

    with pytest.raises(ModelOutputError, match=r"the model answered 40 of 40 rows with a number that is not finite"):
        cloud(_rows(), 0, slice(0, M))


def _network() -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(3)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "inner"], ["hidden"]),
            helper.make_node("Tanh", ["hidden"], ["bent"]),
            helper.make_node("Gemm", ["bent", "outer"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [
            numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
            for name, shape in (("inner", (4, 8)), ("outer", (8, 1)))
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_lime_around_the_row_is_the_same_with_and_without_clouds(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    background = pd.DataFrame(rng.normal(size=(60, 4)), columns=["a", "b", "whole", "flag"])
    background["whole"] = (10 * background["whole"]).round()
    background["flag"] = (background["flag"] > 0).astype(float)
    xaisvc.create_bundle(model=_network(), background=background.astype(np.float32), path=tmp_path / "network")
    loaded = LoadedBundle(xaisvc.load_bundle(tmp_path / "network"), OrtRuntime(), "cpu", threads=1)
    output = loaded.bundle.description.outputs[0]
    names = loaded.bundle.background.feature_ids
    problem = loaded.problem(output, output.space, Players(names=names, members=tuple((name,) for name in names)))
    rows = loaded.bundle.background.take(slice(0, 11))
    settings = Settings(budget=2500, seed=0, row_seeds=[bytes(32)] * 11, clock=lambda: 0.0)
    method = METHODS["lime_continuous"]

    with_clouds = method.attribute(problem, rows, settings)
    spread = method.attribute(problem, rows, replace(settings, threads=2))
    without = method.attribute(replace(problem, clouds=None, plans=None), rows, settings)

    assert problem.clouds is not None
    assert with_clouds.values.any(axis=0).all()
    for other in (spread, without):
        assert (other.values == with_clouds.values).all()
        assert (other.standard_errors == with_clouds.standard_errors).all()
        assert (other.base_values == with_clouds.base_values).all()
        assert (other.outputs == with_clouds.outputs).all()
        assert other.diagnostics == with_clouds.diagnostics


def _around(cloud: Cloud, rows: Table) -> NDArray[np.float64]:
    """The answers to all draws around each row, in two chunks."""
    chunks = (slice(0, 25), slice(25, M))
    return np.array([np.concatenate([cloud(rows, place, chunk) for chunk in chunks]) for place in range(len(rows))])


def _demo_draws(loaded: LoadedBundle) -> CloudDraws:
    """Draws of numbers around a row, and of whole background rows' texts."""
    background, rng = loaded.bundle.background, np.random.default_rng(0)
    places = rng.integers(len(background), size=M)
    numbers = [name for name, values in background.columns.items() if values.dtype.kind == "f"]
    moves = {name: np.r_[0.0, rng.normal(size=M - 1)] * float(background.columns[name].std()) for name in numbers}
    values = {name: texts[places] for name, texts in background.columns.items() if name not in moves}
    return CloudDraws(size=M, moves=moves, whole=frozenset(), values=values)


@pytest.mark.parametrize("space", [Space.LOG_ODDS, Space.PROBABILITY])
def test_texts_that_are_the_same_around_every_row_are_read_once(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = LoadedBundle(xaisvc.load_bundle(BUNDLES / "german-credit-boosting"), OrtRuntime(), "cpu", threads=1)
    rows, draws = loaded.bundle.background.take(slice(0, 6)), _demo_draws(loaded)
    clouds = loaded.problem(loaded.bundle.description.outputs[0], space, _players(loaded)).clouds
    assert clouds is not None
    monkeypatch.setattr(clouds_module, "_WORTH_ROWS", 10**9)
    expected = _around(clouds.prepare(draws), rows)

    monkeypatch.setattr(clouds_module, "_WORTH_ROWS", 2)
    cloud = clouds.prepare(draws)
    _around(cloud, rows.take(slice(0, 2)))
    fed = _spied_on(monkeypatch)
    found = _around(cloud, rows)

    np.testing.assert_array_equal(found, expected)  # to the bit
    assert len({answers.tobytes() for answers in expected}) == len(rows)
    in_chunks = [names for names, n in fed if n > 1]
    texts = {feature.source.tensor for feature in loaded.bundle.description.features if feature.categories}
    assert len(in_chunks) > 2 * len(rows)
    assert sum(bool(names & texts) for names in in_chunks) == 2  # each chunk once, to check what was made of it


def test_what_holds_draws_is_counted_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = LoadedBundle(xaisvc.load_bundle(BUNDLES / "german-credit-boosting"), OrtRuntime(), "cpu", threads=1)
    draws, rows = _demo_draws(loaded), loaded.bundle.background.take(slice(0, 6))
    problem = loaded.problem(loaded.bundle.description.outputs[0], Space.LOG_ODDS, _players(loaded))
    assert problem.clouds is not None
    alone = GraphClouds(loaded.bundle.description, cast("ScoringModel", problem.model)).prepare(draws).n_bytes
    more = problem.clouds.prepare(draws).n_bytes - alone
    monkeypatch.setattr(clouds_module, "_WORTH_ROWS", 2)

    monkeypatch.setattr(clouds_module, "_MOST_FIXED_BYTES", more - 1)
    cloud = problem.clouds.prepare(draws)
    fed = _spied_on(monkeypatch)
    _around(cloud, rows)

    assert more >= 64 * M * len(draws.values)
    assert cloud.n_bytes == alone
    texts = {name for names, n in fed if n > 1 for name in names if name in draws.values}
    assert texts >= {name for name, values in draws.values.items() if values.dtype == np.object_}


def test_draws_that_are_cut_otherwise_are_not_held_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = LoadedBundle(xaisvc.load_bundle(BUNDLES / "german-credit-boosting"), OrtRuntime(), "cpu", threads=1)
    draws, rows = _demo_draws(loaded), loaded.bundle.background.take(slice(0, 6))
    clouds = loaded.problem(loaded.bundle.description.outputs[0], Space.LOG_ODDS, _players(loaded)).clouds
    assert clouds is not None
    monkeypatch.setattr(clouds_module, "_WORTH_ROWS", 2)
    made: list[int] = []
    fixed = SumModel.fixed

    def counted(
        self: SumModel, values: Mapping[str, NDArray[np.generic]], feeds: Mapping[str, NDArray[np.generic]]
    ) -> SumModel:
        made.append(len(next(iter(feeds.values()))))
        return fixed(self, values, feeds)

    monkeypatch.setattr(SumModel, "fixed", counted)
    cloud = clouds.prepare(draws)

    expected = _around(cloud, rows)
    whole = np.array([cloud(rows, place, slice(0, M)) for place in range(len(rows))])

    np.testing.assert_array_equal(whole, expected)
    assert made == [25, M - 25]


def _players(loaded: LoadedBundle) -> Players:
    ids = loaded.bundle.description.feature_ids
    return Players(names=ids, members=tuple((name,) for name in ids))


def _spied_on(monkeypatch: pytest.MonkeyPatch) -> list[tuple[frozenset[str], int]]:
    """What every graph is fed from now on: the tensors' names, and the number of rows."""
    fed: list[tuple[frozenset[str], int]] = []
    run = OrtModel.run

    def spy(
        self: OrtModel, feeds: Mapping[str, NDArray[np.generic]], outputs: Sequence[str]
    ) -> dict[str, NDArray[np.generic]]:
        fed.append((frozenset(feeds), len(next(iter(feeds.values())))))
        return run(self, feeds, outputs)

    monkeypatch.setattr(OrtModel, "run", spy)
    return fed
