"""A cache in memory in front of one that processes share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xaisvc.cache.counts import CacheCounts
from xaisvc.cache.memory import MemoryCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xaisvc.cache.base import CacheOptions, ExplanationCache, SharedFlights

_FRONT_SHARE = 0.1
"""Share of an entry's time to live that it may spend in front; what comes from behind has used up some of the rest."""


class TieredCache:
    """Asks the front, then the cache behind for what is missing; what is found there is kept in front as well."""

    def __init__(self, front: ExplanationCache, behind: ExplanationCache) -> None:
        self._front = front
        self._behind = behind

    @classmethod
    def over(
        cls, open_behind: Callable[[str, CacheOptions], ExplanationCache], address: str, options: CacheOptions
    ) -> TieredCache:
        """Puts memory of `max_bytes` in front of another cache, so that no entry is served after `ttl_s` in all."""
        front_s = options.ttl_s * _FRONT_SHARE
        behind = open_behind(address, replace(options, ttl_s=options.ttl_s - front_s))
        return cls(MemoryCache(replace(options, ttl_s=front_s)), behind)

    @property
    def tiers(self) -> tuple[ExplanationCache, ExplanationCache]:
        """The cache in front and the one behind, whose counts tell them apart."""
        return self._front, self._behind

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The value of each key, in the order of the keys; None where neither cache has one."""
        values = self._front.get_many(keys)
        missing = list(dict.fromkeys(key for key, value in zip(keys, values, strict=True) if value is None))
        if not missing:
            return values
        found = {
            key: value for key, value in zip(missing, self._behind.get_many(missing), strict=True) if value is not None
        }
        if not found:
            return values
        self._front.put_many(found)
        return tuple(found.get(key) if value is None else value for key, value in zip(keys, values, strict=True))

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Keeps values in both."""
        self._front.put_many(values)
        self._behind.put_many(values)

    def near(self) -> ExplanationCache:
        """The cache in front."""
        return self._front

    def counts(self) -> CacheCounts:
        """Both together: a key that either served is a hit, one that both lack is a miss."""
        front, behind = self._front.counts(), self._behind.counts()
        return CacheCounts(
            hits=front.hits + behind.hits,
            misses=front.misses - behind.hits,
            rejected=front.rejected + behind.rejected,
            failures=front.failures + behind.failures,
            dropped=front.dropped + behind.dropped,
            evictions=front.evictions + behind.evictions,
        )

    def shared_flights(self) -> SharedFlights | None:
        """Those of the cache behind."""
        return self._behind.shared_flights()

    def flush(self, seconds: float) -> bool:
        """Waits until what was put before is written or given up behind; False if that takes longer."""
        return self._behind.flush(seconds)

    def close(self) -> None:
        """Closes both."""
        self._front.close()
        self._behind.close()
