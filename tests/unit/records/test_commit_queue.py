"""Group commit: order, bounds, failures, and that one event's fault is nobody else's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import apsw
import pytest

from tests.unit.records.events import add, as_read, make_event, open_store, verify
from xaisvc.errors import BusyError, StoreError
from xaisvc.records.commit_queue import CommitQueue, QueueLimits
from xaisvc.records.entries import make_entry
from xaisvc.records.subject_keys import SubjectTags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xaisvc.records.entries import Entry

TAGS = SubjectTags(bytes(32), None)


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Disk:
    """Notes what is written, and holds or breaks on demand."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.error: Exception | None = None
        self.free = threading.Event()
        self.free.set()
        self.reached = threading.Event()
        self.checkpoints = self.probes = 0
        self.finished = False

    def write(self, entries: list[Entry]) -> list[bool]:
        self.reached.set()
        assert self.free.wait(30)
        if self.error is not None:
            raise self.error
        if any(entry.event.id == "bad" for entry in entries):
            raise ValueError("a fault of ours")
        self.batches.append([entry.event.id for entry in entries])
        return [True] * len(entries)

    def checkpoint(self) -> None:
        self.checkpoints += 1

    def probe(self) -> None:
        self.probes += 1
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_queue(disk: Disk, clock: Clock) -> Iterator[Callable[..., CommitQueue]]:
    made: list[CommitQueue] = []

    def make(**limits: int) -> CommitQueue:
        queue = CommitQueue(
            write=disk.write,
            checkpoint=disk.checkpoint,
            probe=disk.probe,
            finish=disk.finish,
            limits=QueueLimits(**limits),
            monotonic=clock,
        )
        made.append(queue)
        return queue

    yield make
    disk.free.set()
    for queue in made:
        queue.close()


def entry(event_id: str, content: bytes = b"") -> Entry:
    return make_entry(make_event(event_id, content), None, TAGS)


def hold(disk: Disk, queue: CommitQueue) -> None:
    """Makes the writer wait inside a transaction, so that what follows waits in the queue."""
    disk.free.clear()
    queue.submit(entry("first"))
    assert disk.reached.wait(30)


def test_what_waits_is_written_together_and_in_order(disk: Disk, make_queue: Callable[..., CommitQueue]) -> None:
    queue = make_queue()
    hold(disk, queue)
    futures = [queue.submit(entry(f"{i}")) for i in range(50)]
    assert not any(future.done() for future in futures)

    disk.free.set()
    for future in futures:
        future.result(30)

    assert disk.batches == [["first"], [f"{i}" for i in range(50)]]


def test_one_transaction_is_bounded(disk: Disk, make_queue: Callable[..., CommitQueue]) -> None:
    queue = make_queue(batch_events=3, batch_bytes=10_000)
    hold(disk, queue)
    futures = [queue.submit(entry(f"{i}")) for i in range(4)]
    futures += [queue.submit(entry(name, bytes(6_000))) for name in ("a", "b")]
    futures.append(queue.submit(entry("c", bytes(50_000))))

    disk.free.set()
    for future in futures:
        future.result(30)

    assert disk.batches == [["first"], ["0", "1", "2"], ["3", "a"], ["b"], ["c"]]


def test_too_much_that_waits_is_refused_at_once(disk: Disk, make_queue: Callable[..., CommitQueue]) -> None:
    queue = make_queue(waiting_events=2)
    hold(disk, queue)
    waiting = [queue.submit(entry("a")), queue.submit(entry("b"))]

    with pytest.raises(BusyError, match="too many records wait to be written; try again shortly") as caught:
        queue.submit(entry("c"))

    assert caught.value.retry_after_s > 0
    disk.free.set()
    assert [future.result(30) for future in waiting] == [None, None]


def test_too_many_bytes_that_wait_are_refused_but_never_a_single_event(
    disk: Disk, make_queue: Callable[..., CommitQueue]
) -> None:
    queue = make_queue(waiting_bytes=5_000)
    hold(disk, queue)
    large = queue.submit(entry("large", bytes(20_000)))

    with pytest.raises(BusyError):
        queue.submit(entry("small"))

    disk.free.set()
    assert large.result(30) is None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (apsw.FullError(), "the disk of the record store is full; nothing was recorded, so nothing was answered"),
        (apsw.IOError(), "the disk of the record store failed; nothing was recorded"),
        (apsw.BusyError(), "the record store is locked by another process; try again"),
        (apsw.SQLError(), "the record store failed; see the disk and the system's log"),
    ],
)
def test_a_failure_is_told_to_each_who_waits(
    disk: Disk, make_queue: Callable[..., CommitQueue], error: Exception, message: str
) -> None:
    queue = make_queue()
    hold(disk, queue)
    futures = [queue.submit(entry(f"{i}")) for i in range(3)]
    disk.error = error

    disk.free.set()

    for future in futures:
        with pytest.raises(StoreError, match=message):
            future.result(30)
    assert message in queue.failure or queue.failure.startswith(message)
    assert len({id(future.exception(30)) for future in futures}) == 3


