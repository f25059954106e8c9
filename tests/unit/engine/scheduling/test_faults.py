"""Faults and departures at every point of a task's way. Each reading of the clock is such a point, on either side."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.unit.engine.scheduling.doubles import SOON_S, Clock, Gated, Values, doubled, error, occupy, result, task
from xaisvc.engine.scheduling.faults import concerns_all, is_personal
from xaisvc.errors import (
    AbandonedError,
    BundleError,
    BusyError,
    InvalidRequestError,
    ModelOutputError,
    RuntimeUnavailableError,
    StoreError,
    TooLateError,
)
from xaisvc.types import Interest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.engine.scheduling import Cancel, Scheduler

    Make = Callable[..., Scheduler[Values, int]]

POINTS = range(1, 9)  # a batch of the compute thread reads the clock fewer times than this


class ThreadClock(Clock):
    """Does something at the n-th reading that a compute thread makes once it is armed."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._act: Callable[[], None] = lambda: None
        self.has_acted = False

    def arm(self, point: int, act: Callable[[], None]) -> None:
        self._act, self.has_acted, self._left = act, False, point

    def __call__(self) -> float:
        if self._left and threading.current_thread().name.startswith("compute-"):
            self._left -= 1
            if not self._left:
                self.has_acted = True
                self._act()
        return self.now


def raiser(raised: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise raised

    return act


@pytest.mark.parametrize("raised", [OSError("no clock"), SystemExit(3), MemoryError()])
@pytest.mark.parametrize("point", POINTS)
def test_a_fault_at_any_point_leaves_no_future_pending_and_no_thread_dead(
    make_scheduler: Make, point: int, raised: BaseException
) -> None:
    clock, gate = ThreadClock(), Gated()
    scheduler = make_scheduler(clock=clock, max_batch_cost=2)
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value, value), doubled) for value in range(3)]
    clock.arm(point, raiser(raised))
    gate.let_end()

    for place, future in enumerate(futures):
        found = error(future)  # would time out if it were pending
        assert found is not None or result(future) == [2 * place] * 2
    assert clock.has_acted
    assert result(scheduler.submit(task(5), doubled)) == [10]
    assert scheduler.state().live_threads == 1
    assert scheduler.state().running_batches == 0 or scheduler.close(SOON_S)


def test_the_last_point_is_beyond_a_batch(make_scheduler: Make) -> None:
    """Otherwise the points above would not cover it all."""
    clock = ThreadClock()
    scheduler = make_scheduler(clock=clock)
    clock.arm(POINTS[-1], lambda: None)
    result(scheduler.submit(task(1), doubled))

    assert not clock.has_acted


@pytest.mark.parametrize("point", POINTS[:-2])
def test_a_departure_at_any_point_harms_no_batch_mate(make_scheduler: Make, point: int) -> None:
    clock, gate, interest = ThreadClock(), Gated(), Interest()
    scheduler = make_scheduler(clock=clock)
    occupy(scheduler, gate)
    leaver = scheduler.submit(task(1, interest=interest), doubled)
    mates = [scheduler.submit(task(value), doubled) for value in (2, 3)]
    clock.arm(point, interest.leave)
    gate.let_end()

    assert [result(mate) for mate in mates] == [[4], [6]]
    assert isinstance(error(leaver), AbandonedError) or result(leaver) == [2]
    assert scheduler.close(SOON_S)
    state = scheduler.state()
    assert state.answered + state.abandoned == state.submitted == 4


class Cursed(Values):
    """Rows that cannot be cut."""

    def take(self, indices: slice, /) -> Values:
        raise SystemExit(f"cannot cut {indices}")


def test_rows_that_cannot_be_cut_fail_alone(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(max_batch_cost=2), Gated()
    occupy(scheduler, gate)
    cursed = task(1)
    object.__setattr__(cursed, "rows", Cursed([1, 2, 3]))
    object.__setattr__(cursed, "cost", 3)
    futures = [scheduler.submit(cursed, doubled), scheduler.submit(task(4), doubled)]
    gate.let_end()

    assert isinstance(error(futures[0]), RuntimeError)
    assert result(futures[1]) == [8]


@pytest.mark.parametrize("raised", [ValueError(), SystemExit(2)])
def test_a_listener_of_a_future_that_raises_harms_nobody(make_scheduler: Make, raised: BaseException) -> None:
    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value), doubled) for value in range(4)]
    for future in futures[:2]:
        future.add_done_callback(lambda _: raiser(raised)())
    gate.let_end()

    assert [result(future) for future in futures] == [[0], [2], [4], [6]]
    assert scheduler.state().live_threads == 1


def test_a_judge_of_errors_that_raises_harms_no_later_batch(make_scheduler: Make) -> None:
    def alike(found: BaseException) -> bool:
        raise LookupError from found

    def compute(*_: object) -> list[list[int]]:
        raise ValueError

    scheduler, gate = make_scheduler(alike=alike), Gated()
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value), compute) for value in range(3)]
    gate.let_end()

    assert all(isinstance(error(future), LookupError) for future in futures)
    assert result(scheduler.submit(task(1), doubled)) == [2]


