"""Records in one SQLite file that survives a crash of the process and of the machine."""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import apsw

from xaisvc.errors import StoreError
from xaisvc.records.chain_writer import ChainWriter
from xaisvc.records.checkpoints import Checkpoint, CheckpointFile
from xaisvc.records.commit_queue import CommitQueue, QueueLimits
from xaisvc.records.database import (
    SCHEMA_VERSION,
    check_pages,
    connect,
    explain,
    make_file,
    prepare_tables,
    transaction,
)
from xaisvc.records.entries import check_given, make_entry
from xaisvc.records.reader import RecordReader
from xaisvc.records.retention import DEFAULT_MONTHS, Removal, months_before, time_text
from xaisvc.records.store_keys import StoreKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from xaisvc.records.base import Event, EventKind
    from xaisvc.records.entries import Entry

_PROBE_BYTES: Final = 65_536
_STORE_BYTES: Final = 16


class SqliteRecordStore:
    """A record store in one file: one thread writes, readers do not wait for it.

    Args:
        path: The file; it and its folder are made if they are missing, readable by their owner only.
        keys: Its secrets; by default those in its folder, without a master key.
        limits: Bounds of what waits and of what is written at once.
        beside_service: Whether this is a short-lived helper beside the process that has the file: it may erase and
            remove while the other goes on writing.
        now: The time of the events that the store writes itself.
        monotonic: Clock in seconds that never goes back.

    Raises:
        StoreError: If the file cannot be opened, is damaged, was written by a newer xaisvc, has another writer, or its
            keys are others.
    """

    def __init__(  # noqa: PLR0913 - one argument per thing passed in
        self,
        path: Path,
        *,
        keys: StoreKeys | None = None,
        limits: QueueLimits | None = None,
        beside_service: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._now = now
        make_file(path)
        self._lock_file = None if beside_service else _lock(path)
        try:
            self._keys = keys or StoreKeys.load(path.parent)
            self._open()
        except BaseException as error:
            self._unlock()
            if isinstance(error, apsw.Error):
                raise StoreError(f"{path}: {explain(error)}") from error
            raise
        self._queue = CommitQueue(
            write=self._write,
            checkpoint=self._checkpoint,
            probe=self._probe,
            finish=self._finish,
            limits=limits or QueueLimits(),
            monotonic=monotonic,
        )

    def _open(self) -> None:
        self._connection = connect(self._path)
        try:
            self._writer = ChainWriter(
                self._connection,
                self._keys.signer,
                self._keys.tags,
                self._keys.envelope,
                lambda: time_text(self._now()),
            )
            envelope = self._keys.envelope
            with transaction(self._connection):
                if prepare_tables(self._connection, self._path):
                    check = None if envelope is None else envelope.check
                    self._writer.begin_chain(os.urandom(_STORE_BYTES), check, SCHEMA_VERSION)
                self._check_keys()
            check_pages(self._connection, self._path)
            self._checkpoint_file = CheckpointFile.beside(self._path, self._writer.store)
            if self._lock_file is not None:
                self._compare_checkpoints()
            self._removal = Removal(
                self._writer, self._keys.tags, lambda: time_text(self._now()), lambda: uuid.uuid4().hex
            )
            self._reader = RecordReader(self._path, envelope)
        except BaseException:
            self._connection.close()
            raise

    def _check_keys(self) -> None:
        """Refuses to go on with a chain that was signed, or contents that were sealed, with other keys."""
        tail, signer = self._writer.tail(), self._keys.signer
        if not signer.verifier.accepts(tail.signature, tail.signed_bytes(self._writer.store)):
            raise StoreError(
                f"{self._path}: the end of the chain is not signed with this signing key: give the key that it was "
                "written with, or, if that is this one, find out who changed the file (xaisvc records verify)"
            )
        found = next(iter(self._connection.execute("SELECT master_check FROM about_store")))[0]
        envelope = self._keys.envelope
        if envelope is None:
            if found is not None:
                raise StoreError(f"{self._path}: its contents are encrypted; give the master key")
        elif found is None:
            self._connection.execute("UPDATE about_store SET master_check = ?", (envelope.check,))
        elif found != envelope.check:
            raise StoreError(f"{self._path}: was written with another master key; give that one")

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def failure(self) -> str:
        """Why nothing can be recorded just now; empty if all is well. Found out again every second."""
        return self._queue.failure

    @property
    def waiting(self) -> int:
        """Events that wait to be written."""
        return self._queue.waiting

    def append(self, event: Event, descriptions: Mapping[str, bytes] | None = None) -> Future[None]:
        """Adds an event; see `RecordStore.append`.

        Raises:
            StoreError: At once, if the event cannot be stored or the store is closed.
            BusyError: At once, if too much waits to be written.
        """
        check_given(event)
        return self._queue.submit(make_entry(event, descriptions, self._keys.tags))

    def get(self, event_id: str) -> Event | None:
        """The event with this id; see `RecordStore.get`."""
        return self._reader.get(event_id)

    def get_description(self, schema_digest: str) -> bytes | None:
        """The bundle description with this digest exactly as it was written, or None."""
        return self._reader.get_description(schema_digest)

    def events(
        self, *, kinds: Sequence[EventKind] = (), bundle: str = "", about: str = "", with_parts: bool = True
    ) -> Iterator[Event]:
        """Events in their order; see `RecordStore.events`. Without parts, every part reads as None."""
        return self._reader.events(kinds=kinds, bundle=bundle, about=about, with_parts=with_parts)

    def erase(self, subject: str, *, caller: str = "") -> int:
        """Makes every part about a subject unreadable for good; gives the number of events that had one.

        With a master key the subject's key is destroyed, without one the contents are overwritten. An ERASURE event is
        added. Nothing is added if nothing is known about the subject.

        Raises:
            StoreError: If it failed, or copies may be left in the log.
        """
        with closing(RecordReader(self._path, None)) as reader:  # it may read for seconds; others must not wait for it
            known, looked_up_to = reader.find_subject(self._keys.tags, subject)
        return self._queue.run(lambda: self._removal.erase(subject, caller, known, looked_up_to))

    def explanations_of(self, subject: str) -> list[str]:
        """Ids of the explanations about a subject that can still be read.

        Raises:
            StoreError: If the store cannot be read.
        """
        with closing(RecordReader(self._path, None)) as reader:
            return reader.explanations_of(self._keys.tags, subject)

    def with_feedback(self, explanations: Sequence[str]) -> list[str]:
        """Those of these explanations that somebody gave feedback about, as far as this store has it.

        Raises:
            StoreError: If the store cannot be read.
        """
        with closing(RecordReader(self._path, None)) as reader:
            return reader.with_feedback(explanations)

    def remove_older(self, bundle: str, before: datetime, *, caller: str = "") -> int:
        """Removes the contents of a bundle's events from before a time; gives the number of events.

        Raises:
            StoreError: If it failed, or copies may be left in the log.
        """
        return self._queue.run(lambda: self._removal.remove_older(bundle, time_text(before), caller))

    def retain(
        self, months: Mapping[str, int] | None = None, *, default_months: int = DEFAULT_MONTHS, caller: str = ""
    ) -> dict[str, int]:
        """Removes what is older than each bundle's retention; gives bundle to number of events, where there were any.

        Args:
            months: Bundle to calendar months.
            default_months: For all other bundles.
            caller: Who asked.
        """
        now = self._now()
        removed = {}
        for bundle in self._queue.run(self._removal.bundles):
            before = months_before(now, (months or {}).get(bundle, default_months))
            removed[bundle] = self.remove_older(bundle, before, caller=caller)
        return {bundle: count for bundle, count in removed.items() if count}

    def close(self) -> None:
        """Writes what waits, makes a last checkpoint and closes the file; does nothing the second time."""
        self._queue.close()

    def _write(self, entries: list[Entry]) -> list[bool]:
        written = self._writer.write(entries)
        self._copy_checkpoints()
        return written

    def _checkpoint(self) -> None:
        self._writer.checkpoint()
        self._copy_checkpoints()

    def _copy_checkpoints(self) -> None:
        """Copies new checkpoints to the file beside the store; what fails is tried again at the next."""
        made = self._writer.made
        if made:
            with suppress(OSError):
                self._checkpoint_file.append(made)
                made.clear()

    def _compare_checkpoints(self) -> None:
        """Refuses a store that is older than the file of its checkpoints; adds to the file what it lacks."""
        try:
            self._checkpoint_file.cut_torn_line()
        except OSError as error:
            raise StoreError(f"{self._checkpoint_file.path}: cannot be written ({error.strerror})") from error
        copied = max((point.number for point in self._checkpoint_file.read()), default=0)
        if copied > self._writer.tail().checkpoints:
            raise StoreError(
                f"{self._path}: is older than its checkpoints in {self._checkpoint_file.path.name}: events are "
                "missing. If you restored a copy on purpose, move that file away and keep it as evidence of the gap"
            )
        columns = "number, seq, hash, at, signature"
        query = f"SELECT {columns} FROM checkpoints WHERE number > ? ORDER BY number"  # noqa: S608 - our own names
        for number, seq, link_hash, at, signature in self._connection.execute(query, (copied,)):
            self._writer.made.append(Checkpoint(number=number, seq=seq, hash=link_hash, at=at, signature=signature))
        self._copy_checkpoints()

    def _probe(self) -> None:
        """Finds out whether the disk takes something again."""
        with transaction(self._connection):
            self._connection.execute("REPLACE INTO probe VALUES (1, zeroblob(?))", (_PROBE_BYTES,))
        with transaction(self._connection):
            self._connection.execute("DELETE FROM probe")

    def _finish(self) -> None:
        try:
            with suppress(apsw.Error):  # a full disk must not keep the store open; the next start makes it
                self._checkpoint()
        finally:
            self._reader.close()
            self._connection.close()  # the last connection: folds the log into the file
            self._unlock()

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def _lock(path: Path) -> int:
    """Keeps other writers out for as long as the process lives; gives the handle of the lock.

    A file of its own, because SQLite's own locks of a file end when any handle of that file is closed.
    """
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreError(f"{path}: another process writes it; each server process needs a file of its own") from error
    return handle
