from __future__ import annotations

import numpy as np
import pytest

from benchmarks.caveats.gap_cases import Game, all_subsets, shapley_matrix
from benchmarks.caveats.gap_worlds import Block, CategoryBlock, CurveBlock, GaussianBlock, World

BLOCKS = {
    "gaussian": GaussianBlock(
        np.array([[1.0, 0.8, -0.6], [0.8, 1.0, -0.5], [-0.6, -0.5, 1.0]]), ("exponential", "cubic", "falling")
    ),
    "curve": CurveBlock(noise=0.3),
    "category": CategoryBlock(np.array([0.2, 0.5, 0.3]), np.array([[1.0, -1.0], [0.0, 2.0], [-2.0, 0.0]]), noise=0.6),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_column_drawn_given_the_others_leaves_the_law_as_it_is(name: str) -> None:
    block: Block = BLOCKS[name]
    rng = np.random.default_rng(5)
    n = 1500
    rows = block.sample(rng.random((n, block.width)))
    for known in [(0,), (1,), (0, 1)][: block.width]:
        if len(known) == block.width:
            continue
        again = np.concatenate([block.given(row, known, rng.random((1, block.width))) for row in rows])
        before, after = np.arcsinh(rows), np.arcsinh(again)
        for moment in (lambda x: x, np.square, lambda x: x[:, :1] * x, lambda x: np.abs(x[:, :1]) * x):
            change = moment(after) - moment(before)
            error = change.std(axis=0) / np.sqrt(n)
            # Some thirty means in all, each off by its error: one beyond 4.5 of it has a chance of 2 in 10,000.
            assert (np.abs(change.mean(axis=0)) <= 4.5 * error + 1e-12).all()
        assert (again[:, list(known)] == rows[:, list(known)]).all()


def test_the_truth_of_a_linear_model_of_normal_columns_is_the_closed_form() -> None:
    rho = 0.8
    world = World((GaussianBlock(np.array([[1.0, rho], [rho, 1.0]]), ("normal", "normal")),))
    rows = np.array([[1.0, 0.5], [-0.4, 1.2]])
    game = Game(
        world=world,
        used=np.array([True, False]),
        score=lambda x: 2.0 * x[:, 0],
        background=rows,
        rows=rows,
        seed=3,
    )

    marginal, conditional = game.truth

    # v_m({0}) = 2 x0, v_m({1}) = 0; v_c({1}) = 2 rho x1.
    expected = np.stack([(2 * rows[:, 0] + 2 * rows[:, 0] - 2 * rho * rows[:, 1]) / 2, rho * rows[:, 1]], axis=1)
    # 512 quasi-random draws know a mean of unit variance to some 1 / 512.
    np.testing.assert_allclose(marginal, [[2.0, 0.0], [-0.8, 0.0]], atol=0.02)
    np.testing.assert_allclose(conditional, expected, atol=0.02)


def test_the_shapley_matrix_is_efficient_and_symmetric() -> None:
    matrix = shapley_matrix(3)
    sizes = all_subsets(3).sum(axis=1)

    np.testing.assert_allclose(matrix @ sizes, 1.0)  # every player adds one
    np.testing.assert_allclose(matrix.sum(axis=0), [-1, *[0] * 6, 1], atol=1e-12)
