"""Health in the standard protocol, grpc.health.v1: for the server as a whole, for each service and for each bundle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xaisvc.errors import BusyError
from xaisvc.server.calls import current

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


OVERALL = ""
MODEL_PREFIX = "xaisvc.model/"
"""`xaisvc.model/<name>` is the health of one bundle."""
MOST_WATCHERS = 1024
_RETRY_AFTER_S = 5.0


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # the package has no types
    """Tells load balancers whether to send requests here.

    A bundle that the caller may not use has no health, exactly as one that does not exist.

    Args:
        services: Full names of the services.
        models: Names of the bundles.
    """

    def __init__(self, services: Sequence[str], models: Iterable[str] = ()) -> None:
        self._services = frozenset((OVERALL, *services))
        self._models = frozenset(models)
        self._is_well = True
        self._is_draining = False
        self._changed = asyncio.Condition()
        self._watchers = 0

    @property
    def is_serving(self) -> bool:
        """Whether the server as a whole is SERVING."""
        return self._is_well and not self._is_draining

    def serve_on(self, server: grpc.aio.Server) -> None:
        """Adds the protocol to a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    async def set_models(self, models: Iterable[str]) -> None:
        """Says which bundles are served from now on."""
        self._models = frozenset(models)
        await self._tell()

    async def set_well(self, *, well: bool) -> None:
        """Says whether requests can be answered at all."""
        self._is_well = well
        await self._tell()

    async def drain(self) -> None:
        """Says NOT_SERVING from now on, to those who ask and to those who watch."""
        self._is_draining = True
        await self._tell()

    async def Check(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> health_pb2.HealthCheckResponse:
        """How a service is now."""
        status = self._status(request.service)
        if status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(  # noqa: N802 - as above
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> None:
        """How a service is now, and whenever that changes."""
        if self._watchers >= MOST_WATCHERS:
            raise BusyError(f"{MOST_WATCHERS} others watch already, which is as many as may", _RETRY_AFTER_S)
        self._watchers += 1
        told: health_pb2.HealthCheckResponse.ServingStatus.ValueType | None = None
        try:
            while True:
                status = self._status(request.service)
                if status != told:
                    told = status
                    await context.write(health_pb2.HealthCheckResponse(status=status))
                    continue  # it may have changed meanwhile
                async with self._changed:
                    if self._status(request.service) == told:
                        await self._changed.wait()
        finally:
            self._watchers -= 1

    def _status(self, service: str) -> health_pb2.HealthCheckResponse.ServingStatus.ValueType:
        if service.startswith(MODEL_PREFIX):
            name = service.removeprefix(MODEL_PREFIX)
            known = name in self._models and current().caller.may_use_bundle(name)
        else:
            known = service in self._services
        if not known:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        if self.is_serving:
            return health_pb2.HealthCheckResponse.SERVING
        return health_pb2.HealthCheckResponse.NOT_SERVING

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
