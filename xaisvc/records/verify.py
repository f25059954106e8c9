"""Verifies a store from its first event to its last: nothing changed, missing, added, or written anew.

Reads only. Needs the public key; with the other keys it also checks the keys and names of the subjects.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import apsw

from xaisvc.errors import StoreError
from xaisvc.records.base import EventKind
from xaisvc.records.chain import DIGEST_BYTES, NO_SUBJECT, first_hash
from xaisvc.records.checkpoints import Checkpoint, CheckpointFile, Tail
from xaisvc.records.database import bytes_of, check_tables, connect, explain, snapshot
from xaisvc.records.reader import CONTENT_COLUMNS, LINK_COLUMNS, Contents, SubjectRow, link_of_row, read_subjects
from xaisvc.records.subject_keys import event_place, subject_place
from xaisvc.records.verify_report import Problem, VerifyReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from apsw import SQLiteValue

    from xaisvc.records.chain import Link
    from xaisvc.records.checkpoints import Verifier
    from xaisvc.records.subject_keys import Envelope, SubjectTags

MOST_PROBLEMS: Final = 100
_PAGE_EVENTS: Final = 64


def verify_store(
    path: Path,
    verifier: Verifier,
    *,
    tags: SubjectTags | None = None,
    envelope: Envelope | None = None,
    kept: Sequence[Path] = (),
) -> VerifyReport:
    """Verifies one file.

    Args:
        path: The file.
        verifier: The public key that its checkpoints were signed for.
        tags: Names subjects, to check that no name was changed.
        envelope: Unwraps keys, to check that no key was changed.
        kept: Files of checkpoints that were copied elsewhere, beside the one that stands beside the store.

    Raises:
        StoreError: If the file is no record store or cannot be read at all. What is wrong inside is in the report.
    """
    try:
        connection = connect(path, read_only=True)
        try:
            check_tables(connection, path)
            with snapshot(connection):
                return _Verification(connection, path, verifier, tags, envelope).run(kept)
        finally:
            connection.close()
    except (apsw.CorruptError, UnicodeDecodeError):  # a flipped bit leaves text that is none
        damage = Problem(first=0, last=0, what="the file is damaged, so that it cannot be read to its end")
        return VerifyReport(file=str(path), problems=(damage,))
    except apsw.Error as error:
        raise StoreError(f"{path}: {explain(error)}") from error


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What the chain says was made unreadable on purpose."""

    removals: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Bundle to pairs of time and place of the removal: contents from before the time may be missing."""
    erasures: dict[int, int] = field(default_factory=dict)
    """Subject number to place of the erasure."""

    def removed(self, link: Link) -> bool:
        return any(link.at < before and link.seq < seq for before, seq in self.removals.get(link.bundle, ()))

    def erased(self, number: int, link: Link) -> bool:
        return self.erasures.get(number, 0) > link.seq


class _Verification:
    """One run over one file."""

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        verifier: Verifier,
        tags: SubjectTags | None,
        envelope: Envelope | None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._verifier = verifier
        self._tags = tags
        self._envelope = envelope
        self._problems: list[Problem] = []
        self._store = bytes_of(self._one("SELECT store FROM about_store"))
        self._allowed = _Allowed()
        self._brought: dict[str, str] = {}
        self._events = self._parts = self._erased = self._removed = 0
        self._keys_checked = True
        self._last = 0
        self._last_hash = first_hash(self._store)

    def run(self, kept: Sequence[Path]) -> VerifyReport:
        self._check_pages()
        self._find_allowed()
        points = self._read_checkpoints()
        good = self._check_events(points)
        self._check_tail(len(points))
        self._check_rest()
        self._check_copies(kept, points)
        problems = sorted(self._problems, key=lambda problem: (problem.first == 0, problem.first))
        return VerifyReport(
            file=str(self._path),
            events=self._events,
            parts=self._parts,
            erased=self._erased,
            removed=self._removed,
            checkpoints=good,
            keys_checked=self._keys_checked,
            problems=tuple(problems[:MOST_PROBLEMS]),
        )

    def _say(self, what: str, first: int = 0, last: int = 0, event_id: str = "") -> None:
        self._problems.append(Problem(first=first, last=max(first, last), event_id=event_id, what=what))

    def _one(self, query: str) -> SQLiteValue:
        return next(iter(self._connection.execute(query)), (None,))[0]

    def _check_pages(self) -> None:
        if [row[0] for row in self._connection.execute("PRAGMA integrity_check(1)")] != ["ok"]:
            self._say("the file is damaged: its pages or indexes contradict each other")

    def _find_allowed(self) -> None:
        query = "SELECT seq, kind, bundle, head FROM events WHERE kind IN (?, ?)"
        kinds = (str(EventKind.ERASURE), str(EventKind.REMOVAL))
        for seq, kind, bundle, head in self._connection.execute(query, kinds):
            try:
                facts = json.loads(str(head))
                if kind == EventKind.REMOVAL:
                    self._allowed.removals.setdefault(str(bundle), []).append((str(facts["before"]), int(seq)))
                else:
                    self._allowed.erasures.update((int(number), int(seq)) for number in facts["subjects"])
            except (ValueError, KeyError, TypeError):
                self._say("does not say what was removed", int(seq))

    def _read_checkpoints(self) -> list[Checkpoint]:
        """The checkpoints of the store, in their order; those that are not signed are told and left out."""
        points = []
        query = "SELECT number, seq, hash, at, signature FROM checkpoints ORDER BY number"
        for place, (number, seq, link_hash, at, signature) in enumerate(self._connection.execute(query), 1):
            point = Checkpoint(number=number, seq=seq, hash=link_hash, at=at, signature=signature)
            if number != place:
                self._say(f"checkpoint {place} is missing", seq)
                break
            if not self._is_signed(point):
                self._say(f"checkpoint {number} is not signed with this key", seq)
            points.append(point)
        return points

    def _is_signed(self, point: Checkpoint) -> bool:
        try:
            return self._verifier.accepts(point.signature, point.signed_bytes(self._store))
        except OverflowError:  # a number that no checkpoint can have
            return False

    def _check_events(self, points: Sequence[Checkpoint]) -> int:
        """Follows the chain; gives the number of checkpoints that fit it."""
        by_place = {point.seq: point for point in points}
        good, trusted = 0, 0
        for row in self._rows():
            link = link_of_row(row)
            self._check_link(link, bytes_of(row[13]))
            self._check_frame(link, row[14])
            self._check_contents(link, row[15:18])
            point = by_place.pop(link.seq, None)
            if point is not None:
                if point.hash == self._last_hash:
                    good += 1
                else:
                    self._say(f"were written anew: checkpoint {point.number} has another hash", trusted + 1, link.seq)
                trusted = link.seq
        for point in by_place.values():
            if point.seq > self._last:
                self._say(f"are missing: checkpoint {point.number} covers them", self._last + 1, point.seq)
            else:
                self._say(f"is missing, and checkpoint {point.number} is about it", point.seq)
        return good

    def _rows(self) -> Iterator[tuple[SQLiteValue, ...]]:
        query = (
            f"SELECT {LINK_COLUMNS}, e.hash, f.content, {CONTENT_COLUMNS} FROM events e "  # noqa: S608 - our own names
            "LEFT JOIN frames f ON f.digest = e.frame LEFT JOIN contents c ON c.seq = e.seq "
            f"WHERE e.seq > ? ORDER BY e.seq LIMIT {_PAGE_EVENTS}"
        )
        last: SQLiteValue = -(2**62)
        while rows := list(self._connection.execute(query, (last,))):
            yield from rows
            last = rows[-1][0]

    def _check_link(self, link: Link, stored_hash: bytes) -> None:
        self._events += 1
        if link.seq != self._last + 1:
            self._say("is missing" if link.seq == self._last + 2 else "are missing", self._last + 1, link.seq - 1)
        if link.seq < 1 or link.hash_after(self._last_hash) != stored_hash:
            self._say("is not what was recorded", link.seq, event_id=link.id)
        self._last, self._last_hash = link.seq, stored_hash
        if link.brought:
            try:
                self._brought.update(json.loads(link.brought))
            except (ValueError, TypeError):
                self._say("does not say which bundle description came with it", link.seq, event_id=link.id)

    def _check_frame(self, link: Link, frame: SQLiteValue) -> None:
        if link.frame and (not isinstance(frame, bytes) or hashlib.sha256(frame).digest() != link.frame):
            self._say("its frame is missing or was changed", link.seq, event_id=link.id)

    def _check_contents(self, link: Link, row: tuple[SQLiteValue, ...]) -> None:
        numbers = link.subject_numbers()
        if len(link.digests) % DIGEST_BYTES or len(numbers) != link.parts:
            return  # its hash has told already
        try:
            contents = Contents.of_row(row)
        except StoreError as error:
            self._say(str(error), link.seq, event_id=link.id)
            return
        if contents is None:
            if self._allowed.removed(link):
                self._removed += link.parts
            elif link.parts:
                self._say("its contents are missing, and nothing says they were removed", link.seq, event_id=link.id)
            return
        if len(contents.parts) != link.parts:
            self._say("has another number of parts than was recorded", link.seq, event_id=link.id)
            return
        rows = read_subjects(self._connection, set(numbers) - {NO_SUBJECT})
        for number in dict.fromkeys(numbers):
            self._check_key(link, contents, number, rows.get(number))
        for i, number in enumerate(numbers):
            self._check_part(link, i, contents.parts[i], erased=self._allowed.erased(number, link))

    def _check_part(self, link: Link, part: int, stored: bytes, *, erased: bool) -> None:
        if erased and not link.sealed:
            if any(stored):
                self._say(f"part {part} was erased, but is there", link.seq, event_id=link.id)
        elif hashlib.sha256(stored).digest() != link.digest(part):
            self._say(f"part {part} is not what was recorded", link.seq, event_id=link.id)
            return
        if erased:
            self._erased += 1
        else:
            self._parts += 1

    def _check_key(self, link: Link, contents: Contents, number: int, row: SubjectRow | None) -> None:
        """Whether a subject's name and key are what they were; number 0 stands for the event's own key."""
        if number != NO_SUBJECT:
            if self._allowed.erased(number, link):
                if row is None or not row.erased or any(row.key):
                    self._say(f"the key of subject {number} was erased, but is there", link.seq, event_id=link.id)
                return
            if row is None or row.erased:
                self._say(
                    f"the key of subject {number} is gone, and nothing says it was erased", link.seq, event_id=link.id
                )
                return
        tag, wrapped = (row.tag, row.key) if row is not None else (b"", contents.key)
        if not link.sealed:
            if row is not None and self._tags is not None and self._tags.seal(tag, number, link.seq) != wrapped:
                self._say(f"the name of subject {number} was changed", link.seq, event_id=link.id)
            return
        if self._envelope is None:
            self._keys_checked = False
            return
        place = event_place(link.id) if row is None else subject_place(tag, number, link.seq)
        try:
            self._envelope.unwrap(wrapped, place)
        except StoreError:
            of = "of the event" if row is None else f"of subject {number}"
            self._say(f"the key {of} was changed, or is another master key's", link.seq, event_id=link.id)

    def _check_tail(self, checkpoints: int) -> None:
        columns = "seq, hash, subjects, checkpoints, checkpoint_seq, signature"
        row = next(iter(self._connection.execute(f"SELECT {columns} FROM tail")), None)  # noqa: S608 - our own names
        if row is None:
            self._say("the signed end of the chain is missing")
            return
        tail = Tail(
            seq=row[0], hash=row[1], subjects=row[2], checkpoints=row[3], checkpoint_seq=row[4], signature=row[5]
        )
        try:
            signed = self._verifier.accepts(tail.signature, tail.signed_bytes(self._store))
        except OverflowError:  # a number that no chain can have
            signed = False
        if not signed:
            self._say("the end of the chain is not signed with this key")
        elif tail.seq > self._last:
            self._say("are missing: the signed end of the chain is behind them", self._last + 1, tail.seq)
        elif tail.seq < self._last:
            self._say("were added behind the signed end of the chain", tail.seq + 1, self._last)
        elif tail.hash != self._last_hash:
            self._say("was written anew: the signed end of the chain has another hash", tail.seq)
        if signed and tail.checkpoints > checkpoints:
            self._say(f"checkpoints {checkpoints + 1} to {tail.checkpoints} are missing")

    def _check_rest(self) -> None:
        """What hangs on no event's hash but on an event."""
        query = "SELECT c.seq FROM contents c LEFT JOIN events e USING (seq) WHERE e.seq IS NULL"
        for (seq,) in self._connection.execute(query):
            self._say("there are contents of an event that is not there", int(seq))
        found = {}
        for digest, content in self._connection.execute("SELECT digest, content FROM descriptions"):
            found[str(digest)] = hashlib.sha256(bytes_of(content)).hexdigest()
        for digest in sorted(found.keys() | self._brought.keys()):
            if found.get(digest) != self._brought.get(digest):
                self._say(f"the bundle description {digest[:12]} is missing, was changed or was added")

    def _check_copies(self, kept: Sequence[Path], points: Sequence[Checkpoint]) -> None:
        """Compares with the checkpoints that were written elsewhere."""
        beside = CheckpointFile.beside(self._path, self._store)
        if points and not beside.path.exists():
            self._say(f"{beside.path.name}: the file of checkpoints beside the store is missing")
        for file in (beside, *(CheckpointFile(path, self._store) for path in kept)):
            try:
                copies = file.read()
            except StoreError as error:
                self._say(str(error))
                continue
            for copy in {copy.number: copy for copy in copies}.values():
                self._check_copy(file.path.name, copy, points)

    def _check_copy(self, name: str, copy: Checkpoint, points: Sequence[Checkpoint]) -> None:
        if not self._is_signed(copy):
            self._say(f"{name}: checkpoint {copy.number} is not signed with this key")
            return
        row = next(iter(self._connection.execute("SELECT hash FROM events WHERE seq = ?", (copy.seq,))), None)
        if row is None:
            self._say(f"are missing: checkpoint {copy.number} in {name} covers them", self._last + 1, copy.seq)
        elif row[0] != copy.hash:
            before = max((point.seq for point in points if point.seq < copy.seq), default=0)
            self._say(f"were written anew: checkpoint {copy.number} in {name} has another hash", before + 1, copy.seq)
        elif copy.number > len(points):
            self._say(f"checkpoint {copy.number} of {name} is missing from the store", copy.seq)
