"""Processes that share a Redis agree on who computes what; whatever goes wrong, everybody computes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from tests.unit.cache.conftest import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.cache import RedisCache, SharedFlights

pytestmark = pytest.mark.redis

ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))


def flights_of(cache: RedisCache) -> SharedFlights:
    flights = cache.shared_flights()
    assert flights is not None
    return flights


@pytest.fixture
def pair(request: pytest.FixtureRequest, open_redis: Callable[..., RedisCache]) -> tuple[RedisCache, RedisCache]:
    """Two caches in one Redis, as two processes have them."""
    address = request.getfixturevalue("redis_server").address
    with Redis.from_url(address) as client:
        client.flushall()
    return open_redis(address), open_redis(address)


def test_one_of_two_leads(pair: tuple[RedisCache, RedisCache]) -> None:
    first, second = map(flights_of, pair)

    assert first.try_lead([ONE, TWO], WAIT_S) == (True, True)
    assert second.try_lead([TWO, THREE, ONE], WAIT_S) == (False, True, False)


def test_nobody_leads_where_the_value_is_there_by_now(pair: tuple[RedisCache, RedisCache]) -> None:
    """Who found no value a moment ago need not look again before it asks for the lead."""
    first, second = map(flights_of, pair)
    assert pair[1].get_many([ONE, TWO]) == (None, None)
    first.try_lead([ONE], WAIT_S)
    pair[0].put_many({ONE: b"one"})
    first.release([ONE])
    pair[0].flush(WAIT_S)

    assert second.try_lead([ONE, TWO], WAIT_S) == (False, True)
    assert second.wait_for([ONE], 0.0) == (b"one",)


def test_who_finds_the_value_holds_no_lock(pair: tuple[RedisCache, RedisCache], request: pytest.FixtureRequest) -> None:
    pair[0].put_many({ONE: b"one"})
    pair[0].flush(WAIT_S)
    flights_of(pair[1]).try_lead([ONE], WAIT_S)
    pair[1].flush(WAIT_S)
    with Redis.from_url(request.getfixturevalue("redis_server").address) as client:
        names = client.keys()

    assert [name for name in names if name.endswith(b":lead")] == []


def test_what_is_released_may_be_led_by_another(pair: tuple[RedisCache, RedisCache]) -> None:
    first, second = map(flights_of, pair)
    first.try_lead([ONE, TWO], WAIT_S)
    first.release([ONE])
    pair[0].flush(WAIT_S)

    assert second.try_lead([ONE, TWO], WAIT_S) == (True, False)


def test_only_who_leads_can_release(pair: tuple[RedisCache, RedisCache]) -> None:
    first, second = map(flights_of, pair)
    first.try_lead([ONE], WAIT_S)
    second.release([ONE])
    pair[1].flush(WAIT_S)

    assert second.try_lead([ONE], WAIT_S) == (False,)


def test_who_led_too_long_does_not_end_the_lead_of_the_next(
    pair: tuple[RedisCache, RedisCache], until: Callable[[Callable[[], bool]], None]
) -> None:
    first, second = map(flights_of, pair)
    first.try_lead([ONE], 0.01)
    until(lambda: second.try_lead([ONE], WAIT_S) == (True,))
    first.release([ONE])
    pair[0].flush(WAIT_S)

    assert first.try_lead([ONE], WAIT_S) == (False,)


def test_followers_get_what_the_leader_puts(pair: tuple[RedisCache, RedisCache]) -> None:
    first, second = map(flights_of, pair)
    first.try_lead([ONE, TWO], WAIT_S)
    found: list[tuple[bytes | None, ...]] = []
    follower = threading.Thread(target=lambda: found.append(second.wait_for([TWO, ONE, TWO], WAIT_S)))
    follower.start()
    pair[0].put_many({ONE: b"one"})
    first.release([ONE])
    time.sleep(0.02)  # so that the follower looks in between, in general; it must find both in any case
    pair[0].put_many({TWO: b"two"})
    first.release([TWO])
    follower.join()

    assert found == [(b"two", b"one", b"two")]


def test_a_follower_takes_over_when_the_leader_gives_up(pair: tuple[RedisCache, RedisCache]) -> None:
    first, second = map(flights_of, pair)
    first.try_lead([ONE], 3600)
    found: list[tuple[bytes | None, ...]] = []
    follower = threading.Thread(target=lambda: found.append(second.wait_for([ONE], 3600)))
    follower.start()
    first.release([ONE])
    follower.join()

    assert found == [(None,)]


def test_a_follower_takes_over_when_the_leader_dies(pair: tuple[RedisCache, RedisCache]) -> None:
    first, second = map(flights_of, pair)
    first.try_lead([ONE], 0.05)

    assert second.wait_for([ONE], 3600) == (None,)
    assert second.try_lead([ONE], WAIT_S) == (True,)


def test_nobody_waits_longer_than_asked(pair: tuple[RedisCache, RedisCache]) -> None:
    """The leader would hold on for an hour."""
    first, second = map(flights_of, pair)
    first.try_lead([ONE], 3600)

    assert second.wait_for([ONE], 0.02) == (None,)


def test_nobody_waits_for_what_nobody_computes(pair: tuple[RedisCache, RedisCache]) -> None:
    assert flights_of(pair[0]).wait_for([ONE], 3600) == (None,)


def test_closing_ends_the_waiting(pair: tuple[RedisCache, RedisCache]) -> None:
    first, second = map(flights_of, pair)
    first.try_lead([ONE], 3600)
    found: list[tuple[bytes | None, ...]] = []
    follower = threading.Thread(target=lambda: found.append(second.wait_for([ONE], 3600)))
    follower.start()
    pair[1].close()
    follower.join()

    assert found == [(None,)]
    assert second.try_lead([ONE], WAIT_S) == (True,)


def test_a_poisoned_value_is_not_taken_from_a_flight(
    pair: tuple[RedisCache, RedisCache], request: pytest.FixtureRequest
) -> None:
    first, second = map(flights_of, pair)
    pair[0].put_many({ONE: b"one"})
    pair[0].flush(WAIT_S)
    with Redis.from_url(request.getfixturevalue("redis_server").address) as client:
        (name,) = client.keys()
        client.set(name, b"evil")
    first.try_lead([ONE], 3600)

    assert second.wait_for([ONE], 0.02) == (None,)


def test_many_replicas_compute_each_key_once(
    request: pytest.FixtureRequest, open_redis: Callable[..., RedisCache]
) -> None:
    address = request.getfixturevalue("redis_server").address
    with Redis.from_url(address) as client:
        client.flushall()
    keys = [bytes([i]) * 32 for i in range(40)]
    computed: list[bytes] = []
    answers: list[tuple[bytes | None, ...]] = []
    caches = [open_redis(address, timeout_s=WAIT_S) for _ in range(4)]

    def serve(cache: RedisCache, order: Sequence[bytes]) -> None:
        flights = flights_of(cache)
        values: dict[bytes, bytes] = {}
        leads = dict(zip(order, flights.try_lead(order, WAIT_S), strict=True))
        led = [key for key, lead in leads.items() if lead]
        computed.extend(led)
        values.update({key: key[:4] for key in led})
        cache.put_many(values)
        flights.release(led)
        rest = [key for key in order if key not in values]
        for key, value in zip(rest, flights.wait_for(rest, WAIT_S), strict=True):
            assert value is not None
            values[key] = value
        answers.append(tuple(values[key] for key in keys))

    threads = [
        threading.Thread(target=serve, args=(cache, keys[i * 10 :] + keys[: i * 10])) for i, cache in enumerate(caches)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [tuple(key[:4] for key in keys)] * 4
    assert sorted(computed) == sorted(keys)


def test_nothing_to_do_is_nothing(pair: tuple[RedisCache, RedisCache]) -> None:
    flights = flights_of(pair[0])
    flights.release([ONE])

    assert flights.try_lead([], WAIT_S) == ()
    assert flights.wait_for([], WAIT_S) == ()
