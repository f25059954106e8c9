"""The stores of several processes, read as one, and written out."""

from __future__ import annotations

import base64
import io
import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.unit.records.events import MASTER, add, as_read, make_event, open_store
from xaisvc.errors import StoreError
from xaisvc.records import EventKind, RecordFolder, StoreKeys, export_events, store_path, store_paths

if TYPE_CHECKING:
    from pathlib import Path


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    assert store_paths(tmp_path) == []
    for process in (1, 0):
        open_store(store_path(tmp_path, process)).close()

    assert store_paths(tmp_path) == [tmp_path / "records-0.sqlite3", tmp_path / "records-1.sqlite3"]


def test_reads_every_process_while_they_write(tmp_path: Path) -> None:
    envelope = StoreKeys.load(tmp_path, master=MASTER).envelope
    with closing(RecordFolder(tmp_path, envelope)) as folder:
        assert folder.get("a") is None
        first = open_store(store_path(tmp_path, 0), master=MASTER)
        first.append(make_event("a", b"1", subjects=["ann"], at="2026-01-31T09:30:00.000Z"), {"d": b"x"}).result()
        assert folder.get_description("d") == b"x"
        second = open_store(store_path(tmp_path, 1), master=MASTER)
        add(second, make_event("b", b"2", subjects=["ann"], at="2026-01-31T09:29:00.000Z", bundle="fraud"))
        add(first, make_event("c", kind=EventKind.VIEW, at="2026-01-31T09:31:00.000Z", about="a-0"))

        assert folder.get("b") == as_read(make_event("b", b"2", at="2026-01-31T09:29:00.000Z", bundle="fraud"))
        assert [event.id for event in folder.events()] == ["b", "a", "c"]
        assert [event.id for event in folder.events(bundle="fraud")] == ["b"]
        assert [event.id for event in folder.events(about="a-0", kinds=[EventKind.VIEW])] == ["c"]
        assert [part for event in folder.events(with_parts=False) for part in event.parts] == [None, None]
        first.close()
        second.close()
        assert [event.id for event in folder.events()] == ["b", "a", "c"]

    with pytest.raises(StoreError, match="the record store is closed"):
        folder.get("a")


def test_a_file_that_is_being_made_is_passed_over(tmp_path: Path) -> None:
    store_path(tmp_path, 0).touch()

    with closing(RecordFolder(tmp_path)) as folder:
        assert folder.get("a") is None
        store = open_store(store_path(tmp_path, 0))
        add(store, make_event("a"))
        assert folder.get("a") == make_event("a")
        store.close()


def test_sealed_contents_need_the_master_key_and_heads_do_not(tmp_path: Path) -> None:
    store = open_store(store_path(tmp_path, 0), master=MASTER)
    add(store, make_event("a", b"1", subjects=["ann"], head={"seed": 1}))
    store.close()

    with closing(RecordFolder(tmp_path)) as folder:
        assert [event.head for event in folder.events(with_parts=False)] == [{"seed": 1}]
        with pytest.raises(StoreError, match="event a: its contents are encrypted; give the master key"):
            folder.get("a")


def test_every_event_is_exported_as_one_line_of_json(tmp_path: Path) -> None:
    store = open_store(store_path(tmp_path, 0))
    add(store, make_event("a", b"\x00\xff", b"gone", subjects=["", "ann"], frame=b"frame", head={"text": "a\nb é"}))
    store.erase("ann")

    out = io.StringIO()
    lines = export_events(store.events(), out)
    store.close()

    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert lines == 2
    assert first == {
        "id": "a",
        "kind": "explanations",
        "at": "2026-01-31T09:30:00.000Z",
        "bundle": "credit",
        "caller": "officer",
        "about": "",
        "head": {"text": "a\nb é"},
        "frame": base64.b64encode(b"frame").decode(),
        "parts": [base64.b64encode(b"\x00\xff").decode(), None],
    }
    assert second["kind"] == "erasure"


def test_a_decoder_says_what_is_exported_of_the_contents() -> None:
    out = io.StringIO()

    export_events([make_event("a", b"1", b"2", frame=b"f")], out, lambda event, place: [event.frame.decode(), place])

    line = json.loads(out.getvalue())
    assert line["parts"] == [["f", 0], ["f", 1]]
    assert "frame" not in line
