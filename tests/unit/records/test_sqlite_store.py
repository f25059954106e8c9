from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import apsw
import pytest

from xaisvc.errors import StoreError
from xaisvc.records import SqliteRecordStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.sqlite3"


def test_records_outlive_the_store(path: Path) -> None:
    store = SqliteRecordStore(path)
    store.put([("a", b"\x00\xff")], {"digest": b"description"})
    store.close()

    again = SqliteRecordStore(path)

    assert again.get("a") == b"\x00\xff"
    assert again.get_description("digest") == b"description"
    again.close()


def test_records_outlive_a_killed_process(path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from xaisvc.records import SqliteRecordStore\n"
        "store = SqliteRecordStore(Path(sys.argv[1])); store.put([('a', b'kept')], {}); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(path)], check=False, timeout=60
    )

    store = SqliteRecordStore(path)

    assert killed.returncode == -9
    assert store.get("a") == b"kept"
    store.close()


def test_every_commit_is_synced_in_a_write_ahead_log(path: Path) -> None:
    store = SqliteRecordStore(path)

    assert list(store._writer.execute("PRAGMA journal_mode")) == [("wal",)]
    assert list(store._writer.execute("PRAGMA synchronous")) == [(2,)]  # FULL
    store.close()


def test_its_own_sqlite_has_the_fix_for_the_write_ahead_log() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    SqliteRecordStore(path).close()

    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(StoreError, match=r"records.sqlite3: cannot be made .* choose another data_dir"):
        SqliteRecordStore(tmp_path / "file" / "records.sqlite3")


def test_another_file_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"a letter to a friend" * 100)

    with pytest.raises(StoreError, match="is not a record store; choose another data_dir"):
        SqliteRecordStore(path)

    assert path.read_bytes() == b"a letter to a friend" * 100


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with apsw.Connection(str(path)) as connection:
        connection.execute("CREATE TABLE songs (title)")
    connection.close()

    with pytest.raises(StoreError, match="is a database of another program"):
        SqliteRecordStore(path)


def test_a_newer_schema_is_refused(path: Path) -> None:
    store = SqliteRecordStore(path)
    store._writer.execute("UPDATE schema_version SET version = 2")
    store.close()

    with pytest.raises(StoreError, match="has schema version 2 and this xaisvc reads 1"):
        SqliteRecordStore(path)


def test_a_damaged_file_is_refused(path: Path) -> None:
    store = SqliteRecordStore(path)
    store.put([(f"{i:04}", bytes(500)) for i in range(500)], {})
    store.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = bytes(8192)
    path.write_bytes(content)

    with pytest.raises(StoreError, match="the record store is damaged; restore it from a copy"):
        SqliteRecordStore(path)


def test_a_full_disk_is_told_and_loses_nothing(path: Path) -> None:
    store = SqliteRecordStore(path)
    store.put([("a", b"before")], {})
    pages = next(iter(store._writer.execute("PRAGMA page_count")))[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite then answers as on a full disk

    with pytest.raises(StoreError, match="the disk of the record store is full; nothing was recorded") as caught:
        store.put([("b", bytes(100_000))], {})

    assert str(path) not in str(caught.value)
    assert store.get("a") == b"before"
    assert store.get("b") is None
    store._writer.execute(f"PRAGMA max_page_count = {pages + 100}")
    store.put([("b", b"after")], {})
    assert store.get("b") == b"after"
    store.close()


def test_a_lock_of_another_process_is_told(path: Path) -> None:
    store = SqliteRecordStore(path)
    store._writer.set_busy_timeout(10)  # instead of seconds
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="locked by another process; try again"):
        store.put([("a", b"1")], {})

    other.execute("ROLLBACK")
    store.put([("a", b"1")], {})
    assert store.get("a") == b"1"
    other.close()
    store.close()
