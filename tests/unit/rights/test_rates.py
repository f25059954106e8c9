from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaisvc.errors import BusyError, LimitExceededError
from xaisvc.rights import Rates, rates
from xaisvc.types import LOCAL, Caller

if TYPE_CHECKING:
    from collections.abc import Sequence

SIXTY = Caller(id="desk", rows_per_minute=60)


def test_a_minute_of_rows_at_once_then_one_each_second(time: Any) -> None:
    limiter = Rates(time.clock)

    limiter.take(SIXTY, 60)
    with pytest.raises(BusyError, match=r"allows 60 rows a minute; try again in 10 s") as caught:
        limiter.take(SIXTY, 10)
    assert caught.value.retry_after_s == pytest.approx(10.0)  # one division away from exact
    time.pass_(caught.value.retry_after_s)

    limiter.take(SIXTY, 10)
    with pytest.raises(BusyError):
        limiter.take(SIXTY, 1)


def test_a_refused_request_takes_nothing(time: Any) -> None:
    limiter = Rates(time.clock)
    limiter.take(SIXTY, 50)

    for _ in range(5):
        with pytest.raises(BusyError):
            limiter.take(SIXTY, 11)
    limiter.take(SIXTY, 10)


def test_more_than_a_minute_holds_is_refused_for_good(time: Any) -> None:
    with pytest.raises(LimitExceededError, match="61 rows, but the caller's token allows 60 rows a minute; split"):
        Rates(time.clock).take(SIXTY, 61)


def test_callers_do_not_share_a_bucket_and_tokens_of_one_caller_do(time: Any) -> None:
    limiter = Rates(time.clock)
    limiter.take(SIXTY, 60)

    limiter.take(Caller(id="desk", tenant="other", rows_per_minute=60), 60)
    limiter.take(Caller(id="other", rows_per_minute=60), 60)
    with pytest.raises(BusyError):
        limiter.take(Caller(id="desk", rows_per_minute=60, bundles=frozenset({"loans"})), 1)


def test_no_bound_is_no_bound(time: Any) -> None:
    limiter = Rates(time.clock)

    for _ in range(3):
        limiter.take(LOCAL, 10**9)


@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 100), st.integers(1, 1000)), min_size=1, max_size=40))
def test_in_no_span_of_time_more_than_the_rate_and_one_minute(limit: int, asked: Sequence[tuple[float, int]]) -> None:
    now_s = 0.0
    limiter = Rates(lambda: now_s)
    caller = Caller(id="desk", rows_per_minute=limit)
    taken: list[tuple[float, int]] = []
    for pause_s, rows in asked:
        now_s += pause_s
        try:
            limiter.take(caller, rows)
        except (BusyError, LimitExceededError):
            continue
        taken.append((now_s, rows))

    for i, (start_s, _) in enumerate(taken):
        total = 0
        for at_s, rows in taken[i:]:
            total += rows
            # each request may be let through 1e-9 of a minute's rows early
            assert total <= limit * (1 + (at_s - start_s) / 60) + 1e-9 * limit * (len(taken) + 1)


@given(st.integers(1, 10**9), st.floats(0, 1e6), st.data())
def test_who_waits_as_long_as_told_is_let_in(limit: int, start_s: float, data: st.DataObject) -> None:
    now_s = start_s
    limiter = Rates(lambda: now_s)
    caller = Caller(id="desk", rows_per_minute=limit)
    limiter.take(caller, data.draw(st.integers(1, limit)))
    rows = data.draw(st.integers(1, limit))
    try:
        limiter.take(caller, rows)
    except BusyError as busy:
        now_s += busy.retry_after_s
        limiter.take(caller, rows)


def test_only_so_many_callers_are_remembered(time: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_BUCKETS", 3)
    limiter = Rates(time.clock)
    for name in "abcd":
        limiter.take(Caller(id=name, rows_per_minute=60), 60)
        time.pass_(1)

    assert [caller for _, caller, _ in limiter._buckets] == ["b", "c", "d"]
    time.pass_(60)
    limiter.take(Caller(id="e", rows_per_minute=60), 60)
    assert [caller for _, caller, _ in limiter._buckets] == ["e"]


def test_threads_share_one_bound(time: Any) -> None:
    limiter = Rates(time.clock)
    caller = Caller(id="desk", rows_per_minute=1000)
    taken: list[int] = []

    def take() -> None:
        for _ in range(500):
            try:
                limiter.take(caller, 1)
            except BusyError:
                continue
            taken.append(1)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == 1000


def test_processes_that_share_callers_share_the_rows(time: Any) -> None:
    parts = [Rates(time.clock, 4) for _ in range(4)]

    for part in parts:
        part.take(SIXTY, 15)
        with pytest.raises(BusyError, match="15 rows a minute on each of the 4 processes of the service; try again"):
            part.take(SIXTY, 1)
    with pytest.raises(LimitExceededError, match="15 rows a minute on each of the 4 processes of the service; split"):
        parts[0].take(SIXTY, 16)


def test_whoever_has_fewer_rows_than_there_are_processes_still_gets_one(time: Any) -> None:
    Rates(time.clock, 64).take(SIXTY, 1)
