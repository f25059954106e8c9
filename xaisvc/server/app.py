"""Composes the service, starts it, and stops it without losing an answer."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from xaisvc.errors import InvalidRequestError
from xaisvc.server.assembly import assemble
from xaisvc.server.auth import Door
from xaisvc.server.entrance import open_entrance
from xaisvc.server.folder_lock import CLOSING_S, hold_folder, wait_for_orphans
from xaisvc.server.health import Health
from xaisvc.server.in_flight import InFlight
from xaisvc.server.instruments import Instruments
from xaisvc.server.interceptors import Edge
from xaisvc.server.loop import new_loop
from xaisvc.server.metrics import PartMetrics
from xaisvc.server.metrics_server import serve_metrics
from xaisvc.server.place import Place
from xaisvc.server.port_file import write_port
from xaisvc.server.servicers import AudienceServicer, ExplanationServicer, FeedbackServicer, ModelServicer
from xaisvc.server.tls import server_credentials
from xaisvc.server.traces import open_traces
from xaisvc.server.upkeep import Upkeep
from xaisvc.server.workers import Workers
from xaisvc.telemetry import Event, library_logs, make_logger
from xaisvc.v1 import (
    audiences_pb2,
    audiences_pb2_grpc,
    explanations_pb2,
    explanations_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)
from xaisvc.views.packs import StalePackWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.config import Settings
    from xaisvc.engine.service import ExplanationService
    from xaisvc.server.assembly import Assembly
    from xaisvc.server.entrance import Entrance
    from xaisvc.telemetry import Logger

HANDSHAKE_TIMEOUT_MS = 5000
MOST_ARRIVING = 20_000
"""Calls that have arrived and were not looked at yet; the service itself refuses what it cannot take, and says so."""

DELIVERY_S = 0.5
"""Time for the last answers to leave once they have been computed."""
LAST_WORK_S = 0.5
"""Time for work that nobody waits for any more to notice that."""
EXIT_UNANSWERED = 1

SERVICES = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (explanations_pb2, "ExplanationService"),
        (models_pb2, "ModelService"),
        (audiences_pb2, "AudienceService"),
        (feedback_pb2, "FeedbackService"),
    )
)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers.

    Attributes:
        address: Host and port that it listens on.
        port: The bound port.
        health: What it says of itself.
        in_flight: The calls in progress.
        workers: The threads that serve them.
    """

    address: str
    port: int
    health: Health
    in_flight: InFlight
    workers: Workers
    _server: grpc.aio.Server

    async def stop(self, grace_s: float) -> bool:
        """Refuses new calls at once, lets those in progress finish, and closes.

        Args:
            grace_s: How long to wait for calls in progress, in seconds.

        Returns:
            Whether every call in progress was answered in that time.
        """
        await self.health.drain()
        answered = await self.in_flight.drain(grace_s)
        await self._server.stop(DELIVERY_S)
        self.workers.close()
        return answered


@dataclass(frozen=True, slots=True)
class _End:
    """How a server came to its end.

    Attributes:
        answered: Whether every call in progress was answered within the grace time.
        running: Pieces of work that still run; nobody waits for them any more.
    """

    answered: bool
    running: Callable[[], int]


def run(settings: Settings, place: Place | None = None, on_serving: Callable[[], None] | None = None) -> int:
    """Loads the models, opens the records, and serves until SIGTERM or SIGINT.

    Args:
        settings: Where and how.
        place: Which process of the service this is; its only one if None.
        on_serving: Called once calls are answered.

    Returns:
        The exit code: 0 after a clean stop.

    Raises:
        InvalidRequestError: If no model is named, or the address or a file cannot be used.
        BundleError: If a bundle cannot be loaded.
        StoreError: If the records or the tokens cannot be opened, or another service has the data folder.
    """
    if not settings.models:
        raise InvalidRequestError.of("models", "no bundle is named; use --models DIR or XAISVC_MODELS")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to load again
    place = place or Place()
    log = make_logger(settings.log_format, settings.log_level)
    if not place.is_alone:
        log = log.bind(process=place.index)
    with ExitStack() as stack:
        stack.enter_context(library_logs(log))
        stack.enter_context(warnings.catch_warnings())
        if place.is_alone:
            stack.enter_context(hold_folder(settings.data_dir))
            wait_for_orphans(
                settings.data_dir, settings.grace_seconds + CLOSING_S, lambda: log.warning(Event.FORMER_PROCESSES)
            )
        entrance = open_entrance(settings, log)  # before the models: what is wrong here is known at once
        traces = open_traces(settings.otlp_endpoint, place)
        if traces is not None:
            stack.callback(traces.close)
        instruments = Instruments.make(traces)
        # A pack that is overdue is told by an event of the log, as long as it is.
        warnings.filterwarnings("ignore", category=StalePackWarning)
        with assemble(settings, place, instruments) as parts:
            serving = _Serving(settings, parts, log, entrance, instruments, place)
            with asyncio.Runner(loop_factory=new_loop) as runner:
                end = runner.run(serving.until_signal(on_serving))
        # All that was answered is in the records by now, and they are closed.
    return _ended(end, log)


def _ended(end: _End, log: Logger) -> int:
    """Says how it ended, and leaves behind what nobody waits for."""
    until = time.monotonic() + LAST_WORK_S
    while end.running() and time.monotonic() < until:
        time.sleep(0.01)
    code = 0 if end.answered else EXIT_UNANSWERED
    running = end.running()
    if end.answered and not running:
        log.info(Event.STOPPED)
    else:
        log.warning(Event.ABANDONED, running=running, answered=end.answered)
    if running:
        # Python would wait for these threads at its end, however long they take. What they have recorded is complete,
        # and what they have not is absent.
        sys.stderr.flush()
        os._exit(code)
    return code


