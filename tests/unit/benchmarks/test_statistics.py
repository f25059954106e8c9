"""The figures that say how far sampled values are from the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.performance.statistics import assess, spearman


def _noisy(n: int, d: int, noise: float, n_seeds: int) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(n, d))
    return truth, [truth + noise * rng.normal(size=(n, d)) for _ in range(n_seeds)]


def test_error_interval_and_coverage_are_those_of_the_noise() -> None:
    truth, found = _noisy(200, 20, 0.1, 5)
    errors = [np.full(truth.shape, 0.1)] * 5
    accuracy = assess(found, truth, errors, rng=np.random.default_rng(0))

    # 20,000 draws of variance 0.01 against attributions of variance 1: the ratio is known to about 2 %.
    assert accuracy.nmse == pytest.approx(0.01, rel=0.05)
    assert accuracy.nmse_low < 0.01 < accuracy.nmse_high
    assert accuracy.nmse_high - accuracy.nmse_low < 0.002
    # Of 20,000 normal draws 95 % lie within 1.96 deviations; the share is known to 0.15 %.
    assert accuracy.coverage == pytest.approx(0.95, abs=0.01)


def test_standard_errors_that_are_too_small_do_not_cover() -> None:
    truth, found = _noisy(100, 10, 0.1, 2)
    accuracy = assess(found, truth, [np.full(truth.shape, 0.05)] * 2, rng=np.random.default_rng(0))

    assert accuracy.coverage is not None
    assert accuracy.coverage < 0.75


def test_without_standard_errors_there_is_no_coverage() -> None:
    truth, found = _noisy(10, 4, 0.1, 2)

    assert assess(found, truth, [None, None], rng=np.random.default_rng(0)).coverage is None


def test_rank_correlation_is_that_of_scipy_also_with_ties() -> None:
    rng = np.random.default_rng(3)
    left, right = rng.integers(0, 4, (6, 9)).astype(float), rng.integers(0, 4, (6, 9)).astype(float)
    expected = np.mean([spearmanr(a, b).statistic for a, b in zip(left, right, strict=True)])

    assert spearman(left, right) == pytest.approx(expected, abs=1e-12)  # the same sums in another order
