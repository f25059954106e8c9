"""Reads events back: what was stored is checked against the chain's digests and opened with its keys."""

from __future__ import annotations

import hashlib
import json
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

from xaisvc.errors import StoreError
from xaisvc.records.base import Event, EventKind, Part
from xaisvc.records.chain import NO_SUBJECT, Link, unpack_subjects
from xaisvc.records.chain_writer import SALT_BYTES
from xaisvc.records.commit_queue import CLOSED
from xaisvc.records.database import bytes_of, check_tables, connect, errors_explained, execute_in, snapshot
from xaisvc.records.retention import find_subject
from xaisvc.records.subject_keys import ERASED, event_place, open_sealed, part_place, subject_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import apsw
    from apsw import SQLiteValue
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from xaisvc.records.subject_keys import Envelope, SubjectTags

PAGE_EVENTS: Final = 64

LINK_COLUMNS: Final = (
    "e.seq, e.id, e.kind, e.at, e.bundle, e.caller, e.about, e.head, e.brought, e.frame, e.sealed, e.subjects, "
    "e.digests"
)
CONTENT_COLUMNS: Final = "c.key, c.lengths, c.data"
_WITH_CONTENTS: Final = (
    f"SELECT {LINK_COLUMNS}, f.content, {CONTENT_COLUMNS} FROM events e "  # noqa: S608 - names of this module
    "LEFT JOIN frames f ON f.digest = e.frame LEFT JOIN contents c ON c.seq = e.seq"
)
_PLACES_OF: Final = "SELECT e.id, e.subjects FROM subjects s JOIN events e USING (seq) WHERE s.number IN"
_WITH_FEEDBACK: Final = "SELECT DISTINCT about FROM events WHERE kind = 'feedback' AND about IN"
_HEADS_ONLY: Final = f"SELECT {LINK_COLUMNS}, x'', NULL, NULL, NULL FROM events e"  # noqa: S608 - names of this module

Row = tuple["SQLiteValue", ...]


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """What is kept of a subject.

    Attributes:
        seq: The event it has this number in.
        tag: What it is called.
        key: Its wrapped key; empty in a store without a master key.
    """

    seq: int
    tag: bytes
    key: bytes

    @property
    def erased(self) -> bool:
        """Whether its name and key were destroyed."""
        return self.tag == ERASED


@dataclass(frozen=True, slots=True)
class Contents:
    """What is stored of an event's parts.

    Attributes:
        key: The event's own wrapped key; empty if every part has a subject, or nothing is encrypted.
        parts: Each part as stored.
    """

    key: bytes
    parts: tuple[bytes, ...]

    @classmethod
    def of_row(cls, row: Row) -> Contents | None:
        """From the columns of `CONTENT_COLUMNS`; None if they were removed.

        Raises:
            StoreError: If the lengths do not fit the data.
        """
        key, lengths, data = row
        if not isinstance(key, bytes) or not isinstance(lengths, bytes) or not isinstance(data, bytes):
            return None
        if len(lengths) % 4:
            raise StoreError("the lengths of the parts are damaged")
        sizes = struct.unpack(f">{len(lengths) // 4}I", lengths)
        if sum(sizes) != len(data):
            raise StoreError("the lengths of the parts do not fit their contents")
        parts, start = [], 0
        for size in sizes:
            parts.append(data[start : start + size])
            start += size
        return cls(key, tuple(parts))


