"""Callers who open a stream and stop reading, or read it slowly, or never finish saying hello: only they wait.

What is computed for a stream stays a few batches ahead of its reader, and its rows are kept once, so that memory does
not follow from the answers; and everybody else is answered as before.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import numpy as np

from tests.load import generator
from tests.load.growth import MIB, Held, settled, watching
from tests.load.jobs import EXPLAIN_STREAM, Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, TOLERANCE, Subject
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.load.service import ServiceProcess

SECONDS = 20.0
STALLED = 100
"""Streams that nobody reads; each asks for far more than its connection takes without being read."""

BATCH_ROWS = 256
SLOW = 8
PAUSE_S = 0.05
HALF_OPEN = 100
ROWS = 8192
IN_FLIGHT = 4
GREETING = b"PRI * HTTP/2.0\r\n"
"""The first half of what every connection begins with."""

STALLED_SECONDS = 5.0
"""The setting: so long may a reader not take a batch."""

CLOSED_WITHIN_S = 10.0
THREADS_MIB = 320.0
"""What working for many at the same moment takes whoever reads: 232 MiB were measured with 18 streams, nearly all of it
memory that threads keep for themselves."""

MOST_MIB = 4.0
"""For each stream that is not read: its request as it came (1.5 MiB of `ROWS` rows) and as the table that it was read
into (1 MiB), two batches ahead, and what its connection takes. With its rows as they were written, 14 were measured."""

MOST_TIMES = 2.0
TIMEOUT_S = 10.0
MOST_LEFT = 2
_SMALL_WINDOW = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.http2.lookahead_bytes", 65_536),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_receive_message_length", -1),
)


def run(  # noqa: PLR0913 - how much of each
    folder: Path,
    *,
    seconds: float = SECONDS,
    count: int = STALLED,
    rows: int = ROWS,
    half_open: int = HALF_OPEN,
    stalled_s: float = STALLED_SECONDS,
    flags: tuple[str, ...] = (),
) -> Report:
    """The same load without slow callers and with them."""
    report = Report(
        "slow_clients",
        f"{count} streams that nobody reads, {SLOW} that are read slowly and {half_open} connections that never begin, "
        f"beside {IN_FLIGHT} calls in flight for {seconds:g} s",
    )
    subject = Subject.of(BOOSTING, rows)
    expected = subject.expected()
    with running(folder, *flags, settings={"stalled_seconds": stalled_s}) as service:
        fill = Job(target=service.target, method=EXPLAIN_STREAM, channels=1, tolerance=TOLERANCE)
        request = pb.ExplainStreamRequest(request=subject.packed(0, rows), batch_rows=BATCH_ROWS)
        whole = request.SerializeToString()
        report.check_answers(generator.run(fill, folder / "fill", [whole], [expected]))  # cached from here on
        alone = generator.run(_job(service, seconds), folder / "alone", *_singles(subject, expected))
        before = settled(service, lambda _: False, 1.0)
        job = _job(service, seconds)
        job.write(folder / "load", *_singles(subject, expected))
        with ExitStack() as stack:
            watch = stack.enter_context(watching(service, max(0.1, seconds / 100)))
            sockets = [stack.enter_context(_half_open(service.target)) for _ in range(half_open)]
            load = generator.start(folder / "load")
            load.began_s()
            patience_s = max(seconds, 2 * stalled_s)
            asyncio.run(_slow(report, service, whole, expected, count=count, seconds=patience_s))
            tally = load.tally(seconds + 120.0)
            closed_s = _closed_after(sockets)
        after = settled(service, lambda held: held.files - before.files <= MOST_LEFT, CLOSED_WITHIN_S)
        report.check("no restart", service.process.poll() is None)
        failures = [event for event in service.events if event.get("level") == "error"]
        report.check("nothing unexpected in the log", not failures, failures[:3])
        sent = [event["records"] for event in service.events if event.get("reason") == "TOO_LATE"]
        report.check("a stream that nobody reads is not answered to its end", rows not in sent, sent)
    report.check_answers(alone)
    report.check_answers(tally)
    report.check("connections that never begin are closed", closed_s < float("inf"), closed_s)
    report.check("open files are given back", after.files - before.files <= MOST_LEFT, (before, after))
    _check_memory(report, before, watch.highest_mib, count)
    report.latencies(alone, "without them: ")
    report.latencies(tally, "with them: ")
    times = tally.percentile_s(0.99) / alone.percentile_s(0.99)
    report.figure("p99 with them / without", times, "", at_most=MOST_TIMES)
    report.figure("connections that never begin: closed after", closed_s, "s", at_most=CLOSED_WITHIN_S)
    return report


def _check_memory(report: Report, before: Held, highest_mib: float, count: int) -> None:
    gained_mib = highest_mib - before.resident_bytes / MIB
    bound_mib = THREADS_MIB + MOST_MIB * (count + SLOW)
    report.check("memory does not follow from the answers", gained_mib <= bound_mib, f"{gained_mib:.0f} MiB")
    report.figure("memory gained, most", gained_mib, "MiB", at_most=bound_mib)


def _job(service: ServiceProcess, seconds: float) -> Job:
    return Job(target=service.target, seconds=seconds, in_flight=IN_FLIGHT, channels=IN_FLIGHT, tolerance=TOLERANCE)


def _singles(subject: Subject, expected: NDArray[np.float64]) -> tuple[list[bytes], list[NDArray[np.float64]]]:
    """Single rows of those that are cached."""
    n = min(len(expected), 1000)
    return [subject.request(i).SerializeToString() for i in range(n)], [row[None, :] for row in expected[:n]]


def _half_open(target: str) -> socket.socket:
    host, _, port = target.rpartition(":")
    found = socket.create_connection((host, int(port)))
    found.sendall(GREETING)
    return found


def _closed_after(sockets: list[socket.socket]) -> float:
    """Seconds from now until the service has closed all of them; infinite if it does not in time."""
    began_s = time.monotonic()
    for one in sockets:
        left_s = began_s + CLOSED_WITHIN_S - time.monotonic()
        one.settimeout(max(0.01, left_s))
        try:
            while one.recv(4096):
                continue
        except TimeoutError:
            return float("inf")
        except OSError:  # closed without goodbye
            continue
    return time.monotonic() - began_s


async def _slow(  # noqa: PLR0913 - one run in its parts
    report: Report,
    service: ServiceProcess,
    whole: bytes,
    expected: NDArray[np.float64],
    *,
    count: int,
    seconds: float,
) -> None:
    """Callers who do not read, and others who read slowly, for so long."""
    channels = [grpc.aio.insecure_channel(service.target, _SMALL_WINDOW) for _ in range(max(1, count // 10) + SLOW)]
    streams = [channel.unary_stream(EXPLAIN_STREAM) for channel in channels]
    stalled = [streams[i % len(streams[SLOW:]) + SLOW](whole) for i in range(count)]
    await asyncio.gather(*(one.read() for one in stalled))
    slow = [asyncio.create_task(_read_slowly(report, stream(whole), expected)) for stream in streams[:SLOW]]
    await asyncio.sleep(seconds)
    ended = sum(await asyncio.gather(*map(_is_cut_off, stalled)))
    report.check("a stream that nobody reads is ended", ended == count, f"{ended} of {count}")
    report.figure("streams that were ended", ended, "streams", at_least=count)
    await asyncio.gather(*slow)
    for channel in channels:
        await channel.close()


async def _is_cut_off(stream: grpc.aio.UnaryStreamCall[bytes, bytes]) -> bool:
    """Whether the service has ended a stream before all of it was sent; reads what had been sent by then."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while await stream.read() is not grpc.aio.EOF:
                continue
    except TimeoutError:
        return False
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    return False


async def _read_slowly(
    report: Report, stream: grpc.aio.UnaryStreamCall[bytes, bytes], expected: NDArray[np.float64]
) -> None:
    """Reads a whole stream with a pause after each batch; every row must be there and right."""
    right = 0
    try:
        async for raw in stream:
            batch = pb.ExplainStreamResponse.FromString(raw).batch
            n = len(batch.ids)
            found = np.column_stack((np.array(batch.base_values), np.array(batch.values).reshape(n, -1)))
            wanted = expected[np.array(batch.indices, dtype=np.intp)]
            scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
            right += int((np.abs(found - wanted).max(axis=1, initial=0.0) <= TOLERANCE * scale).sum())
            await asyncio.sleep(PAUSE_S)
    except grpc.aio.AioRpcError as error:
        report.check("who reads slowly gets everything", holds=False, detail=f"{error.code().name}: {error.details()}")
        return
    report.check("who reads slowly gets everything", right == len(expected), f"{right} of {len(expected)} rows")
