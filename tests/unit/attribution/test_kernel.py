"""The fit of Kernel SHAP: its constraint and its errors."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, normal, settings, table, twisted
from xaisvc.attribution import METHODS
from xaisvc.attribution.coalitions import coalitions_of_size
from xaisvc.attribution.kernel import fit_pairs


def _sample(p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Masks, differences, weights and draws: all single players, then 20 sampled pairs, some drawn twice."""
    rng = np.random.default_rng(p)
    outer = coalitions_of_size(p, 1)
    drawn = np.unique(rng.random((500, p)) < 0.5, axis=0)[:20]
    draws = 1 + (rng.random(20) < 0.3).astype(np.int64)
    weights = np.concatenate([np.full(p, 0.2), 0.05 * draws])
    return np.concatenate([outer, drawn]), rng.normal(size=p + 20), weights, draws


def _constrained_fit(masks: np.ndarray, differences: np.ndarray, weights: np.ndarray, total: float) -> np.ndarray:
    """The same least squares by its Lagrange system."""
    p = masks.shape[1]
    signs = 2.0 * masks - 1.0
    system = np.zeros((p + 1, p + 1))
    system[:p, :p] = signs.T @ (weights[:, None] * signs)
    system[p, :p] = system[:p, p] = 1.0
    return np.linalg.solve(system, np.append(signs.T @ (weights * differences), total))[:p]


@pytest.mark.parametrize("p", [5, 8])
def test_the_fit_is_constrained_least_squares(p: int) -> None:
    masks, differences, weights, draws = _sample(p)

    found = fit_pairs(masks, differences, weights, 1.5, draws=draws)

    assert found.values == pytest.approx(_constrained_fit(masks, differences, weights, 1.5), rel=0, abs=1e-12)
    assert found.values.sum() == pytest.approx(1.5, rel=0, abs=1e-13)


@pytest.mark.parametrize("p", [5, 8])
def test_errors_are_the_jackknife_over_draws(p: int) -> None:
    masks, differences, weights, draws = _sample(p)
    whole = _constrained_fit(masks, differences, weights, 1.5)
    moves = []
    for pair, count in enumerate(draws, start=p):
        without = weights.copy()
        without[pair] -= weights[pair] / count
        moves += [whole - _constrained_fit(masks, differences, without, 1.5)] * count
    n = len(moves)
    expected = np.sqrt(n / (n - 1) * ((np.array(moves) - np.mean(moves, axis=0)) ** 2).sum(axis=0))

    found = fit_pairs(masks, differences, weights, 1.5, draws=draws)

    assert found.standard_errors == pytest.approx(expected, rel=1e-9)


def test_the_answer_says_what_it_is_made_of() -> None:
    problem, rows = matrix_problem(twisted(12), normal(1, 7, 12)), table(normal(2, 2, 12))

    found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=101))

    assert found.detail == (
        "Kernel SHAP from 100 coalitions per row over 7 background rows, in complementary pairs; standard errors by "
        "the jackknife over sampled pairs."
    )
