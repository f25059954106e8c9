"""Clocks, servers that are ours alone, and servers that lie."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ports import free_ports
from xaisvc.cache import CacheOptions, RedisCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_S = 60.0  # what we wait for takes milliseconds; a minute bounds a machine that stands still for a while

BRIEF_S = (
    0.1  # what a call of a cache may take where the server never answers, so that it ends by this and nothing else
)


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something holds."""

    def wait(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_S
        while not holds():
            if time.monotonic() > end:
                pytest.fail("it does not come to that")
            time.sleep(0.005)

    return wait


@pytest.fixture
def start_redis(redis_program: str) -> Iterator[Callable[..., int]]:
    """Starts a real Redis on 127.0.0.1 with further arguments; returns its port. All are ended after the test."""
    with ExitStack() as started:

        def start(*arguments: str) -> int:
            folder = started.enter_context(tempfile.TemporaryDirectory(prefix="redis-"))
            port = free_ports(1)
            words = [redis_program, "--bind", "127.0.0.1", "--dir", folder, "--logfile", f"{folder}/log"]
            words += ["--save", "", "--appendonly", "no"]
            if "--tls-port" not in arguments:
                words += ["--port", str(port)]
            process = subprocess.Popen([*words, *(a.replace("{port}", str(port)) for a in arguments)])  # noqa: S603  ours
            started.callback(process.wait)
            started.callback(process.kill)
            end = time.monotonic() + WAIT_S
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail("redis-server does not start: " + Path(folder, "log").read_text())
                time.sleep(0.01)
            return port

        yield start


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def open_redis() -> Iterator[Callable[..., RedisCache]]:
    """Opens caches in Redis, without memory in front; all are closed after the test.

    A call takes as long as it must, so that a machine that stands still for a while makes no misses. Tests of servers
    that do not answer ask for `BRIEF_S`, or set it where their server falls silent.
    """
    with ExitStack() as opened:

        def open_one(address: str, **options: object) -> RedisCache:
            known = {"secret": bytes(range(32)), "timeout_s": WAIT_S, **options}
            cache = RedisCache.open(address, CacheOptions(**known))  # type: ignore[arg-type] # of tests
            opened.callback(cache.close)
            opened.callback(cache.flush, WAIT_S)  # nothing of it reaches Redis after the test
            return cache

        yield open_one


@dataclass
class FakeServer:
    """A server that answers each piece of a request as it likes.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        received: What it was sent, one piece after the other.
    """

    port: int
    received: list[bytes]

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}"


@pytest.fixture
def fake_server() -> Iterator[Callable[[Callable[[bytes], Iterator[bytes]]], FakeServer]]:
    """Starts a server whose answer to a piece of a request is what a function yields, piece by piece."""
    with ExitStack() as started:

        def start(answer: Callable[[bytes], Iterator[bytes]]) -> FakeServer:
            server = FakeServer(0, [])
            server.port = started.enter_context(_listening(server.received, answer))
            return server

        yield start


@contextmanager
def _listening(received: list[bytes], answer: Callable[[bytes], Iterator[bytes]]) -> Iterator[int]:
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def listen() -> None:
        listener.settimeout(0.05)
        while not ended.is_set():
            with suppress(TimeoutError):
                caller, _ = listener.accept()
                threads.append(threading.Thread(target=_talk, args=(caller, received, answer, ended)))
                threads[-1].start()

    threads.append(threading.Thread(target=listen))
    threads[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        listener.close()


def _talk(
    caller: socket.socket,
    received: list[bytes],
    answer: Callable[[bytes], Iterator[bytes]],
    ended: threading.Event,
) -> None:
    caller.settimeout(0.05)
    with caller, suppress(OSError):
        while not ended.is_set():
            try:
                data = caller.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            received.append(data)
            for piece in answer(data):
                if ended.is_set():
                    return
                caller.sendall(piece)
