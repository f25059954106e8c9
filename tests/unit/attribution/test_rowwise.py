"""Rows one by one: repeats, order, counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, n_model_rows, normal, settings, table, twisted
from xaisvc.attribution import METHODS

SAMPLED = ["exact", "kernel", "permutation", "lime"]


@pytest.mark.parametrize("name", SAMPLED)
def test_a_row_that_repeats_is_computed_once(name: str) -> None:
    matrix = normal(1, 2, 4)
    rows = table(matrix[[0, 1, 0, 0]])
    problem, single = matrix_problem(twisted(4), normal(0, 6, 4)), matrix_problem(twisted(4), normal(0, 6, 4))
    both = table(matrix)

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=300))
    METHODS[name].attribute(single, both, settings(both, budget=300))

    assert n_model_rows(problem) == n_model_rows(single)
    assert (found.values[[2, 3]] == found.values[0]).all()
    assert (found.model_evaluations == found.model_evaluations[0]).all()


def test_the_same_row_with_another_seed_is_another_task() -> None:
    rows = table(np.repeat(normal(1, 1, 12), 2, axis=0))
    problem = matrix_problem(twisted(12), normal(0, 6, 12))
    two_seeds = replace(settings(rows, budget=100), row_seeds=(b"a" * 32, b"b" * 32))

    found = METHODS["kernel"].attribute(problem, rows, two_seeds)

    assert (found.values[0] != found.values[1]).all()


def test_evaluations_are_what_the_row_would_cost_alone() -> None:
    problem = matrix_problem(twisted(4), normal(0, 6, 4))
    rows = table(normal(1, 3, 4))

    found = METHODS["exact"].attribute(problem, rows, settings(rows))

    # 14 coalitions between none and all, the background itself, the row itself.
    assert (found.model_evaluations == 14 * 6 + 6 + 1).all()
    assert n_model_rows(problem) == 3 * (14 * 6 + 1) + 6


@pytest.mark.parametrize("name", SAMPLED)
def test_no_rows_give_an_empty_answer(name: str) -> None:
    problem = matrix_problem(twisted(4), normal(0, 6, 4))
    rows = table(np.empty((0, 4)))

    found = METHODS[name].attribute(problem, rows, settings(rows))

    assert found.values.shape == found.standard_errors.shape == (0, 4)
    assert found.outputs.shape == found.base_values.shape == found.model_evaluations.shape == (0,)


@pytest.mark.parametrize("name", SAMPLED)
def test_rows_without_a_seed_each_are_a_mistake_of_the_caller(name: str) -> None:
    problem = matrix_problem(twisted(4), normal(0, 6, 4))
    rows = table(normal(1, 3, 4))

    with pytest.raises(ValueError, match="shorter"):
        METHODS[name].attribute(problem, rows, replace(settings(rows), row_seeds=(b"a" * 32,)))
