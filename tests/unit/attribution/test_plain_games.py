"""Coalitions evaluated through the model, against loops over rows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.attribution.games import MatrixModel, matrix_problem, normal, table, twisted
from xaisvc.attribution.designs import pair_sequence
from xaisvc.attribution.plain_games import PlainGames
from xaisvc.attribution.projections import Prior, posterior_projection
from xaisvc.types.sampling import CoalitionDesign

P, B, Q = 5, 7, 9
MASKS = pair_sequence(P, Q, bytes(32))
PICKS = np.array([np.random.default_rng(k).permutation(B)[:3] for k in range(Q)], dtype=np.int64)


def _nothing() -> None:
    pass


def _slowly(row: np.ndarray, background: np.ndarray, picks: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    function = twisted(P)
    means = []
    for pair, mask in enumerate(MASKS):
        stand_ins = background if picks is None else background[picks[pair]]
        means.append([np.mean([function(np.where(m, row, z)[None])[0] for z in stand_ins]) for m in (mask, ~mask)])
    return np.array(means)[:, 0], np.array(means)[:, 1]


@pytest.mark.parametrize("picks", [None, PICKS], ids=["all rows", "own rows"])
@pytest.mark.parametrize("max_batch_rows", [2, 5, 1000])
def test_values_are_means_over_the_rows_of_a_pair(picks: np.ndarray | None, max_batch_rows: int) -> None:
    background, rows = normal(1, B, P), normal(2, 3, P)
    problem = matrix_problem(twisted(P), background)
    games = PlainGames(problem, max_batch_rows, threads=1)

    found = games.evaluate(CoalitionDesign(masks=MASKS, background=picks))(table(rows), _nothing)

    for index, row in enumerate(rows):
        on, off = _slowly(row, background, picks)
        assert found.on[index] == pytest.approx(on, rel=0, abs=1e-13)
        assert found.off[index] == pytest.approx(off, rel=0, abs=1e-13)
    assert found.outputs == pytest.approx(twisted(P)(rows), rel=0, abs=1e-13)
    assert games.none == pytest.approx(twisted(P)(background).mean(), rel=0, abs=1e-13)
    assert isinstance(problem.model, MatrixModel)
    assert max(problem.model.calls) <= max_batch_rows


def test_a_projection_is_applied_as_its_formula_says() -> None:
    background, rows = normal(1, B, P), normal(2, 3, P)
    games = PlainGames(matrix_problem(twisted(P), background), 1000, threads=2)
    design = CoalitionDesign(masks=MASKS)
    projection = posterior_projection(MASKS, Prior(np.full(P, 0.2), white=0.1), np.random.default_rng(0))
    pairs = games.evaluate(design)(table(rows), _nothing)

    found = games.attribute(design, projection)(table(rows), _nothing)

    odd, total = (pairs.on - pairs.off) / 2, pairs.outputs - games.none
    energy = odd @ projection.energy.T + np.outer(total, projection.energy_share)
    expected = odd @ projection.weights.T + np.outer(total, projection.share)
    assert found.values == pytest.approx(expected, rel=0, abs=1e-13)
    assert found.standard_errors == pytest.approx(
        np.outer(np.sqrt((energy**2).sum(axis=1)), projection.scale), rel=1e-12
    )


def test_no_rows_and_no_pairs_are_no_special_case() -> None:
    games = PlainGames(matrix_problem(twisted(P), normal(1, B, P)), 1000, threads=1)

    none = games.evaluate(CoalitionDesign(masks=MASKS))(table(np.empty((0, P))), _nothing)
    nothing = games.evaluate(CoalitionDesign(masks=MASKS[:0]))(table(normal(2, 3, P)), _nothing)

    assert none.on.shape == (0, Q)
    assert nothing.on.shape == (3, 0)
    assert nothing.outputs.shape == (3,)
