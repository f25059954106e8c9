"""Records in one SQLite file that survives a crash of the process and of the machine.

Uses apsw, which carries its own SQLite: the one of the standard library is older than the fix for corruption of the
write-ahead log (before 3.51.3). `synchronous=FULL` syncs the log at every commit, so what was acknowledged is on disk.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING

import apsw

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;
CREATE TABLE records (id TEXT PRIMARY KEY NOT NULL, content BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE descriptions (digest TEXT PRIMARY KEY NOT NULL, content BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""

_BUSY_TIMEOUT_MS = 5000


class SqliteRecordStore:
    """A record store in one file. One lock orders the writers of this process; readers do not wait for them.

    Args:
        path: The file; it and its folder are made if they are missing, readable by their owner only.

    Raises:
        StoreError: If the file cannot be opened, is damaged, or was written by a newer xaisvc.
    """

    def __init__(self, path: Path) -> None:
        self._write_lock = Lock()
        self._read_lock = Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise StoreError(f"{path}: cannot be made ({error.strerror}); choose another data_dir") from error
        try:
            self._writer = _connect(path)
            self._reader = _connect(path)
            _prepare(self._writer, path)
        except apsw.Error as error:
            raise StoreError(f"{path}: {_explain(error)}") from error

    def put(self, records: Sequence[tuple[str, bytes]], descriptions: Mapping[str, bytes]) -> None:
        """Writes records and descriptions in one durable transaction; see `RecordStore.put`."""
        with self._write_lock, _errors_explained(), _transaction(self._writer):
            for record_id, content in records:
                self._writer.execute(
                    "INSERT INTO records VALUES (?, ?) ON CONFLICT (id) DO NOTHING", (record_id, content)
                )
                if self._writer.changes() == 0 and _content(self._writer, "records", "id", record_id) != content:
                    raise StoreError(f"record {record_id} exists with other content; records are never changed")
            self._writer.executemany(
                "INSERT INTO descriptions VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", list(descriptions.items())
            )

    def get(self, record_id: str) -> bytes | None:
        """The record with this id exactly as it was written, or None."""
        with self._read_lock, _errors_explained():
            return _content(self._reader, "records", "id", record_id)

    def get_description(self, schema_digest: str) -> bytes | None:
        """The bundle description with this digest exactly as it was written, or None."""
        with self._read_lock, _errors_explained():
            return _content(self._reader, "descriptions", "digest", schema_digest)

    def close(self) -> None:
        """Closes the file; the last connection folds the write-ahead log into it."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _prepare(connection: apsw.Connection, path: Path) -> None:
    """Makes the tables in a new file; checks the content of an old one."""
    with _transaction(connection):
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not tables:
            connection.execute(_SCHEMA)
            connection.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA_VERSION,))
            return
    if "schema_version" not in tables:
        raise StoreError(f"{path}: is a database of another program; choose another data_dir")
    version = next(iter(connection.execute("SELECT version FROM schema_version")))[0]
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{path}: has schema version {version} and this xaisvc reads {SCHEMA_VERSION}; use the one that wrote it"
        )
    if [row[0] for row in connection.execute("PRAGMA quick_check(1)")] != ["ok"]:
        raise StoreError(f"{path}: {_REASONS[apsw.CorruptError]}")


_REASONS: Mapping[type[apsw.Error], str] = {
    apsw.FullError: "the disk of the record store is full; nothing was recorded, so nothing was answered",
    apsw.BusyError: "the record store is locked by another process; try again",
    apsw.LockedError: "the record store is locked by another process; try again",
    apsw.ReadOnlyError: "the record store cannot be written; check the rights of its file",
    apsw.PermissionsError: "the record store may not be used; check the rights of its file",
    apsw.CantOpenError: "the record store cannot be opened; check that its folder exists and its rights",
    apsw.CorruptError: "the record store is damaged; restore it from a copy",
    apsw.NotADBError: "is not a record store; choose another data_dir",
    apsw.IOError: "the disk of the record store failed; nothing was recorded, so nothing was answered",
    apsw.ConnectionClosedError: "the record store is closed",
}


def _explain(error: apsw.Error) -> str:
    """SQLite's error in words of ours."""
    reasons = (text for cls, text in _REASONS.items() if isinstance(error, cls))
    return next(reasons, "the record store failed; see the disk and the system's log")


@contextmanager
def _errors_explained() -> Iterator[None]:
    """Turns SQLite's errors into StoreError, without the file's path: these texts reach callers."""
    try:
        yield
    except apsw.Error as error:
        raise StoreError(_explain(error)) from error


@contextmanager
def _transaction(connection: apsw.Connection) -> Iterator[None]:
    """Everything inside is written durably, or nothing is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(apsw.Error):  # a full disk may have rolled back already
            connection.execute("ROLLBACK")
        raise


def _content(connection: apsw.Connection, table: str, key: str, value: str) -> bytes | None:
    query = f"SELECT content FROM {table} WHERE {key} = ?"  # noqa: S608 - both names are constants of this module
    row = next(iter(connection.execute(query, (value,))), None)
    return None if row is None else bytes(row[0])
