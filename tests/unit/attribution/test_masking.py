"""Hybrid rows and the value function."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, normal, table, twisted
from xaisvc.attribution.masking import HYBRID_ROWS, base_value, hybrid_rows, score, steady_mean
from xaisvc.errors import ModelOutputError
from xaisvc.types import Players, Problem, Space, Table


def _mixed_tables() -> tuple[Table, Table, Players]:
    row = Table({"age": np.array([40.0]), "job": np.array(["clerk"], dtype=object), "rent": np.array([np.nan])})
    background = Table(
        {"age": np.array([20.0, 30.0]), "job": np.array([None, "cook"], dtype=object), "rent": np.array([500.0, 600.0])}
    )
    return row, background, Players(names=("person", "rent"), members=(("age", "job"), ("rent",)), kind="custom")


def test_a_coalition_keeps_the_rows_values_and_takes_the_rest_from_the_background() -> None:
    row, background, players = _mixed_tables()

    mixed = hybrid_rows(row, background, np.array([[True, False], [False, True]]), players)

    expected = [
        {"age": 40.0, "job": "clerk", "rent": 500.0},
        {"age": 40.0, "job": "clerk", "rent": 600.0},
        {"age": 20.0, "job": None, "rent": None},
        {"age": 30.0, "job": "cook", "rent": None},
    ]
    assert expected == [mixed.row(index) for index in range(4)]


def test_columns_keep_the_order_of_the_schema_and_their_types() -> None:
    row, background, _ = _mixed_tables()
    players = Players(names=("rent", "person"), members=(("rent",), ("job", "age")), kind="custom")

    mixed = hybrid_rows(row, background, np.array([[True, True]]), players)

    assert mixed.feature_ids == ("age", "job", "rent")
    assert [column.dtype for column in mixed.columns.values()] == [np.float64, np.object_, np.float64]


def test_the_mean_of_equal_numbers_is_that_number() -> None:
    assert np.full(3, 0.1).mean() != 0.1  # what a plain mean makes of it

    assert (steady_mean(np.full((2, 3), 0.1)) == 0.1).all()
    assert steady_mean(normal(0, 3, 50)) == pytest.approx(normal(0, 3, 50).mean(axis=1), rel=0, abs=1e-15)


def test_the_base_value_is_the_mean_over_the_background() -> None:
    problem = matrix_problem(twisted(3), normal(1, 50, 3))

    assert base_value(problem, 8) == pytest.approx(problem.model(problem.background).mean(), rel=0, abs=1e-15)


class TestUnusableAnswers:
    @staticmethod
    def _problem(answers: np.ndarray, space: Space = Space.RAW) -> Problem:
        return matrix_problem(lambda _: answers, normal(1, 3, 2), space=space)

    def test_nan_is_named_with_its_count_and_no_values_of_the_row(self) -> None:
        problem = self._problem(np.array([1.0, np.nan, np.nan]))

        with pytest.raises(ModelOutputError) as caught:
            score(problem, problem.background, "background rows")

        assert str(caught.value) == (
            "the model answered NaN for 2 of 3 background rows; attributions need finite answers: check how the model "
            "treats missing and unusual values"
        )

    def test_infinite_log_odds_point_to_the_probability_space(self) -> None:
        problem = self._problem(np.array([1.0, np.inf, -np.inf]), Space.LOG_ODDS)

        with pytest.raises(
            ModelOutputError, match=r"infinity for 2 of 3 .* explain the output in the probability space"
        ):
            score(problem, problem.background, "background rows")

    def test_both_are_named(self) -> None:
        problem = self._problem(np.array([np.nan, np.inf, 0.0]))

        with pytest.raises(ModelOutputError, match="NaN for 1 and infinity for 1 of 3 background rows"):
            score(problem, problem.background, "background rows")

    @pytest.mark.parametrize("shape", [(3, 1), (2,), ()])
    def test_a_wrong_shape_is_named(self, shape: tuple[int, ...]) -> None:
        problem = self._problem(np.zeros(shape))

        with pytest.raises(ModelOutputError, match=r"an array of shape \(.*\) for 3 background rows; .* shape \(3,\)"):
            score(problem, problem.background, "background rows")

    def test_an_unusable_hybrid_row_is_refused_too(self) -> None:
        def fails_where_mixed(matrix: np.ndarray) -> np.ndarray:
            return np.where((matrix > 0).all(axis=1) | (matrix < 0).all(axis=1), 1.0, np.nan)

        problem = matrix_problem(fails_where_mixed, -np.ones((3, 2)))
        mixed = hybrid_rows(table(np.ones((1, 2))), problem.background, np.array([[True, False]]), problem.players)

        with pytest.raises(ModelOutputError, match="3 of 3 rows that mix the explained row with background rows"):
            score(problem, mixed, HYBRID_ROWS)
