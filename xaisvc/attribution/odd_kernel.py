"""The prior of the odd part of a game: an odd product kernel, and what it says about Shapley values.

Code a coalition as z in {-1, 1}^p. Only the odd part of the game, y(S) = (v(S) - v(not S)) / 2, carries Shapley values.
Its multilinear extension gives phi_i = integral of its slope in z_i along the diagonal from (-1, ..., -1) to
(1, ..., 1) (Owen 1972). With the covariance

    k(z, z') = 1/2 [prod_j (1 + rho_j z_j z'_j) - prod_j (1 - rho_j z_j z'_j)]

of y, Shapley values are linear in y and so have covariances of closed form. Terms of order 1 are left out everywhere:
the projection treats them as unknown without any prior, which makes additive games exact. What remains is divided by
its variance, so that the prior variance of every coalition is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Polynomials of degree 2 * 24 - 1 = 47 are integrated exactly; what k holds beyond that order is below rounding.
_N_NODES = 24


@dataclass(frozen=True, slots=True)
class OddKernel:
    """The kernel of p players without its terms of order 1, scaled to variance 1.

    Attributes:
        rho: Correlation lost with each player's change of side, in (0, 1); float64, (p,).
    """

    rho: NDArray[np.float64]

    @property
    def _scale(self) -> float:
        plus, minus = np.log1p(self.rho).sum(), np.log1p(-self.rho).sum()
        return float(0.5 * (np.exp(plus) - np.exp(minus)) - self.rho.sum())

    def between(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance of y at coalitions; float64, (m, n), for signs (m, p) and (n, p).

        prod (1 + rho z z') = exp(c + s) and prod (1 - rho z z') = exp(c - s) with s = sum atanh(rho) z z' and
        c = 1/2 sum log(1 - rho^2), so one matrix product makes both.
        """
        level = 0.5 * np.log1p(-(self.rho**2)).sum()
        tilt = (one * np.arctanh(self.rho)) @ other.T
        odd = np.exp(level) * np.sinh(tilt)
        odd -= (one * self.rho) @ other.T
        return np.asarray(odd / self._scale)

    def with_values(self, signs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance of each Shapley value with y at coalitions; float64, (p, m), for signs (m, p).

        c_i(z) = 2 rho_i z_i integral over t in [0, 1] of
                 1/2 [prod over j != i of (1 + t rho_j z_j) + the same with minus] dt, less the term of order 1.
        """
        found = np.zeros_like(signs)
        for node, weight in zip(*_nodes(), strict=True):
            tilts = np.arctanh(node * self.rho)
            levels = 0.5 * np.log1p(-((node * self.rho) ** 2))
            others = (signs @ tilts)[:, None] - signs * tilts
            found += weight * np.exp(levels.sum() - levels) * np.cosh(others)
        return np.asarray((2.0 * self.rho * signs * (found - 1.0)).T / self._scale)

    def of_values(self) -> NDArray[np.float64]:
        """Prior variance of each Shapley value; float64, (p,).

        4 rho_i times the double integral over t, u in [0, 1] of 1/2 [prod over j != i of (1 + t u rho_j) + with minus].
        """
        nodes, weights = _nodes()
        found = np.zeros_like(self.rho)
        for node, weight in zip(np.outer(nodes, nodes).ravel(), np.outer(weights, weights).ravel(), strict=True):
            plus, minus = np.log1p(node * self.rho), np.log1p(-node * self.rho)
            found += weight * 0.5 * (np.exp(plus.sum() - plus) + np.exp(minus.sum() - minus))
        return np.asarray(4.0 * self.rho * (found - 1.0) / self._scale)


def value_weights(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What y of each pair counts in each Shapley value when all pairs are known; float64, (p, m).

    phi_i = sum over pairs of 2 c_i(S) y(S), where c_i(S) = 1 / (s C(p, s)) for members of S and
    -1 / ((p - s) C(p, s)) for the others, s = |S|.
    """
    p = masks.shape[1]
    sizes = masks.sum(axis=1)
    inside = np.array([0.0, *(2.0 / (s * comb(p, s)) for s in range(1, p + 1))])
    outside = np.array([*(-2.0 / ((p - s) * comb(p, s)) for s in range(p)), 0.0])
    return np.asarray(np.where(masks, inside[sizes][:, None], outside[sizes][:, None]).T)


def value_weights_squared(p: int) -> float:
    """The sum over all pairs, nobody and everybody included, of a player's squared `value_weights`."""
    return 2.0 * sum(
        comb(p - 1, s - 1) / (s * comb(p, s)) ** 2 + comb(p - 1, s - 1) / (s * comb(p, s)) ** 2 for s in range(1, p + 1)
    )


@cache
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_N_NODES)
    return (nodes + 1.0) / 2.0, weights / 2.0