class RecordReader:
    """Reads one file with a connection of its own. Safe to use from several threads.

    Args:
        path: The file.
        envelope: Unwraps keys; None without a master key.

    Raises:
        StoreError: If the file is no record store, or its contents need another master key.
    """

    def __init__(self, path: Path, envelope: Envelope | None) -> None:
        self._envelope = envelope
        self._lock = Lock()
        self._closed = False
        with errors_explained():
            self._connection = connect(path, read_only=True)
            try:
                check_tables(self._connection, path)
            except BaseException:
                self._connection.close()
                raise

    def get(self, event_id: str) -> Event | None:
        """The event with this id, or None; see `RecordStore.get`."""
        with self._reading():
            row = next(iter(self._connection.execute(f"{_WITH_CONTENTS} WHERE e.id = ?", (event_id,))), None)
            return None if row is None else self._event(row)

    def get_description(self, schema_digest: str) -> bytes | None:
        """The bundle description with this digest, or None."""
        with self._reading():
            query = self._connection.execute("SELECT content FROM descriptions WHERE digest = ?", (schema_digest,))
            row = next(iter(query), None)
            return None if row is None else bytes(row[0])

    def events(
        self, *, kinds: Sequence[EventKind] = (), bundle: str = "", about: str = "", with_parts: bool = True
    ) -> Iterator[Event]:
        """Events in their order; see `RecordStore.events`. Without parts no master key is needed."""
        conditions, values = ["e.seq > ?"], list[str]()
        for column, value in (("bundle", bundle), ("about", about)):
            if value:
                conditions.append(f"e.{column} = ?")
                values.append(value)
        if kinds:
            conditions.append(f"e.kind IN ({','.join('?' * len(kinds))})")
            values += [str(kind) for kind in kinds]
        if about:
            conditions.append("e.about != ''")  # lets SQLite use the index, which leaves out events about nothing
        columns = _WITH_CONTENTS if with_parts else _HEADS_ONLY
        query = f"{columns} WHERE {' AND '.join(conditions)} ORDER BY e.seq LIMIT {PAGE_EVENTS}"
        last = 0
        while True:
            with self._reading():
                rows = list(self._connection.execute(query, (last, *values)))
                page = [self._event(row) for row in rows]
            yield from page
            if len(rows) < PAGE_EVENTS:
                return
            last = int(rows[-1][0])

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._closed = True
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One moment of the store, for one thread."""
        with self._lock, errors_explained():
            if self._closed:
                raise StoreError(CLOSED)
            with snapshot(self._connection):
                yield

    def _event(self, row: Row) -> Event:
        link = link_of_row(row)
        parts: Sequence[Part | None] = (None,) * link.parts
        try:
            contents = Contents.of_row(row[14:17])
            if contents is not None:
                parts = self._parts(link, contents)
            kind, head = EventKind(link.kind), json.loads(link.head)
        except StoreError as error:
            raise StoreError(f"event {link.id}: {error}") from error
        except ValueError as error:
            raise StoreError(f"event {link.id}: is not what was stored; run: xaisvc records verify") from error
        return Event(
            id=link.id,
            kind=kind,
            at=link.at,
            bundle=link.bundle,
            caller=link.caller,
            about=link.about,
            head=head,
            frame=bytes_of(row[13]),
            parts=tuple(parts),
        )

    def _parts(self, link: Link, contents: Contents) -> list[Part | None]:
        numbers = link.subject_numbers()
        if len(contents.parts) != link.parts or len(numbers) != link.parts:
            raise StoreError("has another number of parts than the chain says")
        subjects = read_subjects(self._connection, {number for number in numbers if number != NO_SUBJECT})
        keys: dict[int, AESGCM] = {}
        parts: list[Part | None] = []
        for i, (number, stored) in enumerate(zip(numbers, contents.parts, strict=True)):
            subject = subjects.get(number)
            if number != NO_SUBJECT and (subject is None or subject.erased):
                parts.append(None)
                continue
            if hashlib.sha256(stored).digest() != link.digest(i):
                raise StoreError(f"part {i} is not what the chain says; run: xaisvc records verify")
            if not link.sealed:
                parts.append(Part(content=stored[SALT_BYTES:]))
                continue
            if number not in keys:
                keys[number] = self._key(link, contents, number, subject)
            parts.append(Part(content=open_sealed(keys[number], stored, part_place(link.id, i))))
        return parts

    def _key(self, link: Link, contents: Contents, number: int, subject: SubjectRow | None) -> AESGCM:
        if self._envelope is None:
            raise StoreError("its contents are encrypted; give the master key")
        if subject is not None:
            return self._envelope.unwrap(subject.key, subject_place(subject.tag, number, link.seq))
        return self._envelope.unwrap(contents.key, event_place(link.id))

    def explanations_of(self, tags: SubjectTags, subject: str) -> list[str]:
        """Ids of the explanations about a subject."""
        with self._reading():
            numbers, _ = find_subject(self._connection, tags, subject)
            places = execute_in(self._connection, _PLACES_OF, numbers)
            wanted = set(numbers)
            return [
                f"{event_id}-{part}"
                for event_id, packed in dict.fromkeys(places)
                for part, number in enumerate(unpack_subjects(bytes_of(packed)))
                if number in wanted
            ]

    def with_feedback(self, explanations: Sequence[str]) -> list[str]:
        """Those of these explanations that somebody gave feedback about."""
        with self._reading():
            return [str(row[0]) for row in execute_in(self._connection, _WITH_FEEDBACK, explanations)]

    def find_subject(self, tags: SubjectTags, subject: str) -> tuple[list[int], int]:
        """The numbers that a subject has, and the last number looked at; see `retention.find_subject`."""
        with self._reading():
            return find_subject(self._connection, tags, subject)


def link_of_row(row: Row) -> Link:
    """The link in the columns of `LINK_COLUMNS`."""
    seq, event_id, kind, at, bundle, caller, about, head, brought, frame, sealed, subjects, digests = row[:13]
    return Link(
        seq=int(str(seq)),
        id=str(event_id),
        kind=str(kind),
        at=str(at),
        bundle=str(bundle),
        caller=str(caller),
        about=str(about),
        head=str(head),
        brought=str(brought),
        frame=bytes_of(frame),
        sealed=sealed == 1,
        subjects=bytes_of(subjects),
        digests=bytes_of(digests),
    )


def read_subjects(connection: apsw.Connection, numbers: set[int]) -> dict[int, SubjectRow]:
    """What is kept of the subjects with these numbers."""
    query = "SELECT number, seq, tag, key FROM subjects WHERE number IN"
    return {
        int(str(number)): SubjectRow(int(str(seq)), bytes_of(tag), bytes_of(key))
        for number, seq, tag, key in execute_in(connection, query, sorted(numbers))
    }
