"""The file behind `SqliteCache`: numbered blobs with an expiry, bounded in bytes, the oldest dropped first."""

from __future__ import annotations

import math
import os
import secrets
import threading
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from apsw import Connection

_HEAD_BYTES = 100
_MAGIC = b"SQLite format 3\x00"
_APPLICATION_ID = b"xaiC"
_APPLICATION_ID_AT = slice(68, 72)
"""What marks our files, and where (SQLite documentation, "Database File Format", 1.3)."""

_LAYOUT = b"xaisvc cache file 1\n"

_PAGE_BYTES = 4096
_BUSY_MS = 5
"""Longest wait for another process that has locked the file, when reading."""

_WRITE_BUSY_MS = 250
"""As above, when writing, where nobody waits for us."""

_THREADS_WAIT_S = 0.05
"""Longest wait of a reader for other readers of this process."""

_FULL = 0.9
"""Share of `max_bytes` from which the oldest entries go."""

_EVICTED = 0.1
"""Share of the entries that go at a time."""

_LOG_BYTES = 16 * 2**20
"""Largest write-ahead log; it is four MB in general and grows only while a reader is stuck."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")

_CREATE = """
CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, expires REAL NOT NULL, value BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS entries_by_age ON entries (expires);
"""
_READ = "SELECT number, value FROM entries WHERE number = ? AND expires > ? AND length(value) <= ?"
_WRITE = "REPLACE INTO entries VALUES (?, ?, ?)"
_EXPIRE = "DELETE FROM entries WHERE number IN (SELECT number FROM entries WHERE expires <= ? LIMIT 1000)"
_DROP = "DELETE FROM entries WHERE number IN (SELECT number FROM entries ORDER BY expires LIMIT ?)"


DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError)
"""Errors that mean damage: our statements are right, so one that SQLite does not understand met a spoiled schema."""


class ForeignFileError(Exception):
    """The file holds something else than a cache of ours, and is left as it is."""


class SqliteFile:
    """One connection to read and one to write, so that reading never waits for this process's writing.

    Every method but `close` may raise `apsw.Error` or `OSError`, and `ForeignFileError` where it opens the file. Losing
    the file is a miss, so nothing is synchronised with the disk.
    """

    def __init__(self, path: Path, *, max_bytes: int, max_blob_bytes: int) -> None:
        """Opens nothing yet.

        Args:
            path: The file; made, with its folder, when it is opened.
            max_bytes: Largest file; the write-ahead log beside it comes to that.
            max_blob_bytes: Largest blob that is read.
        """
        self._path = path
        self._max_pages = max(16, max_bytes // _PAGE_BYTES)
        self._max_blob_bytes = max_blob_bytes
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        self._closed = False

    def open(self, *, emptied: bool = False) -> None:
        """Opens the file anew, and makes or empties it where that is needed.

        Args:
            emptied: Whether to throw everything away, for a file that is damaged.
        """
        with self._writing, self._reading:
            if self._closed:
                raise FileNotFoundError
            self._close()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb") as file:
                head = file.read(_HEAD_BYTES)
            if not _MAGIC.startswith(head[: len(_MAGIC)]) or 0 < len(head) < _HEAD_BYTES:
                raise ForeignFileError
            writer = self._connect(_WRITE_BUSY_MS)
            try:
                _prepare(writer, head, self._max_pages, emptied=emptied)
                reader = self._connect(_BUSY_MS)
            except BaseException:
                writer.close()
                raise
            reader.pragma("query_only", 1)
            self._writer, self._reader = writer, reader

    def read(self, numbers: Sequence[int], now: float) -> dict[int, bytes]:
        """The blobs that are there and not expired, by their numbers.

        Args:
            numbers: Of the blobs, 64 bits each with sign.
            now: Monotonic time in seconds.
        """
        if not self._reading.acquire(timeout=_THREADS_WAIT_S):
            raise TimeoutError
        try:
            if self._reader is None:
                raise FileNotFoundError
            bindings = [(number, now, self._max_blob_bytes) for number in numbers]
            self._reader.execute("BEGIN")  # one lock of the file for all
            try:
                return dict(self._reader.executemany(_READ, bindings))
            finally:
                if self._reader.in_transaction:  # an error of the disk may have ended it already
                    self._reader.execute("ROLLBACK")
        finally:
            self._reading.release()

    def write(self, entries: Mapping[int, tuple[float, bytes]], now: float) -> int:
        """Keeps blobs, each with the time in seconds when it expires; returns how many others had to go."""
        with self._writing:
            if self._writer is None:
                raise FileNotFoundError
            self._shorten_log(self._writer)
            try:
                with _immediate(self._writer):
                    self._writer.executemany(_WRITE, ((number, *entry) for number, entry in entries.items()))
                    evictions = self._evict(self._writer, now)
            except apsw.FullError:  # of the file's bound or of the disk: room for the next ones
                with _immediate(self._writer):
                    _drop_oldest(self._writer)
                raise
            return evictions

    def close(self) -> None:
        """Closes the file for good."""
        with self._writing, self._reading:
            self._closed = True
            self._close()

    def _connect(self, busy_ms: int) -> Connection:
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(busy_ms)
        connection.pragma("mmap_size", 0)  # reading a mapped file that somebody cuts short ends the process
        return connection

    def _close(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def _shorten_log(self, writer: Connection) -> None:
        log = self._path.with_name(self._path.name + "-wal")
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)  # BusyError while a reader is stuck: no write

    def _evict(self, writer: Connection, now: float) -> int:
        """Drops what expired, and then the oldest while the file is nearly full."""
        writer.execute(_EXPIRE, (now,))
        evictions = 0
        while _pages(writer) > self._max_pages * _FULL:
            dropped = _drop_oldest(writer)
            if not dropped:
                break
            evictions += dropped
        return evictions


@contextmanager
def _immediate(connection: Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise


def _prepare(writer: Connection, head: bytes, max_pages: int, *, emptied: bool) -> None:
    """Makes sure that the file is ours, of this layout and since this start of the machine.

    Args:
        writer: The file.
        head: Its first bytes, read by ourselves: SQLite reads nothing of a file that is cut short.
        max_pages: Largest file in pages.
        emptied: Whether to throw everything away.
    """
    mark = _mark()
    ours = head[_APPLICATION_ID_AT] == _APPLICATION_ID
    try:
        if not ours and (any(head[_APPLICATION_ID_AT]) or writer.execute("SELECT count(*) FROM sqlite_schema").get):
            raise ForeignFileError
        emptied = emptied or (ours and writer.pragma("user_version") != mark)
    except DAMAGE:
        if not ours:
            raise ForeignFileError from None
        emptied = True
    if emptied:
        writer.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 1)
        writer.execute("VACUUM")
        writer.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 0)
    if not ours:  # before there is a write-ahead log, so that it stands in the file itself
        writer.pragma("page_size", _PAGE_BYTES)
        writer.pragma("application_id", int.from_bytes(_APPLICATION_ID, "big"))
    writer.pragma("journal_mode", "wal")
    writer.pragma("synchronous", "off")
    writer.pragma("max_page_count", max_pages)
    with _immediate(writer):
        writer.execute(_CREATE)
        writer.pragma("application_id", int.from_bytes(_APPLICATION_ID, "big"))
        writer.pragma("user_version", mark)


def _mark() -> int:
    """Layout and start of the machine as a number for the file's header: monotonic times mean nothing after another."""
    try:
        boot = _BOOT.read_bytes()
    except OSError:
        boot = secrets.token_bytes(16)  # where starts cannot be told apart, the file is emptied whenever it is opened
    return zlib.crc32(_LAYOUT + boot) & 0x7FFFFFFF


def _pages(writer: Connection) -> int:
    return int(writer.pragma("page_count")) - int(writer.pragma("freelist_count"))


def _drop_oldest(writer: Connection) -> int:
    count = int(writer.execute("SELECT count(*) FROM entries").get)
    writer.execute(_DROP, (math.ceil(count * _EVICTED),))
    return writer.changes()
