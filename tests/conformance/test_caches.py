"""What every cache does, shown on each of them. Redis is a real server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from xaisvc.cache import CACHES, CacheOptions, ExplanationCache, MemoryCache, RedisCache, open_cache
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = bytes(range(32))
ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def cache(request: pytest.FixtureRequest) -> Iterator[ExplanationCache]:
    if request.param == "memory":
        address = "memory:"
    else:
        address = request.getfixturevalue("redis_server").address
        with Redis.from_url(address) as client:
            client.flushall()
    opened = open_cache(address, CacheOptions(secret=SECRET))
    yield opened
    opened.close()


def test_a_cache_is_an_explanation_cache(cache: ExplanationCache) -> None:
    assert isinstance(cache, ExplanationCache)


def test_what_was_never_put_is_a_miss(cache: ExplanationCache) -> None:
    assert cache.get_many([ONE, TWO]) == (None, None)


def test_values_come_back_in_the_order_of_the_keys(cache: ExplanationCache) -> None:
    cache.put_many({ONE: b"one", TWO: b"two"})

    assert cache.get_many([TWO, THREE, ONE, TWO]) == (b"two", None, b"one", b"two")


@pytest.mark.parametrize("value", [b"", b"\x00", bytes(range(256)) * 4096], ids=["empty", "zero byte", "1 MiB"])
def test_any_bytes_come_back_as_they_were(cache: ExplanationCache, value: bytes) -> None:
    cache.put_many({ONE: value})

    assert cache.get_many([ONE]) == (value,)


def test_the_last_value_wins(cache: ExplanationCache) -> None:
    cache.put_many({ONE: b"first, and longer"})
    cache.put_many({ONE: b"second"})

    assert cache.get_many([ONE]) == (b"second",)


def test_nothing_may_be_asked_and_nothing_may_be_put(cache: ExplanationCache) -> None:
    cache.put_many({})

    assert cache.get_many([]) == ()


def test_a_closed_cache_misses_and_keeps_nothing(cache: ExplanationCache) -> None:
    cache.put_many({ONE: b"one"})
    cache.close()
    cache.put_many({TWO: b"two"})

    assert cache.get_many([ONE, TWO]) == (None, None)


def test_threads_never_see_the_value_of_another_key(cache: ExplanationCache) -> None:
    wrong: list[tuple[bytes | None, ...]] = []
    keys = [bytes([i]) * 32 for i in range(16)]

    def work(start: int) -> None:
        for i in range(200):
            key = keys[(start + i) % len(keys)]
            cache.put_many({key: key[:1] * 100})
            found = cache.get_many([key])
            if found != (key[:1] * 100,):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_an_unknown_kind_of_cache_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match=r"unknown kind 'memcached'.*'memory'.*'redis'"):
        open_cache("memcached://127.0.0.1", CacheOptions())


def test_every_registered_kind_is_tested_above() -> None:
    assert set(CACHES) == {"memory", "redis", "rediss", "unix"}
    assert set(CACHES.values()) == {MemoryCache.open, RedisCache.open}


@pytest.mark.parametrize("name", ["ttl_s", "max_bytes", "timeout_s"])
def test_options_must_be_above_zero(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is 0; it must be above 0"):
        CacheOptions(**{name: 0})


def test_the_secret_is_not_shown() -> None:
    assert "\\x" not in repr(CacheOptions(secret=SECRET))
