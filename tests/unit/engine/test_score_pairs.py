"""Designs of models made of trees, mixed row by mixed row, against the plain way on the model's own file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from tests.e2e.zoo import cases
from tests.unit.engine.games import Case, assert_alike, load, nothing
from tests.unit.engine.mixing_models import FLOAT, model, node, numbers
from tests.unit.graphs.hand_made import Grove
from xaisvc.attribution.tree_scores import TreeScores
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.engine.score_pairs import ScorePairs
from xaisvc.errors import AbandonedError
from xaisvc.types import Space

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from onnx import NodeProto

MADE_OF_TREES = ("lightgbm-missing", "xgboost-multiclass", "catboost-binary", "pipeline-boosting")


def in_probability(
    name: str, folder: Path, *, threads: int = 1, players: dict[str, tuple[str, ...]] | None = None
) -> Case:
    """A case of the zoo whose probability is no sum."""
    made = cases(str(folder))[name]()
    # Twenty rows of the background say whether a number may be missing; in these all are there.
    data = made.data.dropna().reset_index(drop=True) if "pipeline" in name else made.data
    case = load((made.model, data), folder, threads=threads, players=players)
    assert case.problem.space is Space.PROBABILITY
    return case


def evaluator(case: Case, *, q: int = 9, own_rows: int | None = None) -> ScorePairs:
    pairs = case.games.evaluate(case.design(q=q, own_rows=own_rows))
    assert isinstance(pairs, ScorePairs)
    return pairs


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("name", MADE_OF_TREES)
def test_coalitions_are_those_of_the_model(name: str, own_rows: int | None, tmp_path: Path) -> None:
    case = in_probability(name, tmp_path)
    pairs = evaluator(case, own_rows=own_rows)
    expected = case.plain.evaluate(case.design(own_rows=own_rows))(case.rows, nothing)

    found = pairs(case.rows, nothing)

    assert_alike(found, expected)
    assert np.array_equal(found.outputs, expected.outputs)
    assert found.on.std() > 0
    assert pairs.detail == "Coalitions are evaluated by the model's trees as read from its graph."


def test_features_of_a_player_come_and_go_together(tmp_path: Path) -> None:
    players = {"person": ("age", "home"), "money": ("income", "purpose")}
    case = in_probability("pipeline-boosting", tmp_path, players=players)
    expected = case.plain.evaluate(case.design())(case.rows, nothing)

    assert_alike(evaluator(case)(case.rows, nothing), expected)


def test_a_feature_that_no_player_holds_is_the_backgrounds(tmp_path: Path) -> None:
    case = in_probability("lightgbm-missing", tmp_path, players={"some": ("f0", "f1"), "others": ("f2",)})
    rest = case.rows.columns | {name: np.roll(case.rows.columns[name], 1) for name in ("f3", "f4")}
    turned = replace(case.rows, columns=rest)
    pairs = evaluator(case)
    first, second = pairs(case.rows, nothing), pairs(turned, nothing)

    np.testing.assert_array_equal(first.on, second.on)
    assert (first.outputs != second.outputs).any()


def test_a_row_gets_the_same_bits_in_any_company_and_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xaisvc.engine.score_pairs.PREFERRED_BATCH_ROWS", 100)
    pairs = evaluator(in_probability("xgboost-multiclass", tmp_path, threads=2), q=40)
    rows = pairs.problem.background
    together = pairs(rows, nothing)

    for found, places in (
        (pairs(rows.take([7]), nothing), [7]),
        (pairs(rows.take(slice(3, 18)), nothing), list(range(3, 18))),
        (replace(pairs, threads=1)(rows, nothing), list(range(len(rows)))),
    ):
        np.testing.assert_array_equal(together.on[places], found.on)
        np.testing.assert_array_equal(together.off[places], found.off)
        np.testing.assert_array_equal(together.outputs[places], found.outputs)


def test_sizes_of_pieces_change_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = evaluator(in_probability("lightgbm-missing", tmp_path))
    rows = pairs.problem.background.take(slice(0, 3))
    whole = pairs(rows, nothing)
    for name in ("PREFERRED_BATCH_ROWS", "_NUMBERS_TOGETHER"):
        with monkeypatch.context() as smaller:
            smaller.setattr(f"xaisvc.engine.score_pairs.{name}", 1)
            assert len(pairs._pieces()) == 18

            np.testing.assert_array_equal(pairs(rows, nothing).on, whole.on)


def test_columns_too_many_for_memory_are_left_to_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = in_probability("lightgbm-missing", tmp_path)
    numbers_of_a_coalition = len(case.problem.background) * 5
    monkeypatch.setattr("xaisvc.engine.games.MOST_NUMBERS", numbers_of_a_coalition)
    evaluator(case)
    monkeypatch.setattr("xaisvc.engine.games.MOST_NUMBERS", numbers_of_a_coalition - 1)

    assert isinstance(case.games.evaluate(case.design()), GraphPairs)


def test_work_that_nobody_waits_for_stops(tmp_path: Path) -> None:
    pairs = evaluator(in_probability("lightgbm-missing", tmp_path))
    calls = iter(range(100))

    def check() -> None:
        if next(calls) > 1:
            raise AbandonedError("nobody waits")

    with pytest.raises(AbandonedError):
        pairs(pairs.problem.background, check)


def test_trees_that_answer_otherwise_than_the_model_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = TreeScores.add

    def wrong(self: TreeScores, matrix: np.ndarray, totals: np.ndarray) -> None:
        honest(self, matrix, totals)
        totals += 1e-2

    monkeypatch.setattr(TreeScores, "add", wrong)
    case = in_probability("lightgbm-missing", tmp_path)

    assert isinstance(case.games.evaluate(case.design()), GraphPairs)


def test_rows_without_a_number_are_mended_in_the_graph(tmp_path: Path) -> None:
    case = in_probability("lightgbm-missing", tmp_path)
    pairs = evaluator(case)
    expected = pairs(case.rows, nothing)

    class Broken:
        is_link = True

        @staticmethod
        def matrices(*_: object) -> list[np.ndarray]:
            return pairs.model.matrices(*_)  # type: ignore[arg-type]

        @staticmethod
        def of_matrices(matrices: list[np.ndarray]) -> np.ndarray:
            return np.full(len(matrices[0]), np.nan)

    found = replace(pairs, model=cast("type[pairs.model]", Broken()))(case.rows, nothing)

    assert_alike(found, expected)


def products(folder: Path) -> tuple[bytes, pd.DataFrame]:
    """Trees on a product of two features and on a third."""
    del folder
    grove = Grove(3, width=2)
    grove.nodes = [(*own[:4], "LEAF" if own[4] == "LEAF" else "BRANCH_LEQ", *own[5:]) for own in grove.nodes]
    nodes = [
        node("Mul", ["a", "b"], ["ab"]),
        node("Concat", ["ab", "c"], ["X"], axis=1),
        cast("NodeProto", grove.regressor()),
        node("Sigmoid", ["Y"], ["y"]),
    ]
    return model(nodes, {name: (FLOAT, [None, 1]) for name in "abc"}, {}), numbers("a", "b", "c")


@pytest.mark.parametrize("players", [None, {"both": ("a", "b"), "c": ("c",)}])
def test_columns_of_several_features_are_mixed_before_the_preprocessing(
    tmp_path: Path, players: dict[str, tuple[str, ...]] | None
) -> None:
    case = load(products(tmp_path), tmp_path, players=players)
    pairs = case.games.evaluate(case.design())

    assert case.problem.linked is not None
    assert isinstance(pairs, GraphPairs)
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(case.design())(case.rows, nothing))
