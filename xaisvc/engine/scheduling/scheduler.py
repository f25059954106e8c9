"""Few threads compute what many callers ask, in batches that are fair and that no caller can spoil for another."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Generic

from xaisvc.engine.scheduling.batch import compute_batch
from xaisvc.engine.scheduling.desk import Desk
from xaisvc.engine.scheduling.faults import concerns_all
from xaisvc.engine.scheduling.task import Answer, RowsT
from xaisvc.engine.scheduling.waiting import wait_for
from xaisvc.errors import AbandonedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from xaisvc.engine.scheduling.entry import Entry
    from xaisvc.engine.scheduling.gauges import SchedulerState
    from xaisvc.engine.scheduling.limits import SchedulerLimits
    from xaisvc.engine.scheduling.task import Compute, Lane, Task
    from xaisvc.types import Interest

_JOIN_S = 1.0  # a thread with nothing to compute ends at once; one whose computation ignores `cancel` is left behind


class Scheduler(Generic[RowsT, Answer]):
    """Computes tasks of equal key and lane together, as many as wait when a thread becomes free.

    Every future it gives out ends: with the answers, with the error of that task's own rows, with AbandonedError as
    soon as the caller leaves, or with TooLateError if the deadline passed before the work began. Callers leave through
    the interest of their task; the futures themselves cannot be cancelled.

    A batch of several tasks that fails is computed again in halves until each task at fault stands alone. An error
    that concerns all alike fails all at once.

    Args:
        limits: How much is computed and kept waiting.
        clock: Monotonic, in seconds; the scale of `Interest.until`.
        alike: Whether an error would meet every task of the key.
    """

    def __init__(
        self,
        limits: SchedulerLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        alike: Callable[[BaseException], bool] = concerns_all,
    ) -> None:
        self._clock = clock
        self._alike = alike
        self._desk: Desk[RowsT, Answer] = Desk(limits, clock)
        self._threads = [
            threading.Thread(target=self._work, name=f"compute-{place}", daemon=True) for place in range(limits.threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task[RowsT], compute: Compute[RowsT, Answer]) -> Future[list[Answer]]:
        """Takes a task and returns at once. The future's answers are in the order of the task's rows.

        Raises:
            AbandonedError: If the caller has left already.
            TooLateError: If the deadline has passed.
            BusyError: If there is no room, or the scheduler is closing.
        """
        _check_wanted(task.interest)
        entry = self._desk.enter(task, compute)
        try:
            task.interest.when_gone(_Leaver(self._desk, entry))
        except BaseException:
            self._desk.leave(entry)
            raise
        return entry.future

    def run(self, task: Task[RowsT], compute: Compute[RowsT, Answer]) -> list[Answer]:
        """Submits a task and waits for its answers, never longer than its caller does.

        Raises:
            AbandonedError: If the caller left.
            TooLateError: If the deadline passed.
            BusyError: If there is no room, or the scheduler is closing.
            Exception: Whatever the computation of these rows raised.
        """
        return wait_for(self.submit(task, compute), task.interest, self._clock)

    def check_room(self, lane: Lane, caller: str, interest: Interest) -> None:
        """Refuses what `submit` would refuse, so that nothing is read or allocated for it. Errors as `submit`."""
        _check_wanted(interest)
        self._desk.check_room(lane, caller, interest.until)

    def close(self, grace_s: float) -> bool:
        """Takes no more, and finishes what waits and runs; what is not done after the grace time fails with BusyError.

        Computations that still run then are told so by `cancel`. With a grace time of 0 nothing more is begun. A second
        call, from another thread, can only make the grace time shorter.

        Returns:
            Whether nothing had to be failed.
        """
        in_time = self._desk.close(grace_s)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)
        return in_time

    def state(self) -> SchedulerState:
        """One reading of every gauge."""
        return self._desk.state(sum(thread.is_alive() for thread in self._threads))

    def _work(self) -> None:
        """What a compute thread does. No exception ends it, and none leaves a future without an end."""
        desk = self._desk
        while True:
            try:
                batch = desk.next_batch()
            except BaseException as error:  # noqa: BLE001 - a clock or a key that raises must not end the thread
                desk.fail_waiting(error)
                continue
            if batch is None:
                return
            try:
                compute_batch(desk, batch.pieces, clock=self._clock, alike=self._alike)
            except BaseException as error:  # noqa: BLE001 - as above; the computation's own errors never come here
                desk.settle_error(batch.pieces, error)
            finally:
                desk.end_batch(batch)


class _Leaver(Generic[RowsT, Answer]):
    """Ends an entry when its caller leaves, and keeps nothing of it alive: an interest may outlive many entries."""

    __slots__ = ("_desk", "_entry")

    def __init__(self, desk: Desk[RowsT, Answer], entry: Entry[RowsT, Answer]) -> None:
        self._desk = desk
        self._entry = weakref.ref(entry)

    def __call__(self) -> None:
        entry = self._entry()
        if entry is not None:
            self._desk.leave(entry)


def _check_wanted(interest: Interest) -> None:
    if interest.gone:
        raise AbandonedError("the caller left before the work could begin; nothing was computed")