def test_it_finds_out_by_itself_when_the_disk_is_back(
    disk: Disk, clock: Clock, make_queue: Callable[..., CommitQueue]
) -> None:
    queue = make_queue()
    disk.error = apsw.FullError()
    with pytest.raises(StoreError):
        queue.submit(entry("a")).result(30)
    assert queue.failure

    disk.error = None
    clock.now += 1.5
    for _ in range(600):
        if not queue.failure:
            break
        threading.Event().wait(0.05)

    assert queue.failure == ""
    assert disk.probes == 1
    assert queue.submit(entry("b")).result(30) is None


def test_one_events_fault_is_nobody_elses(disk: Disk, make_queue: Callable[..., CommitQueue]) -> None:
    queue = make_queue()
    hold(disk, queue)
    futures = [queue.submit(entry(name)) for name in ("a", "bad", "b")]

    disk.free.set()

    assert [futures[0].result(30), futures[2].result(30)] == [None, None]
    with pytest.raises(StoreError, match="the record store failed; see the system's log"):
        futures[1].result(30)
    assert queue.failure == ""


def test_an_event_that_nobody_waits_for_any_more_is_not_written(
    disk: Disk, make_queue: Callable[..., CommitQueue]
) -> None:
    queue = make_queue()
    hold(disk, queue)
    gone, stays = queue.submit(entry("gone")), queue.submit(entry("stays"))
    assert gone.cancel()

    disk.free.set()
    stays.result(30)

    assert disk.batches == [["first"], ["stays"]]


def test_a_checkpoint_is_made_a_minute_after_the_first_event_without_one(
    disk: Disk, clock: Clock, make_queue: Callable[..., CommitQueue]
) -> None:
    queue = make_queue()
    queue.submit(entry("a")).result(30)
    clock.now += 59
    queue.submit(entry("b")).result(30)
    queue.run(lambda: None)
    assert disk.checkpoints == 0

    clock.now += 2
    queue.submit(entry("c")).result(30)
    queue.run(lambda: None)

    assert disk.checkpoints == 1


def test_work_runs_between_the_events_that_came_before_and_after(
    disk: Disk, make_queue: Callable[..., CommitQueue]
) -> None:
    queue = make_queue()
    hold(disk, queue)
    queue.submit(entry("before"))
    seen: list[list[list[str]]] = []
    worker = threading.Thread(target=queue.run, args=[lambda: seen.append(list(disk.batches))])
    worker.start()
    while queue.waiting < 2:
        threading.Event().wait(0.005)
    after = queue.submit(entry("after"))

    disk.free.set()
    after.result(30)
    worker.join(30)

    assert seen == [[["first"], ["before"]]]


def test_closing_writes_what_waits(disk: Disk, make_queue: Callable[..., CommitQueue]) -> None:
    queue = make_queue()
    hold(disk, queue)
    waiting = queue.submit(entry("a"))
    closer = threading.Thread(target=queue.close)
    closer.start()
    threading.Event().wait(0.05)

    disk.free.set()
    closer.join(30)

    assert waiting.result(0) is None
    assert disk.finished
    with pytest.raises(StoreError, match="the record store is closed"):
        queue.submit(entry("b"))
    with pytest.raises(StoreError, match="the record store is closed"):
        queue.run(lambda: None)


def test_a_full_disk_loses_nothing_and_passes(tmp_path: Path) -> None:
    path = tmp_path / "records-0.sqlite3"
    store = open_store(path)
    before, after = make_event("a", b"before"), make_event("c", b"after")
    add(store, before)
    pages = next(iter(store._connection.execute("PRAGMA page_count")))[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite then answers as on a full disk

    with pytest.raises(StoreError, match="the disk of the record store is full; nothing was recorded") as caught:
        store.append(make_event("b", bytes(100_000))).result(30)

    assert str(path) not in str(caught.value)
    assert "full" in store.failure
    assert store.get("a") == as_read(before)
    assert store.get("b") is None
    store._connection.execute("PRAGMA max_page_count = 1000000")
    add(store, after, make_event("b", bytes(100_000)))
    assert store.failure == ""
    store.close()
    report = verify(path)
    assert (report.problems, report.events) == ((), 3)


def test_a_lock_of_another_process_is_told(tmp_path: Path) -> None:
    path = tmp_path / "records-0.sqlite3"
    store = open_store(path)
    store._connection.set_busy_timeout(10)  # instead of seconds
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="locked by another process; try again"):
        store.append(make_event("a")).result(30)

    other.execute("ROLLBACK")
    add(store, make_event("a"))
    other.close()
    store.close()
    assert verify(path).problems == ()
