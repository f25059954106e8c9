from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.unit.cache.conftest import WAIT_S
from xaisvc.cache.redis_address import RedisAddress
from xaisvc.cache.redis_command import Command, Loss, pack
from xaisvc.cache.redis_link import BoundedSocket, Link, make_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.cache.conftest import Clock, FakeServer
    from xaisvc.cache.redis_link import RedisConnection

GET = Command(b"key", (b"GET", b"key"))


@pytest.fixture
def pair(clock: Clock) -> Iterator[tuple[BoundedSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield BoundedSocket(ours, clock), theirs


def test_commands_are_packed_as_redis_reads_them() -> None:
    assert pack([GET, Command(b"", (b"SET", b"", b"\r\n"))]) == (
        b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n"
    )


def test_a_thread_that_comes_late_takes_what_has_arrived(
    pair: tuple[BoundedSocket, socket.socket], clock: Clock
) -> None:
    """A busy machine must not look like a server that does not answer."""
    bounded, other = pair
    bounded.allow(clock.now + 1, 100)
    other.sendall(b"answer")
    clock.now += 60

    assert bounded.recv(100) == b"answer"
    with pytest.raises(TimeoutError):
        bounded.recv(100)


def test_not_even_a_late_thread_reads_for_ever(pair: tuple[BoundedSocket, socket.socket], clock: Clock) -> None:
    bounded, other = pair
    bounded.allow(clock.now - 1, 10_000)
    other.sendall(bytes(1000))
    for _ in range(64):
        assert bounded.recv(1) == b"\x00"

    with pytest.raises(TimeoutError):
        bounded.recv(1)


def test_no_more_is_read_than_was_asked_for(pair: tuple[BoundedSocket, socket.socket], clock: Clock) -> None:
    bounded, other = pair
    bounded.allow(clock.now + WAIT_S, 10)
    other.sendall(bytes(100))

    with pytest.raises(OSError, match="more bytes than were asked for"):
        bounded.recv(100)


def test_nothing_is_sent_after_the_deadline(pair: tuple[BoundedSocket, socket.socket], clock: Clock) -> None:
    bounded, _ = pair
    bounded.allow(clock.now, 10)

    with pytest.raises(TimeoutError):
        bounded.sendall(b"late")


def link_to(server: FakeServer, clock: Clock) -> Link:
    address = RedisAddress(host="127.0.0.1", port=server.port)
    return Link(lambda: make_connection(address, timeout_s=WAIT_S, clock=clock), clock)


def test_a_connection_that_came_too_late_serves_the_next_call(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer],
    clock: Clock,
    until: Callable[[Callable[[], bool]], None],
) -> None:
    given_up = threading.Event()

    def answer(request: bytes) -> Iterator[bytes]:
        given_up.wait(WAIT_S)
        yield b"+OK\r\n" * request.count(b"*")

    link = link_to(fake_server(answer), clock)

    assert link.ask([GET], clock.now, 100) == [Loss("TimeoutError")]
    given_up.set()
    until(lambda: len(link._idle) == 1)
    assert link.ask([GET], clock.now + WAIT_S, 100) == [b"OK"]
    assert link._count == 1
    link.close()


def test_there_are_so_many_connections_and_no_more(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer], clock: Clock
) -> None:
    free = threading.Event()

    def answer(request: bytes) -> Iterator[bytes]:
        if b"GET" in request:
            free.wait(WAIT_S)
        yield b"+OK\r\n" * request.count(b"*")

    link = link_to(fake_server(answer), clock)
    replies: list[object] = []
    threads = [
        threading.Thread(target=lambda: replies.extend(link.ask([GET], clock.now + WAIT_S, 100))) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    while link._count < 32:
        assert link._count <= 32
    free.set()
    for thread in threads:
        thread.join()

    assert replies == [b"OK"] * 40
    assert link._count <= 32
    link.close()
    assert link._count == 0


def test_a_connection_that_cannot_be_made_frees_its_place(clock: Clock) -> None:
    def make() -> RedisConnection:
        return make_connection(RedisAddress(socket="/no/such/socket"), timeout_s=WAIT_S, clock=clock)

    link = Link(make, clock)
    for _ in range(50):
        assert link.ask([GET, GET], clock.now + WAIT_S, 100) == [Loss("ConnectionError")] * 2
    assert link._count == 0


def test_a_closed_link_answers_nothing(
    fake_server: Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer], clock: Clock
) -> None:
    link = link_to(fake_server(lambda request: iter([b"+OK\r\n"] * request.count(b"*"))), clock)
    assert link.ask([GET], clock.now + WAIT_S, 100) == [b"OK"]
    link.close()

    assert link.ask([GET], clock.now + WAIT_S, 100) == [Loss("ConnectionAbortedError")]
