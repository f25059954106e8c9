"""Models whose Shapley values are known in closed form: what a method has to find, without a method in between."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Polynomial:
    """f(x) = constant + sum over terms t of weight_t * product of x_j over j in t.

    Attributes:
        terms: Each a set of different columns and its weight.
        constant: f(0).
    """

    terms: tuple[tuple[tuple[int, ...], float], ...]
    constant: float = 0.0

    def __call__(self, rows: Floats) -> Floats:
        """Scores n rows; float64, (n, p) -> (n,)."""
        found = np.full(len(rows), self.constant)
        for columns, weight in self.terms:
            found += weight * rows[:, list(columns)].prod(axis=1)
        return found

    def shapley_values(self, rows: Floats, background: Floats) -> Floats:
        """Exact interventional Shapley values with respect to a background.

        For a term over the columns T with t = |T|, and z over the background,

            value_j = weight * mean over z of sum over S in T without j of |S|! (t - |S| - 1)! / t!
                      * (x_j - z_j) * product of x over S * product of z over T without S and j

        which is the definition (Shapley 1953) with v(S) = mean of f(x_S, z_rest); terms add up. Work: n b 2^t t.

        Args:
            rows: float64, (n, p).
            background: float64, (b, p).

        Returns:
            float64, (n, p). They sum to f(x) minus the mean of f over the background.
        """
        values = np.zeros(rows.shape)
        for columns, weight in self.terms:
            t = len(columns)
            for j in columns:
                others = [c for c in columns if c != j]
                for size in range(t):
                    share = factorial(size) * factorial(t - size - 1) / factorial(t)
                    for kept in combinations(others, size):
                        absent = [c for c in others if c not in kept]
                        own = rows[:, list(kept)].prod(axis=1)
                        outside = background[:, absent].prod(axis=1)
                        mean, crossed = outside.mean(), (outside * background[:, j]).mean()
                        values[:, j] += weight * share * own * (rows[:, j] * mean - crossed)
        return values
