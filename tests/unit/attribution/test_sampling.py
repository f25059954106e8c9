"""Rows of a sampled method: repeats, order, counts."""

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


@pytest.mark.parametrize("name", ["kernel", "permutation"])
def test_rows_of_a_plan_share_their_coalitions_and_another_plan_has_others(name: str) -> None:
    rows = table(normal(1, 1, 12))
    problem = matrix_problem(twisted(12), normal(0, 6, 12))
    plan = settings(rows, budget=200)

    one, again, other = (
        METHODS[name].attribute(problem, rows, replace(plan, row_seeds=(row_seed,), plan_seed=plan_seed))
        for row_seed, plan_seed in ((b"a" * 32, b"p" * 32), (b"b" * 32, b"p" * 32), (b"a" * 32, b"q" * 32))
    )

    assert (one.values == again.values).all()
    assert (one.values != other.values).all()


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
