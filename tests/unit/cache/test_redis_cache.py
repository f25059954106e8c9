"""What a cache in a healthy Redis does, and what an intruder there can and cannot do."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from tests.unit.cache.conftest import WAIT_S
from xaisvc.cache import CacheCounts, CacheOptions, RedisCache
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.redis

SECRET = bytes(range(32))
ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))


@dataclass
class InRedis:
    """A cache in Redis, and Redis itself as an intruder sees it."""

    cache: RedisCache
    client: Redis
    address: str

    def put(self, key: bytes, value: bytes) -> bytes:
        """Puts a value and finds out under which name it lies."""
        before = set(self.client.keys())
        self.cache.put_many({key: value})
        assert self.cache.flush(WAIT_S)
        (name,) = set(self.client.keys()) - before
        assert isinstance(name, bytes)
        return name

    def stored(self, name: bytes) -> bytes:
        found = self.client.get(name)
        assert isinstance(found, bytes)
        return found


@pytest.fixture
def in_redis(request: pytest.FixtureRequest, open_redis: Callable[..., RedisCache]) -> Iterator[InRedis]:
    address = request.getfixturevalue("redis_server").address
    with Redis.from_url(address) as client:
        client.flushall()
        yield InRedis(open_redis(address, ttl_s=60), client, address)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: b"evil", id="shorter than a seal"),
        pytest.param(lambda stored: stored[:-1], id="last byte gone"),
        pytest.param(lambda stored: stored[:33], id="value gone"),
        pytest.param(lambda stored: stored[33:], id="seal gone"),
        pytest.param(lambda stored: stored + b"\x00", id="byte added"),
        pytest.param(lambda stored: stored[:-1] + bytes([stored[-1] ^ 1]), id="last bit turned"),
        pytest.param(lambda stored: bytes([stored[0] ^ 1]) + stored[1:], id="other version"),
        pytest.param(lambda stored: stored[:1] + bytes([stored[1] ^ 1]) + stored[2:], id="bit of the seal turned"),
        pytest.param(lambda stored: stored + bytes(20 * 2**20), id="20 MiB added"),
    ],
)
def test_a_spoiled_value_is_a_miss_and_counted(in_redis: InRedis, spoil: Callable[[bytes], bytes]) -> None:
    name = in_redis.put(ONE, b"the right value")
    in_redis.client.set(name, spoil(in_redis.stored(name)))

    assert in_redis.cache.get_many([ONE]) == (None,)
    assert in_redis.cache.counts() == CacheCounts(misses=1, rejected=1)


def test_the_spoiling_above_would_show_without_spoiling(in_redis: InRedis) -> None:
    name = in_redis.put(ONE, b"the right value")
    in_redis.client.set(name, in_redis.stored(name))

    assert in_redis.cache.get_many([ONE]) == (b"the right value",)


def test_an_emptied_value_is_a_miss(in_redis: InRedis) -> None:
    in_redis.client.set(in_redis.put(ONE, b"the right value"), b"")

    assert in_redis.cache.get_many([ONE]) == (None,)


def test_swapped_values_are_misses(in_redis: InRedis) -> None:
    first, second = in_redis.put(ONE, b"one"), in_redis.put(TWO, b"two")
    in_redis.client.rename(first, "spare")
    in_redis.client.rename(second, first)
    in_redis.client.rename("spare", second)

    assert in_redis.cache.get_many([ONE, TWO]) == (None, None)


def test_a_value_of_another_type_is_a_miss_and_can_be_replaced(in_redis: InRedis) -> None:
    name = in_redis.put(ONE, b"one")
    in_redis.client.delete(name)
    in_redis.client.lpush(name, "evil")
    assert in_redis.cache.get_many([ONE]) == (None,)
    assert in_redis.cache.counts() == CacheCounts(misses=1, rejected=1)

    in_redis.cache.put_many({ONE: b"one"})
    in_redis.cache.flush(WAIT_S)
    assert in_redis.cache.get_many([ONE]) == (b"one",)


def test_one_spoiled_value_leaves_the_others(in_redis: InRedis) -> None:
    in_redis.client.set(in_redis.put(ONE, b"one"), b"evil")
    in_redis.put(TWO, b"two")

    assert in_redis.cache.get_many([ONE, TWO]) == (None, b"two")


def test_spoiled_values_are_said_once(in_redis: InRedis, caplog: pytest.LogCaptureFixture) -> None:
    in_redis.client.set(in_redis.put(ONE, b"one"), b"evil")
    in_redis.cache.get_many([ONE])
    in_redis.cache.get_many([ONE])

    (message,) = caplog.messages
    assert message == (
        "cache: an entry in Redis does not bear our seal; it was changed, or written with another secret; "
        "from now on such entries are counted only"
    )


def test_another_secret_sees_nothing(in_redis: InRedis, open_redis: Callable[..., RedisCache]) -> None:
    in_redis.put(ONE, b"one")

    assert open_redis(in_redis.address, secret=SECRET[::-1]).get_many([ONE]) == (None,)


def test_processes_with_one_secret_share_entries(in_redis: InRedis, open_redis: Callable[..., RedisCache]) -> None:
    in_redis.put(ONE, b"one")

    assert open_redis(in_redis.address).get_many([ONE]) == (b"one",)


def test_names_in_redis_do_not_hold_the_key(in_redis: InRedis) -> None:
    name = in_redis.put(ONE, b"one")

    assert ONE not in name
    assert ONE.hex().encode() not in name


def test_entries_live_as_long_as_asked(in_redis: InRedis) -> None:
    left_ms = in_redis.client.pttl(in_redis.put(ONE, b"one"))

    assert isinstance(left_ms, int)
    assert 0 < left_ms <= 60_000


def test_every_command_has_one_key(in_redis: InRedis) -> None:
    """What works on a Redis Cluster, where the keys of one command must lie together."""
    flights = in_redis.cache.shared_flights()
    assert flights is not None
    with in_redis.client.monitor() as monitor:
        in_redis.cache.put_many({ONE: b"one", TWO: b"two"})
        in_redis.cache.flush(WAIT_S)
        in_redis.cache.get_many([ONE, TWO, THREE])
        flights.try_lead([ONE, THREE], 5)
        flights.wait_for([TWO, ONE], 0.001)
        flights.release([ONE, THREE])
        in_redis.cache.flush(WAIT_S)
        in_redis.client.ping()
        sent = [command["command"] for command in itertools.takewhile(_not_ping, monitor.listen())]

    asked = [words for words in sent if not words.startswith(("CLIENT ", "HELLO "))]  # said by all who connect
    assert Counter(words.split()[0] for words in asked) == {
        "SET": 4,  # two values, two locks
        "GETRANGE": 7,  # also two behind the locks
        "EXISTS": 2,
        "EVAL": 2,
        "GET": 2,  # in the scripts
        "DEL": 2,
    }
    assert all(words.count("xaisvc:") == 1 for words in asked)


def _not_ping(command: dict[str, str]) -> bool:
    return command["command"] != "PING"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least 32 random bytes"):
        RedisCache.open("redis://127.0.0.1", CacheOptions(secret=SECRET[:31]))
