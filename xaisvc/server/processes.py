"""Several server processes on one machine: starts them, starts those again that end, and ends them together.

This process loads no model and never starts gRPC, which does not survive a fork: each child is a fresh interpreter. All
listen on one port by SO_REUSEPORT; see docs/adr/0017-several-processes.md.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError
from xaisvc.server.child import EXIT_REFUSED, SERVING, letter
from xaisvc.server.folder_lock import CLOSING_S, hold_folder, wait_for_orphans
from xaisvc.server.place import Place
from xaisvc.server.port_file import write_port
from xaisvc.server.shared_port import reserve_port
from xaisvc.telemetry import Event, make_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.config import Settings
    from xaisvc.telemetry import Logger

CHILD_MODULE = "xaisvc.server.child"
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A process that has served this long has not failed at its start, so the next pause is short again."""
EXIT_UNANSWERED = 1
_REAP_S = 5.0


def supervise(settings: Settings) -> int:
    """Serves with several processes until SIGTERM or SIGINT.

    Returns:
        The exit code: 0 if all ended cleanly, 1 if one had to cut a call off, 2 if they could not start.

    Raises:
        InvalidRequestError: If no model is named, or the port cannot be listened on.
        StoreError: If another service has the data folder.
    """
    if not settings.models:
        raise InvalidRequestError.of("models", "no bundle is named; use --models DIR or XAISVC_MODELS")
    log = make_logger(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        stack.enter_context(hold_folder(settings.data_dir))
        wait_for_orphans(
            settings.data_dir, settings.grace_seconds + CLOSING_S, lambda: log.warning(Event.FORMER_PROCESSES)
        )
        port = stack.enter_context(reserve_port(settings.host, settings.port))
        if settings.port_file is not None:
            stack.callback(settings.port_file.unlink, missing_ok=True)
        return Supervisor(replace(settings, port=port), log).run()


@dataclass(slots=True)
class _Child:
    """One process, or the place where one was and will be again.

    Attributes:
        index: Its number.
        process: It; None while there is none.
        line: What it is talked to over; closed while there is none.
        serving_since: When it began to answer; None if it does not yet.
        failures: Ends in a row, without a time of steady service between them.
        due: When it is to be started; None while it runs.
    """

    index: int
    due: float | None
    process: subprocess.Popen[bytes] | None = None
    line: socket.socket | None = None
    serving_since: float | None = None
    failures: int = 0
    heard: bytes = field(default=b"")


class Supervisor:
    """Keeps the processes running.

    Args:
        settings: What they serve; the port is one that is reserved.
        logger: Where events go.
        clock: Monotonic clock in seconds.
        command: Starts a child that is handed the number of a file descriptor.
    """

    def __init__(
        self,
        settings: Settings,
        logger: Logger,
        *,
        clock: Callable[[], float] = time.monotonic,
        command: tuple[str, ...] | None = None,
    ) -> None:
        self._settings = settings
        self._log = logger
        self._clock = clock
        self._command = command or child_command()
        self._selector = selectors.DefaultSelector()
        self._children = [_Child(index, None) for index in range(settings.processes)]
        self._stop_by: float | None = None
        self._is_open = False
        self._refused = False
        self._is_unclean = False

    def run(self) -> int:
        """Runs until a signal, or until a first start shows that none can serve."""
        hears, tells = socket.socketpair()
        with hears, tells, self._selector:
            hears.settimeout(0)
            tells.settimeout(0)
            self._selector.register(hears, selectors.EVENT_READ, None)
            handlers = {number: signal.signal(number, _ignore) for number in _SIGNALS}
            former = signal.set_wakeup_fd(tells.fileno())
            try:
                return self._run(hears)
            finally:
                signal.set_wakeup_fd(former)
                for number, handler in handlers.items():
                    signal.signal(number, handler)
                for child in self._children:
                    if child.process is not None:  # only if this process itself has failed
                        child.process.kill()
                        child.process.wait()

    def _run(self, hears: socket.socket) -> int:
        self._log.info(Event.STARTING, processes=len(self._children), port=self._settings.port, pid=os.getpid())
        # The first one alone: what is wrong is told once, and it makes the keys that all share.
        self._children[0].due = self._clock()
        while True:
            self._start_those_due()
            if self._stop_by is not None and not any(child.process for child in self._children):
                return self._exit_code()
            for key, _ in self._selector.select(self._wait_s()):
                if key.fileobj is hears:
                    for number in hears.recv(64):
                        self._take(signal.Signals(number))
                else:
                    self._hear(key.data)
            if self._stop_by is not None and self._clock() >= self._stop_by:
                self._kill()

    def _wait_s(self) -> float | None:
        moments = [child.due for child in self._children if child.due is not None]
        if self._stop_by is not None:
            moments.append(self._stop_by)
        return max(0.0, min(moments) - self._clock()) if moments else None

    def _start_those_due(self) -> None:
        for child in self._children:
            if child.due is not None and child.due <= self._clock():
                child.due = None
                if self._stop_by is None:
                    self._start(child)

    def _start(self, child: _Child) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            child.process = subprocess.Popen(  # noqa: S603 - our own program
                [*self._command, str(theirs.fileno())], pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL
            )
        place = Place(index=child.index, count=len(self._children))
        with suppress(OSError):  # it has ended already, as its end of the line will tell
            ours.sendall(letter(replace(self._settings, port_file=None), place))
        child.line, child.heard, child.serving_since = ours, b"", None
        self._selector.register(ours, selectors.EVENT_READ, child)
        self._log.info(Event.PROCESS_STARTED, process=child.index, child_pid=child.process.pid)

    def _hear(self, child: _Child) -> None:
        if child.line is None:
            return
        try:
            piece = child.line.recv(1024)
        except OSError:
            piece = b""
        if not piece:
            self._reap(child)
            return
        child.heard += piece
        if child.heard == SERVING and child.serving_since is None:
            child.serving_since = self._clock()
            self._log.info(Event.PROCESS_SERVING, process=child.index)
            self._open()

    def _open(self) -> None:
        """Goes on with the start once the first serves, and says so once all do."""
        if self._is_open or self._stop_by is not None:
            return
        for child in self._children:
            if child.process is None and child.due is None:
                child.due = self._clock()
        if all(child.serving_since is not None for child in self._children):
            self._is_open = True
            if self._settings.port_file is not None:
                write_port(self._settings.port_file, self._settings.port)
            self._log.info(
                Event.SERVING, host=self._settings.host, port=self._settings.port, processes=len(self._children)
            )

    def _reap(self, child: _Child) -> None:
        """A process has ended: another takes its place after a pause, unless all are to end."""
        process, line = child.process, child.line
        if process is None or line is None:
            return
        self._selector.unregister(line)
        line.close()
        try:
            code = process.wait(_REAP_S)
        except subprocess.TimeoutExpired:  # it hung up and lives on: nobody could stop it any more
            process.kill()
            code = process.wait()
        served_s = 0.0 if child.serving_since is None else self._clock() - child.serving_since
        child.process, child.line = None, None
        if self._stop_by is not None:
            # One that was still loading ends by the signal itself, and owes nobody an answer.
            self._is_unclean |= bool(code) and child.serving_since is not None
            self._log.info(Event.PROCESS_ENDED, process=child.index, exit_code=code)
            return
        if code == EXIT_REFUSED and not self._is_open:
            self._refused = True
            self._stop()
            return
        child.failures = 0 if served_s >= STEADY_S else child.failures + 1
        pause_s = min(FIRST_PAUSE_S * 2 ** min(child.failures, 20), LONGEST_PAUSE_S)
        child.due = self._clock() + pause_s
        self._log.error(Event.PROCESS_ENDED, process=child.index, exit_code=code, again_in_seconds=pause_s)

    def _take(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            # Who is still loading sees the files as they are anyway, and could not take the signal yet.
            self._send(signal.SIGHUP, [child for child in self._children if child.serving_since is not None])
        elif self._stop_by is None:  # asking twice changes nothing
            self._log.info(Event.DRAINING, grace_seconds=self._settings.grace_seconds)
            self._stop()

    def _stop(self) -> None:
        self._stop_by = self._clock() + self._settings.grace_seconds + CLOSING_S
        for child in self._children:
            child.due = None
        self._send(signal.SIGTERM, self._children)

    @staticmethod
    def _send(number: signal.Signals, children: Sequence[_Child]) -> None:
        for child in children:
            if child.process is not None:
                child.process.send_signal(number)

    def _kill(self) -> None:
        for child in self._children:
            if child.process is not None:
                self._log.error(Event.PROCESS_KILLED, process=child.index)
                child.process.kill()
        self._stop_by = self._clock() + CLOSING_S

    def _exit_code(self) -> int:
        if self._refused:
            return EXIT_REFUSED
        self._log.info(Event.STOPPED)
        return EXIT_UNANSWERED if self._is_unclean else 0


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _ignore(number: int, frame: object) -> None:
    """The loop hears of the signal by its file descriptor."""
    del number, frame


def child_command() -> tuple[str, ...]:
    """How a child is started: as this process was, so that both find the same packages."""
    here = Path.cwd()
    from_here = not sys.flags.safe_path and any(Path(path).absolute() == here for path in sys.path)
    return (sys.executable, *(() if from_here else ("-P",)), "-m", CHILD_MODULE)
