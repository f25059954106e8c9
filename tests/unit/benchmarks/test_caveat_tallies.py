"""Counts of several seeds are added up, with intervals that know that cases of a seed are alike."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from benchmarks.caveats import Figure, share
from benchmarks.caveats.tallies import total, wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 100), (3, 100), (50, 100), (100, 100), (1, 2)])
def test_the_interval_is_wilsons(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(0.95, method="wilson")

    # The same formula in another order of operations.
    assert wilson(hits / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_hits_and_cases_of_all_seeds_are_added() -> None:
    found = total("s", {0: [share("recall", 3, 4, 0.9)], 1: [share("recall", 6, 6, 0.9), share("recall", 0, 2, 0.9)]})

    assert found.figure == Figure("recall", 9 / 12, 12, 0.9)
    assert found.figure.met is False
    assert found.seeds == 2


def test_seeds_that_differ_widen_the_interval() -> None:
    mixed = total("s", {seed: [share("recall", 5, 10)] for seed in range(10)})
    apart = total("s", {seed: [share("recall", 10 * (seed % 2), 10)] for seed in range(10)})

    assert mixed.figure == apart.figure
    # Every seed counts for one case, not ten: V is k / (k - 1) / k * q (1 - q), so 100 cases are worth 9.
    assert (apart.low, apart.high) == pytest.approx(wilson(0.5, 9.0), abs=1e-12)
    assert (mixed.low, mixed.high) == pytest.approx(wilson(0.5, 100.0), abs=1e-12)


def test_seeds_without_cases_count_for_nothing() -> None:
    found = total("s", {0: [share("recall", 0, 0)], 1: [share("recall", 4, 4)]})

    assert (found.figure.value, found.figure.count, found.seeds) == (1.0, 4, 1)


def test_no_cases_at_all_have_no_interval() -> None:
    found = total("s", {0: [share("recall", 0, 0, 0.9)]})

    assert (found.figure.count, found.low, found.high) == (0, None, None)


def test_means_are_weighted_by_their_cases() -> None:
    found = total("s", {0: [Figure("width", 1.0, 1, kind="mean")], 1: [Figure("width", 4.0, 2, kind="mean")]})

    assert found.figure.value == pytest.approx(3.0, abs=1e-12)


def test_a_mean_has_an_interval_if_there_are_seeds_enough() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    few, enough = (
        total("s", {seed: [Figure("width", value, 1, kind="mean")] for seed, value in enumerate(values[:count])})
        for count in (4, 5)
    )

    # The standard error of five such values is sqrt(2.5 / 5).
    assert (few.low, few.high) == (None, None)
    assert (enough.low, enough.high) == pytest.approx((3 - 1.959964 * 0.5**0.5, 3 + 1.959964 * 0.5**0.5), abs=1e-6)


def test_the_largest_of_all_is_the_largest() -> None:
    found = total("s", {0: [Figure("error", 1.0, 1, kind="largest")], 1: [Figure("error", 4.0, 1, kind="largest")]})

    assert (found.figure.value, found.low) == (4.0, None)
