"""A Redis that is dead, hung, slow, full, emptied, closed to us or lying makes a request slower, never failed or wrong.

That nothing waits is shown by counting calls and by servers that would keep one waiting for hours, not by a stopwatch.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from tests.unit.cache.conftest import BRIEF_S, WAIT_S
from xaisvc.cache import CacheCounts, RedisCache
from xaisvc.cache.redis_link import make_connection
from xaisvc.cache.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.conftest import RedisServer
    from tests.unit.cache.conftest import Clock, FakeServer
    from xaisvc.cache.redis_command import Command, Reply

pytestmark = pytest.mark.redis

SECRET = bytes(range(32))
ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))
WORD = "sesame"


def put(cache: RedisCache, values: dict[bytes, bytes]) -> None:
    cache.put_many(values)
    assert cache.flush(WAIT_S)


def hang(server: RedisServer, cache: RedisCache) -> None:
    """From now on no call is answered, and each gives up after a moment: before it, none gave up."""
    server.pause()
    cache._servers._timeout_s = BRIEF_S


def answer_again(server: RedisServer, cache: RedisCache) -> None:
    """From now on every call is answered, and waited for as long as that takes."""
    cache._servers._timeout_s = WAIT_S
    server.resume()


def note_calls(cache: RedisCache, monkeypatch: pytest.MonkeyPatch) -> list[set[bytes]]:
    """Notes which commands each call of Redis has from now on."""
    calls: list[set[bytes]] = []
    ask = cache._servers.ask

    def noted(commands: Sequence[Command], size_bytes: int, *, patient: bool) -> list[Reply]:
        calls.append({command.words[0] for command in commands})
        return ask(commands, size_bytes, patient=patient)

    monkeypatch.setattr(cache._servers, "ask", noted)
    return calls


def test_a_dead_server_is_a_miss_and_after_five_calls_not_asked(
    request: pytest.FixtureRequest,
    open_redis: Callable[..., RedisCache],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_redis(server.address, clock=clock)
    put(cache, {ONE: b"one"})
    assert cache.get_many([ONE]) == (b"one",)
    server.stop()

    calls = note_calls(cache, monkeypatch)
    for _ in range(20):
        assert cache.get_many([ONE, TWO]) == (None, None)
        put(cache, {TWO: b"two"})

    assert len(calls) == 5
    assert cache.counts() == CacheCounts(hits=1, misses=40, failures=5, dropped=20)
    assert [record.message for record in caplog.records] == [
        "cache: Redis does not answer (ConnectionError); going on without it"
    ]


def test_a_server_that_comes_back_is_asked_again_after_a_probe(
    request: pytest.FixtureRequest,
    open_redis: Callable[..., RedisCache],
    caplog: pytest.LogCaptureFixture,
    until: Callable[[Callable[[], bool]], None],
    clock: Clock,
) -> None:
    caplog.set_level(logging.INFO)
    server = request.getfixturevalue("own_redis_server")
    cache = open_redis(server.address, clock=clock)
    put(cache, {ONE: b"one"})
    hang(server, cache)
    assert cache.get_many([ONE]) == (None,)
    assert not cache._breaker.closed

    clock.now += 0.09
    assert cache.get_many([ONE]) == (None,)
    assert not cache._breaker._probing
    clock.now += 0.02
    assert cache.get_many([ONE]) == (None,)  # begins a probe, and does not wait for it
    until(lambda: not cache._breaker._probing)
    assert not cache._breaker.closed

    answer_again(server, cache)
    clock.now += 1.9
    assert cache.get_many([ONE]) == (None,)
    assert not cache._breaker._probing
    clock.now += 0.2
    assert cache.get_many([ONE]) == (None,)
    until(lambda: cache._breaker.closed)

    assert cache.get_many([ONE]) == (b"one",)
    until(lambda: len(caplog.messages) > 1)  # the probe tells of itself after it has closed the breaker
    assert caplog.messages == [
        "cache: Redis does not answer (TimeoutError); going on without it",
        "cache: Redis answers again",
    ]


def test_a_server_that_was_started_anew_is_asked_at_once(
    start_redis: Callable[..., int], open_redis: Callable[..., RedisCache]
) -> None:
    """Connections that ended while nobody used them are no failures."""
    port = start_redis()
    cache = open_redis(f"redis://127.0.0.1:{port}")
    put(cache, {ONE: b"one"})
    cache.get_many([ONE])
    with Redis(port=port) as client:
        client.client_kill_filter(_type="normal", skipme=True)

    assert cache.get_many([ONE]) == (b"one",)
    assert cache.counts().failures == 0


def test_a_server_that_hangs_is_a_miss_until_it_answers_again(
    request: pytest.FixtureRequest, open_redis: Callable[..., RedisCache], until: Callable[[Callable[[], bool]], None]
) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_redis(server.address)
    put(cache, {ONE: b"one", TWO: b"two"})
    hang(server, cache)
    assert cache.get_many([ONE]) == (None,)
    put(cache, {THREE: b"three"})
    answer_again(server, cache)

    # The late answer to the call that was given up must not pass for an answer to these.
    until(lambda: cache.get_many([TWO, ONE]) == (b"two", b"one"))
    assert cache.counts().failures == 1
    assert cache.counts().dropped == 1


def test_a_server_that_hangs_delays_one_call_only(
    request: pytest.FixtureRequest,
    open_redis: Callable[..., RedisCache],
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_redis(server.address, clock=clock)
    flights = cache.shared_flights()
    assert flights is not None
    put(cache, {ONE: b"one"})
    hang(server, cache)
    calls = note_calls(cache, monkeypatch)
    for _ in range(10):
        assert cache.get_many([ONE]) == (None,)
        assert flights.try_lead([ONE], 5) == (True,)
        assert flights.wait_for([ONE], 5) == (None,)
        flights.release([ONE])
    server.resume()

    assert calls == [{b"GETRANGE"}]  # and nobody asks for a lead or waits
    assert cache.counts().failures == 1


def test_a_server_that_hangs_while_a_lead_is_asked_for_delays_that_call_only(
    request: pytest.FixtureRequest,
    open_redis: Callable[..., RedisCache],
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_redis(server.address, clock=clock)
    flights = cache.shared_flights()
    assert flights is not None
    assert cache.get_many([ONE]) == (None,)
    hang(server, cache)
    calls = note_calls(cache, monkeypatch)
    assert flights.try_lead([ONE], 5) == (True,)
    put(cache, {ONE: b"one"})
    flights.release([ONE])
    assert cache.get_many([ONE]) == (None,)
    server.resume()

    assert calls == [{b"SET", b"GETRANGE"}]


def test_a_request_of_many_rows_waits_for_one_call_too(
    request: pytest.FixtureRequest,
    open_redis: Callable[..., RedisCache],
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    """Many keys are asked for in several calls, each with its own time, and in no more after one that failed."""
    server = request.getfixturevalue("own_redis_server")
    cache = open_redis(server.address, clock=clock)
    flights = cache.shared_flights()
    assert flights is not None
    keys = [i.to_bytes(32, "big") for i in range(600)]
    calls = note_calls(cache, monkeypatch)
    assert cache.get_many(keys) == (None,) * 600
    assert len(calls) == 3
    hang(server, cache)

    assert cache.get_many(keys) == (None,) * 600
    assert flights.try_lead(keys, 5) == (True,) * 600
    server.resume()
    assert len(calls) == 4


def test_a_server_that_takes_long_to_connect_to_is_not_left_alone_at_once(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer],
    open_redis: Callable[..., RedisCache],
    until: Callable[[Callable[[], bool]], None],
) -> None:
    """The first call gives up, and the connection goes on being made for the next."""
    seal = Seal(SECRET)
    go_on = threading.Event()

    def answer(request: bytes) -> Iterator[bytes]:
        if signs_in(request):
            go_on.wait(WAIT_S)
            yield b"+OK\r\n"
            return
        value = seal.close(ONE, b"one")
        yield b"$%d\r\n%b\r\n" % (len(value), value)

    cache = open_redis(fake_server(answer).address, timeout_s=BRIEF_S)
    servers = cache._servers
    # Connecting may take as long as it must here, however little time the call has.
    servers._seed._make = lambda: make_connection(servers._address, timeout_s=WAIT_S, clock=time.monotonic)
    assert cache.get_many([ONE]) == (None,)
    assert cache._breaker.closed
    servers._timeout_s = WAIT_S
    go_on.set()
    until(lambda: len(servers._seed._idle) == 1)

    assert cache.get_many([ONE]) == (b"one",)


def test_an_emptied_server_is_a_miss(request: pytest.FixtureRequest, open_redis: Callable[..., RedisCache]) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_redis(server.address)
    put(cache, {ONE: b"one"})
    with Redis.from_url(server.address) as client:
        client.flushall()

    assert cache.get_many([ONE]) == (None,)
    assert cache.counts() == CacheCounts(misses=1)


def test_a_full_server_keeps_nothing_more_and_serves_what_it_has(
    request: pytest.FixtureRequest, open_redis: Callable[..., RedisCache]
) -> None:
    server = request.getfixturevalue("own_redis_server")
    cache = open_redis(server.address)
    put(cache, {ONE: b"one"})
    with Redis.from_url(server.address) as client:
        client.config_set("maxmemory", "1")
    for _ in range(10):
        put(cache, {TWO: b"two"})

    assert cache.get_many([ONE, TWO]) == (b"one", None)
    assert cache.counts() == CacheCounts(hits=1, misses=1, failures=10, dropped=10)


def test_a_full_server_keeps_nobody_from_computing(
    request: pytest.FixtureRequest, open_redis: Callable[..., RedisCache]
) -> None:
    server = request.getfixturevalue("own_redis_server")
    flights = open_redis(server.address).shared_flights()
    assert flights is not None
    with Redis.from_url(server.address) as client:
        client.config_set("maxmemory", "1")

    assert flights.try_lead([ONE, TWO], 5) == (True, True)


def test_a_server_that_evicts_serves_what_is_left(
    start_redis: Callable[..., int], open_redis: Callable[..., RedisCache]
) -> None:
    port = start_redis("--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru")
    cache = open_redis(f"redis://127.0.0.1:{port}")
    values = {i.to_bytes(32, "big"): i.to_bytes(2, "big") * 5000 for i in range(400)}  # 4 MB
    put(cache, values)

    found = dict(zip(values, cache.get_many(list(values)), strict=True))
    kept = {key: value for key, value in found.items() if value is not None}
    assert 0 < len(kept) < len(values)
    assert kept.items() <= values.items()


@pytest.mark.parametrize("denied", ["-getrange", "-set", "-eval", "-exists", "-@all"])
def test_whatever_we_may_not_do_is_a_miss(
    start_redis: Callable[..., int], open_redis: Callable[..., RedisCache], denied: str
) -> None:
    port = start_redis()
    with Redis(port=port) as client:
        client.acl_setuser("app", enabled=True, passwords=["+sesame"], keys=["xaisvc:*"], commands=["+@all", denied])
    cache = open_redis(f"redis://127.0.0.1:{port}", username="app", password=WORD)
    flights = cache.shared_flights()
    assert flights is not None
    put(cache, {ONE: b"one"})

    assert cache.get_many([TWO, ONE]) in {(None, None), (None, b"one")}
    assert flights.try_lead([TWO], 5) == (True,)
    assert flights.wait_for([THREE], 0.01) == (None,)
    flights.release([TWO])
    assert cache.flush(WAIT_S)


def test_the_commands_that_are_documented_are_enough(
    start_redis: Callable[..., int], open_redis: Callable[..., RedisCache]
) -> None:
    port = start_redis()
    allowed = ["+getrange", "+set", "+exists", "+eval", "+get", "+del"]  # the last two inside the script
    with Redis(port=port) as client:
        client.acl_setuser("app", enabled=True, passwords=["+sesame"], keys=["xaisvc:*"], commands=allowed)
    cache = open_redis(f"redis://app:sesame@127.0.0.1:{port}")
    flights = cache.shared_flights()
    assert flights is not None
    assert flights.try_lead([ONE], 5) == (True,)
    put(cache, {ONE: b"one"})
    flights.release([ONE])

    assert flights.wait_for([ONE, TWO], 0.01) == (b"one", None)
    assert cache.get_many([ONE]) == (b"one",)
    assert cache.flush(WAIT_S)
    assert flights.try_lead([ONE, TWO], 5) == (False, True)  # ONE is there, and its lock is free
    assert cache.counts().failures == 0


def test_a_wrong_password_is_a_miss_and_said_nowhere(
    start_redis: Callable[..., int], open_redis: Callable[..., RedisCache], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    port = start_redis("--requirepass", "right")
    cache = open_redis(f"redis://app:sesame@127.0.0.1:{port}")
    for _ in range(6):
        assert cache.get_many([ONE]) == (None,)

    assert caplog.messages == ["cache: Redis does not answer (AuthenticationError); going on without it"]
    assert "sesame" not in caplog.text


def test_no_server_is_a_miss(open_redis: Callable[..., RedisCache]) -> None:
    cache = open_redis("unix:///no/such/folder/socket")
    put(cache, {ONE: b"one"})

    assert cache.get_many([ONE]) == (None,)


def test_a_name_service_that_hangs_does_not_hold_a_call(
    open_redis: Callable[..., RedisCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking up a name has no timeout; it would end when the test ends."""
    ended = threading.Event()

    def look_up(*_: object) -> list[object]:
        ended.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    cache = open_redis("redis://cache.example", timeout_s=BRIEF_S)

    assert cache.get_many([ONE]) == (None,)
    ended.set()


