"""LIME around the row: slopes per standard deviation, categories, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.attribution.games import alone, matrix_problem, normal, settings, table
from xaisvc.attribution import METHODS
from xaisvc.errors import MethodNotApplicableError
from xaisvc.types import Players, Problem, Space, Table

METHOD = METHODS["lime_continuous"]


def test_a_linear_models_value_is_its_slope_per_standard_deviation() -> None:
    weights = np.array([2.0, -0.5, 0.0])
    background = normal(0, 200, 3) * np.array([1.0, 10.0, 0.1]) + np.array([0.0, 100.0, 5.0])
    problem = matrix_problem(lambda matrix: matrix @ weights + 7.0, background)
    rows = table(background[:2] + 1.0)

    found = METHOD.attribute(problem, rows, settings(rows))

    # Only the ridge keeps the fit from the exact slopes: a penalty of 1 against a weighted sum of about 2,000 squares.
    assert found.values == pytest.approx(np.tile(weights * background.std(axis=0), (2, 1)), rel=2e-3, abs=1e-4)
    # lime's intercept is the answer at the mean of the background; the row's own answer is the local prediction.
    assert found.base_values == pytest.approx([background.mean(axis=0) @ weights + 7.0] * 2, abs=0.05)
    local = [diagnostics["local_prediction"] for diagnostics in found.diagnostics]
    assert local == pytest.approx(found.outputs, abs=0.01)
    assert [diagnostics["intercept"] for diagnostics in found.diagnostics] == found.base_values.tolist()
    assert "in output units per standard deviation of 200 background rows" in found.detail


def _mixed() -> tuple[Problem, Table]:
    rng = np.random.default_rng(0)
    job = np.empty(80, dtype=object)
    job[:] = rng.choice(["clerk", "cook", "pilot"], 80).tolist()
    background = Table(
        {
            "age": np.round(rng.normal(40, 10, 80)),
            "job": job,
            "member": rng.integers(0, 2, 80).astype(float),
            "income": rng.normal(0, 3, 80),
        }
    )

    def model(rows: Table) -> np.ndarray:
        ages, flags = rows.columns["age"].astype(float), rows.columns["member"].astype(float)
        assert (ages == np.round(ages)).all()
        assert set(np.unique(flags)) <= {0.0, 1.0}
        clerks = np.array([value == "clerk" for value in rows.columns["job"]])
        return 2.0 * clerks + 0.5 * flags + rows.columns["income"].astype(float)

    rows = Table(
        {
            "age": np.array([40.0, 31.0, 40.0]),
            "job": np.array(["clerk", "cook", "astronaut"], dtype=object),
            "member": np.array([1.0, 0.0, 1.0]),
            "income": np.array([0.0, 2.0, 1.0]),
        }
    )
    return Problem(model=model, background=background, players=alone(background.feature_ids), space=Space.RAW), rows


def test_categories_and_flags_get_what_agreeing_adds() -> None:
    problem, rows = _mixed()

    found = METHOD.attribute(problem, rows, settings(rows))

    slope = problem.background.columns["income"].astype(float).std()
    # The model is linear in the columns for the first row; the ridge shrinks by a share of about 1 / 1,000.
    assert found.values[0] == pytest.approx([0.0, 2.0, 0.5, slope], abs=0.02)
    # Cooks differ from pilots in nothing, and from clerks by -2; the flag 0 is worth -0.5.
    assert found.values[1, 1] < -0.5
    assert found.values[1, 2:] == pytest.approx([-0.5, slope], abs=0.05)
    assert found.values[2, 3] == pytest.approx(slope, abs=0.05)


def test_rows_with_other_categories_around_them_keep_their_answer() -> None:
    problem, rows = _mixed()
    together = METHOD.attribute(problem, rows, settings(rows, budget=500))

    for index in range(3):
        row = rows.take([index])
        alone_ = METHOD.attribute(problem, row, settings(row, budget=500))
        assert (alone_.values[0] == together.values[index]).all()
        assert alone_.base_values[0] == together.base_values[index]


def test_a_number_that_the_row_lacks_stays_missing() -> None:
    background = normal(0, 100, 2)
    background[::2, 0] = np.nan
    asked: list[np.ndarray] = []

    def model(matrix: np.ndarray) -> np.ndarray:
        asked.append(matrix)
        return np.where(np.isnan(matrix[:, 0]), 0.0, matrix[:, 0]) + 2.0 * matrix[:, 1]

    rows = table(np.array([[np.nan, 0.0]]))
    found = METHOD.attribute(matrix_problem(model, background), rows, settings(rows))

    assert np.isnan(np.concatenate(asked)[:, 0]).all()
    assert found.values[0, 0] == pytest.approx(0.0, abs=0.01)
    assert np.isfinite(found.base_values).all()


def test_a_group_with_numbers_is_refused_and_one_of_categories_is_not() -> None:
    problem, rows = _mixed()
    with_number = Players(names=("who", "member", "income"), members=(("age", "job"), ("member",), ("income",)))
    of_categories = Players(names=("age", "who", "income"), members=(("age",), ("job", "member"), ("income",)))

    def grouped(players: Players) -> Problem:
        return Problem(model=problem.model, background=problem.background, players=players, space=Space.RAW)

    assert METHOD.why_not(grouped(with_number)) == "a slope belongs to one number and 'who' is a group with numbers"
    with pytest.raises(MethodNotApplicableError, match=r"'lime_continuous' cannot be used: a slope .*; use 'lime'"):
        METHOD.attribute(grouped(with_number), rows, settings(rows))
    found = METHOD.attribute(grouped(of_categories), rows, settings(rows, budget=500))
    assert found.values.shape == (3, 3)
    assert "A group counts as kept" in found.detail


def test_a_constant_model_gets_zeros_and_full_fidelity() -> None:
    problem, rows = matrix_problem(lambda matrix: np.full(len(matrix), 0.3), normal(0, 50, 3)), table(normal(1, 1, 3))

    found = METHOD.attribute(problem, rows, settings(rows, budget=500))

    assert not found.values.any()
    assert not found.standard_errors.any()
    assert found.base_values[0] == 0.3
    assert found.diagnostics[0]["fidelity"] == 1.0
