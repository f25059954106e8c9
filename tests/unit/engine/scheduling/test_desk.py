"""The books of a scheduler under every order of events, in one thread: no future is lost, none ends twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.engine.scheduling.doubles import PLENTY, Clock, Values, doubled, limits, task
from xaisvc.engine.scheduling import Bounds, Lane
from xaisvc.engine.scheduling.desk import FEW_ROWS, Desk
from xaisvc.errors import AbandonedError, BusyError, TooLateError
from xaisvc.types import Interest

if TYPE_CHECKING:
    from xaisvc.engine.scheduling.desk import Batch
    from xaisvc.engine.scheduling.entry import Entry

CALLERS, KEYS = st.sampled_from("abc"), st.sampled_from(["k", "l"])


class DeskMachine(RuleBasedStateMachine):
    """Plays callers, compute threads and the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.desk: Desk[Values, int] = Desk(
            limits(max_batch_cost=12, bounds=Bounds(max_waiting_tasks=6, max_waiting_s=1e9)), self.clock
        )
        self.entries: list[Entry[Values, int]] = []
        self.running: list[Batch[Values, int]] = []
        self.ended: dict[Entry[Values, int], int] = {}
        self.refused = 0
        self.refused_late = 0
        self.is_closed = False

    @rule(
        caller=CALLERS,
        key=KEYS,
        lane=st.sampled_from(Lane),
        rows=st.integers(1, 5),
        cost=st.integers(1, 30),
        time=st.integers(0, 20) | st.just(float("inf")),
    )
    def enter(self, *, caller: str, key: str, lane: Lane, rows: int, cost: int, time: float) -> None:  # noqa: PLR0913 - one draw each
        interest = Interest(self.clock.now + time)
        asked = task(*range(rows), key=key, cost=cost, lane=lane, caller=caller, interest=interest)
        room = sum(
            not e.is_cut_up and not e.done and self.clock.now < e.task.interest.until and e.task.lane is lane
            for e in self.entries
        )
        try:
            entry = self.desk.enter(asked, doubled)
        except TooLateError:
            assert time == 0
            self.refused_late += 1
        except BusyError:
            # Full by count, or the work ahead is certain to take longer than there is time.
            assert self.is_closed or room == 6 or self.desk.state(0).waiting_s > 2 * time
            self.refused += 1
        else:
            assert room < 6
            assert not self.is_closed
            interest.when_gone(lambda: self.desk.leave(entry))
            entry.future.add_done_callback(lambda _: self.ended.update({entry: self.ended.get(entry, 0) + 1}))
            self.entries.append(entry)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.entries))
        was_done = entry.future.done()
        entry.task.interest.leave()
        assert entry.future.done()
        assert was_done or isinstance(entry.future.exception(), AbandonedError)

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @precondition(lambda self: not self.is_closed and self._in_time())
    @rule()
    def next_batch(self) -> None:
        batch = self.desk.next_batch()
        assert batch is not None
        assert all(piece.entry.wanted(self.clock.now) for piece in batch.pieces)
        self.running.append(batch)

    def _in_time(self) -> bool:
        return any(not e.is_cut_up and e.wanted(self.clock.now) for e in self.entries)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), seconds=st.integers(0, 3))
    def succeed(self, data: st.DataObject, seconds: int) -> None:
        batch = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.clock.now += seconds
        found = [[2 * value for value in piece.rows()] for piece in batch.pieces]
        self.desk.settle(batch.pieces, found, seconds)
        self.desk.end_batch(batch)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        batch = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        wanted = self.desk.drop_unwanted(batch.pieces)
        assert all(piece.entry.wanted(self.clock.now) for piece in wanted)
        self.desk.settle_error(batch.pieces, ArithmeticError("bad row"))
        self.desk.end_batch(batch)
        assert all(piece.entry.future.done() for piece in batch.pieces)

    @rule()
    def fail_waiting(self) -> None:
        self.desk.fail_waiting(ArithmeticError("broken books"))
        running = {piece.entry for batch in self.running for piece in batch.pieces}
        assert all(entry.future.done() for entry in self.entries if entry not in running or not entry.is_cut_up)

    @rule()
    def close(self) -> None:
        open_before = [entry for entry in self.entries if not entry.future.done()]
        assert self.desk.close(0) == (not open_before)
        assert all(isinstance(entry.future.exception(), BusyError) for entry in open_before)
        self.is_closed = True

    @invariant()
    def done_means_resolved_once(self) -> None:
        for entry in self.entries:
            assert entry.done == entry.future.done()
            assert self.ended.get(entry, 0) == int(entry.done)
            if entry.done and entry.future.exception() is None:
                assert entry.future.result() == [2 * value for value in range(len(entry))]

    @invariant()
    def the_books_add_up(self) -> None:
        state = self.desk.state(0)
        ended = state.answered + state.failed + state.abandoned + state.late - self.refused_late + state.dropped
        still_open = [entry for entry in self.entries if not entry.done]
        waiting = [entry for entry in still_open if not entry.is_cut_up]

        assert state.submitted == len(self.entries) == ended + len(still_open)
        assert state.refused == self.refused
        assert state.waiting_tasks == len(waiting)
        assert state.waiting_cost == sum(entry.cost_left for entry in waiting)
        assert state.running_batches == len(self.running)

    def teardown(self) -> None:
        self.desk.close(0)
        assert all(entry.future.done() for entry in self.entries)


DeskMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestDesk = DeskMachine.TestCase


@pytest.mark.parametrize(
    ("seconds", "rows"),
    [(0.1, 40), (1.0, 20), (10.0, FEW_ROWS)],
    ids=["all fit", "about a second", "never fewer than make a batch worth it"],
)
def test_a_batch_takes_about_a_second_so_that_other_threads_have_work(seconds: float, rows: int) -> None:
    desk: Desk[Values, int] = Desk(limits(max_batch_cost=1000, bounds=PLENTY), Clock())
    for _ in range(2):  # nothing is learnt from a key's first batch
        desk.enter(task(*range(20), cost=200), doubled)
        measured = desk.next_batch()
        assert measured is not None
        desk.settle(measured.pieces, [list(range(20))], seconds)  # 200 model rows took so long
        desk.end_batch(measured)
    for i in range(40):
        desk.enter(task(i, cost=10), doubled)
    batch = desk.next_batch()

    assert batch is not None
    assert len(batch.pieces) == rows
