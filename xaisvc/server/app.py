"""Composes the service, starts it, and stops it without losing an answer."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from xaisvc.errors import InvalidRequestError
from xaisvc.server.assembly import assemble
from xaisvc.server.auth import Door
from xaisvc.server.entrance import open_entrance
from xaisvc.server.health import Health
from xaisvc.server.in_flight import InFlight
from xaisvc.server.interceptors import Edge
from xaisvc.server.metrics import CallMetrics
from xaisvc.server.servicers import AudienceServicer, ExplanationServicer, FeedbackServicer, ModelServicer
from xaisvc.server.tls import server_credentials
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

if TYPE_CHECKING:
    from xaisvc.config import Settings
    from xaisvc.engine.service import ExplanationService
    from xaisvc.server.entrance import Entrance
    from xaisvc.telemetry import Logger

HANDSHAKE_TIMEOUT_MS = 5000
DELIVERY_S = 0.5
"""Time for the last answers to leave once they have been computed."""
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
class Stop:
    """How a server came to its end.

    Attributes:
        answered: Whether every call in progress was answered within the grace time.
        running: Pieces of work that still run; nobody waits for them any more.
    """

    answered: bool
    running: int


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers.

    Attributes:
        address: Host and port that it listens on.
        port: The bound port.
    """

    address: str
    port: int
    _server: grpc.aio.Server
    _health: Health
    _in_flight: InFlight
    _workers: Workers

    async def stop(self, grace_s: float) -> Stop:
        """Refuses new calls at once, lets those in progress finish, and closes.

        Args:
            grace_s: How long to wait for calls in progress, in seconds.
        """
        await self._health.drain()
        answered = await self._in_flight.drain(grace_s)
        await self._server.stop(DELIVERY_S)
        self._workers.close()
        return Stop(answered, self._workers.running)


def run(settings: Settings) -> int:
    """Loads the models, opens the records, and serves until SIGTERM or SIGINT.

    Returns:
        The exit code: 0 after a clean stop.

    Raises:
        InvalidRequestError: If no model is named, or the address or a file cannot be used.
        BundleError: If a bundle cannot be loaded.
        StoreError: If the records or the tokens cannot be opened.
    """
    if not settings.models:
        raise InvalidRequestError.of("models", "no bundle is named; use --models DIR or XAISVC_MODELS")
    log = make_logger(settings.log_format, settings.log_level)
    entrance = open_entrance(settings, log)  # before the models: what is wrong here is known at once
    with assemble(settings) as parts:
        return serve(settings, parts.service, log, entrance)


def serve(settings: Settings, service: ExplanationService, log: Logger, entrance: Entrance) -> int:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: Where and how.
        service: The use cases.
        log: Where events go.
        entrance: How callers get in.

    Returns:
        The exit code: 0 after a clean stop.
    """
    with library_logs(log):
        end = asyncio.run(_serve_until_signal(settings, service, log, entrance))
    code = 0 if end.answered else EXIT_UNANSWERED
    if end.running:
        # Python would wait for these threads at its end, however long they take. What they have recorded is complete,
        # and what they have not is absent.
        sys.stderr.flush()
        os._exit(code)
    return code


async def _serve_until_signal(
    settings: Settings, service: ExplanationService, logger: Logger, entrance: Entrance
) -> Stop:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = await start(settings, service, logger, entrance)
    try:
        if settings.port_file is not None:
            _write_port(settings, running.port)
        models = [info.description.name for info in service.list_models()]
        logger.info(Event.SERVING, address=running.address, port=running.port, models=models, pid=os.getpid())
        await stop.wait()
        logger.info(Event.DRAINING, grace_seconds=settings.grace_seconds)
    finally:
        end = await running.stop(settings.grace_seconds)
        if settings.port_file is not None:
            settings.port_file.unlink(missing_ok=True)
    if end.answered and not end.running:
        logger.info(Event.STOPPED)
    else:
        logger.warning(Event.ABANDONED, running=end.running, answered=end.answered)
    return end


async def start(settings: Settings, service: ExplanationService, logger: Logger, entrance: Entrance) -> RunningServer:
    """Starts a server in the running event loop.

    Raises:
        InvalidRequestError: If the address or a file of the entrance cannot be used.
    """
    in_flight = InFlight(settings.max_in_flight)
    workers = Workers(settings.max_in_flight)
    registry = CollectorRegistry()
    edge = Edge(
        logger=logger,
        clock=time.monotonic,
        new_id=lambda: secrets.token_hex(8),
        in_flight=in_flight,
        door=Door(entrance.rights),
        metrics=CallMetrics(registry),
        max_message_bytes=settings.max_message_bytes,
    )
    server = grpc.aio.server(
        interceptors=(edge,),
        options=(
            ("grpc.so_reuseport", 0),  # or a second service would share the port and half of the calls
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", -1),  # checked by Edge, with a text that says what to do
            ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_MS),
        ),
    )
    explanations_pb2_grpc.add_ExplanationServiceServicer_to_server(
        ExplanationServicer(service, workers, limits=service.limits), server
    )
    models_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(service, workers), server)
    audiences_pb2_grpc.add_AudienceServiceServicer_to_server(AudienceServicer(service, workers), server)
    feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(FeedbackServicer(service, workers), server)
    health = Health(SERVICES)
    await health.serve_on(server)
    if settings.reflection:
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
    return RunningServer(f"{host}:{port}", port, server, health, in_flight, workers)


def _write_port(settings: Settings, port: int) -> None:
    """Writes the port in one step, so that a reader sees all of it or no file."""
    path = settings.port_file
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_text(f"{port}\n", encoding="utf-8")
    draft.replace(path)
