"""Everything that the threads of a scheduler share, behind one lock."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from xaisvc.engine.scheduling.admission import Load, check_room
from xaisvc.engine.scheduling.entry import Entry
from xaisvc.engine.scheduling.faults import as_exception
from xaisvc.engine.scheduling.gauges import Counts
from xaisvc.engine.scheduling.lanes import WaitingLanes
from xaisvc.engine.scheduling.pace import Pace
from xaisvc.engine.scheduling.task import Answer, Lane, RowsT
from xaisvc.engine.scheduling.waiting import wait_limit
from xaisvc.errors import AbandonedError, BusyError, TooLateError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from xaisvc.engine.scheduling.entry import Piece
    from xaisvc.engine.scheduling.gauges import SchedulerState
    from xaisvc.engine.scheduling.limits import SchedulerLimits
    from xaisvc.engine.scheduling.task import Compute, Task

_CLOSING = "the service is shutting down and takes no more work; ask again elsewhere or later"
_CLOSING_RETRY_S = 1.0

FEW_ROWS = 16
"""So many rows share the fixed cost of a computation however long they take: some ten cost as much as that."""
_LEAST_S = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[RowsT, Answer]):
    """Pieces that are computed together.

    Attributes:
        pieces: At least one; of several tasks with the same key.
        started_at: Reading of the clock.
        estimate_s: Seconds that it is thought to take.
    """

    pieces: Sequence[Piece[RowsT, Answer]]
    started_at: float
    estimate_s: float


class Desk(Generic[RowsT, Answer]):
    """Takes tasks in, hands batches out and settles what was found.

    An entry is marked as done under the lock, by one thread only, which then resolves its future without the lock: so
    no future is resolved twice or forgotten, and nothing that a future calls back can block the others.
    """

    def __init__(self, limits: SchedulerLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)  # something waits and nobody lingers over it, or all is over
        self._gathered = threading.Condition(self._lock)  # nobody is missing any more
        self._is_lingering = False  # one thread at most waits for company
        self._empty = threading.Condition(self._lock)  # nothing is open
        self._waiting: WaitingLanes[RowsT, Answer] = WaitingLanes(limits.bulk_every)
        self._open: set[Entry[RowsT, Answer]] = set()  # every entry that is not done
        self._running: set[Batch[RowsT, Answer]] = set()
        self._pace = Pace(limits.start_s_per_cost)
        self._counts = Counts()
        self._arrivals = 0
        self._is_closing = False
        self._is_over = False

    def check_room(self, lane: Lane, caller: str, until: float) -> None:
        """Refuses what `enter` would refuse."""
        now = self._clock()
        self._sweep(now)
        with self._lock:
            self._check_room(lane, caller, until, now)

    def enter(self, task: Task[RowsT], compute: Compute[RowsT, Answer]) -> Entry[RowsT, Answer]:
        """Lets a task wait.

        Raises:
            TooLateError: If its deadline has passed.
            BusyError: If there is no room, or the desk is closed.
        """
        now = self._clock()
        self._sweep(now)
        with self._lock:
            self._check_room(task.lane, task.caller, task.interest.until, now)
            entry: Entry[RowsT, Answer] = Entry(
                task,
                compute,
                number=self._arrivals,
                submitted_at=now,
                estimate_s=self._pace.seconds(task.key, task.cost),
            )
            self._arrivals += 1
            self._waiting.add(entry)
            self._open.add(entry)
            self._counts.submitted += 1
            if not self._is_lingering:
                self._ready.notify()
            elif self._linger_s(now) <= 0:  # a thread that is woken for every task costs more than the tasks
                self._gathered.notify()
        return entry

    def leave(self, entry: Entry[RowsT, Answer]) -> None:
        """Ends an entry whose caller has left, waiting or running."""
        with self._lock:
            if not self._end(entry):
                return
            self._counts.abandoned += 1
        _fail([entry], AbandonedError("the caller left before the answer was ready"))

    def next_batch(self) -> Batch[RowsT, Answer] | None:
        """Waits for work and takes a batch; None once all is over."""
        while True:
            with self._lock:
                while not self._is_over and (self._is_lingering or not len(self._waiting)):
                    self._ready.wait()
            now = self._clock()
            self._sweep(now)
            with self._lock:
                if self._is_over:
                    return None
                if self._is_lingering or not len(self._waiting):
                    continue
                linger_s = self._linger_s(now)
                if linger_s > 0:
                    self._is_lingering = True
                    try:
                        self._gathered.wait(wait_limit(linger_s))
                    finally:
                        self._is_lingering = False
                    continue
                pieces = self._waiting.pick(self._room())
                batch = Batch(pieces, now, sum(p.entry.estimate_s * p.cost / p.entry.task.cost for p in pieces))
                self._running.add(batch)
                key = pieces[0].entry.task.key
                self._pace.meet(key, self._running_under(key))
                self._counts.count_batch(
                    tasks=len(pieces), rows=sum(map(len, pieces)), cost=sum(piece.cost for piece in pieces)
                )
                self._counts.waited_s += sum(now - piece.entry.submitted_at for piece in pieces if not piece.start)
                if len(self._waiting):
                    self._ready.notify()
                return batch

    def drop_unwanted(self, pieces: Iterable[Piece[RowsT, Answer]]) -> list[Piece[RowsT, Answer]]:
        """The pieces that somebody still waits for. Entries whose deadline has passed are ended."""
        now = self._clock()
        with self._lock:
            wanted = [piece for piece in pieces if piece.entry.wanted(now)]
            # Whoever left is ended by `leave`, which is on its way: here it is enough not to compute for them.
            late = [p.entry for p in pieces if now >= p.entry.task.interest.until and self._end(p.entry)]
            self._counts.late += len(late)
        _fail(late, _late())
        return wanted

    def settle(self, pieces: Sequence[Piece[RowsT, Answer]], found: Sequence[list[Answer]], seconds: float) -> None:
        """Keeps the answers of pieces that were computed together in `seconds`."""
        whole: list[tuple[Entry[RowsT, Answer], list[Answer]]] = []
        key = pieces[0].entry.task.key
        try:
            with self._lock:
                self._pace.observe(key, sum(piece.cost for piece in pieces), seconds)
                self._counts.computed_s += seconds
                for piece, answers in zip(pieces, found, strict=True):
                    entry = piece.entry
                    if not entry.done and entry.keep(piece, answers):
                        whole.append((entry, entry.answers()))
                        self._end(entry)
                        self._counts.answered += 1
        finally:  # even where one answer made trouble, the others are given
            for entry, every in whole:
                entry.resolve(every)

    def settle_error(self, pieces: Iterable[Piece[RowsT, Answer]], error: BaseException) -> None:
        """Fails the entries of these pieces; the rest of their rows is not computed."""
        with self._lock:
            failed = [piece.entry for piece in pieces if self._end(piece.entry)]
            self._counts.failed += len(failed)
        _fail(failed, as_exception(error))

    def count_reruns(self, count: int, seconds: float) -> None:
        """Counts a computation that failed after `seconds` and is tried again in `count` parts."""
        with self._lock:
            self._counts.reruns += count
            self._counts.computed_s += seconds

    def end_batch(self, batch: Batch[RowsT, Answer]) -> None:
        """Says that nothing of a batch is being computed any more."""
        with self._lock:
            self._running.discard(batch)

    def fail_waiting(self, error: BaseException) -> None:
        """Fails whatever is not wholly in running batches: a fault in the books themselves leaves nobody waiting."""
        with self._lock:
            running = {piece.entry for batch in self._running for piece in batch.pieces}
            lost = [entry for entry in self._open if entry not in running or not entry.is_cut_up]
            self._open.difference_update(lost)
            for entry in lost:
                entry.done = True
            self._waiting = WaitingLanes(self._limits.bulk_every)
            self._counts.failed += len(lost)
            self._empty.notify_all()
        _fail(lost, as_exception(error))

    def close(self, grace_s: float) -> bool:
        """Takes no more and waits until nothing is open, at most `grace_s`; then fails the rest.

        Returns:
            Whether nothing had to be failed.
        """
        end = self._clock() + grace_s
        with self._lock:
            self._is_closing = True
            self._ready.notify_all()
            self._gathered.notify_all()  # nobody lingers any more
            while self._open and (left := end - self._clock()) > 0:
                self._empty.wait(wait_limit(left))
            dropped = [entry for entry in list(self._open) if self._end(entry)]
            self._counts.dropped += len(dropped)
            self._is_over = True
            self._ready.notify_all()
        _fail(dropped, BusyError(_CLOSING, _CLOSING_RETRY_S))
        return not dropped

    def state(self, live_threads: int) -> SchedulerState:
        """One reading of every gauge."""
        now = self._clock()
        with self._lock:
            return self._counts.reading(
                waiting_tasks=len(self._waiting),
                waiting_bulk_tasks=len(self._waiting[Lane.BULK]),
                waiting_cost=self._waiting.cost,
                waiting_s=self._wait_s(Lane.BULK, now),
                running_batches=len(self._running),
                live_threads=live_threads,
            )

    def _check_room(self, lane: Lane, caller: str, until: float, now: float) -> None:
        if self._is_closing:
            self._counts.refused += 1
            raise BusyError(_CLOSING, _CLOSING_RETRY_S)
        waiting = self._waiting[lane]
        load = Load(lane_tasks=len(waiting), caller_tasks=waiting.tasks_of(caller), wait_s=self._wait_s(lane, now))
        try:
            check_room(self._limits.bounds, load, left_s=until - now)
        except TooLateError:
            self._counts.late += 1
            raise
        except BusyError:
            self._counts.refused += 1
            raise

    def _wait_s(self, lane: Lane, now: float) -> float:
        """Seconds until a new task of this lane is thought to have its turn."""
        if not len(self._waiting) and len(self._running) < self._limits.threads:
            return 0.0
        running = sum(max(0.0, batch.started_at + batch.estimate_s - now) for batch in self._running)
        return (running + self._waiting.seconds_before(lane)) / self._limits.threads

    def _linger_s(self, now: float) -> float:
        """Seconds to wait for company before the next batch is taken; 0 or less to take it now."""
        if not self._limits.linger_s or self._is_closing:
            return 0.0
        lane = self._waiting.due()
        head = lane.head()
        key = head.task.key
        if head.task.lane is Lane.BULK or lane.cost_of(key) >= self._room():
            return 0.0
        if lane.tasks_under(key) + self._running_under(key) >= self._pace.company(key):
            return 0.0  # nobody is missing
        return head.submitted_at + self._limits.linger_s - now

    def _room(self) -> int:
        """Model rows that the next batch may hold: as many as make `max_batch_s`, but enough rows to share a call."""
        task = self._waiting.due().head().task
        enough = FEW_ROWS * task.cost // len(task.rows)
        second = self._limits.max_batch_s / max(self._pace.seconds(task.key, 1), _LEAST_S)
        return min(self._limits.max_batch_cost, max(enough, int(second)))

    def _running_under(self, key: Hashable) -> int:
        """Tasks of a key in running batches."""
        return sum(len(batch.pieces) for batch in self._running if batch.pieces[0].entry.task.key == key)

    def _sweep(self, now: float) -> None:
        """Ends whatever waits although its deadline has passed."""
        with self._lock:
            late = [entry for entry in self._waiting.take_late(now) if self._end(entry)]
            self._counts.late += len(late)
        _fail(late, _late())

    def _end(self, entry: Entry[RowsT, Answer]) -> bool:
        """Marks an entry as done, under the lock. True for the one who must then resolve its future."""
        if entry.done:
            return False
        self._waiting.discard(entry)
        self._open.discard(entry)
        entry.done = True
        if not self._open:
            self._empty.notify_all()
        return True


def _late() -> TooLateError:
    return TooLateError("the deadline passed before the answer was ready; the work was not begun, or was stopped")


def _fail(entries: Iterable[Entry[RowsT, Answer]], error: Exception) -> None:
    for entry in entries:
        entry.resolve(error)
