from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.cache import CacheOptions, MemoryCache

if TYPE_CHECKING:
    from tests.unit.cache.conftest import Clock

ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))


def test_nothing_older_than_the_time_to_live_is_served(clock: Clock) -> None:
    cache = MemoryCache(CacheOptions(ttl_s=60, clock=clock))
    cache.put_many({ONE: b"one"})

    clock.now += 59.9
    assert cache.get_many([ONE]) == (b"one",)
    clock.now += 0.1
    assert cache.get_many([ONE]) == (None,)
    assert cache.size_bytes == 0


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = MemoryCache(CacheOptions(max_bytes=3000))
    cache.put_many({ONE: bytes(1000), TWO: bytes(1000)})
    cache.get_many([ONE])
    cache.put_many({THREE: bytes(1000)})

    assert cache.get_many([ONE, TWO, THREE]) == (bytes(1000), None, bytes(1000))
    assert cache.counts().evictions == 1


def test_it_never_holds_more_than_its_bound() -> None:
    cache = MemoryCache(CacheOptions(max_bytes=10_000))
    for i in range(500):
        cache.put_many({i.to_bytes(32, "big"): bytes(i)})
        assert cache.size_bytes <= 10_000

    assert cache.get_many([(499).to_bytes(32, "big")]) == (bytes(499),)


def test_a_value_larger_than_itself_is_not_kept() -> None:
    cache = MemoryCache(CacheOptions(max_bytes=1000))
    cache.put_many({ONE: b"small"})
    cache.put_many({TWO: bytes(1001)})

    assert cache.get_many([ONE, TWO]) == (b"small", None)
    assert cache.counts().dropped == 1


def test_the_old_value_goes_even_when_the_new_one_does_not_fit() -> None:
    cache = MemoryCache(CacheOptions(max_bytes=1000))
    cache.put_many({ONE: b"old"})
    cache.put_many({ONE: bytes(1001)})

    assert cache.get_many([ONE]) == (None,)
