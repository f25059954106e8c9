"""Callers leave at any moment: the work stops, and whoever is in the same batch notices nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import numpy as np

from tests.load.jobs import EXPLAIN
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, LOGISTIC, TOLERANCE, Question, Subject
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.load.service import ServiceProcess

COUNT = 500
ALONE_SHARE = 0.2
CALLERS = 8
LEAVERS = 4
LONGEST_S = 0.08
REACHED_S = 0.1
QUESTION = Question(method="kernel", budget=1024)
LONG = Question(method="kernel", budget=8192)
LONG_ROWS = 1000  # more than a second of work, and others each time: rows that somebody waited for are cached
LONG_MODEL_ROWS = 10**9
"""The setting: that much may be asked for at once, which is four times as much as by default."""

TIMEOUT_S = 60.0
STOPPED_WITHIN_S = 0.1
BUSY_SHARE = 0.3
LOOK_S = 0.01
LOOKS = 3


def run(folder: Path, *, count: int = COUNT, flags: tuple[str, ...] = ()) -> Report:
    """Leaves alone, to see the work stop, and in company, to see that nobody is harmed."""
    alone = max(1, round(count * ALONE_SHARE))
    report = Report(
        "cancel", f"{count} trials: {alone} callers leave alone, else {LEAVERS} of {CALLERS} in the same batch leave"
    )
    mates = Subject.of(LOGISTIC, CALLERS * (count - alone), QUESTION)
    expected = mates.expected() if len(mates.rows) else np.empty((0, 1))
    with running(folder, *flags, settings={"max_model_rows": LONG_MODEL_ROWS}) as service:
        asyncio.run(_trials(report, service, mates, expected, alone=alone, together=count - alone))
        report.check("the service still runs", service.process.poll() is None)
    return report


async def _trials(  # noqa: PLR0913 - one run in its parts
    report: Report,
    service: ServiceProcess,
    mates: Subject,
    expected: NDArray[np.float64],
    *,
    alone: int,
    together: int,
) -> None:
    rng = np.random.default_rng(1)
    async with grpc.aio.insecure_channel(service.target) as channel:
        call = channel.unary_unary(EXPLAIN)
        long = Subject.of(BOOSTING, LONG_ROWS * alone + 1, LONG)
        await call(long.request(len(long.rows) - 1).SerializeToString(), timeout=TIMEOUT_S)  # coalitions are drawn once
        stops_s = []
        for trial in range(alone):
            work = long.packed(LONG_ROWS * trial, LONG_ROWS * (trial + 1)).SerializeToString()
            stops_s.append(await _leave_alone(report, service, call(work, timeout=TIMEOUT_S), rng))
        harmed = 0
        for trial in range(together):
            harmed += await _leave_in_company(report, call, mates, expected, trial, rng)
    report.figure("work stops after, p50", 1000 * float(np.median(stops_s)), "ms")
    report.figure("work stops after, p99", 1000 * float(np.quantile(stops_s, 0.99)), "ms", at_most=100.0)
    report.figure("others harmed", harmed, "callers", at_most=0)


async def _leave_alone(
    report: Report,
    service: ServiceProcess,
    running_call: grpc.aio.UnaryUnaryCall[bytes, bytes],
    rng: np.random.Generator,
) -> float:
    """Leaves while the work runs; seconds until the service computes no more."""
    await asyncio.sleep(REACHED_S + float(rng.uniform(0, 0.3)))
    busy_s = service.cpu_s()
    await asyncio.sleep(0.05)
    report.check("the service was at work", service.cpu_s() - busy_s > BUSY_SHARE * 0.05, "not busy")
    running_call.cancel()
    began_s = time.monotonic()
    quiet, last_cpu_s, last_s = 0, service.cpu_s(), began_s
    stopped_s = began_s
    while quiet < LOOKS and time.monotonic() < began_s + TIMEOUT_S / 10:
        await asyncio.sleep(LOOK_S)
        now_s, cpu_s = time.monotonic(), service.cpu_s()
        if cpu_s - last_cpu_s > BUSY_SHARE * (now_s - last_s):
            quiet, stopped_s = 0, now_s
        else:
            quiet += 1
        last_cpu_s, last_s = cpu_s, now_s
    report.check("the work comes to an end", quiet == LOOKS, "still busy")
    return stopped_s - began_s


async def _leave_in_company(  # noqa: PLR0913, PLR0917 - as above
    report: Report,
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes],
    mates: Subject,
    expected: NDArray[np.float64],
    trial: int,
    rng: np.random.Generator,
) -> int:
    """Several ask at once, and some of them leave at random moments; number of the others who were harmed."""
    places = [trial * CALLERS + i for i in range(CALLERS)]
    calls = [call(mates.request(place).SerializeToString(), timeout=TIMEOUT_S) for place in places]

    async def leave(leaver: grpc.aio.UnaryUnaryCall[bytes, bytes], after_s: float) -> None:
        await asyncio.sleep(after_s)
        leaver.cancel()

    moments_s = rng.uniform(0, LONGEST_S, LEAVERS)
    await asyncio.gather(*(leave(calls[i], float(moment_s)) for i, moment_s in enumerate(moments_s)))
    harmed = 0
    for place, one in zip(places[LEAVERS:], calls[LEAVERS:], strict=True):
        why = await _wrong_with(one, expected[place])
        harmed += bool(why)
        report.check("nobody who stayed was harmed", not why, why)
    for one in calls[:LEAVERS]:
        try:
            await one
        except (asyncio.CancelledError, grpc.aio.AioRpcError):
            continue
    return harmed


async def _wrong_with(one: grpc.aio.UnaryUnaryCall[bytes, bytes], expected: NDArray[np.float64]) -> str:
    try:
        response = pb.ExplainResponse.FromString(await one)
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"
    attribution = response.results[0].explanation.attribution
    found = np.array([attribution.base_value, *(player.value for player in attribution.players)])
    if found.shape != expected.shape:
        return str(response.results[0].error)
    scale = max(1.0, float(np.abs(expected).max()))
    return "" if np.abs(found - expected).max() <= TOLERANCE * scale else "another answer"
