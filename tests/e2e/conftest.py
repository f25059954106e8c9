"""A real service as a process of its own, for the tests that talk to it as its callers do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import xaisvc

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

START_S = 90.0  # bounds a machine that is busy with other tests; the service answers after three seconds here
STOP_S = 30.0
BUNDLES = Path(xaisvc.__file__).parent / "demo" / "bundles"


@dataclass(frozen=True)
class ServiceProcess:
    """A service that answers.

    Attributes:
        target: Host and port.
        folder: Its records, its log and its port file.
    """

    process: subprocess.Popen[bytes]
    target: str
    folder: Path

    @property
    def events(self) -> list[dict[str, object]]:
        """What it has logged."""
        lines = (self.folder / "log").read_text().splitlines()
        assert [line for line in lines if not line.startswith("{")] == []

        return [json.loads(line) for line in lines]

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal and does not wait."""
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """Waits for its end."""
        return self.process.wait(STOP_S)


@contextmanager
def _running(folder: Path, *flags: str, models: Path = BUNDLES) -> Iterator[ServiceProcess]:
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    arguments = ("--models", models, "--port", "0", "--port-file", port_file, "--data-dir", folder / "data")
    command = [sys.executable, "-m", "xaisvc.cli", "serve", *map(str, arguments), "--log-format", "json", *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XAISVC_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)  # noqa: S603 - our own program
    try:
        end_s = time.monotonic() + START_S
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > end_s:
                pytest.fail("the service does not start: " + (folder / "log").read_text())
            time.sleep(0.02)
        yield ServiceProcess(process, f"127.0.0.1:{int(port_file.read_text())}", folder)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def service_process() -> Callable[..., AbstractContextManager[ServiceProcess]]:
    """Starts a service for one test: `with service_process(folder, "--max-rows", "5", models=bundles) as service`."""
    return _running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service for all tests of a process that leave it running."""
    with _running(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def applicants() -> list[dict[str, object]]:
    """Real rows for the models that are served."""
    cases = json.loads((BUNDLES.parent / "applicants.json").read_text(encoding="utf-8"))["cases"]
    return [case["row"] for case in cases]


@pytest.fixture(scope="session")
def bundles() -> Path:
    """The bundles that are served."""
    return BUNDLES
