"""What every cache does, shown on each of them; then what each does alone. Redis is a real server."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from xaisvc.cache import CACHES, CacheKey, CacheOptions, ExplanationCache, MemoryCache, RedisCache, open_cache
from xaisvc.errors import InvalidInputError
from xaisvc.types import Digests, Players, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = bytes(range(32))
ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))

KEY = CacheKey(
    answer_version=1,
    digests=Digests(model="a" * 64, background="b" * 64, schema="c" * 64),
    output="default_risk",
    space=Space.LOG_ODDS,
    method="kernel",
    parameters=(("budget", 512), ("paired", True)),
    seed=0,
    value_function="interventional",
    players=Players(names=("age", "money"), members=(("age",), ("income", "savings"))),
    row_digest=ONE,
)

DIFFERENT = {
    "answer_version": replace(KEY, answer_version=2),
    "model": replace(KEY, digests=replace(KEY.digests, model="d" * 64)),
    "background": replace(KEY, digests=replace(KEY.digests, background="d" * 64)),
    "schema": replace(KEY, digests=replace(KEY.digests, schema="d" * 64)),
    "digests swapped": replace(KEY, digests=Digests(model="b" * 64, background="a" * 64, schema="c" * 64)),
    "output": replace(KEY, output="loss"),
    "space": replace(KEY, space=Space.PROBABILITY),
    "method": replace(KEY, method="permutation"),
    "parameter value": replace(KEY, parameters=(("budget", 513), ("paired", True))),
    "parameter type": replace(KEY, parameters=(("budget", 512.0), ("paired", True))),
    "parameter true or one": replace(KEY, parameters=(("budget", 512), ("paired", 1))),
    "parameter text or number": replace(KEY, parameters=(("budget", "512"), ("paired", True))),
    "parameter name": replace(KEY, parameters=(("samples", 512), ("paired", True))),
    "parameter left out": replace(KEY, parameters=(("budget", 512),)),
    "parameter none or left out": replace(KEY, parameters=(("budget", 512), ("paired", True), ("depth", None))),
    "seed": replace(KEY, seed=1),
    "value_function": replace(KEY, value_function="conditional"),
    "player names": replace(KEY, players=replace(KEY.players, names=("age", "wealth"))),
    "player members": replace(KEY, players=replace(KEY.players, members=(("age", "income"), ("savings",)))),
    "player order": replace(KEY, players=Players(names=("money", "age"), members=(("income", "savings"), ("age",)))),
    "player kind": replace(KEY, players=replace(KEY.players, kind="concepts")),
    "row_digest": replace(KEY, row_digest=TWO),
}


@pytest.mark.parametrize("changed", DIFFERENT)
def test_whatever_changes_the_answer_changes_the_key(changed: str) -> None:
    assert DIFFERENT[changed].digest() != KEY.digest()


def test_no_two_of_the_changes_share_a_key() -> None:
    digests = {key.digest() for key in DIFFERENT.values()}

    assert len(digests) == len(DIFFERENT)


def test_the_order_of_parameters_means_nothing() -> None:
    assert replace(KEY, parameters=KEY.parameters[::-1]).digest() == KEY.digest()


def test_a_key_is_the_same_in_every_release() -> None:
    # The number this code gave when it was written. Changing it empties every cache, so do it on purpose only.
    assert KEY.digest().hex() == "db221b2173f993fcf937fb6cf5c2ed7c3e8cd7c16fe1d8ef6b71b7121d455505"


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="a parameter is given twice"):
        replace(KEY, parameters=(("budget", 1), ("budget", 2)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_is_not_finite_has_no_key(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(KEY, parameters=(("width", value),)).digest()


@dataclass
class Clock:
    """A clock that stands still until it is told otherwise."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


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


@dataclass
class InRedis:
    """A cache in Redis, and Redis itself as an intruder sees it."""

    cache: ExplanationCache
    client: Redis
    address: str

    def name(self, key: bytes, value: bytes) -> bytes:
        """Puts a value and finds out under which name it lies."""
        before = set(self.client.keys())
        self.cache.put_many({key: value})
        (name,) = set(self.client.keys()) - before
        assert isinstance(name, bytes)
        return name


@pytest.fixture
def in_redis(request: pytest.FixtureRequest) -> Iterator[InRedis]:
    address = request.getfixturevalue("redis_server").address
    cache = open_cache(address, CacheOptions(secret=SECRET, ttl_s=60))
    with Redis.from_url(address) as client:
        client.flushall()
        yield InRedis(cache, client, address)
    cache.close()


@pytest.mark.redis
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"evil", id="shorter than a seal"),
        pytest.param(lambda stored: stored[:-1], id="last byte gone"),
        pytest.param(lambda stored: stored[:32], id="value gone"),
        pytest.param(lambda stored: stored[32:], id="seal gone"),
        pytest.param(lambda stored: stored + b"\x00", id="byte added"),
        pytest.param(lambda stored: stored[:-1] + bytes([stored[-1] ^ 1]), id="last bit turned"),
        pytest.param(lambda stored: bytes([stored[0] ^ 1]) + stored[1:], id="bit of the seal turned"),
    ],
)
def test_a_spoiled_value_is_a_miss(in_redis: InRedis, spoil: Callable[[bytes], bytes]) -> None:
    name = in_redis.name(ONE, b"the right value")
    stored = in_redis.client.get(name)
    assert isinstance(stored, bytes)
    in_redis.client.set(name, spoil(stored))

    assert in_redis.cache.get_many([ONE]) == (None,)