GARBAGE = {
    "nothing we know": b"?\r\n",
    "a web server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zero bytes": bytes(1000),
    "an endless line": b"+" + b"x" * 200_000,
    "a number that is none": b":one\r\n",
    "a length that is none": b"$one\r\n",
    "a negative length": b"$-5\r\n",
    "a length of terabytes": b"$9999999999999\r\nx",
    "a list of billions": b"*9999999999\r\n",
    "lists in lists in lists": b"*1\r\n" * 20_000,
    "another type: number": b":1\r\n" * 300,
    "another type: list": b"*1\r\n$3\r\none\r\n" * 300,
    "another type: text": b"+OK\r\n" * 300,
    "nothing there": b"$-1\r\n" * 300,
    "no list there": b"*-1\r\n" * 300,
    "not our value": b"$5\r\nwrong\r\n" * 300,
    "an error": b"-ERR internal\r\n" * 300,
    "an error without words": b"-\r\n" * 300,
    "still loading": b"-LOADING Redis is loading the dataset in memory\r\n" * 300,
    "busy": b"-BUSY Redis is busy running a script\r\n" * 300,
    "a replica": b"-READONLY You can't write against a read only replica.\r\n" * 300,
    "cluster down": b"-CLUSTERDOWN Hash slot not served\r\n" * 300,
    "moved nowhere": b"-MOVED\r\n" * 300,
    "moved to nonsense": b"-MOVED slot place\r\n" * 300,
    "moved to nobody": b"-MOVED 1 127.0.0.1:1\r\n" * 300,
    "no text": b"-\xff\xfe\xfd\r\n" * 300,
}


