"""LIME: groups, missing values, what a row's answer says about itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.attribution.games import alone, matrix_problem, normal, settings, table, twisted
from xaisvc.attribution import METHODS
from xaisvc.errors import MethodNotApplicableError, ModelOutputError
from xaisvc.types import Players, Problem, Space, Table

METHOD_NAMES = ["lime", "lime_reference"]


def _mixed_problem() -> tuple[Problem, Table]:
    rng = np.random.default_rng(0)
    job = np.empty(80, dtype=object)
    job[:] = rng.choice(["clerk", "cook", "pilot"], 80).tolist()
    background = Table({"age": rng.normal(40, 10, 80), "job": job, "member": rng.integers(0, 2, 80).astype(float)})

    def model(rows: Table) -> np.ndarray:
        is_clerk = np.array([value == "clerk" for value in rows.columns["job"]])
        flags = rows.columns["member"]
        assert set(np.unique(flags.astype(float))) <= {0.0, 1.0}
        return 2.0 * is_clerk + 0.5 * flags.astype(float)

    row = Table({"age": np.array([40.0]), "job": np.array(["clerk"], dtype=object), "member": np.array([1.0])})
    return Problem(model=model, background=background, players=alone(background.feature_ids), space=Space.RAW), row


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_categories_and_flags_get_the_weight_that_the_model_gives_them(name: str) -> None:
    problem, row = _mixed_problem()

    found = METHODS[name].attribute(problem, row, settings(row))

    # The model is linear in the surrogate's own columns, so only the ridge keeps it from the exact weights.
    assert found.values[0] == pytest.approx([0.0, 2.0, 0.5], abs=0.01)
    assert found.base_values[0] == pytest.approx(0.0, abs=0.01)
    assert found.diagnostics[0]["fidelity"] > 0.999


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_weights_are_added_to_the_intercept_and_the_value_function_says_so(name: str) -> None:
    problem, rows = matrix_problem(twisted(5), normal(0, 60, 5)), table(normal(1, 2, 5))

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=500))

    assert found.value_function == "local_surrogate"
    assert not found.exact
    assert len(found.diagnostics) == 2
    for index, diagnostics in enumerate(found.diagnostics):
        assert set(diagnostics) == {
            "fidelity",
            "r2",
            "stability_top3_jaccard",
            "stability_sign_flips",
            "intercept",
            "local_prediction",
        }
        assert diagnostics["intercept"] == pytest.approx(found.base_values[index], abs=1e-9)
        total = found.base_values[index] + found.values[index].sum()
        assert diagnostics["local_prediction"] == pytest.approx(total, abs=1e-9)
    assert found.outputs == pytest.approx(problem.model(rows))
    assert "do not sum to the output" in found.detail


def test_a_group_is_kept_where_all_its_features_agree() -> None:
    background, row = normal(0, 200, 3), normal(1, 1, 3)

    def in_the_bin(matrix: np.ndarray, column: int) -> np.ndarray:
        edges = np.percentile(background[:, column], [25, 50, 75])
        return np.searchsorted(edges, matrix[:, column]) == np.searchsorted(edges, row[0, column])

    def model(matrix: np.ndarray) -> np.ndarray:
        return 3.0 * (in_the_bin(matrix, 0) & in_the_bin(matrix, 2)) + 1.0 * in_the_bin(matrix, 1)

    players = Players(names=("both", "x1"), members=(("x0", "x2"), ("x1",)), kind="custom")
    problem, rows = matrix_problem(model, background, players=players), table(row)

    found = METHODS["lime"].attribute(problem, rows, settings(rows))

    assert found.values[0] == pytest.approx([3.0, 1.0], abs=0.02)
    assert "A group counts as kept where all of its features fall into the row's own bins." in found.detail


def test_missing_values_are_drawn_and_compared() -> None:
    background = normal(0, 100, 2)
    background[::2, 0] = np.nan
    problem = matrix_problem(lambda matrix: np.isnan(matrix[:, 0]) * 1.0, background)
    rows = table(np.array([[np.nan, 0.0], [0.1, 0.0]]))

    found = METHODS["lime"].attribute(problem, rows, settings(rows))

    assert found.values[0] == pytest.approx([1.0, 0.0], abs=0.01)
    assert found.values[1, 0] < -0.3


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_the_model_is_asked_about_whole_numbers_where_the_background_holds_no_others(name: str) -> None:
    background = np.column_stack([np.arange(60.0) ** 2, np.linspace(0, 1, 60)])
    asked: list[np.ndarray] = []

    def model(matrix: np.ndarray) -> np.ndarray:
        asked.append(matrix)
        return matrix[:, 0]

    rows = table(np.array([[5.0, 0.3]]))
    METHODS[name].attribute(matrix_problem(model, background), rows, settings(rows, budget=500))
    sample = np.concatenate(asked)

    assert (sample[:, 0] == np.round(sample[:, 0])).all()
    assert (sample[:, 1] != np.round(sample[:, 1])).mean() > 0.9


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_category_unknown_to_the_background_is_explained_too(name: str) -> None:
    problem, row = _mixed_problem()
    strange = Table({**row.columns, "job": np.array(["astronaut"], dtype=object)})

    found = METHODS[name].attribute(problem, strange, settings(strange, budget=500))

    assert np.isfinite(found.values).all()


def test_a_constant_model_gets_zeros_and_full_fidelity() -> None:
    problem, rows = matrix_problem(lambda matrix: np.full(len(matrix), 0.3), normal(0, 50, 3)), table(normal(1, 1, 3))

    found = METHODS["lime"].attribute(problem, rows, settings(rows, budget=500))

    assert not found.values.any()
    assert not found.standard_errors.any()
    assert found.base_values[0] == 0.3
    assert found.diagnostics[0]["fidelity"] == 1.0


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_model_without_finite_answers_is_refused(name: str) -> None:
    problem = matrix_problem(lambda matrix: np.where(matrix[:, 0] > 1, np.nan, 0.0), np.abs(normal(0, 80, 2)) * 1.5)
    rows = table(np.zeros((1, 2)))
    problem_with_finite_background = Problem(
        model=problem.model,
        background=Table({"x0": np.linspace(0, 1, 80), "x1": np.linspace(0, 5, 80)}),
        players=problem.players,
        space=Space.RAW,
    )
    METHODS[name].attribute(problem_with_finite_background, rows, settings(rows, budget=200))

    with pytest.raises(ModelOutputError, match="NaN"):
        METHODS[name].attribute(problem, rows, settings(rows, budget=200))


class TestReference:
    def test_groups_are_refused(self) -> None:
        players = Players(names=("both", "x2"), members=(("x0", "x1"), ("x2",)), kind="custom")
        problem, rows = matrix_problem(twisted(3), normal(0, 50, 3), players=players), table(normal(1, 1, 3))

        with pytest.raises(
            MethodNotApplicableError, match="explains single features and 'both' is a group; use 'lime'"
        ):
            METHODS["lime_reference"].attribute(problem, rows, settings(rows))

    def test_missing_numbers_of_the_background_are_refused(self) -> None:
        background = normal(0, 50, 3)
        background[3, 1] = np.nan
        problem = matrix_problem(lambda matrix: np.zeros(len(matrix)), background)

        assert METHODS["lime_reference"].why_not(problem) == (
            "the lime package cannot take missing numbers and the background lacks some of 'x1'"
        )

    def test_missing_numbers_of_a_row_are_refused(self) -> None:
        problem = matrix_problem(lambda matrix: np.zeros(len(matrix)), normal(0, 50, 2))
        rows = table(np.array([[np.nan, 0.0]]))

        with pytest.raises(MethodNotApplicableError, match="a row lacks 'x0'; use 'lime'"):
            METHODS["lime_reference"].attribute(problem, rows, settings(rows))

    def test_players_in_another_order_than_the_columns_keep_their_weights(self) -> None:
        players = Players(names=("x1", "x0"), members=(("x1",), ("x0",)), kind="custom")
        model = lambda matrix: np.sign(matrix[:, 0])  # noqa: E731 - a model in one line
        rows = table(np.ones((1, 2)))

        found = METHODS["lime_reference"].attribute(
            matrix_problem(model, normal(0, 80, 2), players=players), rows, settings(rows)
        )

        assert abs(found.values[0, 1]) > 0.3 > abs(found.values[0, 0])
