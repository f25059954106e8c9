"""Which columns LIME's surrogate uses. That they are lime's own is shown in tests/oracle/test_lime_oracles.py."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, normal, settings, table
from xaisvc.attribution.lime import LimeMethod
from xaisvc.attribution.lime_selection import Selection, select_columns
from xaisvc.attribution.surrogate import WeightedSums

KINDS: list[Selection] = ["auto", "highest_weights", "forward_selection", "lasso_path"]
WEIGHTS = np.array([0.0, 5.0, 0.1, -4.0, 0.0, 0.0, 3.0, 0.0])


def _sums(design: np.ndarray, answers: np.ndarray) -> WeightedSums:
    return WeightedSums.of(design, answers, np.ones(len(design)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_clear_signals_are_found(kind: Selection, n: int) -> None:
    design = normal(0, 500, 8)

    found = select_columns(_sums(design, design @ WEIGHTS), np.ones(8), kind, n)

    assert found.tolist() == [[1], [1, 3], [1, 3, 6]][n - 1]


def test_none_takes_all() -> None:
    design = normal(0, 50, 8)

    assert select_columns(_sums(design, design @ WEIGHTS), np.ones(8), "none", 2).tolist() == list(range(8))


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_columns_than_there_are(kind: Selection) -> None:
    design = normal(0, 100, 3)

    found = select_columns(_sums(design, design @ np.array([1.0, -2.0, 3.0])), np.ones(3), kind, 10)

    assert found.tolist() == [0, 1, 2]


def test_the_rows_own_columns_count_for_the_highest_weights() -> None:
    design = normal(0, 500, 2)
    sums = _sums(design, design @ np.array([1.0, 2.0]))

    assert select_columns(sums, np.array([1.0, 1.0]), "highest_weights", 1).tolist() == [1]
    assert select_columns(sums, np.array([3.0, 1.0]), "highest_weights", 1).tolist() == [0]


def test_a_column_that_repeats_another_adds_nothing() -> None:
    design = normal(0, 500, 3)
    design[:, 1] = design[:, 0]

    found = select_columns(_sums(design, design @ np.array([1.0, 1.0, 0.1])), np.ones(3), "forward_selection", 2)

    assert found.tolist() == [0, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_the_method_gives_the_others_nothing(kind: Selection) -> None:
    problem, rows = matrix_problem(lambda matrix: np.sign(matrix) @ WEIGHTS, normal(2, 100, 8)), table(normal(3, 2, 8))

    found = LimeMethod(name="lime_selected", selection=kind, n_selected=3).attribute(
        problem, rows, settings(rows, budget=1000)
    )

    assert found.method == "lime_selected"
    assert ((found.values != 0) == np.isin(np.arange(8), [1, 3, 6])).all()
    assert ((found.standard_errors != 0) == (found.values != 0)).all()
    assert f"At most 3 players have a weight ({kind.replace('_', ' ')})." in found.detail