@pytest.mark.parametrize("answer", GARBAGE)
def test_garbage_is_a_miss(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer],
    open_redis: Callable[..., RedisCache],
    answer: str,
) -> None:
    cache = open_redis(fake_server(lambda _: iter([GARBAGE[answer]])).address, timeout_s=BRIEF_S)
    flights = cache.shared_flights()
    assert flights is not None
    keys = [bytes([i]) * 32 for i in range(200)]
    for _ in range(6):
        assert cache.get_many(keys) == (None,) * 200
        put(cache, {ONE: b"one"})
        assert len(flights.try_lead(keys, 5)) == 200
        assert flights.wait_for(keys[:3], 0.01) == (None,) * 3
        flights.release(keys)


def signs_in(request: bytes) -> bool:
    """Whether a request only tells our name, which a server must answer before it can lie about values."""
    return request.startswith(b"*4\r\n$6\r\nCLIENT")


def test_a_server_that_answers_byte_by_byte_does_not_hold_a_call(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer],
    open_redis: Callable[..., RedisCache],
    clock: Clock,
) -> None:
    """Each byte comes within the timeout, on the clock of the test as well; the whole answer would take 50 minutes."""

    def answer(request: bytes) -> Iterator[bytes]:
        if signs_in(request):
            yield b"+OK\r\n"
            return
        yield b"$100000\r\n"
        for _ in range(100_000):
            time.sleep(0.03)
            clock.now += WAIT_S / 4
            yield b"x"

    server = fake_server(answer)
    cache = open_redis(server.address, clock=clock)

    assert cache.get_many([ONE]) == (None,)
    assert any(b"GETRANGE" in request for request in server.received)
    assert cache.counts() == CacheCounts(misses=1, failures=1)


