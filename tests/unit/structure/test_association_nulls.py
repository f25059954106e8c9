from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from xaisvc.structure.association_nulls import (
    chi_squared_tail,
    correlation_tail,
    explained_tail,
    paired_sum_tail,
    spread_of,
    table_tail,
    trace_tail,
)


def _one(value: float) -> np.ndarray:
    return np.array([float(value)])


def test_the_tail_of_a_correlation_is_students() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 40))
    expected = stats.pearsonr(x, y)

    actual = correlation_tail(_one(expected.statistic), _one(40))

    assert actual[0] == pytest.approx(expected.pvalue, rel=1e-9)  # the same function by another formula


def test_the_tail_of_explained_variance_is_that_of_an_analysis_of_variance() -> None:
    rng = np.random.default_rng(1)
    groups = [rng.standard_normal(size) + shift for size, shift in ((12, 0.0), (20, 0.3), (8, 0.9))]
    values = np.concatenate(groups)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups)
    total = ((values - values.mean()) ** 2).sum()

    actual = explained_tail(_one(1 - within / total), _one(2), _one(40))

    assert actual[0] == pytest.approx(stats.f_oneway(*groups).pvalue, rel=1e-9)


def test_too_few_rows_for_the_functions_say_nothing() -> None:
    assert explained_tail(_one(0.99), _one(5), _one(6))[0] == 1.0
    assert trace_tail(_one(1.9), _one(2), _one(2), _one(3))[0] == 1.0
    assert chi_squared_tail(_one(1e9), _one(0))[0] == 1.0


def test_the_trace_of_one_function_is_explained_variance() -> None:
    r_squared = np.array([0.01, 0.2, 0.7])
    df, n = np.full(3, 4.0), np.full(3, 60.0)

    assert trace_tail(r_squared, np.ones(3), df, n) == pytest.approx(explained_tail(r_squared, df, n), rel=1e-9)


def test_the_tail_of_chi_squared_is_scipys() -> None:
    x, df = np.array([0.5, 9.0, 120.0]), np.array([1.0, 3.0, 40.0])

    assert chi_squared_tail(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-9)


@pytest.mark.parametrize(("n", "a", "b"), [(30, 4, 6), (30, 15, 20), (12, 11, 3), (200, 5, 5)])
def test_two_flags_have_the_hypergeometric_tail(n: int, a: int, b: int) -> None:
    together = np.arange(max(0, a + b - n), min(a, b) + 1).astype(float)
    law = stats.hypergeom(n, a, b)
    above = together > a * b / n
    expected = np.minimum(2 * np.where(above, law.sf(together - 1), law.cdf(together)), 1)

    actual = table_tail(together, np.full_like(together, a), np.full_like(together, b), np.full_like(together, n))

    assert actual == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "a", "b", "together"), [(500, 10, 10, 4), (500, 10, 10, 8), (200, 8, 40, 7)])
def test_the_saddle_point_is_near_the_exact_tail_where_normal_is_wrong_by_powers_of_ten(
    n: int, a: int, b: int, together: int
) -> None:
    one = np.zeros(n)
    one[:a] = 1
    other = np.zeros(n)
    other[a - together : a - together + b] = 1
    one, other = one - one.mean(), other - other.mean()
    exact = stats.hypergeom(n, a, b).sf(together - 1)

    actual = paired_sum_tail(float(one @ other), spread_of(one), spread_of(other)) / 2

    normal = correlation_tail(_one(np.corrcoef(one, other)[0, 1]), _one(n))[0] / 2
    # The formula is for smooth sums; for whole numbers it is off by about the step between two tails.
    assert exact / 6 < actual < exact * 6
    assert normal < exact / 100


def test_the_saddle_point_agrees_with_all_permutations_on_both_sides() -> None:
    one = np.array([0.0, 0.1, 0.3, 0.4, 0.9, 2.5, 3.1, 4.0])
    other = np.array([0.0, 0.2, 0.3, 0.5, 0.6, 1.1, 2.9, 5.2])
    one, other = one - one.mean(), other - other.mean()
    sums = np.array([one @ other[list(order)] for order in permutations(range(8))])
    for total in (np.quantile(sums, 0.99), np.quantile(sums, 0.02)):
        exact = np.mean(sums >= total) if total > 0 else np.mean(sums <= total)

        actual = paired_sum_tail(float(total), spread_of(one), spread_of(other)) / 2

        # Drawing pairs with replacement from eight spreads the sums by a seventh more than permuting them.
        assert exact / 2 < actual < exact * 4


def test_a_sum_in_the_middle_is_no_surprise() -> None:
    values = spread_of(np.array([-1.0, 0.0, 1.0] * 10))

    assert paired_sum_tail(0.01, values, values) == 1.0
