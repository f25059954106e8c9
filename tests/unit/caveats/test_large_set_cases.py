from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from benchmarks.caveats.large_set_cases import FactorGame, LargeCase
from xaisvc.types import CoalitionDesign

SMALL = LargeCase(size=3, model="pairs", blocks=2, between=(0.3, 0.8))


def _game() -> FactorGame:
    """Six columns of which three depend on each other; two products, one of them within the set."""
    made = SMALL.make(3, 40)
    return replace(
        made, pairs=np.array([[0, 1], [2, 4]], dtype=np.int64), strengths=np.array([0.8, -0.5]), rows=made.rows[:2]
    )


def _output(game: FactorGame, latent: np.ndarray) -> np.ndarray:
    return game.single(latent).sum(axis=1) + game.products(latent).sum(axis=1)


def _shapley(values: dict[frozenset[int], np.ndarray], p: int) -> np.ndarray:
    found = np.zeros((p, *values[frozenset()].shape))
    orders = list(permutations(range(p)))
    for order in orders:
        held: frozenset[int] = frozenset()
        for player in order:
            found[player] += values[held | {player}] - values[held]
            held |= {player}
    return np.moveaxis(found / len(orders), 0, -1)


def _coalitions(p: int) -> list[frozenset[int]]:
    return [frozenset(j for j in range(p) if code >> j & 1) for code in range(2**p)]


def test_the_truth_is_that_of_draws_from_the_law() -> None:
    game = _game()
    p, draws = 6, 2048
    noise = ndtri(np.clip(qmc.Sobol(p, rng=np.random.default_rng(1)).random(draws), 1e-9, 1 - 1e-9))
    law = game.loads @ game.factors @ game.loads.T + np.diag(game.own)
    conditional, marginal = {}, {}
    for held in _coalitions(p):
        known, rest = sorted(held), [j for j in range(p) if j not in held]
        across = law[np.ix_(rest, known)] @ np.linalg.inv(law[np.ix_(known, known)])
        spread = np.linalg.cholesky(law[np.ix_(rest, rest)] - across @ law[np.ix_(known, rest)])
        free = noise @ np.linalg.cholesky(law).T
        told, mixed = np.empty(2), np.empty(2)
        for i, row in enumerate(game.rows):
            given = np.tile(row, (draws, 1))
            given[:, rest] = across @ row[known] + noise[:, rest] @ spread.T
            told[i] = _output(game, given).mean()
            mixed[i] = _output(game, np.where(np.isin(np.arange(p), known), row, free)).mean()
        conditional[held], marginal[held] = told, mixed

    found_marginal, found_conditional = game.truth()

    # 2,048 quasi-random draws know means of steps to some 0.01; 768 orders know gains of size 1 to 1 / sqrt(768).
    np.testing.assert_allclose(found_marginal, _shapley(marginal, p), atol=0.02)
    np.testing.assert_allclose(found_conditional, _shapley(conditional, p), atol=0.06)
    assert np.abs(found_conditional - found_marginal).max() > 0.2


def test_games_and_values_over_the_background_are_those_of_mixed_rows() -> None:
    game = _game()
    p = 6
    rows = game.table(game.rows)
    coalitions = _coalitions(p)
    masks = np.array([[j in held for j in range(p)] for held in coalitions[1:-1]])

    found = game.games(rows, CoalitionDesign(masks=masks))

    values = {}
    for held in coalitions:
        own = np.isin(np.arange(p), sorted(held))
        values[held] = np.array([_output(game, np.where(own, row, game.background)).mean() for row in game.rows])
    np.testing.assert_allclose(found.on, np.stack([values[held] for held in coalitions[1:-1]], axis=1), atol=1e-12)
    np.testing.assert_allclose(found.off, np.stack([values[held] for held in coalitions[-2:0:-1]], axis=1), atol=1e-12)
    np.testing.assert_allclose(found.outputs, values[coalitions[-1]], atol=1e-12)
    np.testing.assert_allclose(game.interventional()[0], _shapley(values, p), atol=1e-12)


def test_columns_are_given_by_rank_and_read_back() -> None:
    game = _game()
    table = game.table(game.background)

    assert (table.columns["c1"] > 0).all()
    np.testing.assert_allclose(game.latent(table), game.background, atol=1e-12)
