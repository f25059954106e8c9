"""The odd product kernel against its formulas, written out slowly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import dblquad, quad

from xaisvc.attribution.coalitions import all_coalitions, shapley_values
from xaisvc.attribution.odd_kernel import OddKernel, value_weights, value_weights_squared

RHO = np.array([0.05, 0.3, 0.12, 0.6, 0.2])
SIGNS = np.where(all_coalitions(5), 1.0, -1.0)
CLOSE = 1e-12  # float64 sums of a few dozen terms of size 1, divided by a scale of 0.1


def _product(one: np.ndarray, other: np.ndarray) -> float:
    return 0.5 * (np.prod(1 + RHO * one * other) - np.prod(1 - RHO * one * other)) - (RHO * one * other).sum()


SCALE = _product(SIGNS[0], SIGNS[0])


def test_the_kernel_is_the_product_without_order_one_scaled_to_variance_one() -> None:
    expected = np.array([[_product(one, other) for other in SIGNS] for one in SIGNS]) / SCALE

    assert OddKernel(RHO).between(SIGNS, SIGNS) == pytest.approx(expected, rel=0, abs=CLOSE)
    assert np.diag(expected) == pytest.approx(np.ones(32), abs=CLOSE)


def test_covariances_with_values_are_the_integral_of_the_slope_along_the_diagonal() -> None:
    def slope(t: float, i: int, z: np.ndarray) -> float:
        others = np.delete(RHO * z, i)
        return RHO[i] * z[i] * (np.prod(1 + t * others) + np.prod(1 - t * others) - 2)

    some = SIGNS[[0, 3, 11, 22, 31]]
    # Adaptive quadrature, another rule than the fixed nodes of the code.
    expected = [[quad(slope, 0, 1, args=(i, z), epsabs=1e-13)[0] / SCALE for z in some] for i in range(5)]

    assert OddKernel(RHO).with_values(some) == pytest.approx(np.array(expected), rel=0, abs=CLOSE)


def test_covariances_with_values_are_the_shapley_values_of_the_kernel() -> None:
    """No integral at all: the Shapley value of the game S -> k(S, z), from the definition."""
    covariance = OddKernel(RHO).between(SIGNS, SIGNS)
    expected = np.array([shapley_values(column, 5) for column in covariance.T]).T

    assert OddKernel(RHO).with_values(SIGNS) == pytest.approx(expected, rel=0, abs=CLOSE)


def test_variances_of_values_are_the_double_integral() -> None:
    def slopes(t: float, u: float, i: int) -> float:
        others = np.delete(RHO, i) * t * u
        return 2 * RHO[i] * (np.prod(1 + others) + np.prod(1 - others) - 2)

    expected = [dblquad(slopes, 0, 1, 0, 1, args=(i,), epsabs=1e-12)[0] / SCALE for i in range(5)]

    assert OddKernel(RHO).of_values() == pytest.approx(np.array(expected), rel=0, abs=1e-11)


@pytest.mark.parametrize("p", [2, 5, 8])
def test_value_weights_make_the_shapley_value_from_all_pairs(p: int) -> None:
    values = np.random.default_rng(p).normal(size=2**p)
    masks = all_coalitions(p)
    first, second = masks[2 ** (p - 1) :], ~masks[2 ** (p - 1) :]
    odd = (values[2 ** (p - 1) :] - values[: 2 ** (p - 1)][::-1]) / 2
    assert (first == ~second).all()

    assert value_weights(first) @ odd == pytest.approx(shapley_values(values, p), rel=0, abs=CLOSE)
    assert (value_weights(first) ** 2).sum(axis=1) == pytest.approx(np.full(p, value_weights_squared(p)), rel=1e-12)


def test_a_hundred_players_with_a_large_reach_stay_finite() -> None:
    kernel = OddKernel(np.full(100, 0.9))
    signs = np.where(np.random.default_rng(0).random((50, 100)) < 0.5, 1.0, -1.0)

    assert np.isfinite(kernel.between(signs, signs)).all()
    assert np.isfinite(kernel.with_values(signs)).all()
    assert np.isfinite(kernel.of_values()).all()
