"""What every record store promises, whatever it is made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.unit.records.events import MASTER, as_read, make_event, open_store
from xaisvc.errors import StoreError
from xaisvc.records import EventKind, MemoryRecordStore, RecordStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY_BYTE = bytes(range(256))


@pytest.fixture(params=["memory", "sqlite", "sealed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordStore]:
    made: RecordStore
    if request.param == "memory":
        made = MemoryRecordStore()
    else:
        made = open_store(tmp_path / "records-0.sqlite3", master=MASTER if request.param == "sealed" else None)
    yield made
    made.close()


def test_is_a_record_store(store: RecordStore) -> None:
    assert isinstance(store, RecordStore)


def test_gives_back_the_same_event(store: RecordStore) -> None:
    head = {"seed": 1, "share": 0.1, "none": None, "text": "é\u2028", "list": [1, "a"], "nested": {"b": True}}
    event = make_event("a", EVERY_BYTE, b"", b"same", subjects=("ann", "bob", "ann"), head=head, frame=EVERY_BYTE)

    store.append(event, {"digest": b"description"}).result()

    assert store.get("a") == as_read(event)
    assert store.get_description("digest") == b"description"


@pytest.mark.parametrize("kind", [EventKind.EXPLANATIONS, EventKind.VIEW, EventKind.FEEDBACK])
def test_keeps_events_of_every_kind(store: RecordStore, kind: EventKind) -> None:
    event = make_event("a", kind=kind, about="x-0", bundle="", caller="", head={"z": 1, "a": 2})

    store.append(event).result()

    assert store.get("a") == event


def test_never_gives_a_subject_away(store: RecordStore) -> None:
    store.append(make_event("a", b"1", subjects=["ann"])).result()

    found = store.get("a")

    assert found is not None
    assert [part and part.subject for part in found.parts] == [""]


def test_what_is_not_there_is_none(store: RecordStore) -> None:
    assert store.get("a") is None
    assert store.get_description("a") is None
    assert list(store.events()) == []


def test_a_known_id_is_refused_and_nothing_changes(store: RecordStore) -> None:
    first = make_event("a", b"1")
    store.append(first).result()

    futures = [store.append(make_event("b", b"2")), store.append(make_event("a", b"1"), {"digest": b"description"})]

    assert futures[0].result() is None
    with pytest.raises(StoreError, match="event a exists; what is recorded is never changed"):
        futures[1].result()
    assert store.get("a") == as_read(first)
    assert store.get_description("digest") is None
    assert [event.id for event in store.events()] == ["a", "b"]


def test_a_known_description_stays(store: RecordStore) -> None:
    store.append(make_event("a"), {"digest": b"first"}).result()
    store.append(make_event("b"), {"digest": b"second"}).result()

    assert store.get_description("digest") == b"first"


def test_events_come_in_their_order_whatever_their_time(store: RecordStore) -> None:
    times = [f"2026-01-{day:02}T00:00:00.000Z" for day in (20, 3, 31, 1)]
    futures = [store.append(make_event(f"{i}", at=at)) for i, at in enumerate(times)]
    for future in futures:
        future.result()

    assert [event.at for event in store.events()] == times


def test_events_can_be_chosen(store: RecordStore) -> None:
    explained = make_event("a", b"1", bundle="credit")
    viewed = make_event("b", kind=EventKind.VIEW, bundle="credit", about="a-0")
    other = make_event("c", kind=EventKind.FEEDBACK, bundle="fraud", about="z-0")
    for event in (explained, viewed, other):
        store.append(event).result()

    def ids(**chosen: object) -> list[str]:
        return [event.id for event in store.events(**chosen)]  # type: ignore[arg-type] # names and values are given below

    assert ids(kinds=[EventKind.VIEW, EventKind.FEEDBACK]) == ["b", "c"]
    assert ids(bundle="credit") == ["a", "b"]
    assert ids(about="a-0") == ["b"]
    assert ids(kinds=[EventKind.VIEW], bundle="fraud") == []
    assert list(store.events(bundle="credit", kinds=[EventKind.EXPLANATIONS])) == [as_read(explained)]


def test_more_events_than_are_read_at_once(store: RecordStore) -> None:
    futures = [store.append(make_event(f"{i}", b"x", b"y")) for i in range(200)]
    for future in futures:
        future.result()

    assert [event.id for event in store.events()] == [f"{i}" for i in range(200)]


def test_threads_lose_nothing(store: RecordStore) -> None:
    def write(worker: int) -> list[bool]:
        for i in range(10):
            store.append(make_event(f"{worker}-{i}", f"{worker}:{i}".encode()), {"digest": b"description"}).result()
        return [store.get(f"{worker}-{i}") == make_read(worker, i) for i in range(10)]

    def make_read(worker: int, i: int) -> object:
        return as_read(make_event(f"{worker}-{i}", f"{worker}:{i}".encode()))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(write, range(4)))

    assert found == [[True] * 10] * 4
    assert len(list(store.events())) == 40


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (make_event(""), "an event's id has 1 to 200 characters; this one has 0"),
        (make_event("x" * 201), "an event's id has 1 to 200 characters; this one has 201"),
        (make_event("a", at="2026-01-31 09:30"), "event a: at must be UTC with milliseconds"),
        (make_event("a", head={"share": float("nan")}), "event a: the head holds something that JSON has no form for"),
        (make_event("a", head={"what": object()}), "event a: the head holds something that JSON has no form for"),
        (make_event("a", caller="\ud800"), "event 'a': holds text that is no Unicode"),
    ],
)
def test_an_event_that_cannot_be_kept_is_refused_at_once(store: RecordStore, event: object, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        store.append(event)  # type: ignore[arg-type] # it is an event

    assert list(store.events()) == []


@pytest.mark.parametrize("kind", [EventKind.ERASURE, EventKind.REMOVAL])
def test_nobody_else_says_that_something_was_made_unreadable(store: RecordStore, kind: EventKind) -> None:
    with pytest.raises(StoreError, match="event a: only the store itself says"):
        store.append(make_event("a", kind=kind))


def test_a_part_without_content_is_refused(store: RecordStore) -> None:
    read = make_event("a", b"1")
    empty = type(read)(id="a", kind=read.kind, at=read.at, parts=[None])

    with pytest.raises(StoreError, match="a part without content can be read, not appended"):
        store.append(empty)


def test_a_closed_store_says_so(store: RecordStore) -> None:
    store.close()
    store.close()

    with pytest.raises(StoreError, match="the record store is closed"):
        store.append(make_event("a"))
    with pytest.raises(StoreError, match="the record store is closed"):
        store.get("a")
    with pytest.raises(StoreError, match="the record store is closed"):
        store.get_description("a")
    with pytest.raises(StoreError, match="the record store is closed"):
        list(store.events())
