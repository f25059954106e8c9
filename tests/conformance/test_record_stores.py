"""What every record store promises, whatever it is made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from xaisvc.errors import StoreError
from xaisvc.records import MemoryRecordStore, RecordStore, SqliteRecordStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY_BYTE = bytes(range(256))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordStore]:
    made = MemoryRecordStore() if request.param == "memory" else SqliteRecordStore(tmp_path / "records.sqlite3")
    yield made
    made.close()


def test_is_a_record_store(store: RecordStore) -> None:
    assert isinstance(store, RecordStore)


def test_gives_back_the_same_bytes(store: RecordStore) -> None:
    store.put([("a", EVERY_BYTE), ("b", b"")], {"digest": b"description"})

    assert store.get("a") == EVERY_BYTE
    assert store.get("b") == b""
    assert store.get_description("digest") == b"description"


def test_what_is_not_there_is_none(store: RecordStore) -> None:
    assert store.get("a") is None
    assert store.get_description("a") is None


def test_the_same_bytes_again_change_nothing(store: RecordStore) -> None:
    store.put([("a", b"1")], {"digest": b"description"})
    store.put([("a", b"1")], {"digest": b"description"})

    assert store.get("a") == b"1"


def test_other_bytes_under_a_known_id_are_refused_with_all_that_came_along(store: RecordStore) -> None:
    store.put([("a", b"1")], {})

    with pytest.raises(StoreError, match="record a exists with other content; records are never changed"):
        store.put([("b", b"2"), ("a", b"other")], {"digest": b"description"})

    assert store.get("a") == b"1"
    assert store.get("b") is None
    assert store.get_description("digest") is None


def test_two_contents_for_one_id_in_one_call_are_refused(store: RecordStore) -> None:
    with pytest.raises(StoreError, match="other content"):
        store.put([("a", b"1"), ("a", b"2")], {})

    assert store.get("a") is None


def test_a_known_description_stays(store: RecordStore) -> None:
    store.put([], {"digest": b"first"})
    store.put([], {"digest": b"second"})

    assert store.get_description("digest") == b"first"


def test_threads_lose_nothing(store: RecordStore) -> None:
    def write(worker: int) -> list[bytes | None]:
        for i in range(10):
            store.put([(f"{worker}-{i}", f"{worker}:{i}".encode())], {"digest": b"description"})
        return [store.get(f"{worker}-{i}") for i in range(10)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(write, range(4)))

    assert found == [[f"{worker}:{i}".encode() for i in range(10)] for worker in range(4)]


def test_a_closed_store_says_so(store: RecordStore) -> None:
    store.close()
    store.close()

    with pytest.raises(StoreError, match="the record store is closed"):
        store.put([("a", b"1")], {})
    with pytest.raises(StoreError, match="the record store is closed"):
        store.get("a")
    with pytest.raises(StoreError, match="the record store is closed"):
        store.get_description("a")
