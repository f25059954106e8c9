"""Whoever changes the file of the records is found out, and where: edits, deletions, swaps, cuts, forged chains."""

# ruff: noqa: S608 - whoever tampers writes SQL; every value in it is made here

from __future__ import annotations

import shutil
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.records.events import LATER, MASTER, add, make_event, open_store, verify
from xaisvc.errors import StoreError
from xaisvc.records import Event, EventKind, MasterKey, RecordFolder, StoreKeys, VerifyReport
from xaisvc.records.reader import LINK_COLUMNS, link_of_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENTS = 60
EVERY = 10  # events between checkpoints
NAME = "records-0.sqlite3"
SEALED = {"plain": None, "sealed": MASTER}
# A copy of the same folder is tampered with in each example, so the folder may be shared by all of them.
TAMPER = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@dataclass(frozen=True)
class Original:
    """A store as it was written, and a place for changed copies."""

    folder: Path
    scratch: Path
    master: MasterKey | None
    events: list[Event]

    def copy(self) -> Path:
        shutil.rmtree(self.scratch, ignore_errors=True)
        shutil.copytree(self.folder, self.scratch)
        return self.scratch / NAME

    def verify(self) -> VerifyReport:
        return verify(self.scratch / NAME, master=self.master)


@pytest.fixture(scope="module", params=list(SEALED))
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Original:
    folder = tmp_path_factory.mktemp("original")
    master = SEALED[request.param]
    store = open_store(folder / NAME, master=master)
    for i in range(EVENTS):
        if i == 20:
            store.erase("ann")
        elif i == 40:
            store.remove_older("old", LATER)
        elif i % 5 == 4:
            add(store, make_event(f"view-{i}", kind=EventKind.VIEW, about=f"e{i - 1}-0", head={"audience": "customer"}))
        else:
            bundle = "old" if i < 10 else "credit"
            contents = [f"content {i} {part}".encode() for part in range(3)]
            event = make_event(
                f"e{i}", *contents, subjects=["ann", f"bob{i}"], bundle=bundle, frame=b"frame %d" % (i % 3)
            )
            store.append(event, {f"schema{i % 2}": b"description"}).result(60)
        if i % EVERY == EVERY - 1:
            store._queue.run(store._checkpoint)
    store.close()
    with closing(RecordFolder(folder, StoreKeys.load(folder, master=master).envelope)) as reader:
        events = list(reader.events())
    return Original(folder, tmp_path_factory.mktemp("scratch") / "copy", master, events)


