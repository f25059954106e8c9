"""The service of the demonstration: the real one, as a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xaisvc.errors import RuntimeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 20.0
POLL_INTERVAL_S: Final = 0.05
LOG_LINES_SHOWN: Final = 5
HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that answers.

    Attributes:
        address: Host and port.
        log: File that its output goes to.
        process: The process.
    """

    address: str
    log: Path
    process: subprocess.Popen[bytes]


@contextmanager
def running_service(
    models: Path, folder: Path, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[RunningService]:
    """Starts the service, waits until it answers, and stops it at the end, whatever happens in between.

    Args:
        models: Folder of bundles.
        folder: Where its log, its port file and its records go.
        clock: Monotonic clock in seconds.

    Yields:
        The service.

    Raises:
        RuntimeUnavailableError: If it ends or does not answer in time; the message holds what it said.
    """
    port_file, log = folder / "service.port", folder / "service.log"
    port_file.unlink(missing_ok=True)
    where = ("--host", HOST, "--port", "0", "--port-file", port_file)
    arguments = ("--models", models, *where, "--data-dir", folder / "data")
    command = [sys.executable, "-m", "xaisvc.cli", "serve", *map(str, arguments)]
    # The demonstration is the same on every machine: settings of another service must not leak into it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XAISVC_")}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)  # noqa: S603 - our own program with our own arguments
    try:
        port = _wait_for_port(process, port_file, log, clock)
        yield RunningService(address=f"{HOST}:{port}", log=log, process=process)
    finally:
        _stop(process)
        port_file.unlink(missing_ok=True)


def _wait_for_port(process: subprocess.Popen[bytes], port_file: Path, log: Path, clock: Callable[[], float]) -> int:
    deadline = clock() + START_TIMEOUT_S
    while not port_file.exists():
        if process.poll() is not None:
            raise RuntimeUnavailableError(f"the service ended before it could answer. {_said(log)}")
        if clock() > deadline:
            raise RuntimeUnavailableError(f"the service did not answer within {START_TIMEOUT_S:.0f} s. {_said(log)}")
        time.sleep(POLL_INTERVAL_S)
    return int(port_file.read_text(encoding="utf-8"))


def _said(log: Path) -> str:
    """The end of the log; where the service gave up on purpose, that one line says what to do."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    on_purpose = [line.removeprefix("xaisvc: ") for line in lines if line.startswith("xaisvc: ")]
    if on_purpose:
        return f"It said: {on_purpose[-1]}"
    if not lines:
        return f"It said nothing; its log is {log}"
    return f"The end of its log ({log}):\n  " + "\n  ".join(lines[-LOG_LINES_SHOWN:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
