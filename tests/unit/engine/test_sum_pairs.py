"""Designs of models that are sums, against the plain way on the model's own file."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import xaisvc
from tests.unit.engine.games import assert_alike, load, nothing
from tests.unit.engine.mixing_models import FLOAT, STRING, model, node, numbers
from xaisvc.attribution.plain_games import PlainGames
from xaisvc.attribution.sum_tables import SumTable
from xaisvc.engine import games, readying, sum_pairs
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.sum_pairs import SumPairs
from xaisvc.errors import AbandonedError, ModelOutputError
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import CoalitionDesign, Players, Space

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from xaisvc.types import AdditiveModel, Problem

BUNDLES = ("german-credit-logistic", "german-credit-boosting")

# Of the largest answer: what float32 sums of a hundred trees differ by from float64 ones; measured 5e-7.
TOLERANCE = 1e-6


def weighted_texts() -> tuple[bytes, pd.DataFrame]:
    """y = age / 2 + 0.7 one-hot text + 4 income + 0.3."""
    nodes = [
        node("OneHotEncoder", ["home"], ["hot"], domain="ai.onnx.ml", cats_strings=["own", "rent", "free"], zeros=1),
        node("Reshape", ["hot", "flat"], ["columns"]),
        node("Concat", ["age", "columns", "income"], ["all"], axis=1),
        node("MatMul", ["all", "w"], ["h"]),
        node("Add", ["h", "c"], ["y"]),
    ]
    inputs = {"age": (FLOAT, [None, 1]), "home": (STRING, [None, 1]), "income": (FLOAT, [None, 1])}
    data = numbers("age", "income").assign(home=np.random.default_rng(1).choice(["own", "rent", "free"], 60))
    constants = {
        "w": np.array([[0.5], [0.7], [-0.4], [0.2], [4.0]], np.float32),
        "c": np.array([0.3], np.float32),
        "flat": np.array([-1, 3]),
    }
    return model(nodes, inputs, constants), data


def demo(name: str, folder: Path) -> tuple[LoadedBundle, Problem]:
    """A bundle of the demo, its log-odds and each feature for itself."""
    del folder
    bundle = xaisvc.load_bundle(readying.__file__.replace("engine/readying.py", f"demo/bundles/{name}"))
    loaded = LoadedBundle(bundle, OrtRuntime(), "cpu", threads=2)
    ids = bundle.description.feature_ids
    players = Players(names=ids, members=tuple((one,) for one in ids))
    return loaded, loaded.problem(bundle.description.outputs[0], Space.LOG_ODDS, players)


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("background", ["all rows", "groups", "own rows"])
def test_the_demo_answers_as_its_files_do(name: str, background: str, tmp_path: Path) -> None:
    _, problem = demo(name, tmp_path)
    rng = np.random.default_rng(0)
    groups = rng.permutation(100).reshape(5, 20)
    picks = {
        "all rows": None,
        "groups": groups[rng.integers(5, size=30)],
        "own rows": rng.integers(100, size=(30, 9)),
    }
    design = CoalitionDesign(masks=rng.random((30, 16)) < 0.5, background=picks[background])
    rows = problem.background.take([3, 50, 99])
    assert problem.games is not None

    pairs = problem.games.evaluate(design)

    assert isinstance(pairs, SumPairs)
    expected = PlainGames(problem, 4096, 1).evaluate(design)(rows, nothing)
    assert_alike(pairs(rows, nothing), expected, TOLERANCE)


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("players", [None, {"person": ("age", "home"), "money": ("income",)}])
def test_text_is_looked_up_once_for_a_row(
    own_rows: int | None, players: dict[str, tuple[str, ...]] | None, tmp_path: Path
) -> None:
    case = load(weighted_texts(), tmp_path, players=players)
    design = case.design(own_rows=own_rows)

    pairs = case.games.evaluate(design)

    assert isinstance(pairs, SumPairs)
    assert pairs.detail == "Coalitions are evaluated inside the model's graph, taken apart into the sum that it is."
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing))


@pytest.mark.parametrize("name", BUNDLES)
def test_a_row_gets_the_same_bits_in_any_company_and_number_of_threads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sum_pairs, "_WORTH_A_THREAD", 1)
    monkeypatch.setattr(sum_pairs, "BLOCK_OPERATIONS", 10_000)
    _, problem = demo(name, tmp_path)
    assert problem.games is not None
    design = CoalitionDesign(masks=np.random.default_rng(0).random((200, 16)) < 0.5)
    pairs = problem.games.evaluate(design)
    assert isinstance(pairs, SumPairs)

    together = pairs(problem.background, nothing)

    for found, places in (
        (pairs(problem.background.take([70]), nothing), [70]),
        (pairs(problem.background.take(slice(3, 68)), nothing), list(range(3, 68))),
        (replace(pairs, threads=1)(problem.background, nothing), list(range(100))),
    ):
        np.testing.assert_array_equal(together.on[places], found.on)
        np.testing.assert_array_equal(together.off[places], found.off)
        np.testing.assert_array_equal(together.outputs[places], found.outputs)


def test_a_reading_that_is_not_the_model_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = SumTable.of

    def wrong(problem: Problem, design: CoalitionDesign, most_bytes: int) -> object:
        assert problem.additive is not None
        off: AdditiveModel = replace(problem.additive, constant=problem.additive.constant + 1e-3)
        return right(replace(problem, additive=off), design, most_bytes)

    monkeypatch.setattr(SumTable, "of", staticmethod(wrong))
    case = load(weighted_texts(), tmp_path)
    design = case.design()

    pairs = case.games.evaluate(design)

    assert isinstance(pairs, GraphPairs)
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing))


def test_a_table_that_is_too_large_leaves_it_to_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load(weighted_texts(), tmp_path)
    monkeypatch.setattr(games, "MOST_KEPT_BYTES", 100)

    assert isinstance(case.games.evaluate(case.design()), GraphPairs)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_answers_that_are_not_finite_are_refused_as_the_plain_way_refuses_them(bad: float, tmp_path: Path) -> None:
    case = load(weighted_texts(), tmp_path)
    income = case.rows.columns["income"].copy()
    income[2] = bad
    rows = replace(case.rows, columns={**case.rows.columns, "income": income})
    design = case.design()
    pairs = case.games.evaluate(design)
    assert isinstance(pairs, SumPairs)

    with pytest.raises(ModelOutputError) as plain:
        case.plain.evaluate(design)(rows, nothing)
    with pytest.raises(ModelOutputError) as fast:
        pairs(rows, nothing)

    assert str(fast.value) == str(plain.value)


def test_work_that_nobody_waits_for_stops_between_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load(weighted_texts(), tmp_path)
    monkeypatch.setattr(sum_pairs, "BLOCK_OPERATIONS", 1)  # every row is a block
    calls: list[None] = []
    lock = threading.Lock()

    def leave() -> None:
        with lock:
            calls.append(None)
            if len(calls) == 3:
                raise AbandonedError

    pairs = case.games.evaluate(case.design())
    assert isinstance(pairs, SumPairs)

    with pytest.raises(AbandonedError):
        pairs(case.rows, leave)
    assert len(calls) == 3
