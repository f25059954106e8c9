"""The constant map from coalition values to Shapley values, and to their errors.

The odd part of the game is taken as a draw from

    y(z) = sum_j a_j z_j  (a free)  +  s * (g(z) + sqrt(white) * e(z)),

g with the odd product kernel, e independent from coalition to coalition: interactions of high order. The Shapley values
of all three parts are linear in y, so their posterior mean given the y of a design is a matrix, the same for every row
(universal kriging; Rasmussen & Williams 2006, section 2.7). With all pairs known it is the Shapley value itself, and an
additive game is exact from any design that tells the players apart. Where a pair sees a sample of the background only,
its y carries noise that is no part of the game.

Where a pair sees one of n groups of the background, there are n games, and their mean is explained. Each is the sum of
y as above, which they share, and of a game of its own: slopes with a prior and interactions with the same kernel. Two
pairs of one group have both parts in common, two of different groups the shared one.

The posterior variance is the error's, up to s^2, which each row's own data give: s^2 = y' P y / (q + 1 - p), with P the
restricted maximum likelihood form. Errors may be reckoned under another prior than values: they are then the deviation
of the same map under the other, with s^2 from the same form, divided by its mean under the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.designs import MOST_SOLVED, nobody_leaves
from xaisvc.attribution.odd_kernel import OddKernel, value_weights, value_weights_squared
from xaisvc.types.sampling import Projection

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Rows of the energy map: a random sketch of that many rows estimates a sum of squares to sqrt(2 / 256) = 9 %, its root
# to 4.4 %.
_MOST_ENERGY_ROWS = 256
_FEWEST_ENERGY_ROWS = 32
_MOST_ENERGY_NUMBERS = 8_000_000  # of the energy map of a very large design: 64 MB
# Up to this size a matrix is made and factorised in one go, some 50 ms of one core; larger ones in blocks, so that the
# work can be called off in between.
_AT_ONCE = 1200
_BLOCK = 512
_JITTER = 1e-10  # of the prior variance: keeps the factorisation going where two coalitions are all but the same


@dataclass(frozen=True, slots=True)
class Prior:
    """What is supposed about interactions, in units of the variance of g.

    Attributes:
        rho: Of the odd product kernel; float64, (p,).
        white: Variance of what no kernel of low order explains.
        noise: Variance that comes from sampling the background; 0 if every pair sees all of it.
        own: Variance of the interactions that a group of the background has for itself.
        slopes: Variance of the slope that a group has for itself, of each player or of all alike; float64, (p,) or ().
    """

    rho: NDArray[np.float64]
    white: float
    noise: float = 0.0
    own: float = 0.0
    slopes: NDArray[np.float64] | float = 0.0


def posterior_projection(  # noqa: PLR0913, PLR0917 - a design, what is supposed about it, and how it is sketched
    masks: NDArray[np.bool_],
    prior: Prior,
    rng: np.random.Generator,
    groups: NDArray[np.int64] | None = None,
    check: Callable[[], None] = nobody_leaves,
    for_errors: Prior | None = None,
) -> Projection:
    """The posterior mean and deviation of the Shapley values as a map of a design's values.

    The work grows with the cube of the pairs. Beyond `MOST_SOLVED` of them the design is dealt out to parts of at most
    about that many, single players in all of them, and the map is the mean over parts: their errors are independent, so
    its variance is theirs by their number.

    Args:
        masks: One coalition of each pair, single players first; bool, (q, p), of rank p with that of all players.
        prior: What is supposed about interactions.
        rng: Draws the sketch of the energy map of a large design.
        groups: Group of the background that each pair sees, numbered from 0, all of them met; int64, (q,). A pair may
            come once for each. None if every pair sees all rows.
        check: Called between pieces of work; raises AbandonedError once nobody waits.
        for_errors: What errors are reckoned with instead of `prior`; with the same `rho`.
    """
    if groups is None:
        groups, prior = np.zeros(len(masks), dtype=np.int64), replace(prior, own=0.0, slopes=0.0)
        for_errors = None if for_errors is None else replace(for_errors, own=0.0, slopes=0.0)
    n_groups = int(groups.max(initial=0)) + 1
    q, p = masks.shape
    room = max(MOST_SOLVED - p, p)
    n_parts = -(-(q - p) // room) if q > MOST_SOLVED else 1
    if n_parts == 1:
        return _solve(masks, groups, n_groups, prior, for_errors, rng, _MOST_ENERGY_ROWS, check)
    n_rows = max(_FEWEST_ENERGY_ROWS, min(_MOST_ENERGY_ROWS, _MOST_ENERGY_NUMBERS // q))
    weights, share, variance = np.zeros((p, q)), np.zeros(p), np.zeros(p)
    energy, energy_share = np.zeros((n_rows, q)), np.zeros(n_rows)
    for part in range(n_parts):
        members = np.concatenate([np.arange(p), np.arange(p + part, q, n_parts)])
        found = _solve(masks[members], groups[members], n_groups, prior, for_errors, rng, n_rows, check)
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


def _solve(  # noqa: PLR0913, PLR0917 - a design, what is supposed about it, and how it is sketched
    masks: NDArray[np.bool_],
    groups: NDArray[np.int64],
    n_groups: int,
    prior: Prior,
    for_errors: Prior | None,
    rng: np.random.Generator,
    most_energy_rows: int,
    check: Callable[[], None],
) -> Projection:
    """The projection of a design that is solved as a whole."""
    q, p = masks.shape
    design = _Design(masks, groups, n_groups, OddKernel(prior.rho))
    factor = _factorised(design.covariance(prior, check), check)
    check()
    reduced = _forward(factor, np.column_stack([design.signs, design.with_values(prior).T]))
    trend, cross = reduced[:, :p], reduced[:, p:]
    # Least squares of the whitened data on the whitened trend gives the slopes a; a Shapley value is twice its slope,
    # and what the kernel makes of the rest.
    check()
    basis, triangle = np.linalg.qr(trend)
    gap = np.linalg.solve(triangle.T, 2.0 * np.eye(p) - trend.T @ cross)
    weights = _backward(factor, cross + basis @ gap).T
    if q + 1 > most_energy_rows:
        sketch = (rng.integers(2, size=(most_energy_rows, q + 1)) * 2.0 - 1.0) / np.sqrt(most_energy_rows)
        residual = sketch - (sketch @ basis) @ basis.T
    else:
        residual = np.eye(q + 1) - basis @ basis.T
    degrees = q + 1 - p
    check()
    energy = _backward(factor, residual.T).T / np.sqrt(max(degrees, 1))
    if for_errors is None:
        variance = design.of_values(prior)
        variance += (gap**2).sum(axis=0) - (cross**2).sum(axis=0)
    else:
        # Slopes without a prior are met exactly by any such map, so only the rest of the game makes errors.
        covariance = design.covariance(for_errors, check)
        check()
        variance = ((weights @ covariance - 2.0 * design.with_values(for_errors)) * weights).sum(axis=1)
        variance += design.of_values(for_errors)
        # The energy of data with this covariance is 1 in the mean, as without it the energy of data with the other is.
        energy /= np.sqrt(((energy @ covariance) * energy).sum())

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


class _Design:
    """What a prior says about the data of a design, q pairs and the one of nobody and everybody, and about values."""

    def __init__(self, masks: NDArray[np.bool_], groups: NDArray[np.int64], n_groups: int, kernel: OddKernel) -> None:
        p = masks.shape[1]
        self._known = np.concatenate([masks, np.ones((1, p), dtype=np.bool_)])
        self.signs = np.where(self._known, 1.0, -1.0)
        self._groups, self._n_groups, self._kernel = groups, n_groups, kernel

    def _joint(self, prior: Prior) -> float:
        # Nobody and everybody: over the whole background always, of whose own parts each group's is 1 / n.
        return 1.0 + prior.own / self._n_groups

    def covariance(self, prior: Prior, check: Callable[[], None]) -> NDArray[np.float64]:
        """Of the data, slopes that groups share left out; float64, (q + 1, q + 1)."""
        signs, n_groups = self.signs, self._n_groups
        q = len(signs) - 1
        covariance = _between(self._kernel, signs, check)
        diagonal = np.full(q + 1, prior.white * (1.0 + prior.own) + prior.noise + _JITTER)
        diagonal[q] = prior.white * self._joint(prior) + _JITTER
        if n_groups > 1:
            in_common = np.full((q + 1, q + 1), 1.0 / n_groups)
            in_common[:q, :q] = self._groups[:, None] == self._groups
            check()
            covariance *= 1.0 + prior.own * in_common
            check()
            covariance += in_common * ((signs * prior.slopes) @ signs.T)
            check()
            # The white part that groups share is that of the coalition, in whichever of them it comes.
            _, coalition = np.unique(np.packbits(self._known, axis=1), axis=0, return_inverse=True)
            first, second = np.nonzero(coalition.reshape(-1)[:, None] == coalition.reshape(-1))
            apart = first != second
            covariance[first[apart], second[apart]] += prior.white
        covariance[np.diag_indices(q + 1)] += diagonal
        return covariance

    def with_values(self, prior: Prior) -> NDArray[np.float64]:
        """Covariance of each Shapley value with the data; float64, (p, q + 1)."""
        found = self._joint(prior) * (self._kernel.with_values(self.signs) + prior.white * value_weights(self._known))
        found += 2.0 / self._n_groups * (self.signs * prior.slopes).T
        return found

    def of_values(self, prior: Prior) -> NDArray[np.float64]:
        """Variance of each Shapley value; float64, (p,)."""
        white = prior.white * value_weights_squared(self.signs.shape[1])
        return np.asarray(self._joint(prior) * (self._kernel.of_values() + white) + 4.0 / self._n_groups * prior.slopes)


def _between(kernel: OddKernel, signs: NDArray[np.float64], check: Callable[[], None]) -> NDArray[np.float64]:
    """The kernel's covariance of all coalitions, a block of rows at a time where there are many; float64, (m, m)."""
    m = len(signs)
    if m <= _AT_ONCE:
        return kernel.between(signs, signs)
    found = np.empty((m, m))
    for start in range(0, m, _BLOCK):
        check()
        block = slice(start, start + _BLOCK)
        found[block] = kernel.between(signs[block], signs)
    return found


def _factorised(matrix: NDArray[np.float64], check: Callable[[], None]) -> NDArray[np.float64]:
    """The lower triangular L with L L' = matrix, block column by block column where it is large; float64, (m, m).

    Raises:
        numpy.linalg.LinAlgError: If the matrix is not positive definite.
    """
    m = len(matrix)
    if m <= _AT_ONCE:
        return np.linalg.cholesky(matrix).astype(np.float64, copy=False)
    factor = np.zeros((m, m))
    for start in range(0, m, _BLOCK):
        end = min(start + _BLOCK, m)
        check()
        column = matrix[start:, start:end] - factor[start:, :start] @ factor[start:end, :start].T
        check()
        corner = np.linalg.cholesky(column[: end - start]).astype(np.float64, copy=False)
        factor[start:end, start:end] = corner
        factor[end:, start:end] = _forward(corner, column[end - start :].T).T
    return factor


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
