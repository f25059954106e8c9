"""The figures that say how far sampled values are from the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.performance.statistics import Step, assess, reach, spearman


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


class TestReach:
    TRUTH = np.ones((50, 4))  # squared attributions of a row sum to 4

    @staticmethod
    def _step(seconds: float, nmse: float, *, scatter: float = 0.0) -> Step:
        factor = 1.0 + scatter * np.random.default_rng(int(seconds * 1000)).uniform(-1, 1, (3, 50))
        return Step(seconds=seconds, coalitions=1000 * seconds, squared=4 * nmse * factor)

    def _reach(self, *steps: Step) -> dict[str, object]:
        return reach(steps, self.TRUTH, rng=np.random.default_rng(0))

    def test_it_lies_on_the_line_in_logarithms(self) -> None:
        # Error falls as the square of time between 1 s and 4 s: 1e-3 is met where time is sqrt(4) = 2 s.
        found = self._reach(self._step(1.0, 4e-3), self._step(4.0, 2.5e-4), self._step(8.0, 1e-5))

        assert found["seconds"] == pytest.approx(2.0, rel=1e-12)
        assert found["coalitions"] == pytest.approx(2000.0, rel=1e-12)
        assert not found["at_most"]

    def test_its_interval_holds_it_and_grows_with_the_scatter(self) -> None:
        def interval(scatter: float) -> float:
            steps = [self._step(1.0, 4e-3, scatter=scatter), self._step(4.0, 2.5e-4, scatter=scatter)]
            found = self._reach(*steps)
            low, high = float(str(found["seconds_low"])), float(str(found["seconds_high"]))
            assert low <= float(str(found["seconds"])) <= high
            return high - low

        assert interval(0.0) == pytest.approx(0.0, abs=1e-12)
        assert 0.0 < interval(0.1) < interval(0.9)

    def test_a_first_step_below_is_an_upper_bound(self) -> None:
        found = self._reach(self._step(1.0, 5e-4), self._step(2.0, 1e-4))

        assert (found["seconds"], found["at_most"]) == (1.0, True)

    def test_a_tool_that_never_gets_there_has_no_time(self) -> None:
        found = self._reach(self._step(1.0, 5e-2), self._step(2.0, 2e-3))

        assert found["seconds"] is None
        assert found["seconds_high"] is None