class _Serving:
    """One run of the server in an event loop."""

    def __init__(  # noqa: PLR0913, PLR0917 - handed on from `run`
        self,
        settings: Settings,
        parts: Assembly,
        log: Logger,
        entrance: Entrance,
        instruments: Instruments,
        place: Place,
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._log = log
        self._entrance = entrance
        self._instruments = instruments
        self._place = place

    async def until_signal(self, on_serving: Callable[[], None] | None) -> _End:
        """Serves until SIGTERM or SIGINT. A second one changes nothing: the grace time runs from the first."""
        settings, log = self._settings, self._log
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        running = await start(
            settings, self._parts.service, log, self._entrance, instruments=self._instruments, place=self._place
        )
        upkeep = Upkeep(settings, self._parts, health=running.health, instruments=self._instruments, logger=log)
        loop.add_signal_handler(signal.SIGHUP, upkeep.look_now)
        answered = False
        with ExitStack() as stack:
            try:
                self._measure(running, stack)
                upkeep.begin()
                if settings.port_file is not None:
                    write_port(settings.port_file, running.port)
                    stack.callback(settings.port_file.unlink, missing_ok=True)
                models = [info.description.name for info in self._parts.service.list_models()]
                log.info(Event.SERVING, address=running.address, port=running.port, models=models, pid=os.getpid())
                if on_serving is not None:
                    on_serving()
                await stop.wait()
                log.info(Event.DRAINING, grace_seconds=settings.grace_seconds)
            finally:
                answered = await running.stop(settings.grace_seconds)
                await upkeep.end()
        return _End(answered, lambda: running.workers.running + upkeep.busy)

    def _measure(self, running: RunningServer, stack: ExitStack) -> None:
        """Lists the metrics, and serves them where the settings say."""
        settings, parts, registry = self._settings, self._parts, self._instruments.registry
        registry.register(
            PartMetrics(
                scheduler=parts.service.answering.scheduler.state,
                cache=parts.service.answering.cache,
                backlog=lambda: parts.store.waiting,
                in_flight=lambda: running.in_flight.count,
                serving=lambda: running.health.is_serving,
                warnings=parts.service.letter_warnings,
            )
        )
        if settings.metrics_port:
            port = settings.metrics_port + self._place.index
            stack.enter_context(serve_metrics(registry, settings.metrics_host, port))
            self._log.info(Event.METRICS, host=settings.metrics_host, port=port)


async def start(  # noqa: PLR0913 - composed once, all by name
    settings: Settings,
    service: ExplanationService,
    logger: Logger,
    entrance: Entrance,
    *,
    instruments: Instruments | None = None,
    place: Place | None = None,
) -> RunningServer:
    """Starts a server in the running event loop.

    Args:
        settings: Where and how.
        service: The use cases.
        logger: Where events go.
        entrance: How callers get in.
        instruments: Counts and traces calls; ones that nobody reads if None.
        place: Which process of the service this is; its only one if None.

    Raises:
        InvalidRequestError: If the address or a file of the entrance cannot be used.
    """
    instruments, place = instruments or Instruments.make(), place or Place()
    in_flight = InFlight(settings.max_in_flight)
    workers = Workers(settings.max_in_flight)
    edge = Edge(
        logger=logger,
        clock=time.monotonic,
        new_id=lambda: secrets.token_hex(8),
        in_flight=in_flight,
        door=Door(entrance.rights),
        metrics=instruments.calls,
        traces=instruments.traces,
        max_message_bytes=settings.max_message_bytes,
        stalled_s=settings.stalled_seconds or None,
    )
    server = grpc.aio.server(
        interceptors=(edge,),
        options=(
            # Only the processes of one service share a port; or a second service would get half of the calls.
            ("grpc.so_reuseport", 0 if place.is_alone else 1),
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", -1),  # checked by Edge, with a text that says what to do
            ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_MS),
            # Of more than a thousand calls that arrive at once gRPC would cut some off by chance, without a word.
            ("grpc.server.max_pending_requests", MOST_ARRIVING),
            ("grpc.server.max_pending_requests_hard_limit", 2 * MOST_ARRIVING),
        ),
    )
    explanations_pb2_grpc.add_ExplanationServiceServicer_to_server(
        ExplanationServicer(service, workers, limits=service.limits), server
    )
    models_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(service, workers), server)
    audiences_pb2_grpc.add_AudienceServiceServicer_to_server(AudienceServicer(service, workers), server)
    feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(FeedbackServicer(service, workers), server)
    health = Health(SERVICES, [info.description.name for info in service.list_models()])
    health.serve_on(server)
    if settings.reflection:
        from grpc_reflection.v1alpha import reflection  # noqa: PLC0415 - heavy: loaded when used

        reflection.enable_server_reflection((*SERVICES, "grpc.health.v1.Health", reflection.SERVICE_NAME), server)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}"
    try:
        if entrance.files is None:
            port = server.add_insecure_port(address)
        else:
            credentials = server_credentials(
                entrance.files, logger, clock=time.monotonic, now=lambda: datetime.now(UTC)
            )
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise InvalidRequestError.of(
            "port", f"{address} cannot be listened on: it is taken or not allowed; choose another"
        ) from error
    await server.start()
    return RunningServer(f"{host}:{port}", port, health, in_flight, workers, server)
