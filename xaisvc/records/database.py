"""The SQLite file under a record store: its tables, how it is opened, and its errors in our words.

Uses apsw, which carries its own SQLite: the one of the standard library is older than the fix for corruption of the
write-ahead log (before 3.51.3). `synchronous=FULL` syncs the log at every commit, so what was acknowledged is on disk.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import apsw

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from apsw import SQLiteValue

SCHEMA_VERSION = 1

BUSY_TIMEOUT_MS = 5000

_LOG_PAGES = 4000
"""Pages in the write-ahead log before a commit folds it into the file: 16 MiB, so that the folding is seldom."""

_CACHE_KIB = 65_536

_MOST_AT_ONCE = 64
"""Rows in one statement. There is a statement for every number of rows, and SQLite keeps them all ready."""

_STATEMENTS = 512

# `events` is the chain: rows are added and never changed. `contents` stands beside it and can be made unreadable.
# `subjects` has a row per event and subject, and no index on the tag: random places in an index would make every event
# rewrite a page per part, and only an erasure, which may take seconds, looks for a tag.
_SCHEMA = """
CREATE TABLE about_store (version INTEGER NOT NULL, store BLOB NOT NULL, master_check BLOB) STRICT;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at TEXT NOT NULL, bundle TEXT NOT NULL,
    caller TEXT NOT NULL, about TEXT NOT NULL, head TEXT NOT NULL, brought TEXT NOT NULL, frame BLOB NOT NULL,
    sealed INTEGER NOT NULL, subjects BLOB NOT NULL, digests BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_bundle ON events (bundle, at);
CREATE INDEX events_by_about ON events (about) WHERE about != '';
CREATE TABLE contents (
    seq INTEGER PRIMARY KEY, key BLOB NOT NULL, lengths BLOB NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE TABLE subjects (number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, tag BLOB NOT NULL, key BLOB NOT NULL) STRICT;
CREATE TABLE frames (digest BLOB PRIMARY KEY NOT NULL, content BLOB NOT NULL) STRICT;
CREATE TABLE descriptions (digest TEXT PRIMARY KEY NOT NULL, content BLOB NOT NULL) STRICT;
CREATE TABLE checkpoints (
    number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL, at TEXT NOT NULL, signature BLOB NOT NULL
) STRICT;
CREATE TABLE tail (
    one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL, subjects INTEGER NOT NULL,
    checkpoints INTEGER NOT NULL, checkpoint_seq INTEGER NOT NULL, signature BLOB NOT NULL
) STRICT;
CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), content BLOB NOT NULL) STRICT;
"""


class NotMadeYetError(StoreError):
    """The file is there, but its tables are not: somebody is making it."""


def connect(path: Path, *, read_only: bool = False) -> apsw.Connection:
    """Opens the file; a writer syncs every commit and overwrites what it deletes with zeros.

    Raises:
        apsw.Error: If the file cannot be opened.
    """
    if read_only:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        return connection
    connection = apsw.Connection(str(path), statementcachesize=_STATEMENTS)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def make_file(path: Path) -> None:
    """Makes the file and its folder if they are missing, readable by their owner only.

    Raises:
        StoreError: If they cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{path}: cannot be made ({error.strerror}); choose another data_dir") from error


def prepare_tables(connection: apsw.Connection, path: Path) -> bool:
    """Makes the tables in a new file and says so; checks the content of an old one. Inside a transaction.

    Raises:
        StoreError: If the file is damaged, another program's, or of another version.
    """
    tables = _tables(connection)
    if not tables:
        connection.execute(_SCHEMA)
        return True
    check_tables(connection, path)
    return False


def check_tables(connection: apsw.Connection, path: Path) -> None:
    """Refuses a file that is no record store of this version, or that is damaged.

    Raises:
        StoreError: Says which of these it is.
    """
    tables = _tables(connection)
    if not tables:
        raise NotMadeYetError(f"{path}: holds nothing yet")
    if "about_store" not in tables:
        raise StoreError(f"{path}: is a database of another program; choose another data_dir")
    version = next(iter(connection.execute("SELECT version FROM about_store")), (None,))[0]
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{path}: has schema version {version} and this xaisvc reads {SCHEMA_VERSION}; use the one that wrote it"
        )


def check_pages(connection: apsw.Connection, path: Path) -> None:
    """Refuses a file whose pages contradict each other.

    Raises:
        StoreError: If they do.
    """
    if [row[0] for row in connection.execute("PRAGMA quick_check(1)")] != ["ok"]:
        raise StoreError(f"{path}: {_REASONS[apsw.CorruptError]}")


def _tables(connection: apsw.Connection) -> set[SQLiteValue]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


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
    apsw.TooBigError: "the event is larger than the record store can hold; send fewer rows at once",
    apsw.ConnectionClosedError: "the record store is closed",
}


def explain(error: apsw.Error) -> str:
    """SQLite's error in words of ours."""
    reasons = (text for cls, text in _REASONS.items() if isinstance(error, cls))
    return next(reasons, "the record store failed; see the disk and the system's log")


@contextmanager
def errors_explained() -> Iterator[None]:
    """Turns SQLite's errors into StoreError, without the file's path: these texts reach callers."""
    try:
        yield
    except apsw.Error as error:
        raise StoreError(explain(error)) from error
    except UnicodeDecodeError as error:  # a flipped bit leaves text that is none
        raise StoreError(_REASONS[apsw.CorruptError]) from error


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Everything inside is written durably, or nothing is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(apsw.Error):  # a full disk may have rolled back already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Everything inside reads the store as it is at one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        with suppress(apsw.Error):  # the error of the reading says more
            connection.execute("ROLLBACK")


def insert(connection: apsw.Connection, into: str, rows: Sequence[tuple[SQLiteValue, ...]]) -> None:
    """Inserts rows of equal width with few statements.

    apsw gives up the interpreter's lock once per statement, and getting it back costs up to 5 ms when other threads
    compute. One statement per row would therefore make a transaction as slow as the busiest thread likes.
    """
    for start in range(0, len(rows), _MOST_AT_ONCE):
        chunk = rows[start : start + _MOST_AT_ONCE]
        connection.execute(_insert_text(into, len(chunk[0]), len(chunk)), tuple(chain.from_iterable(chunk)))


def execute_in(
    connection: apsw.Connection, statement: str, wanted: Sequence[SQLiteValue]
) -> list[tuple[SQLiteValue, ...]]:
    """Runs a statement that ends in `IN` for any number of wanted values, as few times as `insert` does; its rows."""
    found: list[tuple[SQLiteValue, ...]] = []
    for start in range(0, len(wanted), _MOST_AT_ONCE):
        chunk = tuple(wanted[start : start + _MOST_AT_ONCE])
        found.extend(connection.execute(f"{statement} ({_marks(len(chunk))})", chunk))
    return found


@cache
def _insert_text(into: str, width: int, size: int) -> str:
    row = f"({_marks(width)})"
    return f"INSERT {into} VALUES {','.join([row] * size)}"  # noqa: S608 - a name of this package, and question marks


@cache
def _marks(count: int) -> str:
    return ",".join("?" * count)


def bytes_of(value: SQLiteValue) -> bytes:
    """A value that is a blob by the table's definition."""
    return value if isinstance(value, bytes) else b""
