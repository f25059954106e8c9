"""Batches, isolation, leaving, deadlines and closing, with real threads and computations that stand still on demand."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.engine.scheduling.doubles import (
    SOON_S,
    Clock,
    Gated,
    Values,
    doubled,
    error,
    limits,
    occupy,
    refuses_negatives,
    result,
    task,
)
from xaisvc.engine.scheduling import Bounds, Lane, Scheduler, SchedulerLimits, Task
from xaisvc.errors import AbandonedError, BundleError, BusyError, TooLateError
from xaisvc.types import Interest, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.engine.scheduling import Cancel

    Make = Callable[..., Scheduler[Values, int]]


def test_answers_come_in_the_order_of_the_rows(make_scheduler: Make) -> None:
    assert result(make_scheduler().submit(task(1, 2, 3), doubled)) == [2, 4, 6]


def test_run_waits_for_the_answers(make_scheduler: Make) -> None:
    assert make_scheduler().run(task(4), doubled) == [8]


def test_tables_are_rows() -> None:
    scheduler: Scheduler[Table, float] = Scheduler(
        SchedulerLimits(threads=1, max_batch_cost=2, bounds=Bounds(max_waiting_tasks=9, max_waiting_s=9.0))
    )

    def compute(parts: Sequence[Table], cancel: Cancel) -> list[list[float]]:
        del cancel
        rows = Table.concat(parts)
        ages = iter(rows.columns["age"])
        return [[float(next(ages)) for _ in range(len(part))] for part in parts]

    ages = np.array([20.0, 30.0, 40.0, 50.0, 60.0])
    asked = Task(key="k", rows=Table({"age": ages}), cost=5, lane=Lane.INTERACTIVE, caller="anna", interest=Interest())

    assert scheduler.run(asked, compute) == list(ages)
    assert scheduler.state().batches == 3
    assert scheduler.close(SOON_S)


def test_who_is_alone_never_waits(make_scheduler: Make) -> None:
    # The clock stands still: a wait for company of any length would never end.
    assert result(make_scheduler(clock=Clock(), linger_s=1e6).submit(task(1), doubled)) == [2]


def test_what_waits_under_one_key_is_one_batch(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value, caller=f"c{value}"), gate) for value in range(5)]
    gate.let_end(2)

    assert [result(future) for future in futures] == [[0], [2], [4], [6], [8]]
    assert sorted(gate.calls[1]) == [[0], [1], [2], [3], [4]]


def test_other_keys_and_lanes_are_other_batches(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)
    futures = [
        scheduler.submit(task(1, key="a"), gate),
        scheduler.submit(task(2, key="b"), gate),
        scheduler.submit(task(3, key="a", lane=Lane.BULK), gate),
        scheduler.submit(task(4, key="a"), gate),
    ]
    gate.let_end(4)

    assert [result(future) for future in futures] == [[2], [4], [6], [8]]
    assert sorted(map(sorted, gate.calls[1:])) == [[[1], [4]], [[2]], [[3]]]


def test_a_batch_costs_no_more_than_allowed(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(max_batch_cost=10), Gated()
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value, cost=4), gate) for value in range(5)]
    gate.let_end(4)

    assert [result(future) for future in futures] == [[0], [2], [4], [6], [8]]
    assert [len(call) for call in gate.calls[1:]] == [2, 2, 1]


def test_a_large_task_is_cut_and_others_get_their_turn_between(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(max_batch_cost=20), Gated()
    occupy(scheduler, gate)
    large = scheduler.submit(task(1, 2, 3, 4, 5, cost=50, caller="large"), gate)
    small = scheduler.submit(task(9, cost=10, caller="small", key="other"), gate)
    gate.let_end(5)

    assert result(large) == [2, 4, 6, 8, 10]
    assert result(small) == [18]
    assert gate.calls[1:] == [[[1, 2]], [[9]], [[3, 4]], [[5]]]


def test_a_row_that_costs_more_than_a_batch_runs_alone(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(max_batch_cost=5), Gated()
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value, cost=100), gate) for value in (1, 2)]
    gate.let_end(3)

    assert [result(future) for future in futures] == [[2], [4]]
    assert gate.calls[1:] == [[[1]], [[2]]]


def test_pieces_of_one_task_run_in_several_threads(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(threads=2, max_batch_cost=2), Gated()
    future = scheduler.submit(task(1, 2, 3, 4), gate)
    gate.wait_begun()
    gate.wait_begun()  # both pieces stand in a computation at once
    gate.let_end(2)

    assert result(future) == [2, 4, 6, 8]


def test_interactive_goes_before_bulk(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)
    bulk = scheduler.submit(task(1, lane=Lane.BULK), gate)
    interactive = scheduler.submit(task(2), gate)
    gate.let_end(3)

    assert (result(bulk), result(interactive)) == ([2], [4])
    assert gate.calls[1:] == [[[2]], [[1]]]


@pytest.mark.parametrize("bad", [(0,), (3,), (7,), (1, 6), (0, 1, 2, 3, 4, 5, 6, 7)])
def test_a_bad_row_fails_its_own_task_only(make_scheduler: Make, bad: tuple[int, ...]) -> None:
    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)
    runs: list[list[Values]] = []

    def compute(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
        runs.append(list(parts))
        return refuses_negatives(parts, cancel)

    rows = [-10 - place if place in bad else place for place in range(8)]
    futures = [scheduler.submit(task(row), compute) for row in rows]
    gate.let_end()

    for place, future in enumerate(futures):
        if place in bad:
            assert isinstance(error(future), ArithmeticError)
            assert str(error(future)) == f"[{rows[place]}] are negative"  # its own error, not a neighbour's
        else:
            assert result(future) == [2 * place]
    assert len(runs) <= 2 * 8 - 1
    for row in rows:
        assert sum([row] in run for run in runs) <= 1 + math.log2(8)
    assert scheduler.state().failed == len(bad)


def test_an_error_that_concerns_all_fails_all_at_once(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(), Gated()
    occupy(scheduler, gate)
    runs = []

    def compute(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
        del cancel
        runs.append(parts)
        raise BundleError("the model is gone")

    futures = [scheduler.submit(task(row), compute) for row in range(8)]
    gate.let_end()

    assert all(isinstance(error(future), BundleError) for future in futures)
    assert len(runs) == 1


@pytest.mark.parametrize("answers", [[], [[1], [2]], [[]], [[1, 2]], None, [None]])
def test_a_computation_that_returns_nonsense_fails_the_task(make_scheduler: Make, answers: object) -> None:
    scheduler = make_scheduler()

    assert error(scheduler.submit(task(1), lambda *_: answers)) is not None  # type: ignore[arg-type]
    assert result(scheduler.submit(task(1), doubled)) == [2]


@pytest.mark.parametrize("raised", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), MemoryError(), TimeoutError()])
def test_nothing_that_a_computation_raises_ends_its_thread(make_scheduler: Make, raised: BaseException) -> None:
    scheduler = make_scheduler()

    def compute(*_: object) -> list[list[int]]:
        raise raised

    found = error(scheduler.submit(task(1), compute))

    assert isinstance(found, Exception)  # even where the end of the program was raised
    assert found is raised or str(found) == f"the computation was ended by {type(raised).__name__}"
    assert scheduler.run(task(1), doubled) == [2]
    assert scheduler.state().live_threads == 1


def test_who_leaves_while_waiting_is_never_computed(make_scheduler: Make) -> None:
    scheduler, gate, interest = make_scheduler(), Gated(), Interest()
    occupy(scheduler, gate)
    left = scheduler.submit(task(1, interest=interest), gate)
    stayed = scheduler.submit(task(2), gate)
    interest.leave()

    assert left.done()  # at once: the blocker still runs
    assert isinstance(left.exception(), AbandonedError)
    assert scheduler.state().waiting_tasks == 1
    gate.let_end(2)
    assert result(stayed) == [4]
    assert gate.calls[1:] == [[[2]]]


def test_who_leaves_while_running_harms_nobody(make_scheduler: Make) -> None:
    scheduler, gate, interest = make_scheduler(), Gated(), Interest()
    occupy(scheduler, gate)
    left = scheduler.submit(task(1, interest=interest), gate)
    stayed = [scheduler.submit(task(value), gate) for value in (2, 3, 4)]
    gate.let_end()
    gate.wait_begun()
    interest.leave()

    assert isinstance(left.exception(0), AbandonedError)  # at once: the batch still runs
    assert not gate.cancels[1]()
    gate.let_end()
    assert [result(future) for future in stayed] == [[4], [6], [8]]


def test_a_waiting_thread_wakes_when_its_caller_leaves(make_scheduler: Make) -> None:
    scheduler, gate, interest = make_scheduler(), Gated(), Interest()
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            scheduler.run(task(1, interest=interest), gate)
        except AbandonedError as found:
            caught.append(found)

    thread = threading.Thread(target=ask)
    thread.start()
    gate.wait_begun()
    interest.leave()
    thread.join(SOON_S)

    assert len(caught) == 1  # while the computation still stands in its gate
    gate.let_end()


def test_the_computation_is_called_off_when_the_last_one_is_gone_or_late(make_scheduler: Make) -> None:
    clock = Clock()
    scheduler, gate = make_scheduler(clock=clock), Gated()
    occupy(scheduler, gate)
    gone, late = Interest(), Interest(until=clock.now + 10)
    futures = [scheduler.submit(task(1, interest=interest), gate) for interest in (gone, late)]
    gate.let_end()
    gate.wait_begun()
    cancel = gate.cancels[1]

    assert not cancel()
    gone.leave()
    assert not cancel()
    clock.now += 10
    assert cancel()
    gate.let_end()
    assert isinstance(error(futures[0]), AbandonedError)
    assert result(futures[1]) == [2]  # it was computed all the same, and somebody may keep it


def test_whose_work_was_called_off_by_the_deadline_is_too_late(make_scheduler: Make) -> None:
    clock = Clock()

    def stops(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
        del parts
        clock.now += 10
        assert cancel()
        raise AbandonedError("nobody waits")

    scheduler = make_scheduler(clock=clock)

    assert isinstance(error(scheduler.submit(task(1, interest=Interest(clock.now + 5)), stops)), TooLateError)
    assert scheduler.state().late == 1


def test_a_deadline_that_passes_while_waiting_means_never_computed(make_scheduler: Make) -> None:
    clock = Clock()
    scheduler, gate = make_scheduler(clock=clock), Gated()
    occupy(scheduler, gate)
    late = scheduler.submit(task(1, interest=Interest(clock.now + 5)), gate)
    stayed = scheduler.submit(task(2, interest=Interest(clock.now + 50)), gate)
    clock.now += 5
    gate.let_end(2)

    assert isinstance(error(late), TooLateError)
    assert result(stayed) == [4]
    assert gate.calls[1:] == [[[2]]]


def test_a_deadline_that_has_passed_is_refused_at_once(make_scheduler: Make) -> None:
    clock = Clock()
    scheduler = make_scheduler(clock=clock)

    with pytest.raises(TooLateError, match="deadline"):
        scheduler.submit(task(1, interest=Interest(clock.now)), doubled)
    assert scheduler.state().late == 1
    assert scheduler.state().submitted == 0


def test_who_has_left_already_is_refused_at_once(make_scheduler: Make) -> None:
    interest = Interest()
    interest.leave()

    with pytest.raises(AbandonedError, match="left"):
        make_scheduler().submit(task(1, interest=interest), doubled)


def test_a_full_lane_refuses_at_once_and_the_other_lane_does_not(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(bounds=Bounds(max_waiting_tasks=2, max_waiting_s=1e9)), Gated()
    occupy(scheduler, gate)
    taken = [scheduler.submit(task(value, lane=Lane.BULK), gate) for value in (1, 2)]

    with pytest.raises(BusyError, match="2 requests are waiting already") as caught:
        scheduler.submit(task(3, lane=Lane.BULK), gate)
    with pytest.raises(BusyError, match="2 requests are waiting already"):
        scheduler.check_room(Lane.BULK, "anna", Interest())
    scheduler.check_room(Lane.INTERACTIVE, "anna", Interest())
    taken.append(scheduler.submit(task(3), gate))
    gate.let_end(3)

    assert caught.value.retry_after_s > 0
    assert [result(future) for future in taken] == [[2], [4], [6]]
    assert scheduler.state().refused == 2


def test_those_whose_deadline_has_passed_take_nobodys_room(make_scheduler: Make) -> None:
    clock = Clock()
    scheduler = make_scheduler(clock=clock, bounds=Bounds(max_waiting_tasks=1, max_waiting_s=1e9))
    gate = Gated()
    occupy(scheduler, gate)
    late = scheduler.submit(task(1, interest=Interest(clock.now + 1)), gate)
    clock.now += 1
    taken = scheduler.submit(task(2), gate)

    assert isinstance(late.exception(0), TooLateError)
    gate.let_end(2)
    assert result(taken) == [4]


def test_long_work_ahead_refuses_and_says_when_to_come_back(make_scheduler: Make) -> None:
    clock = Clock()
    scheduler = make_scheduler(
        clock=clock, bounds=Bounds(max_waiting_tasks=99, max_waiting_s=5.0), start_s_per_cost=0.1
    )
    gate = Gated()
    occupy(scheduler, gate)
    taken = scheduler.submit(task(1, cost=80), gate)

    with pytest.raises(BusyError, match=r"takes about 8.1 seconds") as caught:
        scheduler.submit(task(2), gate)
    assert caught.value.retry_after_s == pytest.approx(8.1 - 2.5)  # sums of the same few floats
    gate.let_end(2)
    assert result(taken) == [2]


@pytest.mark.parametrize(("key", "cost"), [("exact", 1), ("sampled", 25_600)])
def test_a_first_batch_that_took_long_makes_nobody_think_the_rest_does(
    make_scheduler: Make, key: str, cost: int
) -> None:
    clock = Clock()
    scheduler = make_scheduler(
        clock=clock, bounds=Bounds(max_waiting_tasks=99, max_waiting_s=5.0), start_s_per_cost=1e-6
    )

    def compiled_first(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
        clock.now += 3.0
        return doubled(parts, cancel)

    assert result(scheduler.submit(task(1, key="exact", cost=1), compiled_first)) == [2]
    gate = Gated()
    occupy(scheduler, gate)
    taken = [scheduler.submit(task(value, key=key, cost=cost), gate) for value in range(20)]
    gate.let_end(21)
    assert [result(one) for one in taken] == [[2 * value] for value in range(20)]


def test_closing_lets_everything_taken_end_and_takes_no_more(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(), Gated()
    running = occupy(scheduler, gate)
    waiting = [scheduler.submit(task(value), gate) for value in (1, 2)]
    outcome: list[bool] = []
    closer = threading.Thread(target=lambda: outcome.append(scheduler.close(SOON_S)))
    closer.start()
    while True:  # the closing thread is on its way; nothing else is started or ended meanwhile
        try:
            waiting.append(scheduler.submit(task(3, key="late"), gate))
        except BusyError as refused:
            message = str(refused)
            break
    gate.let_end(len(waiting) + 1)
    closer.join(SOON_S)

    assert "shutting down" in message
    assert outcome == [True]
    assert [result(future) for future in [running, *waiting]][:3] == [[0], [2], [4]]
    assert scheduler.state().live_threads == 0


def test_what_is_not_done_after_the_grace_time_fails(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(), Gated()
    running = occupy(scheduler, gate)
    waiting = scheduler.submit(task(1), gate)

    assert not scheduler.close(0)
    for future in (running, waiting):
        with pytest.raises(BusyError, match="shutting down"):
            future.result(0)
    assert gate.cancels[0]()  # the computation is told
    gate.let_end()
    assert len(gate.calls) == 1
    assert scheduler.state().dropped == 2


def test_closing_twice_and_closing_when_idle(make_scheduler: Make) -> None:
    scheduler = make_scheduler(threads=3)

    assert scheduler.close(SOON_S)
    assert scheduler.close(SOON_S)
    assert scheduler.state().live_threads == 0
    with pytest.raises(BusyError, match="shutting down"):
        scheduler.submit(task(1), doubled)


def test_a_future_may_ask_for_more_when_it_ends(make_scheduler: Make) -> None:
    scheduler = make_scheduler()
    more: list[list[int]] = []
    told = threading.Event()

    def again(_: object) -> None:
        more.append([])
        scheduler.submit(task(2), doubled).add_done_callback(lambda future: (more.append(future.result()), told.set()))

    scheduler.submit(task(1), doubled).add_done_callback(again)

    assert told.wait(SOON_S)
    assert more == [[], [4]]


def with_company(scheduler: Scheduler[Values, int], gate: Gated, lane: Lane = Lane.INTERACTIVE) -> None:
    """Two tasks of the key "key" computed together."""
    occupy(scheduler, gate)
    pair = [scheduler.submit(task(value, lane=lane), gate) for value in (1, 2)]
    gate.let_end(2)
    assert [result(future) for future in pair] == [[2], [4]]


def test_company_is_waited_for_until_it_is_there(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(clock=Clock(), linger_s=1e6), Gated()
    with_company(scheduler, gate)

    one = scheduler.submit(task(3), gate)
    assert not one.done()
    assert len(gate.calls) == 2
    two = scheduler.submit(task(4), gate)
    gate.let_end()

    assert (result(one), result(two)) == ([6], [8])
    assert gate.calls[2] == [[3], [4]]


def test_company_that_stays_away_is_waited_for_no_longer_than_that(make_scheduler: Make) -> None:
    clock = Clock()
    scheduler, gate = make_scheduler(clock=clock, linger_s=SOON_S), Gated()
    with_company(scheduler, gate)

    one = scheduler.submit(task(3), gate)
    assert not one.done()
    clock.now += SOON_S
    other = scheduler.submit(task(4, key="other"), gate)  # makes the thread look
    gate.let_end(2)

    assert (result(one), result(other)) == ([6], [8])
    assert gate.calls[2:] == [[[3]], [[4]]]


def test_bulk_tasks_wait_for_no_company(make_scheduler: Make) -> None:
    scheduler, gate = make_scheduler(clock=Clock(), linger_s=1e6), Gated()
    with_company(scheduler, gate, Lane.BULK)
    gate.let_end()

    assert result(scheduler.submit(task(3, lane=Lane.BULK), gate)) == [6]


def test_the_gauges_add_up(make_scheduler: Make) -> None:
    clock = Clock()
    scheduler, gate, interest = make_scheduler(clock=clock), Gated(refuses_negatives), Interest()
    occupy(scheduler, gate)
    futures = [scheduler.submit(task(value, value, cost=7), gate) for value in (1, 2, 3)]
    futures.append(scheduler.submit(task(-1), gate))
    futures.append(scheduler.submit(task(5, interest=interest, lane=Lane.BULK, cost=9), gate))
    state = scheduler.state()

    assert (state.waiting_tasks, state.waiting_bulk_tasks, state.waiting_cost) == (5, 1, 31)
    assert (state.running_batches, state.submitted, state.live_threads) == (1, 6, 1)
    assert state.waiting_s == pytest.approx(0.032)  # 1 running and 31 waiting model rows of 1 ms, in float sums
    interest.leave()
    clock.now += 2
    gate.let_end(99)
    for future in futures:
        error(future)
    assert scheduler.close(SOON_S)
    state = scheduler.state()

    assert (state.waiting_tasks, state.waiting_cost, state.running_batches) == (0, 0, 0)
    assert (state.answered, state.failed, state.abandoned, state.late, state.dropped) == (4, 1, 1, 0, 0)
    assert (state.batches, state.batch_tasks, state.batch_rows, state.batch_cost) == (2, 5, 8, 23)
    assert state.batch_sizes == (1, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    assert state.waited_s == 8.0
    assert state.computed_s == 2.0


def test_a_task_has_rows_and_a_cost() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        task()
    with pytest.raises(ValueError, match="cost: 0 model rows"):
        task(1, cost=0)


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"max_batch_cost": 0}, {"bulk_every": 1}, {"linger_s": -0.1}])
def test_limits_that_would_stop_all_work_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        limits(**wrong)
