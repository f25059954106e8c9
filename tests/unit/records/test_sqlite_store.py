"""What is special about records in a file: they survive, and whatever is wrong with the file is told in our words."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import apsw
import pytest

from tests.unit.records.events import MASTER, add, as_read, make_event, open_store, verify
from xaisvc.errors import StoreError
from xaisvc.records import MasterKey, SqliteRecordStore, StoreKeys

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records-0.sqlite3"


@pytest.mark.parametrize("master", [None, MASTER], ids=["plain", "sealed"])
def test_events_outlive_the_store(path: Path, master: MasterKey | None) -> None:
    event = make_event("a", b"\x00\xff", subjects=["ann"], frame=b"frame")
    store = open_store(path, master=master)
    store.append(event, {"digest": b"description"}).result()
    store.close()

    again = open_store(path, master=master)

    assert again.get("a") == as_read(event)
    assert again.get_description("digest") == b"description"
    again.close()


def test_a_description_is_stored_again_after_the_event_that_brought_it_failed(path: Path) -> None:
    store = open_store(path)
    add(store, make_event("a"))

    with pytest.raises(StoreError, match="exists"):
        store.append(make_event("a"), {"digest": b"description"}).result()
    store.append(make_event("b"), {"digest": b"description"}).result()

    assert store.get_description("digest") == b"description"
    store.close()
    assert verify(path).ok


def test_frames_are_kept_once(path: Path) -> None:
    store = open_store(path)
    add(store, *(make_event(f"{i}", frame=b"the same") for i in range(20)))
    store.close()

    connection = apsw.Connection(str(path))
    assert list(connection.execute("SELECT content FROM frames")) == [(b"the same",)]
    connection.close()


@pytest.mark.parametrize("master", [None, MASTER], ids=["plain", "sealed"])
def test_equal_contents_are_not_equal_on_the_disk(path: Path, master: MasterKey | None) -> None:
    store = open_store(path, master=master)
    add(store, make_event("a", b"yes", b"yes", subjects=["ann", "ann"]))
    store.close()

    connection = apsw.Connection(str(path))
    digests = next(iter(connection.execute("SELECT digests FROM events")))[0]
    connection.close()
    assert digests[:32] != digests[32:]


def test_nothing_readable_stands_in_a_sealed_store(path: Path) -> None:
    store = open_store(path, master=MASTER)
    add(store, make_event("a", b"income 1234567", b"income 7654321", subjects=["ann-of-green-gables"]))

    written = b"".join(file.read_bytes() for file in path.parent.iterdir())

    store.close()
    assert not [text for text in (b"1234567", b"7654321", b"ann-of-green-gables") if text in written]


def test_every_commit_is_synced_in_a_write_ahead_log_and_deleted_bytes_are_overwritten(path: Path) -> None:
    store = open_store(path)

    assert list(store._connection.execute("PRAGMA journal_mode")) == [("wal",)]
    assert list(store._connection.execute("PRAGMA synchronous")) == [(2,)]  # FULL
    assert list(store._connection.execute("PRAGMA secure_delete")) == [(1,)]
    store.close()


def test_its_own_sqlite_has_the_fix_for_the_write_ahead_log() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


def test_the_files_are_for_their_owner_only(path: Path) -> None:
    store = open_store(path)
    add(store, make_event("a"))
    store.close()

    open_to_others = [file.name for file in path.parent.iterdir() if file.stat().st_mode & 0o077]

    assert open_to_others == ["signing.pub"]
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_second_writer_is_kept_out(path: Path) -> None:
    store = open_store(path)

    with pytest.raises(StoreError, match="another process writes it; each server process needs a file of its own"):
        open_store(path)

    store.close()
    open_store(path).close()


def test_a_second_process_is_kept_out_and_a_helper_is_not(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from xaisvc.records import SqliteRecordStore\n"
        "SqliteRecordStore(Path(sys.argv[1]), beside_service=sys.argv[2] == 'helper').close()"
    )

    def run(role: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program, str(path), role], check=False, capture_output=True, text=True, timeout=60
        )

    store = open_store(path)
    second, helper = run("second"), run("helper")
    store.close()

    assert "another process writes it" in second.stderr
    assert helper.returncode == 0, helper.stderr


def test_a_helper_and_the_service_write_one_chain(path: Path) -> None:
    service = open_store(path, master=MASTER)
    helper = open_store(path, master=MASTER, beside_service=True)

    for i in range(20):
        add(service, make_event(f"s{i}", b"1", subjects=["ann"]))
        add(helper, make_event(f"h{i}", b"2", subjects=["bob"]))
    assert helper.erase("ann") == 20
    add(service, make_event("last", b"3", subjects=["ann"]))

    last = service.get("last")
    helper.close()
    service.close()
    assert last is not None
    assert last.parts[0] is not None
    report = verify(path, master=MASTER)
    assert report.problems == ()
    assert (report.events, report.parts, report.erased) == (42, 21, 20)


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
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE songs (title)")

    with pytest.raises(StoreError, match="is a database of another program"):
        SqliteRecordStore(path)


def test_another_schema_is_refused(path: Path) -> None:
    store = open_store(path)
    store._connection.execute("UPDATE about_store SET version = 2")
    store.close()

    with pytest.raises(StoreError, match="has schema version 2 and this xaisvc reads 1"):
        SqliteRecordStore(path)


def test_a_damaged_file_is_refused(path: Path) -> None:
    store = open_store(path)
    add(store, *(make_event(f"{i:04}", os.urandom(500)) for i in range(500)))
    store.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = bytes(8192)
    path.write_bytes(content)

    with pytest.raises(StoreError, match="the record store is damaged; restore it from a copy"):
        SqliteRecordStore(path)


def test_another_signing_key_is_refused(path: Path) -> None:
    open_store(path).close()
    (path.parent / "signing.key").unlink()

    with pytest.raises(StoreError, match="the end of the chain is not signed with this signing key"):
        open_store(path)


def test_another_master_key_is_refused(path: Path) -> None:
    open_store(path, master=MASTER).close()

    with pytest.raises(StoreError, match="was written with another master key; give that one"):
        open_store(path, master=MasterKey(bytes(32)))
    with pytest.raises(StoreError, match="its contents are encrypted; give the master key"):
        open_store(path)


def test_a_master_key_may_come_later(path: Path) -> None:
    before, after = make_event("a", b"1", subjects=["ann"]), make_event("b", b"2", subjects=["ann"])
    store = open_store(path)
    add(store, before)
    store.close()

    store = open_store(path, master=MASTER)
    add(store, after)

    assert [store.get("a"), store.get("b")] == [as_read(before), as_read(after)]
    assert store.erase("ann") == 2
    assert [event.parts for event in store.events()] == [(None,), (None,), ()]
    store.close()
    assert verify(path, master=MASTER).problems == ()


def test_an_older_copy_of_the_store_is_refused(path: Path) -> None:
    store = open_store(path)
    add(store, make_event("a"))
    store.close()
    old = path.read_bytes()
    store = open_store(path)
    add(store, make_event("b"))
    store.close()
    path.write_bytes(old)

    with pytest.raises(StoreError, match=r"is older than its checkpoints in records-0.checkpoints.jsonl"):
        open_store(path)

    (path.parent / "records-0.checkpoints.jsonl").rename(path.parent / "gap.jsonl")
    open_store(path).close()


def test_a_line_of_checkpoints_that_a_crash_cut_short_is_mended(path: Path) -> None:
    store = open_store(path)
    add(store, make_event("a"))
    store.close()
    store = open_store(path)
    add(store, make_event("b"))
    store.close()
    lines = path.parent / "records-0.checkpoints.jsonl"
    whole = lines.read_bytes()
    lines.write_bytes(whole[:-40])

    open_store(path).close()

    assert lines.read_bytes() == whole


def test_what_was_changed_is_not_read(path: Path) -> None:
    store = open_store(path)
    add(store, make_event("a", b"approved"))
    store._connection.execute("UPDATE contents SET data = CAST(replace(data, 'approved', 'declined') AS BLOB)")

    with pytest.raises(StoreError, match="event a: part 0 is not what the chain says; run: xaisvc records verify"):
        store.get("a")

    store.close()


def test_keys_do_not_show(path: Path) -> None:
    keys = StoreKeys.load(path.parent, master=MASTER)

    assert repr(MASTER) == "MasterKey()"
    assert repr(keys) == "StoreKeys()"


@pytest.mark.parametrize("events", [1, 999, 1000, 2500])
def test_checkpoints_are_made_every_thousand_events_and_at_the_end(path: Path, events: int) -> None:
    store = open_store(path)
    futures = [store.append(make_event(f"{i}")) for i in range(events)]
    for future in futures:
        future.result()
    store.close()

    report = verify(path)

    assert report.problems == ()
    assert report.checkpoints >= max(events // 1000, 1)
    with closing(apsw.Connection(str(path))) as connection:
        places = [row[0] for row in connection.execute("SELECT seq FROM checkpoints ORDER BY number")]
    assert places[-1] == events
    assert max(b - a for a, b in zip([0, *places], places, strict=False)) <= 1000 + 511  # a batch is not split
