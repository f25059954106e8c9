"""Removing what is older than a bundle's retention, and erasing subjects: contents go, the chain stays.

Both write an event that says what was removed before anything is, so that `verify` can tell it from tampering. Contents
are overwritten where they stand; then the log is folded into the file and cut to nothing, so no copy is left in it.
"""

from __future__ import annotations

import calendar
import struct
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import apsw

from xaisvc.errors import StoreError
from xaisvc.records.base import Event, EventKind
from xaisvc.records.chain import NO_SUBJECT, unpack_subjects
from xaisvc.records.database import bytes_of, execute_in, transaction
from xaisvc.records.entries import make_entry
from xaisvc.records.subject_keys import TAG_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from apsw import SQLiteValue

    from xaisvc.records.chain_writer import ChainWriter
    from xaisvc.records.subject_keys import SubjectTags

DEFAULT_MONTHS: Final = 25
"""What US Regulation B (12 CFR 1002.12(b)) asks for consumer credit, and more than the six months of the EU AI Act."""

_CHUNK_EVENTS: Final = 64
_STILL_THERE: Final = f"SELECT number, seq FROM subjects WHERE tag != zeroblob({TAG_BYTES}) AND number IN"  # noqa: S608 - ours
_DESTROY_KEYS: Final = f"UPDATE subjects SET tag = zeroblob({TAG_BYTES}), key = zeroblob(length(key)) WHERE number IN"  # noqa: S608 - ours
_OVERWRITE: Final = "UPDATE contents SET data = zeroblob(length(data)), key = zeroblob(length(key)) WHERE seq IN"
_OF_EVENTS: Final = (
    "SELECT c.seq, c.lengths, e.subjects FROM events e JOIN contents c USING (seq) WHERE NOT e.sealed AND c.seq IN"
)
_OLD: Final = (
    "SELECT e.seq, e.subjects FROM events e JOIN contents c USING (seq) WHERE e.bundle = ? AND e.at < ? "
    "ORDER BY e.at LIMIT ?"
)
_LOG_TRIES: Final = 4


def months_before(moment: datetime, months: int) -> datetime:
    """The same day and time some calendar months earlier; the last day of a shorter month.

    >>> from datetime import UTC, datetime
    >>> months_before(datetime(2026, 3, 31, tzinfo=UTC), 25).date().isoformat()
    '2024-02-29'
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def time_text(moment: datetime) -> str:
    """A time as events have it: UTC with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def find_subject(connection: apsw.Connection, tags: SubjectTags, subject: str, after: int = 0) -> tuple[list[int], int]:
    """The numbers that a subject has in a store, of those above `after`; and the last number there is.

    Reads every name there is, about ten million in a second or two: look for most of them before the transaction.
    """
    last = next(iter(connection.execute("SELECT coalesce(max(number), 0) FROM subjects")))[0]
    query = "SELECT number FROM subjects WHERE number BETWEEN ? AND ? AND tag IN"
    wanted = tags.every_tag(subject)
    marks = ",".join("?" * len(wanted))
    return [int(row[0]) for row in connection.execute(f"{query} ({marks})", (after + 1, last, *wanted))], int(last)