def test_a_server_that_never_stops_answering_is_cut_off(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer], open_redis: Callable[..., RedisCache]
) -> None:
    """It would answer with 64 TiB; a call takes no more than it asked for."""
    sent = [0]

    def answer(request: bytes) -> Iterator[bytes]:
        if signs_in(request):
            yield b"+OK\r\n"
            return
        yield b"$70368744177664\r\n"
        for _ in range(2**30):
            sent[0] += 65536
            yield bytes(65536)

    server = fake_server(answer)
    cache = open_redis(server.address, timeout_s=WAIT_S)  # so that the bound on bytes is what ends it

    assert cache.get_many([ONE]) == (None,)
    assert cache.counts() == CacheCounts(misses=1, failures=1)
    assert sent[0] < 64 * 2**20  # what it asked for is 1 MiB; the rest lay in the buffers of the two sockets


def test_a_slow_server_is_waited_for_within_the_timeout(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer], open_redis: Callable[..., RedisCache]
) -> None:
    seal = Seal(SECRET)

    def answer(request: bytes) -> Iterator[bytes]:
        time.sleep(0.01)
        value = seal.close(ONE, b"one")
        yield b"+OK\r\n" if signs_in(request) else b"$%d\r\n%b\r\n" % (len(value), value)

    cache = open_redis(fake_server(answer).address, timeout_s=WAIT_S)

    assert cache.get_many([ONE]) == (b"one",)


def test_values_of_other_keys_are_not_served(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer], open_redis: Callable[..., RedisCache]
) -> None:
    """What a broken proxy does that mixes up whose answer is whose."""
    value = Seal(SECRET).close(ONE, b"one")

    def answer(request: bytes) -> Iterator[bytes]:
        yield b"+OK\r\n" if signs_in(request) else b"$%d\r\n%b\r\n" % (len(value), value) * 2

    cache = open_redis(fake_server(answer).address, timeout_s=WAIT_S)

    assert cache.get_many([ONE, TWO]) == (b"one", None)
    assert cache.counts() == CacheCounts(hits=1, misses=1, rejected=1)


def test_answers_that_nobody_asked_for_are_not_taken_for_the_next_call(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer], open_redis: Callable[..., RedisCache]
) -> None:
    def answer(request: bytes) -> Iterator[bytes]:
        yield b"+OK\r\n" if signs_in(request) else b"$-1\r\n$5\r\nextra\r\n"

    cache = open_redis(fake_server(answer).address, timeout_s=WAIT_S)

    assert cache.get_many([ONE]) == (None,)
    assert cache.get_many([ONE]) == (None,)
    assert cache.counts() == CacheCounts(misses=2)  # not rejected: the second call began on a new connection
