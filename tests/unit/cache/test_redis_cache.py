"""What the cache in Redis does alone, against a real server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from xaisvc.cache import CacheOptions, ExplanationCache, open_cache
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = bytes(range(32))
ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))


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
