"""What is learnt about the pace of work."""

from __future__ import annotations

import pytest

from xaisvc.engine.scheduling.pace import Pace

CLOSE = 1e-9  # sums and ratios of a few float64


def warm(*keys: str) -> Pace:
    pace = Pace(0.5)
    for key in keys:
        pace.observe(key, 1, 1e6)
    return pace


def test_the_start_value_serves_until_something_is_known() -> None:
    assert Pace(0.5).seconds("key", 10) == 5.0


@pytest.mark.parametrize("seconds", [1e-3, 1e3])
def test_an_unknown_key_has_the_start_value_whatever_others_take(seconds: float) -> None:
    pace = warm("one")
    pace.observe("one", 10, seconds)

    assert pace.seconds("other", 10) == 5.0


def test_nothing_is_learnt_from_the_first_batch() -> None:
    pace = warm("key")
    assert pace.seconds("key", 10) == 5.0

    pace.observe("key", 10, 1.0)
    assert pace.seconds("key", 10) == pytest.approx(1.0, rel=CLOSE)


def test_each_key_has_its_own_pace_and_large_batches_weigh_more() -> None:
    pace = warm("slow", "fast")
    pace.observe("slow", 1, 10.0)
    pace.observe("fast", 1, 1.0)
    pace.observe("fast", 100, 1.0)

    assert pace.seconds("slow", 1) == pytest.approx(10.0, rel=CLOSE)
    assert pace.seconds("fast", 1) == pytest.approx((0.8 + 1.0) / (0.8 + 100), rel=CLOSE)


def test_the_past_fades() -> None:
    pace = warm("key")
    pace.observe("key", 1, 1000.0)
    for _ in range(60):
        pace.observe("key", 1, 1.0)

    assert pace.seconds("key", 1) == pytest.approx(1.0, rel=1e-2)  # 1000 * 0.8^60 / 5 is 3e-4


def test_company_is_the_most_that_lately_ran_at_the_same_time() -> None:
    pace = Pace(0.5)
    assert pace.company("key") == 1
    pace.meet("key", 5)
    assert pace.company("key") == 5
    pace.meet("key", 1)
    assert pace.company("key") == 4
    for _ in range(6):
        pace.meet("key", 1)
    assert pace.company("key") == 1
    assert pace.company("other") == 1


def test_a_key_that_was_met_and_not_measured_has_the_start_value() -> None:
    pace = Pace(0.5)
    pace.meet("key", 3)

    assert pace.seconds("key", 10) == 5.0


def test_the_least_recently_used_keys_are_forgotten() -> None:
    pace = Pace(0.5)
    pace.meet("first", 2)
    pace.meet("kept", 2)
    for place in range(2000):
        pace.observe(place, 1, 1.0)
        pace.meet("kept", 2)

    assert len(pace._keys) == 1024
    assert pace.company("first") == 1
    assert pace.company("kept") == 2
