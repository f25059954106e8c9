"""Each guard of `verify` by itself: what one of them lets pass, tested where no other looks."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import apsw
import pytest

from tests.unit.records.events import add, make_event, open_store, verify
from xaisvc.errors import StoreError
from xaisvc.records.chain import first_hash
from xaisvc.records.reader import LINK_COLUMNS, link_of_row

if TYPE_CHECKING:
    from pathlib import Path

# ruff: noqa: S608 - whoever tampers writes SQL; every value in it is made here


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Six events of a service that was killed: no checkpoint covers the last three."""
    made = tmp_path / "live" / "records-0.sqlite3"
    store = open_store(made)
    add(store, *(make_event(f"e{i}", b"content") for i in (1, 2, 3)))
    store._queue.run(store._checkpoint)
    add(store, *(make_event(f"e{i}", b"content") for i in (4, 5, 6)))
    shutil.copytree(made.parent, tmp_path / "killed")
    store.close()
    return tmp_path / "killed" / "records-0.sqlite3"


def change(path: Path, *statements: str) -> list[str]:
    """Changes the file and gives what is found."""
    with closing(apsw.Connection(str(path))) as connection:
        for statement in statements:
            connection.execute(statement)
    return [problem.to_text() for problem in verify(path).problems]


def forge(path: Path, seq: int) -> None:
    """Changes an event and computes the hashes behind it again."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"UPDATE events SET caller = 'x' WHERE seq = {seq}")
        rows = list(connection.execute(f"SELECT {LINK_COLUMNS}, e.hash FROM events e ORDER BY seq"))
        last = first_hash(next(iter(connection.execute("SELECT store FROM about_store")))[0])
        for row in rows:
            link = link_of_row(row)
            last = link.hash_after(last)
            connection.execute("UPDATE events SET hash = ? WHERE seq = ?", (last, link.seq))


def test_a_killed_service_left_nothing_wrong(path: Path) -> None:
    assert change(path) == []


def test_the_signed_end_guards_what_no_checkpoint_covers_yet(path: Path) -> None:
    assert change(path, "DELETE FROM events WHERE seq > 4", "DELETE FROM contents WHERE seq > 4") == [
        "event 5 to 6: are missing: the signed end of the chain is behind them"
    ]


def test_the_signed_end_guards_against_a_forged_end(path: Path) -> None:
    forge(path, 5)

    assert change(path) == ["event 6: was written anew: the signed end of the chain has another hash"]


def test_the_signed_end_guards_against_events_behind_it(path: Path) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        row = next(iter(connection.execute(f"SELECT {LINK_COLUMNS}, e.hash FROM events e WHERE seq = 6")))
        link = link_of_row((7, "e7", *row[2:12], b""))
        values = [
            int(value) if isinstance(value, bool) else value for value in (getattr(link, n) for n in link.__slots__)
        ]
        connection.execute(f"INSERT INTO events VALUES ({','.join('?' * 14)})", (*values, link.hash_after(row[13])))

    assert change(path) == ["event 7: were added behind the signed end of the chain"]


def test_a_checkpoint_in_the_store_guards_without_the_file_beside_it(path: Path) -> None:
    forge(path, 2)
    (path.parent / "records-0.checkpoints.jsonl").write_text("")

    assert change(path)[0] == "event 1 to 3: were written anew: checkpoint 1 has another hash"


def test_a_checkpoint_behind_the_last_event_guards(path: Path) -> None:
    (path.parent / "records-0.checkpoints.jsonl").write_text("")

    found = change(path, "DELETE FROM events WHERE seq > 1", "DELETE FROM contents WHERE seq > 1")

    assert "event 2 to 3: are missing: checkpoint 1 covers them" in found


def test_a_checkpoint_about_a_missing_event_is_told(path: Path) -> None:
    found = change(path, "DELETE FROM events WHERE seq = 3", "DELETE FROM contents WHERE seq = 3")

    assert "event 3: is missing, and checkpoint 1 is about it" in found


def test_a_gap_between_checkpoints_is_told(path: Path) -> None:
    assert "event 3: checkpoint 1 is missing" in change(path, "UPDATE checkpoints SET number = 2")


def test_a_damaged_index_is_told(path: Path) -> None:
    found = change(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'bundle, at', 'caller, at') WHERE name = 'events_by_bundle'",
    )

    assert found == ["the file is damaged: its pages or indexes contradict each other"]


def test_parts_that_were_added_or_taken_are_told(path: Path) -> None:
    longer = "UPDATE contents SET lengths = CAST(lengths || x'00000000' AS BLOB) WHERE seq = 2"

    assert change(path, longer) == ["event 2: e2: has another number of parts than was recorded"]


@pytest.mark.parametrize(
    ("kind", "head"), [("removal", "{}"), ("removal", "[]"), ("erasure", '{"subjects":["x"]}'), ("erasure", "no json")]
)
def test_a_removal_that_does_not_say_what_is_told(path: Path, kind: str, head: str) -> None:
    found = change(path, f"UPDATE events SET kind = '{kind}', head = '{head}' WHERE seq = 2")

    assert "event 2: does not say what was removed" in found


def test_a_forged_removal_does_not_hide_that_contents_are_missing(path: Path) -> None:
    found = change(
        path,
        "UPDATE events SET kind = 'removal', head = '{\"before\":\"2999\"}' WHERE seq = 5",
        "DELETE FROM contents WHERE seq = 1",
    )

    assert "event 5: e5: is not what was recorded" in found


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records-0.sqlite3"
    path.write_bytes(b"a letter to a friend" * 100)

    with pytest.raises(StoreError, match="is not a record store"):
        verify(path)
