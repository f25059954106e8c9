"""What a started service offers, and where it does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.unit.server.calling import failure
from xaisvc.config import Settings
from xaisvc.errors import InvalidRequestError
from xaisvc.server.app import SERVICES, start
from xaisvc.server.entrance import open_entrance
from xaisvc.telemetry import make_logger

if TYPE_CHECKING:
    from pathlib import Path


async def test_reflection_lists_the_services_when_it_is_on(serving: Any, service: Any) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    async with serving(service) as served:
        call = reflection_pb2_grpc.ServerReflectionStub(served.channel).ServerReflectionInfo(iter([request]))
        names = {entry.name for entry in (await call.read()).list_services_response.service}
    async with serving(service, reflection=False) as served:
        call = reflection_pb2_grpc.ServerReflectionStub(served.channel).ServerReflectionInfo(iter([request]))
        error = await failure(call.read())

    assert set(SERVICES) <= names
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_second_service_on_the_port_fails_loudly(serving: Any, service: Any, tmp_path: Path) -> None:
    async with serving(service) as served:
        settings, logger = Settings(port=served.running.port, data_dir=tmp_path), make_logger()
        entrance = open_entrance(settings, logger)
        with pytest.raises(InvalidRequestError, match=rf"port: 127.0.0.1:{served.running.port} cannot be listened on"):
            await start(settings, service, logger, entrance)


async def test_an_open_address_needs_tokens_and_tls(serving: Any, service: Any) -> None:
    with pytest.raises(InvalidRequestError, match="can be reached from other machines, so it needs tokens and TLS"):
        async with serving(service, host="0.0.0.0"):  # noqa: S104 - what the test is about
            pass
