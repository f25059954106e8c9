from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

from xaisvc.cohorts.proportions import (
    difference,
    percent,
    points,
    quantile,
    share_between,
    share_of,
    student,
    wilson,
    word_of,
)
from xaisvc.types.cohort import Comparison, Share


def test_intervals_are_those_of_newcombe_s_tables() -> None:
    # Newcombe, Statistics in Medicine 17 (1998): 857-872 (81 of 263) and 873-890 (56 of 70 less 48 of 80, method 10),
    # printed with four digits.
    assert wilson(81, 263, quantile()) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert difference(56, 70, 48, 80, quantile()) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_ends_of_zero_and_of_all() -> None:
    assert wilson(0, 30, quantile())[0] == 0
    assert wilson(30, 30, quantile())[1] == 1


@pytest.mark.parametrize("comparisons", [1, 2, 12])
def test_quantiles_hold_together(comparisons: int) -> None:
    tail = 1 - 0.025 / comparisons

    assert quantile(comparisons) == pytest.approx(norm.ppf(tail), rel=1e-9)  # two implementations of one function
    assert student(20, comparisons) == pytest.approx(t.ppf(tail, 19), rel=1e-9)


def test_whole_percents_hide_no_width() -> None:
    assert share_of(41, 100) == Share(percent=41, low=31, high=51)
    assert points(-0.101, 0.101) == (-11, 11)
    assert points(0.07, 0.29) == (7, 29)  # 100 * 0.29 is 28.999999999999996, 100 * 0.07 is 7.000000000000001
    assert share_between(0.98, 0.95, 1.2) == Share(percent=98, low=95, high=100)
    assert [percent(one) for one in (0.005, 0.0149, 0.995)] == [1, 1, 100]


def test_words() -> None:
    assert word_of(0.01, 0.2) is Comparison.HIGHER
    assert word_of(-0.2, -0.01) is Comparison.LOWER
    assert word_of(-0.2, 0.01) is Comparison.NOT_BEYOND_CHANCE


def test_intervals_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    counts, others = rng.binomial(60, 0.3, 2000), rng.binomial(90, 0.5, 2000)

    held = sum(
        low <= -0.2 <= high
        for low, high in (difference(int(a), 60, int(b), 90, quantile()) for a, b in zip(counts, others, strict=True))
    )
    assert 0.935 <= held / 2000 <= 0.97  # 95 % with a standard error of 0.5 %, and the method leans to the safe side