@contextmanager
def tampering(path: Path) -> Iterator[apsw.Connection]:
    """Somebody's hands in the file; not synced, because nothing is asked of this disk."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        with connection:
            yield connection


def located(report: VerifyReport, seq: int) -> bool:
    return any(problem.first <= seq <= problem.last for problem in report.problems)


def test_nothing_is_found_where_nothing_was_changed(original: Original) -> None:
    original.copy()
    report = original.verify()

    assert report.problems == ()
    assert (report.events, report.checkpoints, report.keys_checked) == (EVENTS, EVENTS // EVERY, True)
    assert report.erased == sum(e.parts[0] is None and e.parts[2] is not None for e in original.events if e.parts)
    assert report.removed == sum(len(e.parts) for e in original.events if e.bundle == "old")
    assert report.erased > 0
    assert report.removed > 0


COLUMNS = {
    "id": "'forged'",
    "kind": "'view'",
    "at": "'2020-01-01T00:00:00.000Z'",
    "bundle": "bundle || 'x'",
    "caller": "'somebody else'",
    "about": "about || 'x'",
    "head": "'{\"x\":1}'",
    "brought": '\'{"x":"y"}\'',
    "frame": "randomblob(32)",
    "sealed": "1 - sealed",
    "subjects": "zeroblob(24)",
    "digests": "randomblob(96)",
    "hash": "randomblob(32)",
}


@TAMPER
@given(seq=st.integers(1, EVENTS), column=st.sampled_from(sorted(COLUMNS)))
def test_an_edited_event_is_found(original: Original, seq: int, column: str) -> None:
    with tampering(original.copy()) as connection:
        before = list(connection.execute(f"SELECT {column} FROM events WHERE seq = {seq}"))
        connection.execute(f"UPDATE events SET {column} = {COLUMNS[column]} WHERE seq = {seq}")
        changed = list(connection.execute(f"SELECT {column} FROM events WHERE seq = {seq}")) != before

    report = original.verify()

    assert located(report, seq) == changed
    assert report.ok == (not changed)


@TAMPER
@given(data=st.data())
def test_a_changed_content_is_found(original: Original, data: st.DataObject) -> None:
    with tampering(original.copy()) as connection:
        places = [row[0] for row in connection.execute("SELECT seq FROM contents ORDER BY seq")]
        seq = data.draw(st.sampled_from(places))
        column = data.draw(st.sampled_from(["data", "lengths", *(["key"] if original.master else [])]))
        content = bytearray(next(iter(connection.execute(f"SELECT {column} FROM contents WHERE seq = {seq}")))[0])
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        connection.execute(f"UPDATE contents SET {column} = ? WHERE seq = ?", (bytes(content), seq))

    assert located(original.verify(), seq)


@TAMPER
@given(data=st.data())
def test_removed_contents_are_found(original: Original, data: st.DataObject) -> None:
    with tampering(original.copy()) as connection:
        seq = data.draw(st.sampled_from([row[0] for row in connection.execute("SELECT seq FROM contents")]))
        connection.execute(f"DELETE FROM contents WHERE seq = {seq}")

    assert located(original.verify(), seq)


@TAMPER
@given(data=st.data())
def test_a_changed_or_removed_subject_is_found(original: Original, data: st.DataObject) -> None:
    with tampering(original.copy()) as connection:
        # Subjects whose contents are gone are gone themselves; what their rows hold means nothing any more.
        held = "SELECT s.number, s.seq FROM subjects s JOIN contents USING (seq) ORDER BY s.number"
        number, seq = data.draw(st.sampled_from(list(connection.execute(held))))
        change = data.draw(
            st.sampled_from(
                [
                    "DELETE FROM subjects",
                    "UPDATE subjects SET tag = randomblob(16)",
                    "UPDATE subjects SET tag = zeroblob(16)",
                    "UPDATE subjects SET key = randomblob(length(key))",
                ]
            )
        )
        erased = list(connection.execute(f"SELECT 1 FROM subjects WHERE number = {number} AND tag = zeroblob(16)"))
        connection.execute(f"{change} WHERE number = {number}")

    report = original.verify()

    assert located(report, seq) or (erased and "zeroblob" in change)


@TAMPER
@given(seq=st.integers(1, EVENTS), count=st.integers(1, 5))
def test_deleted_events_are_found(original: Original, seq: int, count: int) -> None:
    with tampering(original.copy()) as connection:
        for table in ("events", "contents"):
            connection.execute(f"DELETE FROM {table} WHERE seq BETWEEN {seq} AND {seq + count - 1}")

    assert located(original.verify(), seq)


@TAMPER
@given(pair=st.lists(st.integers(1, EVENTS), min_size=2, max_size=2, unique=True))
def test_swapped_events_are_found(original: Original, pair: list[int]) -> None:
    first, second = pair
    with tampering(original.copy()) as connection:
        for table in ("events", "contents"):
            connection.execute(f"UPDATE {table} SET seq = -1 WHERE seq = {first}")
            connection.execute(f"UPDATE {table} SET seq = {first} WHERE seq = {second}")
            connection.execute(f"UPDATE {table} SET seq = {second} WHERE seq = -1")

    report = original.verify()

    assert located(report, first)
    assert located(report, second)


@TAMPER
@given(seq=st.integers(1, EVENTS), clean=st.booleans())
def test_a_cut_tail_is_found(original: Original, seq: int, *, clean: bool) -> None:
    with tampering(original.copy()) as connection:
        for table in ("events", "contents"):
            connection.execute(f"DELETE FROM {table} WHERE seq >= {seq}")
        if clean:  # as well as one can without the signing key
            connection.execute(f"DELETE FROM checkpoints WHERE seq >= {seq}")
            end = next(iter(connection.execute("SELECT coalesce(max(seq), 0) FROM events")))[0]
            connection.execute(
                "UPDATE tail SET seq = ?, checkpoints = (SELECT count(*) FROM checkpoints), "
                "hash = coalesce((SELECT hash FROM events WHERE seq = ?), hash)",
                (end, end),
            )

    assert located(original.verify(), seq)


@TAMPER
@given(seq=st.integers(1, EVENTS), copies_too=st.booleans())
def test_a_chain_written_anew_is_found(original: Original, seq: int, *, copies_too: bool) -> None:
    """The forger changes an event and computes every later hash again, also those in checkpoints and at the end."""
    path = original.copy()
    with tampering(path) as connection:
        connection.execute(f"UPDATE events SET caller = 'somebody else' WHERE seq = {seq}")
        before = f"SELECT hash FROM events WHERE seq = {seq - 1}"
        last = next(iter(connection.execute(before)), (None,))[0] or genesis(connection)
        for row in list(connection.execute(f"SELECT {LINK_COLUMNS} FROM events e WHERE seq >= {seq} ORDER BY seq")):
            link = link_of_row(row)
            last = link.hash_after(last)
            connection.execute("UPDATE events SET hash = ? WHERE seq = ?", (last, link.seq))
            connection.execute("UPDATE checkpoints SET hash = ? WHERE seq = ?", (last, link.seq))
        connection.execute("UPDATE tail SET hash = ?", (last,))
    if copies_too:
        (path.parent / "records-0.checkpoints.jsonl").write_text("")

    report = original.verify()

    first_checkpoint = -(-seq // EVERY) * EVERY
    assert report.problems[0].last == first_checkpoint  # found by the first checkpoint behind it


def genesis(connection: apsw.Connection) -> bytes:
    from xaisvc.records.chain import first_hash

    return first_hash(next(iter(connection.execute("SELECT store FROM about_store")))[0])


@TAMPER
@given(number=st.integers(1, EVENTS // EVERY))
def test_a_missing_checkpoint_is_found(original: Original, number: int) -> None:
    with tampering(original.copy()) as connection:
        connection.execute(f"DELETE FROM checkpoints WHERE number = {number}")

    assert not original.verify().ok


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE frames SET content = randomblob(9)", "its frame is missing or was changed"),
        ("DELETE FROM frames", "its frame is missing or was changed"),
        (
            "UPDATE descriptions SET content = x'00'",
            "the bundle description schema0 is missing, was changed or was added",
        ),
        ("DELETE FROM descriptions WHERE digest = 'schema1'", "the bundle description schema1 is missing"),
        ("INSERT INTO descriptions VALUES ('new', x'00')", "the bundle description new is missing, was changed or was"),
        ("DELETE FROM tail", "the signed end of the chain is missing"),
        ("UPDATE tail SET subjects = subjects - 1", "the end of the chain is not signed with this key"),
        ("UPDATE checkpoints SET at = '2020-01-01' WHERE number = 2", "checkpoint 2 is not signed with this key"),
        ("UPDATE about_store SET store = randomblob(16)", "event 1: e0: is not what was recorded"),
        (
            "INSERT INTO contents SELECT 1000, key, lengths, data FROM contents LIMIT 1",
            "contents of an event that is not",
        ),
    ],
)
def test_other_changes_are_found(original: Original, change: str, message: str) -> None:
    with tampering(original.copy()) as connection:
        connection.execute(change)

    report = original.verify()

    assert any(message in problem.to_text() for problem in report.problems), report.problems


def test_an_added_event_is_found(original: Original) -> None:
    with tampering(original.copy()) as connection:
        row = next(iter(connection.execute(f"SELECT {LINK_COLUMNS}, hash FROM events e WHERE seq = {EVENTS}")))
        connection.execute(f"INSERT INTO events VALUES ({','.join('?' * 14)})", (EVENTS + 1, "forged", *row[2:]))

    assert located(original.verify(), EVENTS + 1)


def test_a_missing_file_of_checkpoints_is_found(original: Original) -> None:
    (original.copy().parent / "records-0.checkpoints.jsonl").unlink()

    assert "the file of checkpoints beside the store is missing" in original.verify().problems[0].what


def test_an_older_copy_is_found_by_checkpoints_that_were_kept_elsewhere(tmp_path: Path) -> None:
    """The forger has the whole folder, the signing key apart, and puts back how it was before."""
    path, kept = tmp_path / "data" / NAME, tmp_path / "kept.jsonl"
    for i in range(2):
        store = open_store(path)
        add(store, make_event(f"{i}"))
        store.close()
        if i == 0:
            shutil.copytree(path.parent, tmp_path / "old")
    shutil.copy(path.parent / "records-0.checkpoints.jsonl", kept)
    shutil.rmtree(path.parent)
    shutil.copytree(tmp_path / "old", path.parent)

    assert verify(path).ok  # nothing in the folder tells
    assert (
        verify(path, kept=[kept]).problems[0].to_text()
        == "event 2: are missing: checkpoint 2 in kept.jsonl covers them"
    )


@pytest.mark.parametrize("column", ["caller", "head", "about"])
def test_text_that_is_no_text_is_found_and_never_read(original: Original, column: str) -> None:
    """A flipped bit can leave bytes that no text has."""
    path = original.copy()
    with tampering(path) as connection:
        connection.execute(f"UPDATE events SET {column} = CAST(x'41f8' AS TEXT) WHERE seq = 12")

    report = original.verify()

    assert not report.ok
    assert report.problems[0].what == "the file is damaged, so that it cannot be read to its end"
    with closing(RecordFolder(path.parent, StoreKeys.load(path.parent, master=original.master).envelope)) as reader:
        with pytest.raises(StoreError) as caught:
            list(reader.events())
        assert "utf" not in str(caught.value)


@TAMPER
@given(data=st.data())
def test_flipped_bits_are_found_or_harm_nothing(original: Original, data: st.DataObject) -> None:
    """Some bytes of the file mean nothing (free space, counters): then every event still reads as it was."""
    path = original.copy()
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)

    try:
        report = original.verify()
    except StoreError:
        return
    if report.ok:
        with closing(RecordFolder(path.parent, StoreKeys.load(path.parent, master=original.master).envelope)) as reader:
            assert list(reader.events()) == original.events
