"""The posterior projection against Gaussian conditioning written from the formula, and its properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.attribution.coalitions import all_coalitions, shapley_values
from xaisvc.attribution.designs import MOST_SOLVED, grouped_sequence, n_pairs_of, pair_sequence
from xaisvc.attribution.odd_kernel import OddKernel
from xaisvc.attribution.projections import Prior, normal_units, posterior_projection

if TYPE_CHECKING:
    from xaisvc.types.sampling import Projection

SEED = bytes(32)
P = 6
RHO = np.array([0.1, 0.4, 0.15, 0.2, 0.05, 0.3])


def _apply(projection: Projection, odd: np.ndarray, total: float) -> tuple[np.ndarray, np.ndarray]:
    values = projection.weights @ odd + projection.share * total
    energy = projection.energy @ odd + projection.energy_share * total
    return values, projection.scale * np.sqrt(energy @ energy)


def _direct(masks: np.ndarray, prior: Prior, odd: np.ndarray, total: float) -> tuple[np.ndarray, np.ndarray]:
    """Conditioning on the values of all 2^p coalitions, slopes with a huge variance instead of none known.

    Shapley values come from the definition, as a matrix over all coalitions; no integral, no elimination.
    """
    everything = all_coalitions(P)
    signs = np.where(everything, 1.0, -1.0)
    huge = 1e6
    complements = everything[::-1]
    assert (complements == ~everything).all()
    white = np.eye(2**P) - np.eye(2**P)[::-1]  # odd: the value at a complement is the negative
    covariance = OddKernel(prior.rho).between(signs, signs) + prior.white * white + huge * signs @ signs.T
    shapley = np.array([shapley_values(unit, P) for unit in np.eye(2**P)]).T
    codes = np.append(masks @ (1 << np.arange(P)), 2**P - 1)
    noise = np.append(np.full(len(masks), prior.noise), 0.0)
    known = covariance[np.ix_(codes, codes)] + np.diag(noise)
    cross = shapley @ covariance[:, codes]
    data = np.append(odd, total / 2)
    mean = cross @ np.linalg.solve(known, data)
    variance = np.diag(shapley @ covariance @ shapley.T - cross @ np.linalg.solve(known, cross.T))
    scale_squared = data @ np.linalg.solve(known, data) / (len(masks) + 1 - P)
    return mean, np.sqrt(variance * scale_squared)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_it_is_gaussian_conditioning(noise: float) -> None:
    masks = pair_sequence(P, 17, SEED)
    prior = Prior(RHO, white=0.2, noise=noise)
    odd, total = np.random.default_rng(0).normal(size=17), 1.7

    values, errors = _apply(posterior_projection(masks, prior, np.random.default_rng(0)), odd, total)
    expected, deviation = _direct(masks, prior, odd, total)

    # The huge variance of the slopes is not infinite, and costs the direct way digits: 1e-6 either way.
    assert values == pytest.approx(expected, rel=0, abs=1e-5)
    assert errors == pytest.approx(deviation * normal_units(17 + 1 - P), rel=1e-3)


@pytest.mark.parametrize(("p", "q"), [(6, 8), (12, 14), (12, 200), (30, 32), (30, 400)])
def test_values_sum_to_the_total_and_additive_games_are_exact(p: int, q: int) -> None:
    masks = pair_sequence(p, q, SEED)
    projection = posterior_projection(masks, Prior(np.full(p, 1 / p), white=0.1), np.random.default_rng(0))
    effects = np.random.default_rng(p).normal(size=p)
    odd = np.where(masks, 1.0, -1.0) @ effects / 2

    values, errors = _apply(projection, odd, effects.sum())

    assert projection.weights.sum(axis=0) == pytest.approx(np.zeros(q), abs=1e-14)
    assert projection.share.sum() == pytest.approx(1.0, abs=1e-14)
    assert values == pytest.approx(effects, rel=0, abs=1e-11)
    assert errors.max() < 1e-10


def test_all_pairs_leave_no_error() -> None:
    masks = pair_sequence(P, n_pairs_of(P), SEED)
    projection = posterior_projection(masks, Prior(RHO, white=0.2), np.random.default_rng(0))
    values = np.random.default_rng(1).normal(size=2**P)
    codes = masks @ (1 << np.arange(P))
    odd = (values[codes] - values[2**P - 1 - codes]) / 2

    found, errors = _apply(projection, odd, values[-1] - values[0])

    assert found == pytest.approx(shapley_values(values, P), rel=0, abs=1e-8)  # the jitter, 1e-10 of the variance
    assert errors.max() < 1e-4


def test_a_large_design_is_solved_in_parts_that_keep_every_property() -> None:
    p, q = 20, 2 * MOST_SOLVED + 100
    masks = pair_sequence(p, q, SEED)
    projection = posterior_projection(masks, Prior(np.full(p, 1 / p), white=0.1), np.random.default_rng(0))
    effects = np.random.default_rng(p).normal(size=p)
    signs = np.where(masks, 1.0, -1.0)

    values, _ = _apply(projection, signs @ effects / 2, effects.sum())

    assert projection.weights.shape == (p, q)
    assert len(projection.energy) <= 256
    assert projection.weights.sum(axis=0) == pytest.approx(np.zeros(q), abs=1e-14)
    assert values == pytest.approx(effects, rel=0, abs=1e-10)


def test_a_sketched_energy_is_about_the_energy() -> None:
    """More pairs than rows of the energy map: the random sketch keeps the size of the residual."""
    p, q = 12, 600
    masks = pair_sequence(p, q, SEED)
    prior = Prior(np.full(p, 1 / p), white=0.5)
    noise = np.random.default_rng(3).normal(size=q) * 0.5

    _, errors = _apply(posterior_projection(masks, prior, np.random.default_rng(0)), noise, 0.0)
    _, again = _apply(posterior_projection(masks, prior, np.random.default_rng(1)), noise, 0.0)

    # The root of a sum of 256 squares scatters by 4.4 %; four times that, for two of them.
    assert errors == pytest.approx(again, rel=0.25)
    assert (errors != again).all()


def _direct_groups(
    masks: np.ndarray, groups: np.ndarray, prior: Prior, odd: np.ndarray, total: float
) -> tuple[np.ndarray, np.ndarray]:
    """Conditioning on the values of all coalitions of all groups' games: what they share, and what each has alone."""
    n_groups, n = int(groups.max()) + 1, 2**P
    everything = all_coalitions(P)
    signs = np.where(everything, 1.0, -1.0)
    white = np.eye(n) - np.eye(n)[::-1]
    interactions = OddKernel(prior.rho).between(signs, signs) + prior.white * white
    shared = interactions + 1e6 * signs @ signs.T
    alone = prior.own * interactions + (signs * prior.slopes) @ signs.T
    covariance = np.kron(np.ones((n_groups, n_groups)), shared) + np.kron(np.eye(n_groups), alone)
    shapley = np.tile(np.array([shapley_values(unit, P) for unit in np.eye(n)]).T, n_groups) / n_groups
    # Each datum as a row over all values: a coalition of a group, and everybody's mean over groups.
    data = np.zeros((len(masks) + 1, n * n_groups))
    data[np.arange(len(masks)), groups * n + masks @ (1 << np.arange(P))] = 1.0
    data[-1, n - 1 :: n] = 1.0 / n_groups
    known, cross = data @ covariance @ data.T, shapley @ covariance @ data.T
    y = np.append(odd, total / 2)
    mean = cross @ np.linalg.solve(known, y)
    variance = np.diag(shapley @ covariance @ shapley.T - cross @ np.linalg.solve(known, cross.T))
    return mean, np.sqrt(variance * (y @ np.linalg.solve(known, y)) / (len(masks) + 1 - P))


