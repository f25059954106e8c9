"""`xaisvc records`: what it prints, its exit status, and what it does to the records."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import apsw
import pytest
from typer.testing import CliRunner

from tests.unit.records.events import MASTER, add, make_event, open_store
from xaisvc.cli_records import records_app
from xaisvc.errors import InvalidRequestError, NotFoundError, StoreError
from xaisvc.records import EventKind, store_path

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

OLD, NEW = "2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two processes' records: explanations of ann and bob, views and feedback."""
    folder = tmp_path / "data"
    for process in (0, 1):
        with closing(open_store(store_path(folder, process))) as store:
            add(
                store,
                make_event(f"e{process}", b"about ann", b"about bob", subjects=["ann", "bob"], at=NEW),
                make_event(f"old{process}", b"long ago", at=OLD),
                make_event(f"v{process}", kind=EventKind.VIEW, about="e0-0", head={"audience": "customer"}),
                make_event(
                    f"f{process}",
                    kind=EventKind.FEEDBACK,
                    head={"audience": "customer", "verdict": "deviate", "outcome": "paid"},
                ),
            )
    return folder


def run(data: Path, *arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(records_app, [arguments[0], "--data-dir", str(data), *arguments[1:]])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def tamper(data: Path) -> None:
    with closing(apsw.Connection(str(store_path(data, 1)))) as connection:
        connection.execute("UPDATE events SET caller = 'somebody' WHERE seq = 2")


def test_records_as_they_were_are_verified(data: Path) -> None:
    shown = run(data, "verify").output

    assert shown.count("nothing was changed") == 2
    assert "4 events, 3 parts as recorded; 1 signed checkpoint" in shown


def test_tampering_ends_with_status_1_and_says_where(data: Path) -> None:
    tamper(data)

    shown = run(data, "verify", status=1).output
    found = json.loads(run(data, "verify", "--json", status=1).output)

    assert "records-1.sqlite3: 1 problem found" in shown
    assert "event 2: old1: is not what was recorded" in shown
    assert [report["ok"] for report in found] == [True, False]
    assert found[1]["problems"] == [{"first": 2, "last": 2, "event_id": "old1", "what": "is not what was recorded"}]


def test_another_public_key_does_not_verify(data: Path, tmp_path: Path) -> None:
    open_store(store_path(tmp_path / "other")).close()

    shown = run(data, "verify", "--public-key", str(tmp_path / "other" / "signing.pub"), status=1).output

    assert "the end of the chain is not signed with this key" in shown


def test_an_erased_subject_is_gone_from_every_process(data: Path) -> None:
    with closing(open_store(store_path(data, 0))) as service:  # the service goes on meanwhile
        shown = run(data, "erase", "ann").output
        event = service.get("e0")

    assert "Erased: 2 events held something about this subject" in shown
    assert event is not None
    assert [part and part.content for part in event.parts] == [None, b"about bob"]
    assert "Nothing is recorded about this subject" in run(data, "erase", "ann").output
    assert json.loads(run(data, "erase", "bob", "--json").output) == {"events": 2}
    assert "2 erased" in run(data, "verify").output


def test_what_readers_wrote_about_an_erased_subject_is_erased_in_every_process(data: Path) -> None:
    with closing(open_store(store_path(data, 1))) as store:  # the feedback came to another process
        add(
            store,
            make_event("said", b"ann is late", kind=EventKind.FEEDBACK, about="e0-0", subjects=["e0-0"]),
            make_event("other", b"bob is early", kind=EventKind.FEEDBACK, about="e0-1", subjects=["e0-1"]),
        )

    assert "Erased: 3 events" in run(data, "erase", "ann").output

    exported = {event["id"]: event["parts"] for event in map(json.loads, run(data, "export").output.splitlines())}
    assert exported["said"] == [None]
    assert exported["other"] != [None]
    assert "2 erased" in run(data, "verify").output


def test_events_are_exported(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    printed = run(data, "export").output
    shown = run(data, "export", "--out", str(out), "--bundle", "credit").output

    assert len(printed.splitlines()) == 8
    assert f"Wrote {out}: 8 events. It holds personal data" in shown
    assert out.read_text() == printed
    assert out.stat().st_mode & 0o077 == 0
    assert {json.loads(line)["kind"] for line in printed.splitlines()} == {"explanations", "view", "feedback"}


def test_use_is_counted(data: Path) -> None:
    shown = run(data, "usage").output
    found = json.loads(run(data, "usage", "--json", "--since", "2026-01-01", "--until", "2026-12-31").output)

    assert "customer" in shown
    assert "paid 2" in shown
    assert [(one["opens"], one["readers"], one["overrides"]) for one in found] == [(2, 1, 2)]
    assert (
        run(data, "usage", "--bundle", "fraud").output
        == "No view was rendered and no feedback was given in this time.\n"
    )


def test_what_is_too_old_is_removed(data: Path) -> None:
    assert run(data, "retain", "--bundle", "credit=1200").output == "Nothing is older than it must be kept.\n"
    assert run(data, "retain", "--bundle", "other=1").output == "credit: removed the contents of 2 events\n"
    assert json.loads(run(data, "retain", "--json").output) == {"removed": {}}
    assert "2 removed by age" not in run(data, "verify").output  # one in each file
    assert run(data, "verify").output.count("1 removed by age") == 2


def test_sealed_records_need_the_master_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "master.key"
    key.write_text(MASTER.secret.hex())
    data = tmp_path / "data"
    with closing(open_store(store_path(data), master=MASTER)) as store:
        add(store, make_event("e", b"about ann", subjects=["ann"]))

    assert "give the master key to check them too" in run(data, "verify").output
    with pytest.raises(StoreError, match="its contents are encrypted; give the master key"):
        run(data, "export")
    with pytest.raises(StoreError, match="its contents are encrypted; give the master key"):
        run(data, "erase", "ann")
    assert len(run(data, "export", "--master-key-file", str(key)).output.splitlines()) == 1
    monkeypatch.setenv("XAISVC_MASTER_KEY", MASTER.secret.hex())
    assert "1 event held something" in run(data, "erase", "ann").output
    assert "not checked" not in run(data, "verify").output


@pytest.mark.parametrize("command", [["verify"], ["export"], ["erase", "ann"], ["usage"], ["retain"]])
def test_a_folder_without_records_is_told(tmp_path: Path, command: list[str]) -> None:
    with pytest.raises(NotFoundError, match=r"no records in .*; name their folder with --data-dir"):
        run(tmp_path, *command)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["usage", "--since", "yesterday"], "--since: 'yesterday' is no day; write it as 2026-01-31"),
        (["retain", "--bundle", "credit"], "--bundle: 'credit' is not NAME=MONTHS, for example credit=84"),
        (["retain", "--bundle", "credit=0"], "--bundle: 'credit=0' is not NAME=MONTHS"),
        (
            ["export", "--out", "/no/such/folder/x"],
            "--out: cannot write '/no/such/folder/x': No such file or directory",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(data: Path, command: list[str], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        run(data, *command)
