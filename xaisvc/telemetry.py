"""Logs: their form and the names of their events, in one place.

No event carries a value of a row. Texts of unexpected exceptions may hold such values, so they are logged at level
`debug` only; the frames of their tracebacks always are.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from structlog.typing import FilteringBoundLogger, Processor

    Logger: TypeAlias = FilteringBoundLogger

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Event(StrEnum):
    """Every event of the service's log."""

    SERVING = "serving"
    STARTING = "starting"
    PROCESS_STARTED = "process_started"
    PROCESS_SERVING = "process_serving"
    PROCESS_ENDED = "process_ended"
    PROCESS_KILLED = "process_killed"
    FORMER_PROCESSES = "waiting_for_former_processes"
    METRICS = "metrics"
    BUNDLE_REPLACED = "bundle_replaced"
    BUNDLE_ADDED = "bundle_added"
    BUNDLE_REFUSED = "bundle_refused"
    BUNDLE_GONE = "bundle_gone"
    LETTERS = "letters_warning"
    LOOKED = "looked_for_bundles"
    RECORDS_FAILING = "records_failing"
    RECORDS_WELL = "records_well"
    RETAINED = "retained"
    RETAIN_FAILED = "retain_failed"
    TASK_FAILED = "task_failed"
    NO_TOKENS = "no_tokens"
    TOKENS_IN_USE = "tokens_in_use"
    TOKENS_READ = "tokens_read"
    TOKENS_DAMAGED = "tokens_damaged"
    TLS_IN_USE = "tls_in_use"
    TLS_READ = "tls_read"
    TLS_DAMAGED = "tls_damaged"
    CALL = "call"
    FAILURE = "failure"
    FAILURE_TEXT = "failure_text"
    DRAINING = "draining"
    STOPPED = "stopped"
    ABANDONED = "abandoned"
    LIBRARY = "library"


def make_logger(form: LogFormat = "auto", level: LogLevel = "info", stream: TextIO | None = None) -> Logger:
    """A logger that writes one line for each event.

    Args:
        form: `json`, `console`, or `auto` for console on a terminal and JSON elsewhere.
        level: Events below it are dropped.
        stream: Where lines go; standard error by default.
    """
    target = stream or sys.stderr
    if form == "auto":
        form = "console" if target.isatty() else "json"
    renderer: Processor = (
        structlog.processors.JSONRenderer(_encoded)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    logger: Logger = structlog.wrap_logger(
        structlog.WriteLogger(_Unfailing(target)),  # type: ignore[arg-type] # it writes and flushes, which is all
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
    )
    return logger


def frames(error: BaseException) -> list[str]:
    """Where an exception came from, one text for each frame, without any value."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def _encoded(event: Mapping[str, object], default: Callable[[object], object]) -> str:
    """An event as JSON, as `json.dumps` writes it, which would make an encoder anew for each line."""
    return _encoder(default).encode(event)


@cache
def _encoder(default: Callable[[object], object]) -> json.JSONEncoder:
    return json.JSONEncoder(default=default)


class _Unfailing:
    """A stream whose writes never raise: a full disk or a reader that went away costs lines, not calls.

    Args:
        stream: Where text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Forwarder(logging.Handler):
    """Puts the log records of libraries into the service's log."""

    def __init__(self, logger: Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        self._logger.warning(Event.LIBRARY, library=record.name, severity=record.levelname.lower(), text=record.msg)


@contextmanager
def library_logs(logger: Logger) -> Iterator[None]:
    """Sends what libraries log as warnings or worse to `logger` while the block runs, without their arguments."""
    handler = _Forwarder(logger)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
