from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xaisvc.cache import CacheCounts, CacheOptions, MemoryCache, TieredCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.cache.conftest import Clock

ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))


class Watched(MemoryCache):
    """Remembers what it was asked."""

    def __init__(self, options: CacheOptions) -> None:
        super().__init__(options)
        self.asked: list[tuple[bytes, ...]] = []

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        self.asked.append(tuple(keys))
        return super().get_many(keys)


@pytest.fixture
def behind() -> Watched:
    return Watched(CacheOptions())


@pytest.fixture
def cache(behind: Watched) -> TieredCache:
    return TieredCache(MemoryCache(CacheOptions()), behind)


def test_what_is_in_front_is_not_asked_behind(cache: TieredCache, behind: Watched) -> None:
    cache.put_many({ONE: b"one", TWO: b"two"})

    assert cache.get_many([ONE, TWO]) == (b"one", b"two")
    assert behind.asked == []


def test_only_what_is_missing_in_front_is_asked_behind_and_once(cache: TieredCache, behind: Watched) -> None:
    cache.put_many({ONE: b"one"})

    assert cache.get_many([TWO, ONE, TWO, THREE]) == (None, b"one", None, None)
    assert behind.asked == [(TWO, THREE)]


def test_what_is_found_behind_is_kept_in_front(cache: TieredCache, behind: Watched) -> None:
    behind.put_many({ONE: b"one", TWO: b""})

    assert cache.get_many([ONE, THREE, TWO]) == (b"one", None, b"")
    assert cache.get_many([ONE, TWO]) == (b"one", b"")
    assert behind.asked == [(ONE, THREE, TWO)]


def test_counts_are_of_both_together(cache: TieredCache, behind: Watched) -> None:
    behind.put_many({ONE: b"one"})
    cache.put_many({TWO: b"two"})
    cache.get_many([ONE, TWO, THREE])
    cache.get_many([ONE])

    assert cache.counts() == CacheCounts(hits=3, misses=1)


def test_nothing_is_served_after_its_time_to_live_wherever_it_was_found(clock: Clock) -> None:
    """Asked all the time, an entry moves to the front again and again, but does not outlive its time there."""
    cache = TieredCache.over(lambda _, options: MemoryCache(options), "", CacheOptions(ttl_s=100, clock=clock))
    cache.put_many({ONE: b"one"})
    start = clock.now
    served = []
    for step in range(200):
        clock.now = start + step * 0.7  # no divisor of 100: so times in front and behind do not end together
        if cache.get_many([ONE]) == (b"one",):
            served.append(step)

    assert served[:128] == list(range(128))  # for 90 seconds at least
    assert max(served) * 0.7 < 100


def test_closing_closes_both(cache: TieredCache, behind: Watched) -> None:
    cache.put_many({ONE: b"one"})
    cache.close()

    assert cache.get_many([ONE]) == (None,)
    assert behind.get_many([ONE]) == (None,)
