from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from xaisvc.config import Settings
from xaisvc.engine.answered import Answered, Underway
from xaisvc.engine.commands import RowOutcome, ServiceLimits
from xaisvc.errors import InvalidRequestError, LimitExceededError, StoreError
from xaisvc.server.app import SERVICES, start
from xaisvc.server.entrance import open_entrance
from xaisvc.telemetry import make_logger
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import explanations_pb2_grpc, models_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from xaisvc.engine.commands import ExplainCommand
    from xaisvc.types import Caller

EXPLAIN = "/xaisvc.v1.ExplanationService/Explain"
SECRET = "Q7-secret-value"  # noqa: S105 - a value to look for in logs
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


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the condition belongs to another thread
            await asyncio.sleep(0.01)


async def test_answers_every_row_and_logs_sizes_only(serving: Any, service: Any) -> None:
    request = pb.ExplainRequest(
        model="loans",
        rows=[pb.Row(values={"purpose": pb.Value(text=SECRET)})] * 3,
        audiences=["customer"],
        formats=["text", "html"],
    )

    async with serving(service) as served:
        response = await explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(request)
        (line,) = served.events("call")

    assert [result.index for result in response.results] == [0, 1, 2]
    assert [view.format for view in response.results[2].explanation.views] == ["text", "html"]
    assert (line["method"], line["code"], line["rows"], line["records"]) == (EXPLAIN, "OK", 3, 3)
    assert line["milliseconds"] >= 0
    assert SECRET not in served.stream.getvalue()


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
        ("/xaisvc.v1.ExplanationService/RenderView", pb.RenderViewRequest(audience="customer"), "id"),
        ("/xaisvc.v1.ExplanationService/RenderView", pb.RenderViewRequest(id="r1"), "audience"),
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


async def test_a_deadline_ends_the_wait_and_tells_the_work(serving: Any, service: Any, gate: threading.Event) -> None:
    def wait(command: object) -> tuple[()]:
        del command
        gate.wait(10)
        return ()

    service.on_explain = wait
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        error = await failure(stub.Explain(REQUEST, timeout=0.2))
        await eventually(lambda: len(served.events("call")) == 1)
        await eventually(lambda: service.interest.gone)  # so that the work can stop itself

        gate.set()
        service.on_explain = None
        await stub.Explain(REQUEST, timeout=5)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0 < service.interest.until < float("inf")
    assert [event["code"] for event in served.events("call")] == ["CANCELLED", "OK"]


async def test_calls_above_the_number_allowed_are_refused_at_once_and_health_is_not(
    serving: Any, service: Any, gate: threading.Event
) -> None:
    def wait(_: object) -> tuple[()]:
        gate.wait(10)
        return ()

    service.on_explain = wait
    async with serving(service, max_in_flight=1) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        running = asyncio.ensure_future(failure(stub.Explain(REQUEST)))
        await eventually(lambda: len(service.commands) == 1)
        error = await failure(stub.Explain(REQUEST))
        health = await health_pb2_grpc.HealthStub(served.channel).Check(health_pb2.HealthCheckRequest())
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


async def test_health_answers_while_all_workers_are_busy(serving: Any, service: Any, gate: threading.Event) -> None:
    def wait(_: object) -> tuple[()]:
        gate.wait(10)
        return ()

    service.on_explain = wait
    async with serving(service) as served:
        call = asyncio.ensure_future(
            failure(explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(REQUEST))
        )
        await eventually(lambda: len(service.commands) == 1)
        health = health_pb2_grpc.HealthStub(served.channel)
        states = {
            name: (await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)).status
            for name in ("", *SERVICES)
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


async def test_a_cached_row_is_answered_without_a_thread(serving: Any, service: Any) -> None:
    threads = []

    def at_once(command: ExplainCommand, caller: Caller) -> Answered:
        del caller
        threads.append(threading.current_thread())
        stored: Future[None] = Future()
        stored.set_result(None)
        return Answered(service.answers(command), stored, lambda: None)

    service.at_once = at_once
    one = pb.ExplainRequest(model="loans", rows=REQUEST.rows[:1])
    many = pb.ExplainRequest(model="loans", rows=[REQUEST.rows[0]] * 2)
    viewed = pb.ExplainRequest(model="loans", rows=REQUEST.rows[:1], audiences=["customer"], formats=["text"])
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        assert len((await stub.Explain(one)).results) == 1
        assert (len(threads), service.commands) == (1, [])
        await stub.Explain(many)
        await stub.Explain(viewed)

    assert threads == [threading.main_thread()]
    assert len(service.commands) == 2


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_row_on_its_way_is_waited_for_in_no_thread_unless_somebody_has_to(
    serving: Any, service: Any, monkeypatch: pytest.MonkeyPatch, is_elsewhere: Any
) -> None:
    stored: Future[None] = Future()
    stored.set_result(None)
    singles: list[Any] = []
    threads = []

    def at_once(*_: object) -> Underway:
        singles.append(SimpleNamespace(found=Future()))
        return Underway(prepared=None, single=singles[-1])  # type: ignore[arg-type]

    def end(underway: Any, *_: object) -> Answered | None:
        return None if underway.single.found.result() is None else wait(underway)

    def wait(*_: object) -> Answered:
        threads.append(threading.current_thread() is threading.main_thread())
        return Answered(service.answers(None), stored, lambda: None)

    service.at_once = at_once
    monkeypatch.setattr(service, "answers", lambda _: (RowOutcome(index=0, record=None, error="so it is"),))
    monkeypatch.setattr(service, "end", end, raising=False)
    monkeypatch.setattr(service, "begin_prepared", wait, raising=False)
    one = pb.ExplainRequest(model="loans", rows=REQUEST.rows[:1])
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        calls = [stub.Explain(one) for _ in range(3)]
        await eventually(lambda: len(singles) == 3)
        assert served.running.workers.running == 0
        for single in singles:
            single.found.set_result(None if is_elsewhere else b"")
        assert [(await call).results[0].error.message for call in calls] == ["so it is"] * 3

    assert threads == [not is_elsewhere] * 3


