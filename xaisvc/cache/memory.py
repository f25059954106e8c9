"""A cache in the memory of this process: least recently used goes first, old entries are not served."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from xaisvc.cache.counts import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from xaisvc.cache.base import CacheOptions
    from xaisvc.cache.counts import CacheCounts

_ENTRY_BYTES = 300
"""What an entry takes besides its value: key, tuple, time, its share of the dictionary (283 on CPython 3.11)."""


class MemoryCache:
    """Bounded in bytes and in time. Nothing outside the process can write to it, so entries carry no seal."""

    def __init__(self, options: CacheOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._size_bytes = 0
        self._tally = Tally()
        self._closed = False

    @classmethod
    def open(cls, address: str, options: CacheOptions) -> MemoryCache:
        """Opens an empty cache; the address says nothing but `memory:`."""
        del address
        return cls(options)

    @property
    def size_bytes(self) -> int:
        """What the entries take, at most `max_bytes`."""
        return self._size_bytes

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The value of each key, in the order of the keys; None where there is none."""
        now = self._options.clock()
        with self._lock:
            if self._entries.keys().isdisjoint(keys):  # rows that nobody asked for before
                values: tuple[bytes | None, ...] = (None,) * len(keys)
            else:
                values = tuple([self._get(key, now) for key in keys])
        self._tally.found(values)
        return values

    def glance_many(self, keys: Sequence[bytes]) -> tuple[bytes, ...] | None:
        """The value of each key if there is one for all of them; else None, counted as nothing: somebody asks again."""
        now = self._options.clock()
        with self._lock:
            values = [self._get(key, now) for key in keys]
        found = tuple(value for value in values if value is not None)
        if len(found) < len(values):
            return None
        self._tally.found(found)
        return found

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Keeps values under their keys; a value larger than allowed, or than the whole cache, is not kept."""
        expires = self._options.clock() + self._options.ttl_s
        dropped = evictions = 0
        with self._lock:
            if self._closed:
                return
            for key in self._entries.keys() & values.keys():
                self._drop(key)
            for key, value in values.items():
                size = len(value) + _ENTRY_BYTES
                if size > self._options.max_bytes or len(value) > self._options.max_value_bytes:
                    dropped += 1
                    continue
                while self._size_bytes + size > self._options.max_bytes:
                    self._drop(next(iter(self._entries)))
                    evictions += 1
                self._entries[key] = (expires, value)
                self._size_bytes += size
        if dropped or evictions:
            self._tally.add(dropped=dropped, evictions=evictions)

    def near(self) -> Self:
        """Itself."""
        return self

    def counts(self) -> CacheCounts:
        """What was found, missed and lost since the cache was opened."""
        return self._tally.counts()

    def shared_flights(self) -> None:
        """None: no other process sees this memory."""
        return

    def flush(self, seconds: float) -> bool:
        """True at once: what was put is kept."""
        del seconds
        return True

    def close(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._closed = True
            self._entries.clear()
            self._size_bytes = 0

    def _get(self, key: bytes, now: float) -> bytes | None:
        found = self._entries.get(key)
        if found is None:
            return None
        expires, value = found
        if now >= expires:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def _drop(self, key: bytes) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._size_bytes -= len(found[1]) + _ENTRY_BYTES
