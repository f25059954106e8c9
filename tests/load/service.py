"""A real service as a process of its own, as its operators start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import xaisvc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

START_S = 90.0  # bounds a machine that is busy with others; the service answers after three seconds here
STOP_S = 30.0
BUNDLES = Path(xaisvc.__file__).parent / "demo" / "bundles"
ROOT = Path(xaisvc.__file__).parents[1]
BYTECODE = ROOT / "out" / "bytecode"


@dataclass(frozen=True)
class ServiceProcess:
    """A service that answers.

    Attributes:
        process: Its first process, which leads a group of its own.
        target: Host and port.
        folder: Its records, its log and its port file.
    """

    process: subprocess.Popen[bytes]
    target: str
    folder: Path

    @property
    def data(self) -> Path:
        """Folder of its records."""
        return self.folder / "data"

    @property
    def events(self) -> list[dict[str, object]]:
        """What it has logged."""
        lines = (self.folder / "log").read_text().splitlines()
        assert [line for line in lines if not line.startswith("{")] == []

        return [json.loads(line) for line in lines]

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal and does not wait."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends every process of the service at once, tidying nothing up, and waits for the first one's end."""
        kill_group(self.process)

    def exit_code(self) -> int:
        """Waits for its end."""
        return self.process.wait(STOP_S)

    def cpu_s(self) -> float:
        """Processor time that its processes have had, in seconds, to the nanosecond."""
        return sum(map(_thread_cpu_s, self.pids()))

    def pids(self) -> list[int]:
        """Ids of its processes."""
        return _processes(self.process.pid)


@contextmanager
def running(
    folder: Path,
    *flags: str,
    models: Sequence[Path] = (BUNDLES,),
    port: int = 0,
    settings: Mapping[str, object] = MappingProxyType({}),
) -> Iterator[ServiceProcess]:
    """A service with its data in `folder`, ended at the end of the block if it still runs.

    Args:
        folder: Where its data, log and port file are.
        flags: More words for `xaisvc serve`.
        models: Folders of bundles.
        port: Port to listen on; 0 lets the system choose.
        settings: Name to value of settings that have no flag.

    Raises:
        RuntimeError: If it does not start; with its log.
    """
    (folder / "log").unlink(missing_ok=True)
    process = launch(folder, *flags, models=models, port=port, settings=settings)
    try:
        yield ServiceProcess(process, f"127.0.0.1:{await_port(process, folder)}", folder)
    finally:
        kill_group(process)


def launch(
    folder: Path,
    *flags: str,
    models: Sequence[Path] = (BUNDLES,),
    port: int = 0,
    settings: Mapping[str, object] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """Starts a service and does not wait until it answers."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    arguments = ["--port", str(port), "--port-file", str(port_file), "--data-dir", str(folder / "data")]
    for model in models:
        arguments += ["--models", str(model)]
    command = [sys.executable, "-m", "xaisvc.cli", "serve", *arguments, "--log-format", "json", *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XAISVC_")}
    environment |= {f"XAISVC_{name.upper()}": str(value) for name, value in settings.items()}
    environment["XAISVC_CACHE_DIR"] = str(folder / "cache")  # outlives a restart, as an operator's does
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have their bytecode
    environment["PYTHONPYCACHEPREFIX"] = str(BYTECODE)
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)  # noqa: S603 - our own program


def await_port(process: subprocess.Popen[bytes], folder: Path) -> int:
    """Waits until a service has written its port, which it does when it answers.

    Raises:
        RuntimeError: If it ended instead, or takes too long; with its log.
    """
    port_file = folder / "port"
    end_s = time.monotonic() + START_S
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > end_s:
            raise RuntimeError("the service does not start: " + (folder / "log").read_text())
        time.sleep(0.01)
    return int(port_file.read_text())


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that leads a group, and the group with it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _processes(first: int) -> list[int]:
    """A process and everything it has started."""
    found = [first]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def _thread_cpu_s(pid: int) -> float:
    total_ns = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # the thread has just ended
            total_ns += int(stat.read_text().split()[0])
    return total_ns / 1e9
