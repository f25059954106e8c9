"""What a cache has found, missed and lost."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCounts:
    """Counts since the cache was opened; a key that was asked for is either a hit or a miss.

    Attributes:
        hits: Keys whose value was served.
        misses: Keys without a value, for whatever reason.
        rejected: Misses whose entry did not bear our seal: changed, cut, moved, of another version or another secret.
        failures: Calls of a file or server that failed.
        dropped: Values that were put and not kept: too large, too many waiting to be written, or the write failed.
        evictions: Values that had to go for want of room.
    """

    hits: int = 0
    misses: int = 0
    rejected: int = 0
    failures: int = 0
    dropped: int = 0
    evictions: int = 0


class Tally:
    """Counts for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = {field.name: 0 for field in fields(CacheCounts)}

    def add(self, **numbers: int) -> CacheCounts:
        """Adds to counts, by their names in `CacheCounts`; the counts after that."""
        with self._lock:
            for name, number in numbers.items():
                self._numbers[name] += number
            return CacheCounts(**self._numbers)

    def found(self, values: tuple[bytes | None, ...]) -> None:
        """Counts the answer to one `get_many`."""
        misses = values.count(None)
        self.add(hits=len(values) - misses, misses=misses)

    def counts(self) -> CacheCounts:
        """All counts at one moment."""
        with self._lock:
            return CacheCounts(**self._numbers)
