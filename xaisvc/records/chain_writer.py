"""Writes events into the tables: all of a batch in one transaction, each event linked to the one before it.

Reads the end of the chain inside every transaction, so that the chain is right whoever else has written meanwhile, for
example the command line that erases a subject beside a running service.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import apsw

from xaisvc.records.chain import NO_SUBJECT, Link, first_hash, pack_subjects
from xaisvc.records.checkpoints import EVERY_EVENTS, Checkpoint, Tail
from xaisvc.records.database import execute_in, insert, transaction
from xaisvc.records.randomness import Randomness
from xaisvc.records.subject_keys import NONCE_BYTES, event_place, part_place, subject_place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from apsw import SQLiteValue
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from xaisvc.records.checkpoints import Signer
    from xaisvc.records.entries import Entry
    from xaisvc.records.subject_keys import Envelope, SubjectTags

SALT_BYTES: Final = 16

_MOST_FRAMES = 10_000


@dataclass(slots=True)
class _Rows:
    """Rows of one transaction, by table."""

    events: list[tuple[SQLiteValue, ...]] = field(default_factory=list)
    contents: list[tuple[SQLiteValue, ...]] = field(default_factory=list)
    subjects: list[tuple[SQLiteValue, ...]] = field(default_factory=list)
    frames: dict[bytes, bytes] = field(default_factory=dict)
    descriptions: list[tuple[SQLiteValue, ...]] = field(default_factory=list)


class ChainWriter:
    """Adds to the chain of one file. For one thread at a time.

    Args:
        connection: Connection that may write.
        signer: Signs the end of the chain and the checkpoints.
        tags: Names subjects.
        envelope: Wraps keys; None to store contents as they are.
        now: The time, ISO 8601 in UTC with milliseconds.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        signer: Signer,
        tags: SubjectTags,
        envelope: Envelope | None,
        now: Callable[[], str],
    ) -> None:
        self._connection = connection
        self._signer = signer
        self._tags = tags
        self._envelope = envelope
        self._now = now
        self._randomness = Randomness()
        self._store = b""
        self._frames: set[bytes] = set()
        self._descriptions: set[str] = set()
        self.made: list[Checkpoint] = []
        """Checkpoints made and durable, for whoever copies them elsewhere and then clears this."""

    @property
    def connection(self) -> apsw.Connection:
        """The connection, for what else is done in its transactions."""
        return self._connection

    @property
    def store(self) -> bytes:
        """Identity of the store, 16 random bytes."""
        if not self._store:
            self._store = bytes(next(iter(self._connection.execute("SELECT store FROM about_store")))[0])
        return self._store

    def begin_chain(self, store: bytes, master_check: bytes | None, version: int) -> None:
        """Writes what stands before the first event. Inside a transaction."""
        self._connection.execute("INSERT INTO about_store VALUES (?, ?, ?)", (version, store, master_check))
        self._write_tail(Tail(seq=0, hash=first_hash(store)))

    def tail(self) -> Tail:
        """The end of the chain as it stands."""
        columns = "seq, hash, subjects, checkpoints, checkpoint_seq, signature"
        row = next(iter(self._connection.execute(f"SELECT {columns} FROM tail")), None)  # noqa: S608 - our own names
        if row is None:
            raise apsw.CorruptError("no tail")
        return Tail(
            seq=row[0], hash=row[1], subjects=row[2], checkpoints=row[3], checkpoint_seq=row[4], signature=row[5]
        )

    def write(self, entries: Sequence[Entry]) -> list[bool]:
        """Writes a batch durably and says which of it was written; the others have ids that exist already.

        Raises:
            apsw.Error: If nothing was written.
        """
        seen: set[str] = set()
        new = []
        for entry in entries:
            new.append(entry.event.id not in seen)
            seen.add(entry.event.id)
        try:
            self._write([entry for entry, is_new in zip(entries, new, strict=True) if is_new])
        except apsw.ConstraintError:
            known = {row[0] for row in execute_in(self._connection, "SELECT id FROM events WHERE id IN", list(seen))}
            if not known:
                raise
            new = [is_new and entry.event.id not in known for entry, is_new in zip(entries, new, strict=True)]
            self._write([entry for entry, is_new in zip(entries, new, strict=True) if is_new])
        return new

    def _write(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        try:
            with transaction(self._connection):
                self.add(entries)
        except BaseException:
            self.forget()
            raise

    def add(self, entries: Sequence[Entry]) -> None:
        """Adds events to the chain. Inside a transaction; call `forget` if it fails."""
        tail = self.tail()
        rows = _Rows()
        for entry in entries:
            tail = self._add(entry, tail, rows)
        self._insert(rows)
        if tail.seq - tail.checkpoint_seq >= EVERY_EVENTS:
            tail = self._checkpoint(tail)
        self._write_tail(tail)

    def checkpoint(self) -> None:
        """Makes a checkpoint of the events since the last one, durably, if there are any.

        Raises:
            apsw.Error: If it was not written.
        """
        try:
            with transaction(self._connection):
                tail = self.tail()
                if tail.seq > tail.checkpoint_seq:
                    tail = self._checkpoint(tail)
                    self._write_tail(tail)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drops what is remembered of the tables, because a transaction failed."""
        self._frames.clear()
        self._descriptions.clear()
        self.made = [point for point in self.made if self._is_kept(point)]

    def _is_kept(self, point: Checkpoint) -> bool:
        try:
            found = self._connection.execute("SELECT 1 FROM checkpoints WHERE number = ?", (point.number,))
            return next(iter(found), None) is not None
        except apsw.Error:
            return False

    def _add(self, entry: Entry, tail: Tail, rows: _Rows) -> Tail:
        event, seq = entry.event, tail.seq + 1
        first = tail.subjects + 1
        numbers = {tag: first + i for i, tag in enumerate(tag for tag in dict.fromkeys(entry.tags) if tag)}
        wrapped, stored = self._seal(entry, seq, numbers, rows)
        if stored:
            lengths = struct.pack(f">{len(stored)}I", *map(len, stored))
            rows.contents.append((seq, wrapped, lengths, b"".join(stored)))
        if entry.frame_digest and entry.frame_digest not in self._frames:
            rows.frames[entry.frame_digest] = event.frame
        link = Link(
            seq=seq,
            id=event.id,
            kind=str(event.kind),
            at=event.at,
            bundle=event.bundle,
            caller=event.caller,
            about=event.about,
            head=entry.head,
            brought=self._bring(entry, rows),
            frame=entry.frame_digest,
            sealed=self._envelope is not None,
            subjects=pack_subjects([numbers.get(tag, NO_SUBJECT) for tag in entry.tags]),
            digests=b"".join([hashlib.sha256(part).digest() for part in stored]),
        )
        link_hash = link.hash_after(tail.hash)
        rows.events.append(
            (
                seq,
                link.id,
                link.kind,
                link.at,
                link.bundle,
                link.caller,
                link.about,
                link.head,
                link.brought,
                link.frame,
                int(link.sealed),
                link.subjects,
                link.digests,
                link_hash,
            )
        )
        return replace(tail, seq=seq, hash=link_hash, subjects=tail.subjects + len(numbers))

    def _seal(self, entry: Entry, seq: int, numbers: Mapping[bytes, int], rows: _Rows) -> tuple[bytes, list[bytes]]:
        """What is stored of each part, and the event's own key, wrapped; adds the rows of the subjects.

        Of a part is stored: nonce and ciphertext under its subject's key for this event, or under the event's own key
        if it has no subject; without a master key, a random salt and the content.
        """
        if self._envelope is None:
            rows.subjects.extend(
                (number, seq, tag, self._tags.seal(tag, number, seq)) for tag, number in numbers.items()
            )
            salts = self._randomness.take(SALT_BYTES * len(entry.contents))
            return b"", [salts[i * SALT_BYTES : (i + 1) * SALT_BYTES] + part for i, part in enumerate(entry.contents)]
        wrapped = b""
        keys: dict[bytes, AESGCM] = {}
        for tag, number in numbers.items():
            subject_wrapped, keys[tag] = self._envelope.new_key(subject_place(tag, number, seq))
            rows.subjects.append((number, seq, tag, subject_wrapped))
        if not all(entry.tags):
            wrapped, keys[b""] = self._envelope.new_key(event_place(entry.event.id))
        nonces = os.urandom(NONCE_BYTES * len(entry.contents))
        sealed = []
        for i, (content, tag) in enumerate(zip(entry.contents, entry.tags, strict=True)):
            nonce = nonces[i * NONCE_BYTES : (i + 1) * NONCE_BYTES]
            sealed.append(nonce + keys[tag].encrypt(nonce, content, part_place(entry.event.id, i)))
        return wrapped, sealed

    def _bring(self, entry: Entry, rows: _Rows) -> str:
        """Adds the descriptions that are new, and says which: schema digest to SHA-256, as JSON."""
        brought = {}
        for digest, content in entry.descriptions.items():
            if digest in self._descriptions:
                continue
            self._descriptions.add(digest)
            query = self._connection.execute("SELECT 1 FROM descriptions WHERE digest = ?", (digest,))
            if next(iter(query), None) is None:
                rows.descriptions.append((digest, content))
                brought[digest] = hashlib.sha256(content).hexdigest()
        return json.dumps(brought, sort_keys=True, separators=(",", ":")) if brought else ""

    def _insert(self, rows: _Rows) -> None:
        insert(self._connection, "OR IGNORE INTO frames", list(rows.frames.items()))
        insert(self._connection, "INTO descriptions", rows.descriptions)
        insert(self._connection, "INTO events", rows.events)
        insert(self._connection, "INTO contents", rows.contents)
        insert(self._connection, "INTO subjects", rows.subjects)
        if len(self._frames) > _MOST_FRAMES:
            self._frames.clear()
        self._frames.update(rows.frames)

    def _checkpoint(self, tail: Tail) -> Tail:
        point = Checkpoint(number=tail.checkpoints + 1, seq=tail.seq, hash=tail.hash, at=self._now())
        point = replace(point, signature=self._signer.sign(point.signed_bytes(self.store)))
        self._connection.execute(
            "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)",
            (point.number, point.seq, point.hash, point.at, point.signature),
        )
        self.made.append(point)
        return replace(tail, checkpoints=point.number, checkpoint_seq=point.seq)

    def _write_tail(self, tail: Tail) -> None:
        signature = self._signer.sign(tail.signed_bytes(self.store))
        self._connection.execute(
            "REPLACE INTO tail VALUES (1, ?, ?, ?, ?, ?, ?)",
            (tail.seq, tail.hash, tail.subjects, tail.checkpoints, tail.checkpoint_seq, signature),
        )
