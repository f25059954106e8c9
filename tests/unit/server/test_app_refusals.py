"""What is refused, with which code and in which words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from tests.unit.server.calling import EXPLAIN, EXPLAIN_STREAM, REQUEST, eventually, failure, held_at, reason
from xaisvc.engine.commands import ServiceLimits
from xaisvc.errors import InvalidRequestError, LimitExceededError, StoreError
from xaisvc.server.instruments import Instruments
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import explanations_pb2_grpc, models_pb2

if TYPE_CHECKING:
    import threading

SECRET = "Q7-secret-value"  # noqa: S105 - a value to look for in logs


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"], ids=["random", "truncated", "utf8"])
@pytest.mark.parametrize("method", [EXPLAIN, "/grpc.health.v1.Health/Check"])
async def test_malformed_bytes_are_an_invalid_argument(serving: Any, service: Any, raw: bytes, method: str) -> None:
    async with serving(service) as served:
        error = await failure(served.channel.unary_unary(method)(raw))
        again = await explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(REQUEST)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(error) == "INVALID_REQUEST"
    assert "request: the bytes are no" in error.details()
    assert "protobuf" not in error.details()
    assert len(again.results) == 1


async def test_malformed_bytes_to_streams_are_an_invalid_argument(serving: Any, service: Any) -> None:
    async with serving(service) as served:
        watch = served.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"\xff")
        watch_error = await failure(watch.read())
        reflect = served.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(
            iter([b"\xff"])
        )
        reflect_error = await failure(reflect.read())

    assert watch_error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reflect_error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_unknown_methods_are_unimplemented(serving: Any, service: Any) -> None:
    async with serving(service) as served:
        for method in ("/xaisvc.v1.ExplanationService/Nothing", "/no.Such/Method"):
            assert (await failure(served.channel.unary_unary(method)(b""))).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_oversized_request_is_refused(serving: Any, service: Any) -> None:
    async with serving(service, max_message_bytes=1024) as served:
        error = await failure(served.channel.unary_unary(EXPLAIN)(bytes(2048)))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert service.commands == []


async def test_an_oversized_answer_is_refused_with_what_to_do(serving: Any, service: Any) -> None:
    rows = [pb.Row(values={"age": pb.Value(integer=1)})] * 20

    async with serving(service, max_message_bytes=1024) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        error = await failure(stub.Explain(pb.ExplainRequest(model="loans", rows=rows)))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "ask for fewer rows, audiences or formats at once" in error.details()


async def test_too_many_rows_are_refused_before_the_engine_sees_them(serving: Any, service: Any) -> None:
    service.limits = ServiceLimits(max_rows=2)
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        error = await failure(stub.Explain(pb.ExplainRequest(model="loans", rows=[pb.Row()] * 3)))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == "rows: 3 rows are more than the 2 that one request may bring; split the request"
    assert service.commands == []


@pytest.mark.parametrize(
    ("raised", "code", "expected"),
    [
        (InvalidRequestError.of("method", "unknown"), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        (LimitExceededError("too much"), grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"),
        (StoreError("the disk is full"), grpc.StatusCode.UNAVAILABLE, "RECORDS_UNAVAILABLE"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_expected_errors_keep_their_words(
    serving: Any, service: Any, raised: Exception, code: grpc.StatusCode, expected: str
) -> None:
    def fail(_: object) -> tuple[()]:
        raise raised

    service.on_explain = fail
    async with serving(service) as served:
        error = await failure(explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(REQUEST))

    assert (error.code(), error.details(), reason(error)) == (code, str(raised), expected)


@pytest.mark.parametrize(("level", "text_is_logged"), [("info", False), ("debug", True)])
async def test_unexpected_errors_tell_a_correlation_id_only(
    serving: Any,
    service: Any,
    level: str,
    text_is_logged: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    def fail(_: object) -> tuple[()]:
        raise ZeroDivisionError(SECRET)

    service.on_explain = fail
    async with serving(service, log_level=level) as served:
        error = await failure(explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(REQUEST))
        (logged,) = served.events("failure")

    assert error.code() is grpc.StatusCode.INTERNAL
    assert reason(error) == "INTERNAL"
    assert logged["correlation_id"] in error.details()
    assert SECRET not in error.details()
    assert logged["error"] == "ZeroDivisionError"
    assert any(" fail" in frame for frame in logged["frames"])
    assert (SECRET in served.stream.getvalue()) is text_is_logged


async def test_an_engine_that_loses_a_row_is_an_internal_error(serving: Any, service: Any) -> None:
    service.on_explain = lambda _: ()
    async with serving(service) as served:
        error = await failure(explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(REQUEST))

    assert error.code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("/xaisvc.v1.ExplanationService/GetExplanation", pb.GetExplanationRequest(id="nope")),
        ("/xaisvc.v1.ExplanationService/RenderView", pb.RenderViewRequest(id="nope", audience="customer")),
        ("/xaisvc.v1.ExplanationService/CompareExplanations", pb.CompareExplanationsRequest(ids=["r1", "nope"])),
        ("/xaisvc.v1.ModelService/GetModel", models_pb2.GetModelRequest(name="nope")),
    ],
)
async def test_what_is_not_there_is_not_found(serving: Any, service: Any, method: str, message: Any) -> None:
    async with serving(service) as served:
        error = await failure(served.channel.unary_unary(method)(message.SerializeToString()))

    assert (error.code(), reason(error)) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "message", "field"),
    [
        ("/xaisvc.v1.ExplanationService/GetExplanation", pb.GetExplanationRequest(), "id"),
        ("/xaisvc.v1.ExplanationService/CompareExplanations", pb.CompareExplanationsRequest(ids=["r1", ""]), "ids[1]"),
        ("/xaisvc.v1.ExplanationService/RenderView", pb.RenderViewRequest(audience="customer"), "id"),
        ("/xaisvc.v1.ExplanationService/RenderView", pb.RenderViewRequest(id="r1"), "audience"),
        ("/xaisvc.v1.ExplanationService/RenderCohort", pb.RenderCohortRequest(), "model"),
        ("/xaisvc.v1.ModelService/GetModel", models_pb2.GetModelRequest(), "name"),
    ],
)
async def test_what_is_not_named_is_asked_for(
    serving: Any, service: Any, method: str, message: Any, field: str
) -> None:
    async with serving(service) as served:
        error = await failure(served.channel.unary_unary(method)(message.SerializeToString()))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith(f"{field}: no ")


async def test_calls_above_the_number_allowed_are_refused_at_once_and_health_is_not(
    serving: Any, service: Any, gate: threading.Event
) -> None:
    service.on_explain = held_at(gate)
    async with serving(service, max_in_flight=1) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        running = asyncio.ensure_future(failure(stub.Explain(REQUEST)))
        await eventually(lambda: len(service.commands) == 1)
        error = await failure(stub.Explain(REQUEST))
        monitor = health_pb2_grpc.HealthStub(served.channel)
        await monitor.Check(health_pb2.HealthCheckRequest())
        health = await monitor.Check(health_pb2.HealthCheckRequest())  # the service has met the method by now
        gate.set()
        await running

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == "1 calls are in progress, which is as many as may be; try again in a moment"
    status = rpc_status.from_call(error)
    assert status is not None
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.ToMilliseconds() == 500
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert len(service.commands) == 1


async def test_a_call_too_many_is_refused_before_anything_of_it_is_looked_at(
    serving: Any, service: Any, gate: threading.Event
) -> None:
    service.on_explain = held_at(gate)
    instruments = Instruments.make()
    async with serving(service, instruments, max_in_flight=1) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        stream = served.channel.unary_stream(EXPLAIN_STREAM)
        await failure(stream(b"").read())  # so that the service has met the method
        running = asyncio.ensure_future(failure(stub.Explain(REQUEST)))
        await eventually(lambda: len(service.commands) == 1)
        refused = [
            await failure(served.channel.unary_unary(EXPLAIN)(b"\xff")),
            await failure(served.channel.unary_unary(EXPLAIN)(REQUEST.SerializeToString())),
            await failure(stream(b"\xff").read()),
        ]
        gate.set()
        await running

    assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert {reason(error) for error in refused} == {"BUSY"}
    assert len({error.details() for error in refused}) == 1
    lines = [event for event in served.events("call") if event["code"] == "RESOURCE_EXHAUSTED"]
    assert [(line["method"], line["reason"]) for line in lines] == [
        (EXPLAIN, "BUSY"),
        (EXPLAIN, "BUSY"),
        (EXPLAIN_STREAM, "BUSY"),
    ]
    counted = instruments.registry.get_sample_value
    assert counted("xaisvc_calls_total", {"method": EXPLAIN, "code": "RESOURCE_EXHAUSTED"}) == 2
    assert counted("xaisvc_calls_total", {"method": EXPLAIN_STREAM, "code": "RESOURCE_EXHAUSTED"}) == 1


async def test_a_method_that_was_never_called_is_refused_in_the_same_words(
    serving: Any, service: Any, gate: threading.Event
) -> None:
    service.on_explain = held_at(gate)
    async with serving(service, max_in_flight=1) as served:
        running = asyncio.ensure_future(failure(served.channel.unary_unary(EXPLAIN)(REQUEST.SerializeToString())))
        await eventually(lambda: len(service.commands) == 1)
        method = served.channel.unary_unary("/xaisvc.v1.ModelService/ListModels")
        slow, quick = [await failure(method(b"")) for _ in range(2)]  # the second by what refuses known methods
        gate.set()
        await running

    assert (slow.code(), slow.details()) == (quick.code(), quick.details())
    assert dict(slow.trailing_metadata()) == dict(quick.trailing_metadata())


async def test_no_call_of_many_that_arrive_at_once_is_cut_off(serving: Any, service: Any) -> None:
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        calls = [stub.Explain(REQUEST) for _ in range(4000)]  # gRPC by itself begins to drop them at 1,000
        codes = [await call.code() for call in calls]

    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
