"""The service as a process: bytes on the wire, restarts, signals and settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest

import xaisvc
from tests.e2e.watching import PATIENCE_S, eventually, metrics
from tests.ports import free_ports
from xaisvc.errors import LimitExceededError
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.wire import value_to_wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = "german-credit-logistic"
EXPLAIN = "/xaisvc.v1.ExplanationService/Explain"
Rows = list[dict[str, Any]]


def raw_call(target: str, method: str, message: bytes) -> bytes:
    with grpc.insecure_channel(target) as channel:
        answer: bytes = channel.unary_unary(method)(message, timeout=PATIENCE_S)
        return answer


def code_of(target: str, method: str, message: bytes) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        raw_call(target, method, message)
    return caught.value.code()  # type: ignore[no-any-return, attr-defined]


def hostile_messages(count: int) -> list[bytes]:
    """Random bytes, and a valid request with bytes changed or cut off; the same on every run."""
    rng = np.random.default_rng(1)
    row = pb.Row(values={"purpose": pb.Value(text="used_car"), "amount_dm": pb.Value(number=1.0)})
    valid = pb.ExplainRequest(model=MODEL, rows=[row] * 3, audiences=["customer"]).SerializeToString()
    found = [rng.bytes(int(rng.integers(1, 200))) for _ in range(count)]
    for _ in range(count):
        changed = bytearray(valid)
        for place in rng.integers(0, len(valid), 3):
            changed[place] = int(rng.integers(0, 256))
        found.append(bytes(changed))
    return found + [valid[: int(cut)] for cut in rng.integers(1, len(valid), count)]


def test_hostile_bytes_are_refused_and_the_service_goes_on(service: Any, applicants: Rows) -> None:
    codes: Counter[grpc.StatusCode] = Counter()

    with grpc.insecure_channel(service.target) as channel:
        call = channel.unary_unary(EXPLAIN)
        for message in hostile_messages(100):
            outcome = call.future(message, timeout=PATIENCE_S)
            codes[outcome.code()] += 1

    assert set(codes) <= {
        grpc.StatusCode.OK,  # still a request, with rows that do not fit
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,  # a model or an audience of another name
    }
    assert codes[grpc.StatusCode.INVALID_ARGUMENT] > 100  # random bytes at least
    with xaisvc.Client(service.target) as client:
        assert len(client.explain(MODEL, applicants).records) == len(applicants)


def test_a_message_over_the_limit_is_refused(service: Any) -> None:
    over = pb.ExplainRequest(model="x" * (16 * 1024 * 1024)).SerializeToString()

    assert code_of(service.target, EXPLAIN, over) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_restart_keeps_every_record_byte_for_byte(service_process: Any, applicants: Rows, tmp_path: Path) -> None:
    method = "/xaisvc.v1.ExplanationService/GetExplanation"
    with service_process(tmp_path) as first, xaisvc.Client(first.target) as client:
        records = client.explain(MODEL, applicants).records
        requests = [pb.GetExplanationRequest(id=record.id).SerializeToString() for record in records]
        before = [raw_call(first.target, method, request) for request in requests]
        first.signal(signal.SIGKILL)  # nothing is tidied up
        first.exit_code()

    with service_process(tmp_path) as second, xaisvc.Client(second.target) as client:
        assert [raw_call(second.target, method, request) for request in requests] == before
        assert tuple(client.get_explanation(record.id) for record in records) == records
        assert client.render_view(records[0].id, "customer", "text").content


def test_flags_hold_nothing_is_logged_and_a_signal_ends_it(
    service_process: Any, applicants: Rows, tmp_path: Path
) -> None:
    secret = "Q7-secret-value"  # noqa: S105 - a value to look for
    with service_process(tmp_path, "--max-rows", "2") as service, xaisvc.Client(service.target) as client:
        wrong = client.explain(MODEL, [{**applicants[0], "purpose": secret}, {**applicants[0], secret: 1}])
        with pytest.raises(LimitExceededError, match="3 rows are more than the 2"):
            client.explain(MODEL, applicants[:3])
        service.signal(signal.SIGINT)

        assert len(wrong.errors) == 2
        assert service.exit_code() == 0
        events = [event["event"] for event in service.events]
        assert events == ["no_tokens", "serving", "call", "call", "draining", "stopped"]
        assert service.events[1]["address"] == service.target
        assert service.events[3]["reason"] == "LIMIT_EXCEEDED"
        assert secret not in (tmp_path / "log").read_text()
        assert not (tmp_path / "port").exists()


@contextmanager
def long_call(service: Any, metrics_port: int, applicants: Rows, seconds: float) -> Iterator[Any]:
    """A call that takes its whole budget of seconds; the service has begun with it.

    What is to happen meanwhile must begin within the budget, on a machine that may stand still for a few seconds.
    """
    request = pb.ExplainRequest(model=MODEL, method="permutation")
    request.budget.deadline.FromMilliseconds(int(seconds * 1000))
    for applicant in applicants:
        values = request.rows.add().values
        for name, value in applicant.items():
            values[name].CopyFrom(value_to_wire(value))
    with grpc.insecure_channel(service.target) as channel:
        call = channel.unary_unary(EXPLAIN).future(request.SerializeToString())
        eventually(lambda: metrics(metrics_port)["xaisvc_calls_in_flight"] == 1)
        yield call


def test_a_call_in_progress_is_answered_before_the_end(service_process: Any, applicants: Rows, tmp_path: Path) -> None:
    port = free_ports(1)
    with (
        service_process(tmp_path, "--metrics-port", str(port)) as service,
        long_call(service, port, applicants, 6.0) as call,
    ):
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGTERM)  # asking twice changes nothing
        response = pb.ExplainResponse.FromString(call.result())

        assert service.exit_code() == 0
        events = [event["event"] for event in service.events]
        assert events == ["no_tokens", "metrics", "serving", "draining", "call", "stopped"]
        assert all(result.HasField("explanation") for result in response.results)
        assert len(response.results) == len(applicants)


def test_work_beyond_the_grace_time_is_abandoned_and_told(
    service_process: Any, applicants: Rows, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    port = free_ports(1)
    settings.write_text(f"grace_seconds = 0.2\nmetrics_port = {port}\n")
    with (
        service_process(tmp_path, "--config", settings) as service,
        long_call(service, port, applicants, 60.0) as call,
    ):
        service.signal(signal.SIGTERM)

        assert service.exit_code() == 1  # long before the minute that the budget allows
        assert service.events[-1]["event"] == "abandoned"
        assert service.events[-1]["answered"] is False
        assert service.events[-1]["running"] in {
            0,
            1,
        }  # the work notices that nobody waits, mostly within the half second
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        assert call.details() == "the service is shutting down; try again in a moment"


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ([], {}, "models: no bundle is named; use --models DIR or XAISVC_MODELS"),
        (["--models", "nowhere"], {}, "'nowhere' is no bundle and holds none"),
        (["--models", "nowhere"], {"XAISVC_PROT": "1"}, "XAISVC_PROT: there is no such setting (environment)"),
    ],
)
def test_a_wrong_start_says_what_to_do(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "xaisvc.cli", "serve", *arguments, "--data-dir", str(tmp_path / "data")],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 2
    assert words in run.stderr
    assert "Traceback" not in run.stderr
