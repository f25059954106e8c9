"""Messages that are no messages, and messages that ask for nonsense, for every method of the protocol."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import numpy as np
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.load import generator
from tests.load.hostile import METHODS, hostile_messages
from tests.load.jobs import EXPLAIN, EXPLAIN_STREAM, Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, TOLERANCE, Subject
from xaisvc.client import Client
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COUNT = 10_000
IN_FLIGHT = 32
TIMEOUT_S = 30.0
ALLOWED = {
    grpc.StatusCode.OK,  # still a request; its rows may have errors of their own
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,  # a model, an output, an audience or an explanation of another name
    grpc.StatusCode.RESOURCE_EXHAUSTED,  # more than allowed
}
LIMITS = {"max_seconds": 1, "max_model_rows": 2_000_000, "max_stream_model_rows": 2_000_000}
"""A mutated budget may be a valid one: what it may cost at most is kept small, so that every call comes to its end."""


def run(folder: Path, *, count: int = COUNT, flags: tuple[str, ...] = ()) -> Report:
    """Sends `count` messages, and then a good one."""
    report = Report("malformed", f"{count:,} malformed, random and nonsensical messages to {len(METHODS)} methods")
    subject = Subject.of(BOOSTING, 50)
    with running(folder, *flags, settings=LIMITS) as service:
        messages = hostile_messages(count, subject, np.random.default_rng(1), _explained(service.target, subject))
        codes = asyncio.run(_send(service.target, messages, report))
        report.check("no restart", service.process.poll() is None)
        good = Job(target=service.target, tolerance=TOLERANCE)
        requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
        tally = generator.run(good, folder / "load", requests, [row[None, :] for row in subject.expected()])
        report.check_answers(tally)
        report.check("nothing unexpected in the log", not _failures(service.events), _failures(service.events)[:3])
    for name in ("UNKNOWN", "INTERNAL"):
        report.check(f"no {name}", not codes[name])
    for name, found in sorted(codes.items()):
        report.figure(name, found, "calls")
    return report


def _explained(target: str, subject: Subject) -> list[str]:
    """Ids of explanations of one row by two methods, so that messages can be about something; others stand by them."""
    with Client(target) as client:
        client.explain(subject.name, [subject.rows.row(i) for i in range(len(subject.rows))])
        row = [subject.rows.row(0)]
        methods: tuple[tuple[str, int | None], ...] = (("tree", None), ("lime", 200))
        return [client.explain(subject.name, row, method=name, budget=budget).records[0].id for name, budget in methods]


def _failures(events: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [event for event in events if event.get("level") == "error"]


async def _send(target: str, messages: Sequence[tuple[str, bytes]], report: Report) -> Counter[str]:
    codes: Counter[str] = Counter()
    async with grpc.aio.insecure_channel(target) as channel:
        left = iter(messages)

        async def caller() -> None:
            for method, raw in left:
                codes[await _one(channel, method, raw, report)] += 1

        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return codes


async def _one(channel: grpc.aio.Channel, method: str, raw: bytes, report: Report) -> str:
    """Sends one message and judges the answer; the name of its code."""
    try:
        if method == EXPLAIN_STREAM:
            async for message in channel.unary_stream(method)(raw, timeout=TIMEOUT_S):
                _judge_rows(pb.ExplainStreamResponse.FromString(message).errors, report)
        else:
            answer = await channel.unary_unary(method)(raw, timeout=TIMEOUT_S)
            if method == EXPLAIN:
                _judge_rows(pb.ExplainResponse.FromString(answer).results, report)
    except grpc.aio.AioRpcError as error:
        told = f"{method} {raw[:200]!r}: {error.code().name}: {error.details()}"
        report.check("only codes that are in the documentation", error.code() in ALLOWED, told)
        if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
            report.check("each INVALID_ARGUMENT names a field", _names_field(error), told)
        return str(error.code().name)
    return "OK"


def _judge_rows(results: Sequence[pb.RowResult], report: Report) -> None:
    for result in results:
        if result.HasField("error"):
            named = bool(result.error.message) and all(one.field for one in result.error.violations)
            report.check("each row's error says what is wrong", named, result.error)


def _names_field(error: grpc.aio.AioRpcError) -> bool:
    status = rpc_status.from_call(error)
    bad = error_details_pb2.BadRequest()
    return status is not None and any(
        detail.Unpack(bad)
        and len(bad.field_violations) > 0
        and all(one.field and one.description for one in bad.field_violations)
        for detail in status.details
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR)
    )
