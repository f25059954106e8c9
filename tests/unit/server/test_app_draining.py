"""How a service stops: calls finish, new ones are refused, and nobody holds it up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.unit.server.calling import PATIENCE_S, REQUEST, eventually, failure, held_at, reason
from xaisvc.v1 import explanations_pb2_grpc

if TYPE_CHECKING:
    import threading


async def test_a_stop_lets_calls_finish_refuses_new_ones_and_tells_watchers(
    serving: Any, service: Any, gate: threading.Event
) -> None:
    def wait(command: object) -> object:
        gate.wait(PATIENCE_S)
        return service.answers(command)

    service.on_explain = wait
    async with serving(service) as served:
        health = health_pb2_grpc.HealthStub(served.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        call = asyncio.ensure_future(stub.Explain(REQUEST))
        await eventually(lambda: len(service.commands) == 1)

        stopping = asyncio.ensure_future(served.running.stop(10 * PATIENCE_S))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        async with grpc.aio.insecure_channel(served.target) as other:
            refused = await failure(explanations_pb2_grpc.ExplanationServiceStub(other).Explain(REQUEST))
            asked = await health_pb2_grpc.HealthStub(other).Check(health_pb2.HealthCheckRequest())
        gate.set()
        async with asyncio.timeout(PATIENCE_S):  # far below the grace time: the open watcher must not hold the server
            end = await stopping

        assert (refused.code(), reason(refused)) == (grpc.StatusCode.UNAVAILABLE, "STOPPING")
        assert (await failure(watch.read())).code() is grpc.StatusCode.UNAVAILABLE
        assert asked.status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert len((await call).results) == 1
        assert (end, served.running.workers.running) == (True, 0)


async def test_a_stop_does_not_wait_longer_than_its_grace(serving: Any, service: Any, gate: threading.Event) -> None:
    service.on_explain = held_at(gate)
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        call = asyncio.ensure_future(failure(stub.Explain(REQUEST)))
        await eventually(lambda: len(service.commands) == 1)
        end = await served.running.stop(0.1)

        assert (end, served.running.workers.running) == (False, 1)  # the work goes on: nobody waited for its end
        cut_off = await call
        assert (cut_off.code(), reason(cut_off)) == (grpc.StatusCode.UNAVAILABLE, "STOPPING")
        assert served.events("failure") == []


async def test_a_stop_does_not_wait_for_work_that_nobody_waits_for(
    serving: Any, service: Any, gate: threading.Event
) -> None:
    service.on_explain = held_at(gate)
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        call = stub.Explain(REQUEST)
        await eventually(lambda: len(service.commands) == 1)
        call.cancel()
        await eventually(lambda: len(served.events("call")) == 1)

        assert await served.running.stop(10 * PATIENCE_S)
        assert served.running.workers.running == 1