@pytest.mark.redis
def test_the_spoiling_above_would_show_without_spoiling(in_redis: InRedis) -> None:
    name = in_redis.name(ONE, b"the right value")
    stored = in_redis.client.get(name)
    assert isinstance(stored, bytes)
    in_redis.client.set(name, stored)

    assert in_redis.cache.get_many([ONE]) == (b"the right value",)


@pytest.mark.redis
def test_swapped_values_are_misses(in_redis: InRedis) -> None:
    first, second = in_redis.name(ONE, b"one"), in_redis.name(TWO, b"two")
    in_redis.client.rename(first, "spare")
    in_redis.client.rename(second, first)
    in_redis.client.rename("spare", second)

    assert in_redis.cache.get_many([ONE, TWO]) == (None, None)


@pytest.mark.redis
def test_a_value_of_another_type_is_a_miss_and_can_be_replaced(in_redis: InRedis) -> None:
    name = in_redis.name(ONE, b"one")
    in_redis.client.delete(name)
    in_redis.client.lpush(name, "evil")
    assert in_redis.cache.get_many([ONE]) == (None,)

    in_redis.cache.put_many({ONE: b"one"})
    assert in_redis.cache.get_many([ONE]) == (b"one",)


@pytest.mark.redis
def test_one_spoiled_value_leaves_the_others(in_redis: InRedis) -> None:
    in_redis.client.set(in_redis.name(ONE, b"one"), b"evil")
    in_redis.cache.put_many({TWO: b"two"})

    assert in_redis.cache.get_many([ONE, TWO]) == (None, b"two")


@pytest.mark.redis
def test_another_secret_sees_nothing(in_redis: InRedis) -> None:
    in_redis.cache.put_many({ONE: b"one"})
    stranger = open_cache(in_redis.address, CacheOptions(secret=SECRET[::-1]))

    assert stranger.get_many([ONE]) == (None,)
    stranger.close()


@pytest.mark.redis
def test_processes_with_one_secret_share_entries(in_redis: InRedis) -> None:
    in_redis.cache.put_many({ONE: b"one"})
    other = open_cache(in_redis.address, CacheOptions(secret=SECRET))

    assert other.get_many([ONE]) == (b"one",)
    other.close()


@pytest.mark.redis
def test_names_in_redis_do_not_hold_the_key(in_redis: InRedis) -> None:
    name = in_redis.name(ONE, b"one")

    assert ONE not in name
    assert ONE.hex().encode() not in name


@pytest.mark.redis
def test_entries_in_redis_live_as_long_as_asked(in_redis: InRedis) -> None:
    left_ms = in_redis.client.pttl(in_redis.name(ONE, b"one"))

    assert isinstance(left_ms, int)
    assert 0 < left_ms <= 60_000


@pytest.mark.redis
def test_a_stopped_server_is_a_miss_and_said_once(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_cache(server.address, CacheOptions(secret=SECRET))
    cache.put_many({ONE: b"one"})
    assert cache.get_many([ONE]) == (b"one",)
    server.stop()

    assert cache.get_many([ONE, TWO]) == (None, None)
    cache.put_many({TWO: b"two"})
    assert cache.get_many([ONE]) == (None,)
    assert [record.message for record in caplog.records] == [
        "cache: Redis does not answer (ConnectionError); going on without it"
    ]
    cache.close()


@pytest.mark.redis
def test_a_server_that_hangs_is_a_miss_until_it_answers_again(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_cache(server.address, CacheOptions(secret=SECRET))
    cache.put_many({ONE: b"one", TWO: b"two"})
    server.pause()
    assert cache.get_many([ONE]) == (None,)
    cache.put_many({THREE: b"three"})
    server.resume()

    # The late answers to the calls that were given up must not pass for answers to these.
    with Redis.from_url(server.address) as client:
        client.ping()
    assert cache.get_many([TWO, ONE]) == (b"two", b"one")
    cache.close()


@pytest.mark.redis
def test_a_full_server_keeps_nothing_and_harms_nothing(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_cache(server.address, CacheOptions(secret=SECRET))
    cache.put_many({ONE: b"one"})
    with Redis.from_url(server.address) as client:
        client.config_set("maxmemory", "1")

    cache.put_many({TWO: b"two"})
    assert cache.get_many([ONE, TWO]) == (b"one", None)
    cache.close()


def test_no_server_is_a_miss() -> None:
    cache = open_cache("unix:///no/such/folder/socket", CacheOptions(secret=SECRET))
    cache.put_many({ONE: b"one"})

    assert cache.get_many([ONE]) == (None,)
    cache.close()


def test_redis_without_a_secret_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="Redis needs at least 32 random bytes"):
        open_cache("redis://127.0.0.1", CacheOptions(secret=SECRET[:31]))


def test_options_in_the_address_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="leave them out"):
        open_cache("redis://127.0.0.1?socket_timeout=60", CacheOptions(secret=SECRET))


def test_an_address_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="write redis://HOST:PORT/DB"):
        open_cache("redis:127.0.0.1", CacheOptions(secret=SECRET))


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
