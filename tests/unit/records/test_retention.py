"""Erasing subjects and removing what is too old: no byte of it is left, and the chain still verifies."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import apsw
import pytest

from tests.unit.records.events import AT, LATER, MASTER, add, make_event, open_store, stored_bytes, verify
from xaisvc.errors import StoreError
from xaisvc.records import Event, EventKind, MasterKey, SqliteRecordStore
from xaisvc.records.retention import Removal, months_before

if TYPE_CHECKING:
    from pathlib import Path

BOTH = pytest.mark.parametrize("master", [None, MASTER], ids=["plain", "sealed"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records-0.sqlite3"


def many(store: SqliteRecordStore, count: int) -> None:
    """Events about many, every seventh of them also about ann, with a text that can be looked for."""
    events = []
    for i in range(count):
        about_ann = i % 7 == 3
        contents = [f"<{i}:bob income {10_000 + i}>".encode() * 5, b"<nobody>"]
        subjects = [f"bob{i}", ""]
        if about_ann:
            contents.insert(1, f"<{i}:ann-of-green-gables>".encode() * 40)
            subjects.insert(1, "ann")
        events.append(make_event(f"{i}", *contents, subjects=subjects))
    add(store, *events)


def contents(event: Event | None) -> list[bytes | None]:
    assert event is not None
    return [part and part.content for part in event.parts]


@BOTH
def test_an_erased_subject_is_unreadable_and_the_others_are_as_they_were(path: Path, master: MasterKey | None) -> None:
    store = open_store(path, master=master)
    many(store, 100)

    assert store.erase("ann", caller="privacy officer") == 14

    assert contents(store.get("3")) == [b"<3:bob income 10003>" * 5, None, b"<nobody>"]
    assert contents(store.get("4")) == [b"<4:bob income 10004>" * 5, b"<nobody>"]
    note = list(store.events(kinds=[EventKind.ERASURE]))
    assert [event.caller for event in note] == ["privacy officer"]
    assert len(note[0].head["subjects"]) == 14  # type: ignore[arg-type] # a list of numbers, read back from JSON
    store.close()
    report = verify(path, master=master)
    assert report.problems == ()
    assert (report.events, report.erased, report.parts) == (101, 14, 200)


def test_no_byte_of_an_erased_subject_is_left_without_a_master_key(path: Path) -> None:
    """The scan covers the file, its write-ahead log and its index, while the store is open and after."""
    store = open_store(path)
    many(store, 3_000)
    with closing(apsw.Connection(str(path))) as reader:  # a reader that keeps the log from being folded by itself
        list(reader.execute("SELECT count(*) FROM events"))
        assert stored_bytes(path.parent).count(b"ann-of-green-gables") >= 3_000 // 7

        store.erase("ann")

        assert b"ann-of-green-gables" not in stored_bytes(path.parent)
        assert b"<4:bob income 10004>" in stored_bytes(path.parent)
    assert path.with_name(path.name + "-wal").stat().st_size == 0
    store.close()
    assert b"ann-of-green-gables" not in stored_bytes(path.parent)
    assert verify(path).problems == ()


def test_the_destroyed_key_is_left_nowhere(path: Path) -> None:
    """What wrapped keys and names there were for the subject is looked for in every file after the erasure."""
    store = open_store(path, master=MASTER)
    many(store, 500)
    tag = store._keys.tags.tag("ann")
    with closing(apsw.Connection(str(path))) as reader:
        keys = [row[0] for row in reader.execute("SELECT key FROM subjects WHERE tag = ?", (tag,))]
    assert len(keys) == 71
    assert all(key in stored_bytes(path.parent) for key in keys)

    store.erase("ann")

    left = stored_bytes(path.parent)
    assert [key for key in keys if key in left] == []
    assert tag not in left
    store.close()


@BOTH
def test_erasing_again_or_somebody_unknown_changes_nothing(path: Path, master: MasterKey | None) -> None:
    store = open_store(path, master=master)
    add(store, make_event("a", b"1", subjects=["ann"]))

    assert [store.erase("ann"), store.erase("ann"), store.erase("nobody"), store.erase("")] == [1, 0, 0, 0]

    assert len(list(store.events(kinds=[EventKind.ERASURE]))) == 1
    store.close()


@BOTH
def test_who_comes_back_is_recorded_again(path: Path, master: MasterKey | None) -> None:
    store = open_store(path, master=master)
    add(store, make_event("a", b"before", subjects=["ann"]))
    store.erase("ann")
    add(store, make_event("b", b"after", subjects=["ann"]))

    assert [contents(store.get("a")), contents(store.get("b"))] == [[None], [b"after"]]
    store.close()
    assert verify(path, master=master).problems == ()


@BOTH
def test_erasing_while_others_write_reaches_what_was_there(path: Path, master: MasterKey | None) -> None:
    store = open_store(path, master=master)
    many(store, 50)
    stop = threading.Event()
    written = []

    def write() -> None:
        while not stop.is_set():
            name = f"w{len(written)}"
            add(store, make_event(name, b"1", b"2", subjects=["ann", "bob"]))
            written.append(name)

    writer = threading.Thread(target=write)
    writer.start()
    erased = [store.erase("ann") for _ in range(5)]
    stop.set()
    writer.join(30)
    erased.append(store.erase("ann"))

    assert sum(erased) == 7 + len(written)
    assert all(contents(store.get(name)) == [None, b"2"] for name in written)
    store.close()
    assert verify(path, master=master).problems == ()


def test_an_erasure_that_fails_leaves_everything_as_it_was(path: Path) -> None:
    store = open_store(path)
    add(store, make_event("a", b"1", subjects=["ann"]))
    store._connection.set_busy_timeout(10)
    with closing(apsw.Connection(str(path))) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreError, match="locked by another process; try again"):
            store.erase("ann")

    assert contents(store.get("a")) == [b"1"]
    assert store.erase("ann") == 1
    store.close()


def test_a_reader_that_never_lets_go_is_told(path: Path) -> None:
    store = open_store(path)
    add(store, make_event("a", b"1", subjects=["ann"]))
    store._connection.set_busy_timeout(10)
    with closing(apsw.Connection(str(path))) as reader:
        reader.execute("BEGIN")
        list(reader.execute("SELECT count(*) FROM events"))

        with pytest.raises(StoreError, match="no longer readable, but copies may be left in the log"):
            store.erase("ann")

    assert contents(store.get("a")) == [None]
    assert store.erase("ann") == 0  # as the message says: the same again clears the log
    assert path.with_name(path.name + "-wal").stat().st_size == 0
    store.close()


@BOTH
def test_what_is_too_old_goes_and_the_rest_stays(path: Path, master: MasterKey | None) -> None:
    store = open_store(path, master=master)
    old, new = "2024-01-01T00:00:00.000Z", AT
    for i in range(600):  # more than are removed in one transaction
        at, bundle = (old, new)[i % 2], ("credit", "fraud")[i % 3 == 0]
        store.append(make_event(f"{i}", b"<%d-content>" % i, subjects=[f"bob{i}"], at=at, bundle=bundle, head={"i": i}))

    removed = store.remove_older("credit", datetime(2025, 1, 1, tzinfo=UTC), caller="cron")

    assert removed == 200
    assert contents(store.get("2")) == [None]
    assert [contents(store.get(f"{i}")) for i in (0, 1)] == [[b"<0-content>"], [b"<1-content>"]]
    kept = store.get("2")
    assert kept is not None
    assert kept.head == {"i": 2}
    note = next(iter(store.events(kinds=[EventKind.REMOVAL])))
    assert (note.bundle, note.caller, note.head) == ("credit", "cron", {"before": "2025-01-01T00:00:00.000Z"})
    assert store.remove_older("credit", datetime(2025, 1, 1, tzinfo=UTC)) == 0
    store.close()
    report = verify(path, master=master)
    assert report.problems == ()
    assert (report.events, report.removed, report.parts) == (601, 200, 400)


def test_no_byte_of_what_was_removed_is_left(path: Path) -> None:
    store = open_store(path)
    add(store, *(make_event(f"{i}", b"<%05d-content>" % i * 30, subjects=[f"bob{i}"]) for i in range(1000)))

    store.remove_older("credit", LATER)

    assert b"-content>" not in stored_bytes(path.parent)
    with closing(apsw.Connection(str(path))) as reader:
        assert list(reader.execute("SELECT count(*) FROM subjects WHERE tag != zeroblob(16)")) == [(0,)]
    store.close()
    assert verify(path).problems == ()


@pytest.mark.parametrize(
    ("months", "default", "gone"),
    [({}, 25, {"credit": 1, "fraud": 1}), ({"credit": 84}, 25, {"fraud": 1}), ({}, 1, {"credit": 2, "fraud": 1})],
)
def test_retention_per_bundle(path: Path, months: dict[str, int], default: int, gone: dict[str, int]) -> None:
    store = open_store(path)
    now = datetime(2026, 6, 15, tzinfo=UTC)
    store._now = lambda: now
    add(
        store,
        make_event("a", b"1", at="2024-05-14T00:00:00.000Z", bundle="credit"),
        make_event("b", b"2", at="2024-05-15T00:00:00.000Z", bundle="credit"),
        make_event("c", b"3", at="2024-05-14T00:00:00.000Z", bundle="fraud"),
    )

    assert store.retain(months, default_months=default) == gone

    store.close()


@pytest.mark.parametrize(
    ("moment", "months", "expected"),
    [
        ((2026, 6, 15), 25, (2024, 5, 15)),
        ((2026, 3, 31), 1, (2026, 2, 28)),
        ((2024, 2, 29), 12, (2023, 2, 28)),
        ((2026, 1, 31), 1, (2025, 12, 31)),
        ((2026, 12, 1), 0, (2026, 12, 1)),
    ],
)
def test_calendar_months(moment: tuple[int, int, int], months: int, expected: tuple[int, int, int]) -> None:
    assert months_before(datetime(*moment, tzinfo=UTC), months) == datetime(*expected, tzinfo=UTC)


def test_a_crash_between_the_steps_of_a_removal_is_no_tampering(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(path)
    add(store, *(make_event(f"{i}", b"content") for i in range(600)))
    steps = iter([True, False])
    remove = Removal._remove

    def fail_at_the_second(self: Removal, rows: object) -> None:
        if not next(steps):
            raise apsw.IOError
        remove(self, rows)  # type: ignore[arg-type] # handed on as it came

    monkeypatch.setattr(Removal, "_remove", fail_at_the_second)
    with pytest.raises(StoreError, match="the disk of the record store failed"):
        store.remove_older("credit", LATER)
    monkeypatch.undo()
    assert 0 < sum(contents(event) == [None] for event in store.events(bundle="credit") if event.parts) < 600

    assert verify(path).problems == ()
    store.remove_older("credit", LATER)
    store.close()
    assert verify(path).problems == ()
