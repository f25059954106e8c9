"""Shares of confirmed cases and their intervals."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy.stats import binomtest

from xaisvc.types.outcomes import BandOutcome, OutcomeBands, independent_cases, wilson_interval


@pytest.mark.parametrize(("hits", "cases"), [(0, 1), (1, 1), (0, 100), (7, 100), (100, 100), (31, 805)])
def test_the_interval_is_wilsons(hits: int, cases: int) -> None:
    expected = binomtest(hits, cases).proportion_ci(0.95, method="wilson")

    # rounding of a dozen operations on numbers below 1
    assert wilson_interval(hits / cases, cases) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_never_leaves_zero_to_one_and_is_closed_at_its_ends() -> None:
    assert wilson_interval(0.0, 3)[0] == 0.0
    assert wilson_interval(1.0, 3)[1] == 1.0


def test_a_band_without_cases_has_no_share() -> None:
    empty = BandOutcome(band="urgent", cases=0, confirmed=0)

    assert empty.share is None
    assert empty.interval is None


def test_a_band_is_found_by_its_id() -> None:
    urgent = BandOutcome(band="urgent", cases=8, confirmed=6)
    bands = OutcomeBands(output="risk", first=date(2026, 1, 1), last=date(2026, 1, 31), bands=(urgent,))

    assert bands.band("urgent") is urgent
    assert urgent.share == 0.75
    assert bands.band("low") is None
    assert bands.band(None) is None


def test_cases_that_come_in_waves_are_worth_fewer() -> None:
    even, waves = ((20, 5),) * 8, ((20, 10), (20, 0)) * 4

    assert independent_cases(even) == 160
    # between the parts: 8 / 7 * 8 * 25 / 160^2; alone: 0.25 * 0.75 / 160
    assert independent_cases(waves) == pytest.approx(160 / ((8 / 7 * 200 / 160**2) / (0.1875 / 160)))
    assert independent_cases(((0, 0),) * 5) == 0


@pytest.mark.parametrize("confirmed", [0, 20])
def test_cases_of_one_outcome_are_worth_what_they_are(confirmed: int) -> None:
    assert independent_cases(((20, confirmed),) * 5) == 100


def test_parts_that_differ_widen_the_interval() -> None:
    sums = BandOutcome(band="alert", cases=160, confirmed=40)
    parts = BandOutcome(band="alert", cases=160, confirmed=40, parts=((20, 10), (20, 0)) * 4)
    assert sums.interval is not None
    assert parts.interval is not None

    assert parts.share == sums.share
    assert parts.interval[0] < sums.interval[0] < sums.interval[1] < parts.interval[1]


def test_a_share_of_many_parts_is_known_as_well_as_its_interval_says() -> None:
    """Weeks whose true share varies: the interval that knows it covers the mean, the plain one misses it far more."""
    rng = np.random.default_rng(7)
    missed = {"parts": 0, "sums": 0}
    for _ in range(400):
        week = rng.beta(3, 7, 10)
        confirmed = rng.binomial(30, week)
        parts = tuple((30, int(hits)) for hits in confirmed)
        for name, given in (("parts", parts), ("sums", ())):
            band = BandOutcome(band="alert", cases=300, confirmed=int(confirmed.sum()), parts=given)
            assert band.interval is not None
            missed[name] += not band.interval[0] <= 0.3 <= band.interval[1]

    # 5 % is meant; ten weeks leave some more, and 400 draws four standard errors of 1.1 %
    assert missed["parts"] / 400 < 0.05 + 0.05 + 0.045
    assert missed["sums"] / 400 > 0.2
