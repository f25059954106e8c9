"""What every cache does, shown on each of them. What each does alone stands in tests/unit/cache. Redis is real."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from xaisvc.cache import (
    CACHES,
    CacheCounts,
    CacheOptions,
    ExplanationCache,
    MemoryCache,
    RedisCache,
    SharedFlights,
    SqliteCache,
    TieredCache,
    open_cache,
)
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = bytes(range(32))
ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))
WAIT_S = 60.0  # what we wait for takes milliseconds; a minute bounds a machine that stands still for a while

KINDS = ["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)]
TIERED = ["sqlite, tiered", pytest.param("redis, tiered", marks=pytest.mark.redis)]


@pytest.fixture(params=[*KINDS, *TIERED])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, patient_files: None
) -> Iterator[Callable[[CacheOptions], ExplanationCache]]:
    """Opens a cache of each kind, empty at first; all are closed in the end.

    A call takes as long as it must: a miss is then no time-out, and a test may say that there is none.
    """
    del patient_files
    kind, _, tiered = request.param.partition(", ")
    address = {"memory": "memory:", "sqlite": f"sqlite:{tmp_path / 'cache.sqlite3'}"}.get(kind)
    if address is None:
        address = request.getfixturevalue("redis_server").address
        with Redis.from_url(address) as client:
            client.flushall()
    scheme = address.partition(":")[0]
    caches: list[ExplanationCache] = []

    def open_one(options: CacheOptions) -> ExplanationCache:
        patient = replace(options, timeout_s=WAIT_S)
        caches.append(open_cache(address, patient) if tiered else CACHES[scheme](address, patient))
        return caches[-1]

    yield open_one
    for cache in caches:
        cache.close()


@pytest.fixture
def cache(opened: Callable[[CacheOptions], ExplanationCache]) -> ExplanationCache:
    return opened(CacheOptions(secret=SECRET))


def put(cache: ExplanationCache, values: dict[bytes, bytes]) -> None:
    """Puts values and waits until all can be found."""
    cache.put_many(values)
    assert cache.flush(WAIT_S)


def test_a_cache_is_an_explanation_cache(cache: ExplanationCache) -> None:
    assert isinstance(cache, ExplanationCache)


def test_what_was_never_put_is_a_miss(cache: ExplanationCache) -> None:
    assert cache.get_many([ONE, TWO]) == (None, None)


def test_values_come_back_in_the_order_of_the_keys(cache: ExplanationCache) -> None:
    put(cache, {ONE: b"one", TWO: b"two"})

    assert cache.get_many([TWO, THREE, ONE, TWO]) == (b"two", None, b"one", b"two")


@pytest.mark.parametrize("value", [b"", b"\x00", bytes(range(256)) * 4096], ids=["empty", "zero byte", "1 MiB"])
def test_any_bytes_come_back_as_they_were(cache: ExplanationCache, value: bytes) -> None:
    put(cache, {ONE: value})

    assert cache.get_many([ONE]) == (value,)


def test_many_values_come_back(cache: ExplanationCache) -> None:
    values = {i.to_bytes(32, "big"): i.to_bytes(2, "big") * (i % 700) for i in range(2000)}
    put(cache, values)

    assert cache.get_many(list(values)) == tuple(values.values())


def test_the_last_value_wins(cache: ExplanationCache) -> None:
    cache.put_many({ONE: b"first, and longer"})
    put(cache, {ONE: b"second"})

    assert cache.get_many([ONE]) == (b"second",)


def test_nothing_may_be_asked_and_nothing_may_be_put(cache: ExplanationCache) -> None:
    put(cache, {})

    assert cache.get_many([]) == ()
    assert cache.counts() == CacheCounts()


def test_a_closed_cache_misses_and_keeps_nothing(cache: ExplanationCache) -> None:
    put(cache, {ONE: b"one"})
    cache.close()
    cache.put_many({TWO: b"two"})

    assert cache.get_many([ONE, TWO]) == (None, None)


def test_a_cache_may_be_closed_twice(cache: ExplanationCache) -> None:
    cache.close()
    cache.close()

    assert cache.get_many([ONE]) == (None,)


def test_a_value_larger_than_allowed_is_not_kept(opened: Callable[[CacheOptions], ExplanationCache]) -> None:
    cache = opened(CacheOptions(secret=SECRET, max_value_bytes=100))
    put(cache, {ONE: bytes(100), TWO: bytes(101)})

    assert cache.get_many([ONE, TWO]) == (bytes(100), None)
    assert cache.counts().dropped >= 1


def test_keys_are_counted_as_hits_or_misses(cache: ExplanationCache) -> None:
    put(cache, {ONE: b"one", TWO: b"two"})
    cache.get_many([ONE, TWO, THREE])
    cache.get_many([ONE])

    assert cache.counts() == CacheCounts(hits=3, misses=1)


def test_threads_never_see_the_value_of_another_key(cache: ExplanationCache) -> None:
    wrong: list[tuple[bytes | None, ...]] = []
    keys = [bytes([i]) * 32 for i in range(16)]

    def work(start: int) -> None:
        for i in range(100):
            key = keys[(start + i) % len(keys)]
            put(cache, {key: key[:1] * 100})
            found = cache.get_many([key])
            if found != (key[:1] * 100,):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_flights_are_shared_where_the_cache_is_shared_over_the_network(cache: ExplanationCache) -> None:
    flights = cache.shared_flights()
    behind = cache.tiers[1] if isinstance(cache, TieredCache) else cache

    assert isinstance(flights, SharedFlights) == isinstance(behind, RedisCache)


def test_every_registered_kind_is_tested_above() -> None:
    assert set(CACHES) == {"memory", "sqlite", "redis", "rediss", "unix"}
    assert set(CACHES.values()) == {MemoryCache.open, SqliteCache.open, RedisCache.open}


def test_an_unknown_kind_of_cache_is_refused_with_the_known_ones_and_without_the_address() -> None:
    with pytest.raises(InvalidInputError, match=r"must start with one of \['memory', 'redis'") as caught:
        open_cache("memcached://:password@127.0.0.1", CacheOptions())

    assert "password" not in str(caught.value)


def test_what_lies_outside_the_process_gets_memory_in_front(tmp_path: Path) -> None:
    cache = open_cache(f"sqlite:{tmp_path / 'cache'}", CacheOptions(secret=SECRET))

    assert isinstance(cache, TieredCache)
    assert [type(tier) for tier in cache.tiers] == [MemoryCache, SqliteCache]
    cache.close()


@pytest.mark.parametrize("name", ["ttl_s", "max_bytes", "max_file_bytes", "max_value_bytes", "timeout_s"])
def test_options_must_be_above_zero(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is 0; it must be above 0"):
        CacheOptions(**{name: 0})


def test_secrets_are_not_shown() -> None:
    word = "sesame"
    shown = repr(CacheOptions(secret=SECRET, password=word))

    assert "\\x" not in shown
    assert word not in shown
