"""A cache in one file, shared by the processes of a machine. The file is trusted with nothing: failures are misses."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from xaisvc.cache.background import BackgroundWriter
from xaisvc.cache.breaker import Breaker
from xaisvc.cache.counts import Tally
from xaisvc.cache.seal import SEALED_BYTES, Seal
from xaisvc.cache.secret import load_secret
from xaisvc.cache.sqlite_file import DAMAGE, ForeignFileError, SqliteFile
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    from xaisvc.cache.base import CacheOptions
    from xaisvc.cache.counts import CacheCounts

_log = logging.getLogger(__name__)

_CLOSE_S = 1.0
"""Longest wait for what is still to be written when the cache closes."""

_SLICE_BYTES = 2**20
"""Values in one transaction, about: room is made after each."""


@dataclass(frozen=True, slots=True)
class _Put:
    expires: float
    values: Mapping[bytes, bytes]


class SqliteCache:
    """Entries under a keyed digest of their key, each value behind its seal, the oldest dropped first.

    Readers ask the file themselves; writing is left to one thread. Times in the file are of this machine's monotonic
    clock, so the file is emptied after the machine was started anew. A process opens a file once, after it has forked:
    SQLite's locks belong to a process.
    """

    def __init__(self, path: Path, options: CacheOptions) -> None:
        """Opens the file, or makes it; a file that cannot be used is a cache that misses.

        Raises:
            InvalidInputError: If the secret is too short.
        """
        self._options = options
        self._seal = Seal(options.secret)
        self._breaker = Breaker(options.clock)
        self._tally = Tally()
        self._writer = BackgroundWriter("xaisvc-cache-writer", self._write)
        blob_bytes = options.max_value_bytes + SEALED_BYTES
        self._file = SqliteFile(path, max_bytes=options.max_file_bytes, max_blob_bytes=blob_bytes)
        self._damaged = False
        self._unusable = False  # closed, or not ours
        if not self._reopen():
            self._breaker.trip()
            if not self._unusable:
                _log.warning("cache: the file cannot be opened; going on without it")

    @classmethod
    def open(cls, address: str, options: CacheOptions) -> SqliteCache:
        """Opens the cache at an address such as `sqlite:/var/lib/xaisvc/cache.sqlite3`.

        If the options hold no secret, one is kept beside the file, readable by its owner only.

        Raises:
            InvalidInputError: If the address names no file, or the secret is too short or cannot be kept.
        """
        name = address.partition(":")[2]
        if not name:
            raise InvalidInputError("cache: the address names no file; write sqlite:PATH")
        path = Path(name)
        if not options.secret:
            options = replace(options, secret=load_secret(path.with_name(path.name + ".secret")))
        return cls(path, options)

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The value of each key, in the order of the keys; None where there is none, or none with a right seal."""
        if not keys:
            return ()
        misses = (None,) * len(keys)
        if self._unusable:
            return misses
        if not self._breaker.closed:
            self._probe_if_due()
            self._tally.found(misses)
            return misses
        numbers = [_number(self._seal.name(key)) for key in keys]
        try:
            found = self._file.read(numbers, self._options.clock())
        except (apsw.Error, OSError) as error:
            self._failed(error)
            self._tally.found(misses)
            return misses
        self._breaker.succeeded()
        values = tuple([self._open(key, found.get(number)) for key, number in zip(keys, numbers, strict=True)])
        self._tally.found(values)
        return values

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Leaves values to be written; those that are too large, or too many, are not kept."""
        if not values or self._unusable:
            return
        kept = {key: value for key, value in values.items() if len(value) <= self._options.max_value_bytes}
        expires = self._options.clock() + self._options.ttl_s
        size_bytes = sum(len(value) for value in kept.values()) + len(kept) * SEALED_BYTES
        added = not kept or self._writer.add(_Put(expires, kept), size_bytes)
        dropped = len(values) - (len(kept) if added else 0)
        if dropped:
            self._tally.add(dropped=dropped)

    def near(self) -> Self:
        """Itself: it has no part in memory."""
        return self

    def counts(self) -> CacheCounts:
        """What was found, missed and lost since the cache was opened."""
        return self._tally.counts()

    def shared_flights(self) -> None:
        """None: processes of one machine may compute the same answer at the same time."""
        return

    def flush(self, seconds: float) -> bool:
        """Waits until what was put before is written or given up; False if that takes longer than so many seconds."""
        return self._writer.flush(seconds)

    def close(self) -> None:
        """Writes what still waits, for a second at most, and closes the file."""
        self._writer.close(_CLOSE_S)
        self._unusable = True
        self._file.close()

    def _open(self, key: bytes, sealed: bytes | None) -> bytes | None:
        if sealed is None:
            return None
        value = self._seal.open(key, sealed)
        if value is None and self._tally.add(rejected=1).rejected == 1:
            _log.warning(
                "cache: an entry in the file does not bear our seal; it was changed, or written with another secret; "
                "from now on such entries are counted only"
            )
        return value

    def _write(self, puts: Sequence[_Put]) -> None:
        entries = {
            _number(self._seal.name(key)): (put.expires, self._seal.close(key, value))
            for put in puts
            for key, value in put.values.items()
        }
        for part in _slices(entries):
            if self._unusable or not self._breaker.closed:
                self._tally.add(dropped=len(part))
                continue
            try:
                evictions = self._file.write(part, self._options.clock())
            except (apsw.Error, OSError) as error:
                self._tally.add(dropped=len(part), failures=1)
                if isinstance(error, DAMAGE):
                    self._trip()
            else:
                self._tally.add(evictions=evictions)

    def _failed(self, error: Exception) -> None:
        self._tally.add(failures=1)
        if isinstance(error, DAMAGE):
            self._trip()
        elif self._breaker.failed():
            told = f"cache: the file cannot be read ({type(error).__name__}); going on without it"
            _log.warning(told)  # a whole text: see the cache in Redis

    def _trip(self) -> None:
        self._note_damage()
        self._breaker.trip()

    def _note_damage(self) -> None:
        if not self._damaged:
            _log.warning("cache: the file is damaged; it will be emptied")
        self._damaged = True

    def _probe_if_due(self) -> None:
        if self._breaker.claim_probe():
            threading.Thread(target=self._probe, name="xaisvc-cache-probe", daemon=True).start()

    def _probe(self) -> None:
        answered = self._reopen()
        self._breaker.probed(answered=answered)
        if answered:
            _log.info("cache: the file can be read again")

    def _reopen(self) -> bool:
        """Opens the file and reads from it, after emptying it if it is damaged; whether that went well."""
        for _ in range(2):
            try:
                self._file.open(emptied=self._damaged)
                self._file.read([0], 0.0)
            except ForeignFileError:
                self._unusable = True
                _log.warning("cache: the file is no cache of xaisvc; it is left alone, and nothing is cached in a file")
                return False
            except DAMAGE:
                self._note_damage()
            except (apsw.Error, OSError):
                return False
            else:
                self._damaged = False
                return True
        return False


def _number(name: bytes) -> int:
    """The first 64 bits of a name. Two keys may share them; the seal then makes the entry a miss for one of them."""
    return int.from_bytes(name[:8], "big", signed=True)


def _slices(entries: dict[int, tuple[float, bytes]]) -> Iterator[dict[int, tuple[float, bytes]]]:
    part: dict[int, tuple[float, bytes]] = {}
    size_bytes = 0
    for number, entry in entries.items():
        part[number] = entry
        size_bytes += len(entry[1])
        if size_bytes >= _SLICE_BYTES:
            yield part
            part, size_bytes = {}, 0
    if part:
        yield part
