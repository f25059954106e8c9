"""Clocks, servers that are ours alone, and servers that lie."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xaisvc.cache import CacheOptions, RedisCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_S = 10.0  # what we wait for takes milliseconds; ten seconds bound a machine that is busy with other tests


CALL_S = 0.1  # what a call of a cache may take: four times the default, as other tests keep the machine busy


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


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def start_redis(redis_program: str) -> Iterator[Callable[..., int]]:
    """Starts a real Redis on 127.0.0.1 with further arguments; returns its port. All are ended after the test."""
    with ExitStack() as started:

        def start(*arguments: str) -> int:
            folder = started.enter_context(tempfile.TemporaryDirectory(prefix="redis-"))
            port = free_port()
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
    """Opens caches in Redis, without memory in front; all are closed after the test."""
    with ExitStack() as opened:

        def open_one(address: str, **options: object) -> RedisCache:
            known = {"secret": bytes(range(32)), "timeout_s": CALL_S, **options}
            cache = RedisCache.open(address, CacheOptions(**known))  # type: ignore[arg-type] # of tests
            opened.callback(cache.close)
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
