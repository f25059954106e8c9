"""Permutation sampling: the map of shared orders against walking them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, n_model_rows, normal, settings, table, twisted
from xaisvc.attribution import METHODS
from xaisvc.attribution.permutation import order_projection, random_orders, walk

SEED = bytes(32)


@pytest.mark.parametrize(("p", "n_orders"), [(3, 8), (5, 20), (9, 40)])
def test_the_map_is_the_mean_contribution_over_orders_and_their_reverses(p: int, n_orders: int) -> None:
    values = normal(p, 1, 2**p)[0]
    orders = random_orders(p, n_orders, SEED)
    walked = walk(orders)
    codes = walked.masks @ (1 << np.arange(p))
    odd = (values[codes] - values[2**p - 1 - codes]) / 2
    expected = np.zeros(p)
    for order in [*orders.tolist(), *orders[:, ::-1].tolist()]:
        before = 0
        for player in order:
            expected[player] += values[before | 1 << player] - values[before]
            before |= 1 << player
    expected /= 2 * n_orders

    projection = order_projection(walked, np.random.default_rng(0))
    found = projection.weights @ odd + projection.share * (values[-1] - values[0])

    assert found == pytest.approx(expected, rel=0, abs=1e-13)
    assert len({min(code, 2**p - 1 - code) for code in codes.tolist()}) == len(codes)


def test_a_larger_budget_goes_on_from_a_smaller_one() -> None:
    many, few = walk(random_orders(9, 40, SEED)), walk(random_orders(9, 11, SEED))

    assert (many.orders[:11] == few.orders).all()
    assert (many.masks[: len(few.masks)] == few.masks).all()


def test_a_player_whose_contribution_never_showed_has_an_error_all_the_same() -> None:
    """Majority of 40 players: each order shows two of them deciding, so 8 orders leave at least 24 without a trace."""
    problem = matrix_problem(lambda matrix: (matrix.sum(axis=1) > 20).astype(np.float64), np.zeros((1, 40)))
    rows = table(np.ones((1, 40)))

    found = METHODS["permutation"].attribute(problem, rows, settings(rows, budget=8 * 78))

    silent = np.abs(found.values[0]) < 1e-12
    assert silent.sum() >= 24
    assert (np.abs(found.values[0] - 1 / 40) <= 1.96 * found.standard_errors[0])[silent].all()


def test_orders_share_no_sample_of_the_background() -> None:
    orders = random_orders(4, 30, SEED)

    apart = walk(orders, merge=False)

    assert len(apart.masks) == 30 * 3
    assert len(walk(orders).masks) == 7
    assert sorted(apart.pairs.ravel().tolist()) == list(range(90))


def test_a_coalition_that_comes_up_again_is_not_evaluated_again() -> None:
    problem, rows = matrix_problem(twisted(3), normal(1, 5, 3)), table(normal(2, 1, 3))

    found = METHODS["permutation"].attribute(problem, rows, settings(rows, budget=400))

    # 100 orders of three players, but six coalitions between nobody and everybody.
    assert n_model_rows(problem) == found.model_evaluations[0] == 6 * 5 + 5 + 1
