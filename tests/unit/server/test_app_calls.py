"""How calls are answered: by whom, when, and what the log says of them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest

from tests.unit.server.calling import EXPLAIN, PATIENCE_S, REQUEST, eventually, failure, held_at
from xaisvc.engine.answered import Answered, Underway
from xaisvc.engine.commands import RowOutcome
from xaisvc.errors import StoreError
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import explanations_pb2_grpc

if TYPE_CHECKING:
    from xaisvc.engine.commands import ExplainCommand
    from xaisvc.types import Caller

SECRET = "Q7-secret-value"  # noqa: S105 - a value to look for in logs


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


async def test_a_deadline_ends_the_wait_and_tells_the_work(serving: Any, service: Any, gate: threading.Event) -> None:
    service.on_explain = held_at(gate)
    async with serving(service) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        seconds = 0.2
        while not service.commands:  # a call may end before it reaches a service that stands still
            error = await failure(stub.Explain(REQUEST, timeout=seconds))
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            seconds *= 2
        await eventually(lambda: len(served.events("call")) == len(service.commands))
        await eventually(lambda: service.interest.gone)  # so that the work can stop itself

        gate.set()
        service.on_explain = None
        await stub.Explain(REQUEST, timeout=PATIENCE_S)

    assert 0 < service.interest.until < float("inf")
    *ended, answered = [event["code"] for event in served.events("call")]
    assert (set(ended), answered) == ({"CANCELLED"}, "OK")


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