async def test_whoever_leaves_while_a_row_is_on_its_way_is_known_to_have_left(serving: Any, service: Any) -> None:
    single = SimpleNamespace(found=Future())
    service.at_once = lambda *_: Underway(prepared=None, single=single)  # type: ignore[arg-type]
    one = pb.ExplainRequest(model="loans", rows=REQUEST.rows[:1])
    async with serving(service) as served:
        call = explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(one)
        await eventually(lambda: service.interest is not None)
        call.cancel()
        await eventually(lambda: service.interest.gone)
        await eventually(lambda: len(served.events("call")) == 1)

    assert [event["code"] for event in served.events("call")] == ["CANCELLED"]


async def test_no_call_of_many_that_arrive_at_once_is_cut_off(serving: Any, service: Any) -> None:
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        calls = [stub.Explain(REQUEST) for _ in range(4000)]  # gRPC by itself begins to drop them at 1,000
        codes = [await call.code() for call in calls]

    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


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


@pytest.mark.parametrize("failure", [None, StoreError("the disk is full")])
async def test_nothing_is_told_before_it_is_durable(serving: Any, service: Any, failure: Exception | None) -> None:
    stored: Future[None] = Future()
    told: list[bool] = []
    begin = service.begin
    service.begin = lambda *words, **more: Answered(
        begin(*words, **more).outcomes, stored, lambda: told.append(stored.done())
    )
    async with serving(service) as served:
        call = asyncio.ensure_future(explanations_pb2_grpc.ExplanationServiceStub(served.channel).Explain(REQUEST))
        await eventually(lambda: len(service.commands) == 1)
        await asyncio.sleep(0.05)
        assert (call.done(), told) == (False, [])
        if failure is None:
            stored.set_result(None)
            assert len((await call).results) == len(REQUEST.rows)
        else:
            stored.set_exception(failure)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    assert told == ([True] if failure is None else [])


async def test_a_stop_lets_calls_finish_refuses_new_ones_and_tells_watchers(
    serving: Any, service: Any, gate: threading.Event
) -> None:
    def wait(command: object) -> object:
        gate.wait(10)
        return service.answers(command)

    service.on_explain = wait
    async with serving(service) as served:
        health = health_pb2_grpc.HealthStub(served.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        call = asyncio.ensure_future(stub.Explain(REQUEST))
        await eventually(lambda: len(service.commands) == 1)

        stopping = asyncio.ensure_future(served.running.stop(30.0))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        async with grpc.aio.insecure_channel(served.target) as other:
            refused = await failure(explanations_pb2_grpc.ExplanationServiceStub(other).Explain(REQUEST, timeout=5))
            asked = await health_pb2_grpc.HealthStub(other).Check(health_pb2.HealthCheckRequest(), timeout=5)
        gate.set()
        async with asyncio.timeout(10):  # far below the grace time: the open watcher must not hold the server
            end = await stopping

        assert (refused.code(), reason(refused)) == (grpc.StatusCode.UNAVAILABLE, "STOPPING")
        assert (await failure(watch.read())).code() is grpc.StatusCode.UNAVAILABLE
        assert asked.status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert len((await call).results) == 1
        assert (end, served.running.workers.running) == (True, 0)


async def test_a_stop_does_not_wait_longer_than_its_grace(serving: Any, service: Any, gate: threading.Event) -> None:
    def wait(_: object) -> tuple[()]:
        gate.wait(10)
        return ()

    service.on_explain = wait
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        call = asyncio.ensure_future(failure(stub.Explain(REQUEST)))
        await eventually(lambda: len(service.commands) == 1)
        began_s = time.monotonic()
        end = await served.running.stop(0.1)

        assert (end, served.running.workers.running) == (False, 1)
        assert time.monotonic() - began_s < 5  # the work itself would have taken 10
        cut_off = await call
        assert (cut_off.code(), reason(cut_off)) == (grpc.StatusCode.UNAVAILABLE, "STOPPING")
        assert served.events("failure") == []


async def test_a_stop_does_not_wait_for_work_that_nobody_waits_for(
    serving: Any, service: Any, gate: threading.Event
) -> None:
    def wait(_: object) -> tuple[()]:
        gate.wait(10)
        return ()

    service.on_explain = wait
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        await failure(stub.Explain(REQUEST, timeout=0.2))
        await eventually(lambda: len(served.events("call")) == 1)

        assert await served.running.stop(5.0)
        assert served.running.workers.running == 1


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
