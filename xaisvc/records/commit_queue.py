"""Group commit: what waits at the same time is written in one transaction and shares one sync of the disk."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import apsw

from xaisvc.errors import BusyError, StoreError
from xaisvc.records.checkpoints import EVERY_S
from xaisvc.records.database import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.records.entries import Entry

_T = TypeVar("_T")

CLOSED: Final = "the record store is closed"
RETRY_AFTER_S: Final = 0.5
PROBE_EVERY_S: Final = 1.0
CLOSE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much may wait and how much is written at once.

    Attributes:
        waiting_events: Most events that wait; more are refused at once.
        waiting_bytes: Most bytes that wait.
        batch_events: Most events in one transaction.
        batch_bytes: Most bytes in one transaction; one event may be larger.
    """

    waiting_events: int = 4096
    waiting_bytes: int = 256 * 1024 * 1024
    batch_events: int = 512
    batch_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event or a piece of work that waits, and who waits for it."""

    future: Future[None]
    entry: Entry | None
    work: Callable[[], None] | None
    size: int


class CommitQueue:
    """One thread that writes what others hand in, in their order.

    Args:
        write: Writes a batch durably; says for each entry whether it was new. Runs in the queue's thread.
        checkpoint: Makes a checkpoint; runs a minute after the first event that has none.
        probe: Writes something durable and removes it; runs once a second after a failure, until it works.
        finish: Runs last, in the queue's thread.
        limits: Bounds.
        monotonic: Clock in seconds that never goes back.
    """

    def __init__(  # noqa: PLR0913 - what the thread does is handed in
        self,
        *,
        write: Callable[[list[Entry]], list[bool]],
        checkpoint: Callable[[], None],
        probe: Callable[[], None],
        finish: Callable[[], None],
        limits: QueueLimits,
        monotonic: Callable[[], float],
    ) -> None:
        self._write = write
        self._checkpoint = checkpoint
        self._probe = probe
        self._finish = finish
        self._limits = limits
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._closing = False
        self._failure = ""
        self._failed_at = 0.0
        self._checkpoint_due = False
        self._checkpoint_from = 0.0
        self._thread = threading.Thread(target=self._run, name="record-writer", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why the last write failed; empty once a write, or a probe, has worked again."""
        return self._failure

    @property
    def waiting(self) -> int:
        """Events that wait to be written."""
        return len(self._waiting)

    def submit(self, entry: Entry) -> Future[None]:
        """Hands in an event.

        Raises:
            StoreError: If the queue is closed.
            BusyError: If too much waits already.
        """
        return self._put(_Waiting(Future(), entry, None, entry.size))

    def run(self, work: Callable[[], _T]) -> _T:
        """Has work done in the queue's thread, after what waits already, and gives its result.

        Raises:
            StoreError: If the queue is closed, or the store cannot be written.
        """
        results: list[_T] = []
        self._put(_Waiting(Future(), None, lambda: results.append(work()), 0)).result()
        return results[0]

    def close(self) -> None:
        """Writes what waits and ends the thread; does nothing the second time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_S)

    def _put(self, item: _Waiting) -> Future[None]:
        limits = self._limits
        with self._changed:
            if self._closing:
                raise StoreError(CLOSED)
            too_large = self._waiting and self._waiting_bytes + item.size > limits.waiting_bytes
            if len(self._waiting) >= limits.waiting_events or too_large:
                raise BusyError("too many records wait to be written; try again shortly", RETRY_AFTER_S)
            self._waiting.append(item)
            self._waiting_bytes += item.size
            if len(self._waiting) == 1:
                self._changed.notify()
        return item.future

    def _run(self) -> None:
        while True:
            batch, closing = self._take()
            if batch and batch[0].entry is None:
                self._do(batch[0])
            elif batch:
                self._commit(batch)
            if closing and not batch:
                break
            self._housekeeping()
        self._guarded(self._finish)

    def _take(self) -> tuple[list[_Waiting], bool]:
        """Everything that waits, up to the bounds of one transaction; work of other kinds comes alone."""
        with self._changed:
            if not self._waiting and not self._closing:
                pause = PROBE_EVERY_S if self._failure or self._checkpoint_due else None
                self._changed.wait(pause)
            batch: list[_Waiting] = []
            size = 0
            while self._waiting and len(batch) < self._limits.batch_events:
                item = self._waiting[0]
                if batch and (item.entry is None or size + item.size > self._limits.batch_bytes):
                    break
                batch.append(self._waiting.popleft())
                self._waiting_bytes -= item.size
                size += item.size
                if item.entry is None:
                    break
            return batch, self._closing and not self._waiting

    def _commit(self, batch: list[_Waiting]) -> None:
        wanted = [item for item in batch if item.future.set_running_or_notify_cancel()]
        if not wanted:
            return
        written, failure = self._attempt(wanted)
        if failure is not None and not self._failure and len(wanted) > 1:
            for item in wanted:  # the disk is well, so it is one event's own fault: its batch-mates are not harmed
                self._tell([item], *self._attempt([item]))
        else:
            self._tell(wanted, written, failure)

    def _attempt(self, wanted: list[_Waiting]) -> tuple[list[bool], StoreError | None]:
        entries = [item.entry for item in wanted if item.entry is not None]
        written: list[bool] = []
        failure = self._guarded(lambda: written.extend(self._write(entries)))
        return written, failure

    def _tell(self, wanted: list[_Waiting], written: list[bool], failure: StoreError | None) -> None:
        if failure is None and not self._checkpoint_due:
            self._checkpoint_due, self._checkpoint_from = True, self._monotonic()
        for i, item in enumerate(wanted):
            if failure is not None:
                item.future.set_exception(_copy(failure))
            elif not written[i]:
                event_id = item.entry.event.id if item.entry else ""
                item.future.set_exception(StoreError(f"event {event_id} exists; what is recorded is never changed"))
            else:
                item.future.set_result(None)

    def _do(self, item: _Waiting) -> None:
        if item.work is None or not item.future.set_running_or_notify_cancel():
            return
        self._tell([item], [True], self._guarded(item.work))

    def _guarded(self, work: Callable[[], object]) -> StoreError | None:
        """Does work of the store; its failure is remembered and given back in our words."""
        try:
            work()
        except apsw.Error as error:
            self._failure, self._failed_at = explain(error), self._monotonic()
            failure = StoreError(self._failure)
            failure.__cause__ = error
            return failure
        except StoreError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whoever waits must be told, and the thread must go on
            failure = StoreError("the record store failed; see the system's log")
            failure.__cause__ = error
            return failure
        self._failure = ""
        return None

    def _housekeeping(self) -> None:
        now = self._monotonic()
        if self._failure and now - self._failed_at >= PROBE_EVERY_S:
            self._guarded(self._probe)
        if self._checkpoint_due and not self._failure and now - self._checkpoint_from >= EVERY_S:
            self._checkpoint_due = False
            self._guarded(self._checkpoint)


def _copy(failure: StoreError) -> StoreError:
    """An error of one's own for each who waits: raising one error in several threads would mix their tracebacks."""
    copy = StoreError(str(failure))
    copy.__cause__ = failure.__cause__
    return copy