@pytest.mark.parametrize("raised", [ValueError(), KeyboardInterrupt()])
def test_an_interest_that_cannot_be_listened_to_leaves_nothing_behind(
    make_scheduler: Make, raised: BaseException
) -> None:
    class Deaf(Interest):
        def when_gone(self, _listener: Callable[[], None]) -> None:
            raise raised

    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)

    with pytest.raises(type(raised)):
        scheduler.submit(task(1, interest=Deaf()), doubled)
    assert scheduler.state().waiting_tasks == 0
    gate.let_end()


def test_a_future_cannot_be_cancelled_behind_the_schedulers_back(make_scheduler: Make) -> None:
    """A future cancelled by one caller is how other batchers came to lose the answers of everybody else."""
    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value), doubled) for value in (1, 2)]

    assert not futures[0].cancel()
    gate.let_end()
    assert [result(future) for future in futures] == [[2], [4]]


def test_a_future_resolved_by_somebody_else_harms_nobody(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value), doubled) for value in (1, 2)]
    futures[0].set_result([99])
    gate.let_end()

    assert result(futures[1]) == [4]
    assert result(scheduler.submit(task(3), doubled)) == [6]


def test_a_thousand_departures_waiting_batching_and_running(make_scheduler: Make) -> None:
    clock = ThreadClock()
    scheduler = make_scheduler(clock=clock)
    outcomes = {"answered": 0, "abandoned": 0}
    trials = 4 * 336  # three in four leave before they are answered: 1,008
    for trial in range(trials):
        gate, interest = Gated(), Interest()
        blocker = occupy(scheduler, gate)
        running = Gated()
        futures = [
            scheduler.submit(task(value, interest=interest if value == trial % 4 else None), running)
            for value in range(4)
        ]
        point = ("waiting", "batching", "running", "ended")[trial // 4 % 4]
        if point == "waiting":
            interest.leave()
        elif point == "batching":
            clock.arm(2 + trial // 16 % 3, interest.leave)  # when taken, when looked over, when begun
        gate.let_end()
        running.wait_begun()
        if point == "running":
            interest.leave()
        running.let_end()
        for value, future in enumerate(futures):
            if value != trial % 4:
                assert result(future) == [2 * value]
                outcomes["answered"] += 1
        left = error(futures[trial % 4])
        interest.leave()
        assert left is None if point == "ended" else isinstance(left, AbandonedError)
        outcomes["answered" if left is None else "abandoned"] += 1
        assert result(blocker) == [0]

    state = scheduler.state()
    assert outcomes == {"answered": 4 * trials - 1008, "abandoned": 1008}
    assert (state.answered, state.abandoned, state.failed) == (5 * trials - 1008, 1008, 0)
    assert state.live_threads == 1


def refuses_sevens(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
    if any(value % 7 == 0 for part in parts for value in part):
        raise ArithmeticError("seven")
    return doubled(parts, cancel)


def ask(scheduler: Scheduler[Values, int], value: int) -> bool:
    """Asks for one value, leaves if five divides it, and says whether all went as it should."""
    interest = Interest()
    try:
        future = scheduler.submit(task(value, caller=str(value % 16), interest=interest), refuses_sevens)
        if value % 5 == 0:
            interest.leave()
        return result(future) == [2 * value] and value % 7 != 0
    except AbandonedError:
        return value % 5 == 0
    except ArithmeticError:
        return value % 7 == 0


def test_many_callers_at_once_with_departures_and_bad_rows(make_scheduler: Make) -> None:
    """Real races: 16 callers, 2 threads, every fifth call is left and every seventh has a bad row."""
    scheduler = make_scheduler(threads=2, max_batch_cost=16)
    with ThreadPoolExecutor(16) as callers:
        assert all(callers.map(lambda value: ask(scheduler, value), range(960), timeout=SOON_S))

    assert scheduler.close(SOON_S)
    state = scheduler.state()
    assert state.answered + state.failed + state.abandoned == state.submitted == 960


@pytest.mark.parametrize(
    ("found", "alike", "personal"),
    [
        (BundleError("x"), True, False),
        (RuntimeUnavailableError("x"), True, False),
        (StoreError("x"), True, False),
        (ModelOutputError("x", whatever_rows=True), True, False),
        (ModelOutputError("x"), False, False),
        (InvalidRequestError("x"), False, False),
        (ValueError("x"), False, False),
        (AbandonedError("x"), False, True),
        (TooLateError("x"), False, True),
        (BusyError("x", 1.0), False, True),
        (SystemExit(1), False, True),
    ],
)
def test_whose_fault_it_is(found: BaseException, alike: bool, personal: bool) -> None:  # noqa: FBT001 - parametrised
    assert concerns_all(found) == alike
    assert is_personal(found) == personal
