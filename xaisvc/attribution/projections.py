"""The constant map from coalition values to Shapley values, and to their errors.

The odd part of the game is taken as a draw from

    y(z) = sum_j a_j z_j  (a free)  +  s * (g(z) + sqrt(white) * e(z)),

g with the odd product kernel, e independent from coalition to coalition: interactions of high order. The Shapley values
of all three parts are linear in y, so their posterior mean given the y of a design is a matrix, the same for every row
(universal kriging; Rasmussen & Williams 2006, section 2.7). With all pairs known it is the Shapley value itself, and an
additive game is exact from any design that tells the players apart. Where a pair sees a sample of the background only,
its y carries noise that is no part of the game.

The posterior variance is the error's, up to s^2, which each row's own data give: s^2 = y' P y / (q + 1 - p), with P the
restricted maximum likelihood form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.odd_kernel import OddKernel, value_weights, value_weights_squared
from xaisvc.types.sampling import Projection

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of the energy map: a random sketch of that many rows estimates a sum of squares to sqrt(2 / 256) = 9 %, its root
# to 4.4 %.
_MOST_ENERGY_ROWS = 256
_FEWEST_ENERGY_ROWS = 32
_MOST_ENERGY_NUMBERS = 8_000_000  # of the energy map of a very large design: 64 MB
# Pairs solved together: the work grows with their cube. Larger designs are solved in parts, see `posterior_projection`.
MOST_SOLVED = 2048
_JITTER = 1e-10  # of the prior variance: keeps the factorisation going where two coalitions are all but the same


@dataclass(frozen=True, slots=True)
class Prior:
    """What is supposed about interactions, in units of the variance of g.

    Attributes:
        rho: Of the odd product kernel; float64, (p,).
        white: Variance of what no kernel of low order explains.
        noise: Variance that comes from sampling the background; 0 if every pair sees all of it.
    """

    rho: NDArray[np.float64]
    white: float
    noise: float = 0.0


def posterior_projection(masks: NDArray[np.bool_], prior: Prior, rng: np.random.Generator) -> Projection:
    """The posterior mean and deviation of the Shapley values as a map of a design's values.

    Beyond `MOST_SOLVED` pairs the design is dealt out to parts of at most about that many, single players in all of
    them, and the map is the mean over parts: their errors are independent, so its variance is theirs by their number.

    Args:
        masks: One coalition of each pair, single players first; bool, (q, p), of rank p with that of all players.
        prior: What is supposed about interactions.
        rng: Draws the sketch of the energy map of a large design.
    """
    q, p = masks.shape
    room = max(MOST_SOLVED - p, p)
    n_parts = -(-(q - p) // room) if q > MOST_SOLVED else 1
    if n_parts == 1:
        return _solve(masks, prior, rng, _MOST_ENERGY_ROWS)
    n_rows = max(_FEWEST_ENERGY_ROWS, min(_MOST_ENERGY_ROWS, _MOST_ENERGY_NUMBERS // q))
    weights, share, variance = np.zeros((p, q)), np.zeros(p), np.zeros(p)
    energy, energy_share = np.zeros((n_rows, q)), np.zeros(n_rows)
    for part in range(n_parts):
        members = np.concatenate([np.arange(p), np.arange(p + part, q, n_parts)])
        found = _solve(masks[members], prior, rng, n_rows)
        weights[:, members] += found.weights / n_parts
        share += found.share / n_parts
        variance += found.scale**2 / n_parts**2
        # The signs of the sketches are independent, so the squares add up and the products cancel in the mean.
        energy[:, members] += found.energy / np.sqrt(n_parts)
        energy_share += found.energy_share / np.sqrt(n_parts)
    return Projection(
        weights=weights,
        share=share,
        spread=np.zeros((0, p, q)),
        spread_share=np.zeros((0, p)),
        scale=np.sqrt(variance),
        energy=energy,
        energy_share=energy_share,
    )


def _solve(masks: NDArray[np.bool_], prior: Prior, rng: np.random.Generator, most_energy_rows: int) -> Projection:
    """The projection of a design that is solved as a whole."""
    q, p = masks.shape
    known = np.concatenate([masks, np.ones((1, p), dtype=np.bool_)])
    signs = np.where(known, 1.0, -1.0)
    kernel = OddKernel(prior.rho)
    covariance = kernel.between(signs, signs)
    diagonal = np.full(q + 1, prior.white + prior.noise + _JITTER)
    diagonal[q] = prior.white + _JITTER  # nobody and everybody: over the whole background always
    covariance[np.diag_indices(q + 1)] += diagonal
    factor = np.linalg.cholesky(covariance).astype(np.float64, copy=False)
    with_values = kernel.with_values(signs) + prior.white * value_weights(known)
    reduced = _forward(factor, np.column_stack([signs, with_values.T]))
    trend, cross = reduced[:, :p], reduced[:, p:]
    # Least squares of the whitened data on the whitened trend gives the slopes a; a Shapley value is twice its slope,
    # and what the kernel makes of the rest.
    basis, triangle = np.linalg.qr(trend)
    gap = np.linalg.solve(triangle.T, 2.0 * np.eye(p) - trend.T @ cross)
    weights = _backward(factor, cross + basis @ gap).T
    variance = (
        kernel.of_values() + prior.white * value_weights_squared(p) - (cross**2).sum(axis=0) + (gap**2).sum(axis=0)
    )
    if q + 1 > most_energy_rows:
        sketch = (rng.integers(2, size=(most_energy_rows, q + 1)) * 2.0 - 1.0) / np.sqrt(most_energy_rows)
        residual = sketch - (sketch @ basis) @ basis.T
    else:
        residual = np.eye(q + 1) - basis @ basis.T
    degrees = q + 1 - p
    energy = _backward(factor, residual.T).T / np.sqrt(max(degrees, 1))

    share = weights[:, q] / 2.0
    return Projection(
        weights=np.ascontiguousarray(weights[:, :q] - weights[:, :q].mean(axis=0)),
        share=share + (1.0 - share.sum()) / p,
        spread=np.zeros((0, p, q)),
        spread_share=np.zeros((0, p)),
        scale=np.sqrt(np.maximum(variance, 0.0)) * normal_units(degrees),
        energy=np.ascontiguousarray(energy[:, :q]),
        energy_share=energy[:, q] / 2.0,
    )


def normal_units(degrees: int) -> float:
    """What a standard error with few degrees of freedom is multiplied by so that 1.96 of it cover 95 %."""
    from scipy.special import stdtrit  # noqa: PLC0415 - heavy: loaded when used

    return float(stdtrit(max(degrees, 1), 0.975) / 1.959963984540054)


def _forward(factor: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.linalg import solve_triangular  # noqa: PLC0415 - heavy: loaded when used

    return np.asarray(solve_triangular(factor, right, lower=True, check_finite=False))


def _backward(factor: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.linalg import solve_triangular  # noqa: PLC0415 - heavy: loaded when used

    return np.asarray(solve_triangular(factor, right, lower=True, trans="T", check_finite=False))