@pytest.mark.parametrize("slopes", [0.7, np.array([0.1, 0.9, 0.4, 2.0, 0.3, 0.6])], ids=["alike", "each"])
@pytest.mark.parametrize("q", [20, 50])
def test_groups_of_the_background_are_gaussian_conditioning_too(q: int, slopes: float | np.ndarray) -> None:
    masks, groups = grouped_sequence(P, q, 3, SEED)
    prior = Prior(RHO, white=0.2, own=1.5, slopes=slopes)
    odd, total = np.random.default_rng(0).normal(size=q), 1.7

    values, errors = _apply(posterior_projection(masks, prior, np.random.default_rng(0), groups), odd, total)
    expected, deviation = _direct_groups(masks, groups, prior, odd, total)

    # As above: slopes of variance 1e6 instead of none known cost digits.
    assert values == pytest.approx(expected, rel=0, abs=1e-5)
    assert errors == pytest.approx(deviation * normal_units(q + 1 - P), rel=1e-3)


def _deviation_under(  # noqa: PLR0913, PLR0917 - a design, two priors and data
    masks: np.ndarray, groups: np.ndarray, values_prior: Prior, other: Prior, odd: np.ndarray, total: float
) -> np.ndarray:
    """How far the values of one prior are off, if games come from another: over all coalitions of all groups."""
    n_groups, n = int(groups.max()) + 1, 2**P
    signs = np.where(all_coalitions(P), 1.0, -1.0)
    shapley = np.tile(np.array([shapley_values(unit, P) for unit in np.eye(n)]).T, n_groups) / n_groups
    data = np.zeros((len(masks) + 1, n * n_groups))
    data[np.arange(len(masks)), groups * n + masks @ (1 << np.arange(P))] = 1.0
    data[-1, n - 1 :: n] = 1.0 / n_groups

    def covariance(prior: Prior, slopes: float) -> np.ndarray:
        interactions = OddKernel(prior.rho).between(signs, signs) + prior.white * (np.eye(n) - np.eye(n)[::-1])
        alone = prior.own * interactions + (signs * prior.slopes) @ signs.T
        shared = interactions + slopes * signs @ signs.T
        return np.kron(np.ones((n_groups, n_groups)), shared) + np.kron(np.eye(n_groups), alone)

    # Shared slopes of variance 1e6 stand for none known; the map meets them, so games are judged without.
    supposed, real = covariance(values_prior, 1e6), covariance(other, 0.0)
    known = data @ supposed @ data.T
    off = np.linalg.solve(known, data @ supposed @ shapley.T).T @ data - shapley
    y = np.append(odd, total / 2)
    squared = (y @ np.linalg.solve(known, y)) / np.trace(np.linalg.solve(known, data @ real @ data.T))
    return np.sqrt(np.diag(off @ real @ off.T) * squared)


