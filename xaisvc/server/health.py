"""Health in the standard protocol, grpc.health.v1: for the server as a whole and for each service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import OVERALL_HEALTH
from grpc_health.v1.health import aio as health_aio

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc.aio


class Health:
    """Tells load balancers whether to send requests here.

    Args:
        services: Full names of the services.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._services = (OVERALL_HEALTH, *services)
        self._servicer = health_aio.HealthServicer()

    async def serve_on(self, server: grpc.aio.Server) -> None:
        """Adds the protocol to a server, everything SERVING."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        for service in self._services:
            await self._servicer.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Says NOT_SERVING from now on, to those who ask and to those who watch."""
        await self._servicer.enter_graceful_shutdown()
