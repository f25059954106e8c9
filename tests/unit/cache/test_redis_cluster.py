"""A real Redis Cluster of three servers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from tests.ports import free_ports
from tests.unit.cache.conftest import WAIT_S
from xaisvc.cache.redis_command import slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.cache import RedisCache

KEYS = [bytes([i]) * 32 for i in range(60)]
VALUES = {key: key[:3] for key in KEYS}


@pytest.mark.parametrize("key", [b"", b"key", b"123456789", b"{tag}rest", b"a{tag}b", b"a{}b", b"a{b", b"a}b{c}d{e}"])
def test_slots_are_those_of_redis(key: bytes) -> None:
    assert slot(key) == key_slot(key)


@pytest.fixture
def cluster(start_redis: Callable[..., int], until: Callable[[Callable[[], bool]], None]) -> list[int]:
    """Ports of three servers that share the slots."""
    words = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "60000",
    ]  # nobody is given up for standing still a while
    words += ["--cluster-require-full-coverage", "no"]
    ports = [start_redis(*words, "--cluster-port", str(free_ports(1))) for _ in range(3)]
    clients = [Redis(port=port) for port in ports]
    bounds = [(0, 5460), (5461, 10922), (10923, 16383)]
    buses = [int(client.config_get("cluster-port")["cluster-port"]) for client in clients]
    for client, (first, last) in zip(clients, bounds, strict=True):
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
    for port, bus in zip(ports[1:], buses[1:], strict=True):
        clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
    until(lambda: all("cluster_state:ok" in _info(client) for client in clients))
    until(lambda: all(len(client.execute_command("CLUSTER", "SLOTS")) == 3 for client in clients))
    for client in clients:
        client.close()
    return ports


def _info(client: Redis) -> str:
    text = client.execute_command("CLUSTER", "INFO")
    return text.decode() if isinstance(text, bytes) else "\n".join(f"{k}:{v}" for k, v in text.items())


@pytest.mark.redis
def test_a_cluster_keeps_and_serves_all_keys(
    cluster: list[int], open_redis: Callable[..., RedisCache], until: Callable[[Callable[[], bool]], None]
) -> None:
    cache = open_redis(f"redis://127.0.0.1:{cluster[0]}", timeout_s=WAIT_S)
    assert cache.get_many(KEYS) == (None,) * len(KEYS)
    until(lambda: cache._servers.clustered)
    cache.put_many(VALUES)
    assert cache.flush(WAIT_S)

    assert cache.get_many(KEYS) == tuple(VALUES.values())
    assert cache.counts().failures == 0
    sizes = [Redis(port=port).dbsize() for port in cluster]
    assert sum(sizes) == len(KEYS)
    assert min(sizes) > 0

    flights = cache.shared_flights()
    assert flights is not None
    others = [bytes([i]) * 32 for i in range(100, 130)]
    assert flights.try_lead(others, WAIT_S) == (True,) * 30
    assert flights.try_lead(others, WAIT_S) == (False,) * 30
    flights.release(others)
    assert cache.flush(WAIT_S)
    assert flights.try_lead(others, WAIT_S) == (True,) * 30
    assert flights.wait_for(KEYS, WAIT_S) == tuple(VALUES.values())


@pytest.mark.redis
def test_slots_that_move_are_followed(
    cluster: list[int], open_redis: Callable[..., RedisCache], until: Callable[[Callable[[], bool]], None]
) -> None:
    cache = open_redis(f"redis://127.0.0.1:{cluster[2]}", timeout_s=WAIT_S)
    assert cache._servers.learn()
    cache.put_many(VALUES)
    assert cache.flush(WAIT_S)
    clients = [Redis(port=port) for port in cluster]
    ids = [client.execute_command("CLUSTER", "MYID") for client in clients]
    moving = key_slot(clients[0].randomkey())
    clients[0].execute_command("CLUSTER", "SETSLOT", moving, "MIGRATING", ids[1])
    clients[1].execute_command("CLUSTER", "SETSLOT", moving, "IMPORTING", ids[0])
    names = clients[0].execute_command("CLUSTER", "GETKEYSINSLOT", moving, 100)
    clients[0].execute_command("MIGRATE", "127.0.0.1", cluster[1], "", 0, 60_000, "KEYS", *names)
    during = cache.get_many(KEYS)
    for client in clients:
        client.execute_command("CLUSTER", "SETSLOT", moving, "NODE", ids[1])

    assert 0 < during.count(None) <= len(names)
    assert all(value in {None, VALUES[key]} for key, value in zip(KEYS, during, strict=True))

    def found_again() -> bool:
        time.sleep(0.05)
        return cache.get_many(KEYS) == tuple(VALUES.values())

    until(found_again)
    assert cache.counts().failures == 0
    for client in clients:
        client.close()


@pytest.mark.redis
def test_a_server_that_leaves_makes_misses_and_no_errors(
    cluster: list[int], open_redis: Callable[..., RedisCache]
) -> None:
    cache = open_redis(f"redis://127.0.0.1:{cluster[0]}", timeout_s=WAIT_S)
    assert cache._servers.learn()
    cache.put_many(VALUES)
    assert cache.flush(WAIT_S)
    with Redis(port=cluster[1], retry=Retry(NoBackoff(), 0)) as client:
        client.shutdown(nosave=True, now=True, force=True)

    found = cache.get_many(KEYS)
    assert 0 < found.count(None) < len(KEYS)
    assert all(value in {None, VALUES[key]} for key, value in zip(KEYS, found, strict=True))
