from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.unit.server.calling import PATIENCE_S, REQUEST, eventually, failure, held_at
from xaisvc.rights import TOKENS_FILE, Grant, TokenFile
from xaisvc.server import health as health_module
from xaisvc.server.app import SERVICES
from xaisvc.v1 import explanations_pb2_grpc

if TYPE_CHECKING:
    import threading
    from pathlib import Path

RESPONSE = health_pb2.HealthCheckResponse
MODEL = "xaisvc.model/loans"


def request(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


async def status_of(stub: Any, service: str, **more: Any) -> object:
    try:
        return (await stub.Check(request(service), **more)).status
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details()


async def test_each_bundle_has_a_health_of_its_own(serving: Any, service: Any) -> None:
    async with serving(service) as served:
        stub = health_pb2_grpc.HealthStub(served.channel)

        assert await status_of(stub, MODEL) == RESPONSE.SERVING
        assert await status_of(stub, "") == RESPONSE.SERVING
        assert await status_of(stub, "xaisvc.v1.ModelService") == RESPONSE.SERVING
        assert (await status_of(stub, "xaisvc.model/other"))[0] is grpc.StatusCode.NOT_FOUND

        await served.running.health.set_models(["loans", "other"])
        assert await status_of(stub, "xaisvc.model/other") == RESPONSE.SERVING


async def test_while_nothing_can_be_recorded_nothing_is_served_and_all_watchers_are_told(
    serving: Any, service: Any
) -> None:
    async with serving(service) as served, asyncio.timeout(PATIENCE_S):
        stub = health_pb2_grpc.HealthStub(served.channel)
        watches = [stub.Watch(request(name)) for name in ("", "", MODEL, "xaisvc.model/absent")]
        assert [(await watch.read()).status for watch in watches] == [
            RESPONSE.SERVING,
            RESPONSE.SERVING,
            RESPONSE.SERVING,
            RESPONSE.SERVICE_UNKNOWN,
        ]
        watches.pop(0).cancel()  # one who leaves takes nobody along

        await served.running.health.set_well(well=False)
        assert [(await watch.read()).status for watch in watches[:2]] == [RESPONSE.NOT_SERVING] * 2
        assert await status_of(stub, MODEL) == RESPONSE.NOT_SERVING

        await served.running.health.set_well(well=True)
        assert [(await watch.read()).status for watch in watches[:2]] == [RESPONSE.SERVING] * 2

        await served.running.health.set_models(["absent"])
        assert (await watches[2].read()).status == RESPONSE.SERVING
        for watch in watches:
            watch.cancel()


async def test_a_drain_is_final(serving: Any, service: Any) -> None:
    async with serving(service) as served:
        await served.running.health.drain()
        await served.running.health.set_well(well=True)

        assert await status_of(health_pb2_grpc.HealthStub(served.channel), "") == RESPONSE.NOT_SERVING
        assert not served.running.health.is_serving


async def test_a_bundle_that_one_may_not_use_has_no_health(serving: Any, service: Any, tmp_path: Path) -> None:
    mine, other = (token(tmp_path, bundle) for bundle in ("loans", "else"))

    async with serving(service) as served, asyncio.timeout(PATIENCE_S):
        stub = health_pb2_grpc.HealthStub(served.channel)
        absent = await status_of(stub, "xaisvc.model/absent")

        assert await status_of(stub, MODEL, metadata=bearer(mine)) == RESPONSE.SERVING
        assert await status_of(stub, MODEL, metadata=bearer(other)) == absent
        assert await status_of(stub, MODEL) == absent  # a balancer without a token
        assert await status_of(stub, "") == RESPONSE.SERVING
        watch = stub.Watch(request(MODEL), metadata=bearer(other))
        assert (await watch.read()).status == RESPONSE.SERVICE_UNKNOWN
        watch.cancel()


def token(folder: Path, bundle: str) -> str:
    grant = Grant(name=bundle, bundles=frozenset({bundle}), audiences=None, methods=None, valid_for=timedelta(hours=1))
    return TokenFile(folder / TOKENS_FILE).create(grant, now=datetime.now(UTC), randomness=secrets.token_bytes)[1]


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def test_watchers_are_bounded(serving: Any, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "MOST_WATCHERS", 1)
    async with serving(service) as served, asyncio.timeout(PATIENCE_S):
        stub = health_pb2_grpc.HealthStub(served.channel)
        first = stub.Watch(request(""))
        await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Watch(request("")).read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

        first.cancel()
        while True:  # its place is free a moment later
            second = stub.Watch(request(""))
            try:
                assert (await second.read()).status == RESPONSE.SERVING
                break
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.01)
        second.cancel()


async def test_health_answers_while_all_workers_are_busy(serving: Any, service: Any, gate: threading.Event) -> None:
    service.on_explain = held_at(gate)
    async with serving(service) as served:
        call = asyncio.ensure_future(
            failure(explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(REQUEST))
        )
        await eventually(lambda: len(service.commands) == 1)
        health = health_pb2_grpc.HealthStub(served.channel)
        states = {
            name: (await health.Check(health_pb2.HealthCheckRequest(service=name))).status for name in ("", *SERVICES)
        }
        gate.set()
        await call

    assert set(states.values()) == {health_pb2.HealthCheckResponse.SERVING}


async def test_health_of_an_unknown_service_is_not_found(serving: Any, service: Any) -> None:
    async with serving(service) as served:
        health = health_pb2_grpc.HealthStub(served.channel)
        error = await failure(health.Check(health_pb2.HealthCheckRequest(service="no.Such")))

    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert [event["code"] for event in served.events("call")] == ["NOT_FOUND"]
    assert served.events("failure") == []


async def test_health_is_logged_only_where_it_fails(serving: Any, service: Any) -> None:
    async with serving(service) as served:
        health = health_pb2_grpc.HealthStub(served.channel)
        await health.Check(health_pb2.HealthCheckRequest())
        assert served.events("call") == []
        with pytest.raises(grpc.aio.AioRpcError):
            await health.Check(health_pb2.HealthCheckRequest(service="nothing-here"))

    assert [(event["method"], event["code"]) for event in served.events("call")] == [
        ("/grpc.health.v1.Health/Check", "NOT_FOUND")
    ]
