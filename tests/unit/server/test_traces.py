from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from xaisvc.engine.stages import Stage
from xaisvc.errors import InvalidRequestError
from xaisvc.server.instruments import Instruments
from xaisvc.server.place import Place
from xaisvc.server.traces import Traces, open_traces
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import explanations_pb2_grpc

if TYPE_CHECKING:
    from xaisvc.engine.commands import ExplainCommand

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUEST = pb.ExplainRequest(
    model="loans", rows=[pb.Row(values={"age": pb.Value(integer=4711)})] * 2, subjects=["Q7-subject"] * 2
)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


async def test_a_call_is_one_span_below_the_callers_with_its_stages_below(
    serving: Any, service: Any, exporter: InMemorySpanExporter
) -> None:
    traces = Traces(exporter, clock=lambda: 100.0, now=lambda: NOON)
    instruments = Instruments.make(traces)
    answer = service.begin

    def explain(command: ExplainCommand, **more: Any) -> Any:
        instruments.spent(Stage.COMPUTE, "loans", "auto", 98.0, 99.0)
        return answer(command, **more)

    service.begin = explain
    async with serving(service, instruments=instruments) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        await stub.Explain(REQUEST, metadata=(("traceparent", PARENT),))
    traces.close()

    stage, call = exporter.get_finished_spans()
    assert call.name == "xaisvc.v1.ExplanationService/Explain"
    assert f"{call.context.trace_id:032x}" == PARENT.split("-")[1]
    assert call.parent is not None
    assert f"{call.parent.span_id:016x}" == PARENT.split("-")[2]
    assert dict(call.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "xaisvc.v1.ExplanationService",
        "rpc.method": "Explain",
        "rpc.grpc.status": "OK",
        "xaisvc.bundle": "loans",
        "xaisvc.method": "auto",
        "xaisvc.rows": 2,
    }
    assert stage.name == "compute"
    assert stage.parent is not None
    assert stage.parent.span_id == call.context.span_id
    noon_ns = int(NOON.timestamp()) * 10**9
    assert (stage.start_time, stage.end_time) == (noon_ns - 2 * 10**9, noon_ns - 10**9)
    shown = "".join(json.dumps(json.loads(span.to_json())) for span in (call, stage))
    assert "4711" not in shown
    assert "Q7-subject" not in shown


async def test_a_refused_call_says_so_and_names_no_bundle_that_the_caller_made_up(
    serving: Any, service: Any, exporter: InMemorySpanExporter
) -> None:
    def refuse(_: object) -> Any:
        raise InvalidRequestError.of("method", "unknown")

    service.on_explain = refuse
    traces = Traces(exporter)
    async with serving(service, instruments=Instruments.make(traces)) as served:
        stub = explanations_pb2_grpc.ExplanationServiceStub(served.channel)
        with pytest.raises(Exception, match="unknown"):
            await stub.Explain(pb.ExplainRequest(model="Q7-invented", rows=REQUEST.rows))
    traces.close()

    (call,) = exporter.get_finished_spans()
    assert (call.attributes or {})["rpc.grpc.status"] == "INVALID_ARGUMENT"
    assert not call.status.is_ok
    assert "Q7-invented" not in call.to_json()


def test_without_an_endpoint_nothing_is_traced() -> None:
    assert open_traces("", Place()) is None


def test_an_endpoint_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="otlp_endpoint: must be http://HOST:PORT"):
        open_traces("collector:4317", Place())


def test_without_the_extra_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)

    with pytest.raises(InvalidRequestError, match="needs the extra 'traces'; install xaisvc\\[traces\\]"):
        open_traces("http://127.0.0.1:4317", Place())