class Removal:
    """Makes contents unreadable. For the thread that writes.

    Args:
        writer: Adds the events that say what was removed.
        tags: What subjects are called.
        now: The time, ISO 8601 in UTC with milliseconds.
        new_id: Gives an id for an event.
    """

    def __init__(
        self, writer: ChainWriter, tags: SubjectTags, now: Callable[[], str], new_id: Callable[[], str]
    ) -> None:
        self._writer = writer
        self._connection = writer.connection
        self._tags = tags
        self._now = now
        self._new_id = new_id

    def erase(self, subject: str, caller: str, known: Sequence[int], looked_up_to: int) -> int:
        """Makes every part about a subject unreadable for good, and gives the number of events that had one.

        Args:
            subject: Who.
            caller: Who asked.
            known: Numbers of the subject that `find_subject` found.
            looked_up_to: The last number that it has looked at.

        Raises:
            StoreError: If copies may be left in the log because somebody reads the store all the time.
            apsw.Error: If nothing was erased.
        """
        try:
            with transaction(self._connection):
                numbers = [*known, *find_subject(self._connection, self._tags, subject, looked_up_to)[0]]
                rows = execute_in(self._connection, _STILL_THERE, numbers)
                if rows:
                    self._erase(rows, caller)
        except BaseException:
            self._writer.forget()
            raise
        self.clear_log()
        return len({seq for _, seq in rows})

    def _erase(self, rows: Sequence[tuple[SQLiteValue, ...]], caller: str) -> None:
        numbers = sorted(int(str(number)) for number, _ in rows)
        self._note(EventKind.ERASURE, caller, {"subjects": numbers})
        destroyed, places = set(numbers), sorted({int(str(seq)) for _, seq in rows})
        for seq, lengths, subjects in execute_in(self._connection, _OF_EVENTS, places):
            wanted = [number in destroyed for number in unpack_subjects(bytes_of(subjects))]
            self._overwrite(int(str(seq)), bytes_of(lengths), wanted)
        self._drop_subjects(numbers)

    def _overwrite(self, seq: int, lengths: bytes, which: Sequence[bool]) -> None:
        """Writes zeros over parts where they stand: the row keeps its size, so SQLite leaves no copy."""
        sizes = struct.unpack(f">{len(lengths) // 4}I", lengths)
        starts = accumulate(sizes, initial=0)
        with self._connection.blob_open("main", "contents", "data", seq, True) as blob:  # noqa: FBT003 - apsw's own
            for start, size, wanted in zip(starts, sizes, which, strict=False):
                if wanted:
                    blob.seek(start)
                    blob.write(bytes(size))

    def _drop_subjects(self, numbers: Sequence[int]) -> None:
        """Destroys the keys and names of subjects; their numbers stay, so that they are never given again."""
        execute_in(self._connection, _DESTROY_KEYS, numbers)

    def remove_older(self, bundle: str, before: str, caller: str) -> int:
        """Removes the contents of a bundle's events from before a time, and gives the number of events.

        Raises:
            StoreError: If copies may be left in the log because somebody reads the store all the time.
            apsw.Error: If the store failed; what was removed until then stays removed.
        """
        removed = 0
        while rows := self._old(bundle, before):
            try:
                with transaction(self._connection):
                    if not removed:
                        self._note(EventKind.REMOVAL, caller, {"before": before}, bundle)
                    self._remove(rows)
            except BaseException:
                self._writer.forget()
                raise
            removed += len(rows)
        if removed:
            self.clear_log()
        return removed

    def bundles(self) -> list[str]:
        """The bundles that events of explanations, views and feedback are of."""
        return [str(row[0]) for row in self._connection.execute("SELECT DISTINCT bundle FROM events ORDER BY bundle")]

    def _old(self, bundle: str, before: str) -> list[tuple[int, bytes]]:
        rows = self._connection.execute(_OLD, (bundle, before, _CHUNK_EVENTS))
        return [(int(seq), subjects) for seq, subjects in rows]

    def _remove(self, rows: Sequence[tuple[int, bytes]]) -> None:
        places = [seq for seq, _ in rows]
        execute_in(self._connection, _OVERWRITE, places)
        execute_in(self._connection, "DELETE FROM contents WHERE seq IN", places)
        numbers = {number for _, subjects in rows for number in unpack_subjects(subjects)}
        self._drop_subjects(sorted(numbers - {NO_SUBJECT}))

    def _note(self, kind: EventKind, caller: str, head: dict[str, object], bundle: str = "") -> None:
        event = Event(id=self._new_id(), kind=kind, at=self._now(), bundle=bundle, caller=caller, head=head)
        self._writer.add([make_entry(event, None, self._tags)])

    def clear_log(self) -> None:
        """Folds the write-ahead log into the file and cuts it to nothing.

        Raises:
            StoreError: If somebody reads the store all the time, so that it cannot be cut.
        """
        for _ in range(_LOG_TRIES):
            with suppress(apsw.BusyError):  # it has waited for readers as long as for any lock
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                return
        raise StoreError(
            "what was asked is no longer readable, but copies may be left in the log of the record store, because "
            "somebody reads it all the time; do the same again when it is quiet"
        )
