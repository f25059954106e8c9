"""Running a service: a process that dies, new versions, a full disk, metrics and traces, all while calls go on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
import time
from concurrent import futures
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.e2e.watching import PATIENCE_S, eventually, metrics
from tests.ports import free_ports
from xaisvc.client import requests as client_requests
from xaisvc.records import RecordFolder
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import explanations_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = "german-credit-logistic"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
Rows = list[dict[str, Any]]


def events(service: Any, name: str) -> list[dict[str, Any]]:
    return [event for event in service.events if event["event"] == name]


def asks(rows: Rows, *, seed: int = 0, method: str = "auto", budget: int | None = None) -> pb.ExplainRequest:
    return client_requests.explain_request(
        MODEL,
        rows,
        output=None,
        space=None,
        method=method,
        players="features",
        budget=budget,
        seed=seed,
        audiences=(),
        formats=(),
        language="en",
    )


class Traffic:
    """Callers who ask without a pause, each with a request of their own, until told to stop.

    A call that finds no server is made again, as every client of a service should; any other failure is kept.
    """

    def __init__(self, target: str, rows: Rows, *, threads: int = 3, patient: bool = True) -> None:
        self.answers: list[pb.ExplainResponse] = []
        self.failures: list[str] = []
        self.retries = 0
        self._patient = patient
        self._stop = threading.Event()
        self._requests = [asks([row], seed=seed) for seed, row in enumerate(rows * 2)]
        self._threads = [threading.Thread(target=self._call, args=(target, number)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _call(self, target: str, number: int) -> None:
        # A pool of its own for each: the kernel spreads connections over processes, not calls.
        options = (("grpc.use_local_subchannel_pool", 1),)
        while not self._stop.is_set():
            with grpc.insecure_channel(target, options) as channel:
                stub = explanations_pb2_grpc.ExplanationServiceStub(channel)
                try:
                    for request in self._requests[number::2]:
                        self.answers.append(stub.Explain(request, timeout=PATIENCE_S))
                except grpc.RpcError as error:
                    if self._patient and error.code() is grpc.StatusCode.UNAVAILABLE:  # type: ignore[attr-defined]
                        self.retries += 1
                        time.sleep(0.05)
                    else:
                        self.failures.append(str(error))
                        return

    def more(self, count: int) -> None:
        """Waits for so many more answers."""
        wanted = len(self.answers) + count
        eventually(lambda: len(self.answers) >= wanted or self.failures)

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def traffic(*arguments: Any, **more: Any) -> Iterator[Traffic]:
    found = Traffic(*arguments, **more)
    try:
        yield found
    finally:
        found.end()


def health(target: str, service: str = "") -> int:
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return int(stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S).status)


def test_one_of_two_processes_is_killed_while_calls_go_on(
    service_process: Any, applicants: Rows, tmp_path: Path
) -> None:
    first_port = free_ports(2)
    flags = ("--processes", "2", "--metrics-port", str(first_port))
    with service_process(tmp_path, *flags) as service:
        pids = {event["process"]: event["child_pid"] for event in events(service, "process_started")}
        with traffic(service.target, applicants) as calls:
            calls.more(20)
            os.kill(pids[1], signal.SIGKILL)
            calls.more(20)  # the other goes on alone
            eventually(lambda: len(events(service, "process_serving")) == 3)
            calls.more(20)
        assert calls.failures == []
        values: dict[str, set[str]] = {}
        for answer in calls.answers:
            record = answer.results[0].explanation
            content = pb.Explanation.FromString(record.SerializeToString())
            for changing in ("id", "created_at"):
                content.ClearField(changing)
            key = f"{record.row} {record.attribution.seed}"
            values.setdefault(key, set()).add(content.SerializeToString(deterministic=True).hex())
        assert {len(contents) for contents in values.values()} == {1}  # whoever answered, in whichever batch
        scraped = [metrics(first_port + index) for index in (0, 1)]
        assert [found["xaisvc_serving"] for found in scraped] == [1, 1]
        assert sum(found["xaisvc_request_rows_total"] for found in scraped) > 0

        # A stream in progress is finished before the end.
        with grpc.insecure_channel(service.target) as channel:
            stub = explanations_pb2_grpc.ExplanationServiceStub(channel)
            request = asks(applicants * 30, method="permutation", budget=400)
            stream = stub.ExplainStream(pb.ExplainStreamRequest(request=request, batch_rows=10), timeout=PATIENCE_S)
            begun = next(stream)
            service.signal(signal.SIGTERM)
            service.signal(signal.SIGTERM)
            batches = [begun, *stream]
        assert sum(len(batch.batch.ids) for batch in batches) == len(applicants) * 30
        assert service.exit_code() == 0

    answered = [answer.results[0].explanation.id for answer in calls.answers]
    answered += [name for batch in batches for name in batch.batch.ids]
    with closing(RecordFolder(tmp_path / "data")) as folder:
        found = {event: folder.get(event) is not None for event in {name.rpartition("-")[0] for name in answered}}
    assert all(found.values())
    assert {path.name for path in (tmp_path / "data").glob("records-*.sqlite3")} == {
        "records-0.sqlite3",
        "records-1.sqlite3",
    }


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes traces as a collector does."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        del context
        self.spans += [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def collector() -> Iterator[tuple[Collector, int]]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    found = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(found, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield found, port
    finally:
        server.stop(None).wait()


def rewrite(path: Path, content: bytes) -> None:
    """Puts a file in the place of another in one step."""
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(content)
    draft.replace(path)


def test_versions_change_and_the_disk_fills_up_while_calls_go_on(
    service_process: Any, applicants: Rows, bundles: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(bundles / MODEL, models / MODEL, ignore=shutil.ignore_patterns("SHA256SUMS"))
    manifest, graph = models / MODEL / "bundle.yaml", models / MODEL / "model.onnx"
    with collector() as (traces, port):
        settings = tmp_path / "settings.toml"
        settings.write_text(f'reload_seconds = 0.2\notlp_endpoint = "http://127.0.0.1:{port}"\ncache = "memory:"\n')
        with service_process(tmp_path, "--config", str(settings), models=models) as service:
            with traffic(service.target, applicants, patient=False) as calls:
                calls.more(10)
                good = graph.read_bytes()
                graph.write_bytes(good[: len(good) // 2])  # in place and torn, under a session that runs
                eventually(lambda: events(service, "bundle_refused"))
                calls.more(10)
                rewrite(graph, good)
                rewrite(manifest, manifest.read_bytes().replace(b"version:", b"version: 9.9.9 #"))
                eventually(lambda: events(service, "bundle_replaced"))
                calls.more(10)
            assert calls.failures == []
            explanations = [answer.results[0].explanation for answer in calls.answers]
            versions = {(one.model_version, one.digests.schema) for one in explanations}
            assert len(versions) == 2  # every answer is of one version, whole
            assert "9.9.9" in {version for version, _ in versions}
            assert health(service.target, f"xaisvc.model/{MODEL}") == SERVING
            assert health(service.target) == SERVING

            # No file may grow: nothing can be recorded, so nothing is answered.
            _, most = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            assert most == resource.RLIM_INFINITY

            with grpc.insecure_channel(service.target) as channel:
                stub = explanations_pb2_grpc.ExplanationServiceStub(channel)
                with pytest.raises(grpc.RpcError) as refused:
                    stub.Explain(asks(applicants[:1], seed=99), timeout=PATIENCE_S)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
                eventually(lambda: health(service.target) == NOT_SERVING)
                infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, infinite)
                eventually(lambda: health(service.target) == SERVING)
                assert len(stub.Explain(asks(applicants, seed=99), timeout=PATIENCE_S).results) == 5
            service.signal(signal.SIGTERM)
            assert service.exit_code() == 0
            assert len(events(service, "records_well")) == 1
    names = {span.name for span in traces.spans}
    assert {"xaisvc.v1.ExplanationService/Explain", "parse", "compute", "record"} <= names
    told = {attribute.value.string_value for span in traces.spans for attribute in span.attributes}
    assert MODEL in told
    assert told.isdisjoint(str(value) for applicant in applicants for value in applicant.values())
