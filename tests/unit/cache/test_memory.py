"""What the cache in memory does alone."""

from __future__ import annotations

from dataclasses import dataclass

from xaisvc.cache import CacheOptions, MemoryCache

ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))


@dataclass
class Clock:
    """A clock that stands still until it is told otherwise."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_memory_serves_nothing_older_than_the_time_to_live() -> None:
    clock = Clock()
    cache = MemoryCache(CacheOptions(ttl_s=60, clock=clock))
    cache.put_many({ONE: b"one"})

    clock.now += 59.9
    assert cache.get_many([ONE]) == (b"one",)
    clock.now += 0.1
    assert cache.get_many([ONE]) == (None,)
    assert cache.size_bytes == 0


def test_memory_drops_what_was_used_longest_ago() -> None:
    cache = MemoryCache(CacheOptions(max_bytes=3000))
    cache.put_many({ONE: bytes(1000), TWO: bytes(1000)})
    cache.get_many([ONE])
    cache.put_many({THREE: bytes(1000)})

    assert cache.get_many([ONE, TWO, THREE]) == (bytes(1000), None, bytes(1000))


def test_memory_never_holds_more_than_its_bound() -> None:
    cache = MemoryCache(CacheOptions(max_bytes=10_000))
    for i in range(500):
        cache.put_many({i.to_bytes(32, "big"): bytes(i)})
        assert cache.size_bytes <= 10_000

    assert cache.get_many([(499).to_bytes(32, "big")]) == (bytes(499),)


def test_memory_does_not_keep_a_value_larger_than_itself() -> None:
    cache = MemoryCache(CacheOptions(max_bytes=1000))
    cache.put_many({ONE: b"small"})
    cache.put_many({TWO: bytes(1001)})

    assert cache.get_many([ONE, TWO]) == (b"small", None)


def test_memory_forgets_the_old_value_when_the_new_one_does_not_fit() -> None:
    cache = MemoryCache(CacheOptions(max_bytes=1000))
    cache.put_many({ONE: b"old"})
    cache.put_many({ONE: bytes(1001)})

    assert cache.get_many([ONE]) == (None,)
