"""Events and stores for the tests of the records."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xaisvc.records import Event, EventKind, MasterKey, Part, SqliteRecordStore, StoreKeys, verify_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xaisvc.records import VerifyReport

AT = "2026-01-31T09:30:00.000Z"
LATER = datetime(2026, 2, 1, tzinfo=UTC)
MASTER = MasterKey(bytes(range(32)))


def make_event(  # noqa: PLR0913 - one argument per field
    event_id: str,
    *contents: bytes,
    subjects: Sequence[str] = (),
    kind: EventKind = EventKind.EXPLANATIONS,
    at: str = AT,
    bundle: str = "credit",
    caller: str = "officer",
    about: str = "",
    head: Mapping[str, object] | None = None,
    frame: bytes = b"",
) -> Event:
    names = [*subjects, *[""] * (len(contents) - len(subjects))]
    parts = tuple(Part(content=content, subject=subject) for content, subject in zip(contents, names, strict=True))
    return Event(
        id=event_id,
        kind=kind,
        at=at,
        bundle=bundle,
        caller=caller,
        about=about,
        head=head or {},
        frame=frame,
        parts=parts,
    )


def as_read(event: Event) -> Event:
    """How an event reads: without the names of its subjects."""
    parts = tuple(part and Part(content=part.content) for part in event.parts)
    return Event(
        id=event.id,
        kind=event.kind,
        at=event.at,
        bundle=event.bundle,
        caller=event.caller,
        about=event.about,
        head=event.head,
        frame=event.frame,
        parts=parts,
    )


def open_store(path: Path, *, master: MasterKey | None = None, beside_service: bool = False) -> SqliteRecordStore:
    return SqliteRecordStore(path, keys=StoreKeys.load(path.parent, master=master), beside_service=beside_service)


def add(store: SqliteRecordStore, *events: Event) -> None:
    futures = [store.append(event) for event in events]
    for future in futures:
        future.result(60)


def verify(path: Path, *, master: MasterKey | None = None, kept: Sequence[Path] = ()) -> VerifyReport:
    keys = StoreKeys.load(path.parent, master=master)
    return verify_store(path, keys.signer.verifier, tags=keys.tags, envelope=keys.envelope, kept=kept)


def stored_bytes(folder: Path) -> bytes:
    """Every byte that the stores of a folder have on the disk, logs included."""
    return b"\0".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def random_content(size: int = 500) -> bytes:
    return os.urandom(size)