@pytest.mark.parametrize("q", [20, 50])
def test_errors_under_another_prior_are_the_deviation_of_the_same_map(q: int) -> None:
    masks, groups = grouped_sequence(P, q, 3, SEED)
    prior = Prior(RHO, white=0.2, own=1.5, slopes=np.full(P, 2.0))
    other = Prior(RHO, white=0.2, own=4.0, slopes=np.array([0.1, 0.3, 0.2, 0.1, 0.5, 0.1]))
    odd, total = np.random.default_rng(0).normal(size=q), 1.7

    values, alone = _apply(posterior_projection(masks, prior, np.random.default_rng(0), groups), odd, total)
    found = posterior_projection(masks, prior, np.random.default_rng(0), groups, for_errors=other)
    again, errors = _apply(found, odd, total)
    expected = _deviation_under(masks, groups, prior, other, odd, total)

    assert again.tobytes() == values.tobytes()
    # As above: slopes of variance 1e6 instead of none known cost digits. Under the values' own prior errors are others.
    assert errors == pytest.approx(expected * normal_units(q + 1 - P), rel=1e-3)
    assert np.abs(errors / alone - 1).min() > 0.02


@pytest.mark.parametrize("n_groups", [1, 5])
@pytest.mark.parametrize("q", [60, 400])
def test_errors_under_the_values_own_prior_are_the_posterior_deviation(q: int, n_groups: int) -> None:
    p = 20
    masks, groups = grouped_sequence(p, q, n_groups, SEED)
    prior = Prior(np.full(p, 1 / p), white=0.3, own=2.0, slopes=np.linspace(0.1, 2.0, p))
    plain = posterior_projection(masks, prior, np.random.default_rng(0), groups)
    judged = posterior_projection(masks, prior, np.random.default_rng(0), groups, for_errors=prior)

    assert judged.scale == pytest.approx(plain.scale, rel=1e-9)
    # The energy of data under the prior is 1 in the mean: exactly so, and by a sketch of 256 rows to half a percent.
    assert judged.energy == pytest.approx(plain.energy, rel=0.02, abs=1e-12)


def test_all_pairs_of_all_groups_leave_no_error() -> None:
    n_groups = 3
    masks, groups = grouped_sequence(P, n_groups * n_pairs_of(P), n_groups, SEED)
    prior = Prior(RHO, white=0.2, own=2.0, slopes=1.0)
    projection = posterior_projection(masks, prior, np.random.default_rng(0), groups)
    games = np.random.default_rng(1).normal(size=(n_groups, 2**P))
    games[:, -1] = games[0, -1]  # everybody keeps the row's values, whatever the group
    codes = masks @ (1 << np.arange(P))
    odd = (games[groups, codes] - games[groups, 2**P - 1 - codes]) / 2

    found, errors = _apply(projection, odd, float((games[:, -1] - games[:, 0]).mean()))

    assert found == pytest.approx(shapley_values(games.mean(axis=0), P), rel=0, abs=1e-7)  # the jitter
    assert errors.max() < 1e-3
