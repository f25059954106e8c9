from __future__ import annotations

import io
import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from xaisvc.config import Settings, load_settings, settings_values
from xaisvc.errors import InvalidRequestError, StoreError
from xaisvc.server.folder_lock import hold_folder, join_folder, wait_for_orphans
from xaisvc.server.processes import Supervisor, child_command, supervise
from xaisvc.server.shared_port import reserve_port
from xaisvc.telemetry import make_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 60.0  # bounds a machine that is busy with other tests

# A child that serves as soon as it is told to, without anything of the service: what it does at its end is in `ENDS`.
CHILD = """
import json, os, signal, socket, sys, threading, time
line = socket.socket(fileno=int(sys.argv[1]))
found = json.loads(line.makefile("rb").readline())
folder = found["settings"]["data_dir"]
index = found["index"]
asked = []  # an Event could be asked for by the handler while the loop holds its lock: both would wait for ever
signal.signal(signal.SIGTERM, lambda *_: asked.append("term"))
signal.signal(signal.SIGHUP, lambda *_: open(os.path.join(folder, f"hup-{index}"), "w").close())
ENDS
line.sendall(b"serving\\n")
with open(os.path.join(folder, f"pid-{index}"), "a") as file:
    file.write(f"{os.getpid()}\\n")
threading.Thread(target=lambda: (line.recv(1), asked.append("alone")), daemon=True).start()
while not asked:
    time.sleep(0.01)
sys.exit(CODE)
"""


def child(*, code: int = 0, ends: str = "") -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", CHILD.replace("ENDS", ends).replace("CODE", str(code)))


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end

        time.sleep(0.01)


class Run:
    """A supervisor in the test's own process, in its main thread as signals ask for; what happens to it is timed."""

    def __init__(self, folder: Path, command: tuple[str, ...], **changes: object) -> None:
        self.folder = folder
        self.stream = io.StringIO()
        settings = Settings(processes=2, port=5, data_dir=folder, **changes)  # type: ignore[arg-type]
        self._supervisor = Supervisor(settings, make_logger("json", "info", self.stream), command=command)

    def until_end(self, script: Callable[[], None]) -> int:
        failures: list[BaseException] = []

        def follow() -> None:
            try:
                script()
            except BaseException as error:  # noqa: BLE001 - raised again in the test
                failures.append(error)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=follow)
        thread.start()
        code = self._supervisor.run()
        thread.join()
        assert failures == []

        return code

    def pids(self, index: int) -> list[int]:
        path = self.folder / f"pid-{index}"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    @property
    def serves(self) -> bool:
        return bool(self.events("serving"))


@contextmanager
def no_signals_left() -> Iterator[None]:
    """The script's own SIGTERM may come after the supervisor has ended by itself."""
    former = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with no_signals_left():
        yield


def test_all_are_started_and_ended(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    run = Run(tmp_path, child(), port_file=port_file)

    assert run.until_end(lambda: eventually(port_file.exists)) == 0
    assert [len(run.pids(index)) for index in (0, 1)] == [1, 1]
    assert port_file.read_text() == "5\n"
    assert [event["exit_code"] for event in run.events("process_ended")] == [0, 0]
    assert [event["event"] for event in map(json.loads, run.stream.getvalue().splitlines())][-1] == "stopped"


def test_one_that_is_killed_is_started_again_after_a_growing_pause(tmp_path: Path) -> None:
    run = Run(tmp_path, child())

    def script() -> None:
        eventually(lambda: run.serves and len(run.pids(1)) == 1)
        for times in (1, 2):
            os.kill(run.pids(1)[-1], signal.SIGKILL)
            eventually(lambda: len(run.pids(1)) == times + 1)  # noqa: B023 - asked at once

    assert run.until_end(script) == 0
    first, second = [event for event in run.events("process_ended") if "again_in_seconds" in event]
    assert (first["process"], first["exit_code"]) == (1, -signal.SIGKILL)
    assert (first["again_in_seconds"], second["again_in_seconds"]) == (0.2, 0.4)
    assert len(run.pids(0)) == 1


def test_a_start_that_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    run = Run(tmp_path, child(ends="sys.exit(2)"))

    assert run._supervisor.run() == 2
    assert [event["process"] for event in run.events("process_started")] == [0]
    assert run.events("serving") == []


def test_the_exit_code_says_that_a_call_was_cut_off(tmp_path: Path) -> None:
    run = Run(tmp_path, child(code=1))

    assert run.until_end(lambda: eventually(lambda: run.serves)) == 1


def test_a_hang_up_is_handed_on(tmp_path: Path) -> None:
    run = Run(tmp_path, child())

    def script() -> None:
        eventually(lambda: run.serves)
        os.kill(os.getpid(), signal.SIGHUP)
        eventually(lambda: (tmp_path / "hup-0").exists() and (tmp_path / "hup-1").exists())

    assert run.until_end(script) == 0


def test_one_that_does_not_end_is_killed_after_the_grace_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaisvc.server.processes.CLOSING_S", 0.2)
    run = Run(tmp_path, child(ends="signal.signal(signal.SIGTERM, signal.SIG_IGN)"), grace_seconds=0.1)

    assert run.until_end(lambda: eventually(lambda: run.serves)) == 1
    assert {event["process"] for event in run.events("process_killed")} == {0, 1}


def test_settings_travel_whole(tmp_path: Path) -> None:
    settings = Settings(
        models=(tmp_path, tmp_path / "b"), retention={"credit": 60}, master_key="00" * 32, tls_key=tmp_path / "k"
    )

    assert load_settings(flags=json.loads(json.dumps(settings_values(settings))), environment={}) == settings


def test_secrets_are_in_no_argument(tmp_path: Path) -> None:
    assert not any("master" in part or str(tmp_path) in part for part in child_command())


def test_a_data_folder_has_one_service(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "data"), pytest.raises(StoreError, match="another service uses"):
        supervise(Settings(models=(tmp_path,), data_dir=tmp_path / "data", processes=2))
    with hold_folder(tmp_path / "data"):
        pass  # it is free again


def test_a_start_waits_for_processes_whose_supervisor_was_killed(tmp_path: Path) -> None:
    told: list[str] = []
    orphans = [join_folder(tmp_path), join_folder(tmp_path)]  # as many as there were

    def sleep(_: float) -> None:
        os.close(orphans.pop())

    wait_for_orphans(tmp_path, PATIENCE_S, lambda: told.append("waits"), sleep=sleep)

    assert (told, orphans) == (["waits"], [])
    wait_for_orphans(tmp_path, 0.0, lambda: told.append("waits again"))
    assert told == ["waits"]


def test_processes_that_do_not_end_are_told_of(tmp_path: Path) -> None:
    orphan = join_folder(tmp_path)
    try:
        with pytest.raises(StoreError, match="processes of a former run still use"):
            wait_for_orphans(tmp_path, 0.0, lambda: None)
    finally:
        os.close(orphan)


def test_a_reserved_port_is_shared_by_those_who_ask_for_it_only() -> None:
    with reserve_port("127.0.0.1", 0) as port, socket.socket() as stranger, socket.socket() as ours:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        with pytest.raises(InvalidRequestError, match="cannot be listened on"), reserve_port("127.0.0.1", port):
            pass
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        ours.bind(("127.0.0.1", port))
        ours.listen()
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S):
            pass
