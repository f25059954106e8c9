"""How the tests of the running server call it, and read its refusals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    import threading
    from collections.abc import Awaitable, Callable

EXPLAIN = "/xaisvc.v1.ExplanationService/Explain"
PATIENCE_S = 60.0  # what is waited for takes milliseconds; a minute bounds a machine that stands still for a while
EXPLAIN_STREAM = "/xaisvc.v1.ExplanationService/ExplainStream"
REQUEST = pb.ExplainRequest(model="loans", rows=[pb.Row(values={"age": pb.Value(integer=41)})])


async def failure(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def reason(error: grpc.aio.AioRpcError) -> str:
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert any([detail.Unpack(info) for detail in status.details])  # noqa: C419 - unpack each of them
    return info.reason


def violations(error: grpc.aio.AioRpcError) -> list[error_details_pb2.BadRequest.FieldViolation]:
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    found = error_details_pb2.BadRequest()
    assert any([detail.Unpack(found) for detail in status.details])  # noqa: C419 - unpack each of them
    return list(found.field_violations)


def held_at(gate: threading.Event) -> Callable[[object], tuple[()]]:
    """Work that answers no row, and does not end before the gate opens."""

    def wait(_: object) -> tuple[()]:
        gate.wait(PATIENCE_S)
        return ()

    return wait


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the condition belongs to another thread
            await asyncio.sleep(0.01)
