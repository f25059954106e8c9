"""The load generator: a process of its own, so that what it does is not taken for the service's own time."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import numpy as np
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status

from tests.load.jobs import EXPLAIN_STREAM, GET_EXPLANATION, HEALTH, Job, Tally, read_expected, read_requests
from tests.load.service import ROOT
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from numpy.typing import NDArray

REFUSALS = {grpc.StatusCode.RESOURCE_EXHAUSTED}
UNREACHABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
RETRY_S = 0.02
ENDING_S = 60.0  # bounds a generator whose service died; its calls end after `timeout_s` at the latest
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # or all channels to one address would share one connection
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
)


@dataclass(frozen=True)
class Generator:
    """A generator that runs."""

    folder: Path
    process: subprocess.Popen[bytes]

    def began_s(self) -> float:
        """Waits for its first call, and says when that was, on the monotonic clock.

        Raises:
            RuntimeError: If it ends or does not begin.
        """
        end_s = time.monotonic() + ENDING_S
        while not (self.folder / "began").exists():
            if self.process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError("the load does not begin: " + (self.folder / "log").read_text()[-2000:])
            time.sleep(0.005)
        return float((self.folder / "began").read_text())

    def tally(self, at_most_s: float) -> Tally:
        """Waits for its report.

        Raises:
            RuntimeError: If it fails or takes longer.
        """
        try:
            code = self.process.wait(at_most_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("the load generator does not come to an end") from None
        if code:
            raise RuntimeError("the load generator failed: " + (self.folder / "log").read_text()[-2000:])
        return Tally.read(self.folder / "tally.json")


def start(folder: Path) -> Generator:
    """Starts a generator for the job in a folder."""
    with (folder / "log").open("wb") as log:
        words = [sys.executable, "-m", "tests.load.generator", str(folder)]
        return Generator(folder, subprocess.Popen(words, stdout=log, stderr=log, cwd=ROOT))  # noqa: S603 - our own program


def run(job: Job, folder: Path, requests: Sequence[bytes], expected: Sequence[NDArray[np.float64]] = ()) -> Tally:
    """Writes a job, does it in a process of its own, and returns what came of it."""
    job.write(folder, requests, expected)
    return start(folder).tally((job.seconds or ENDING_S * 10) + job.timeout_s + ENDING_S)


class _Load:
    """One run of a job, inside the generator's process."""

    def __init__(self, job: Job, folder: Path, ids: TextIO | None) -> None:
        self._job = job
        self._folder = folder
        self._requests = read_requests(folder)
        self._expected = read_expected(folder)
        self._scales = [max(1.0, np.abs(rows).max(initial=0.0)) for rows in self._expected]
        self._ids = ids
        self._left = deque(range(len(self._requests)))
        self._began_s = 0.0
        self.tally = Tally()

    async def run(self) -> None:
        job = self._job
        channels = [grpc.aio.insecure_channel(job.target, _OPTIONS) for _ in range(min(job.channels, job.in_flight))]
        await asyncio.gather(*(asyncio.wait_for(one.channel_ready(), ENDING_S) for one in channels))
        make = "unary_stream" if job.method == EXPLAIN_STREAM else "unary_unary"
        calls = [getattr(channel, make)(job.method) for channel in channels]
        self._began_s, cpu_s = time.monotonic(), time.process_time()
        (self._folder / "began.part").write_text(str(self._began_s))
        (self._folder / "began.part").replace(self._folder / "began")
        await (self._open_loop(calls) if job.rate else self._closed_loop(calls))
        self.tally.seconds = time.monotonic() - self._began_s
        self.tally.cpu_s = time.process_time() - cpu_s
        for channel in channels:
            await channel.close()

    async def _closed_loop(self, calls: Sequence[object]) -> None:
        places = self._places()

        async def caller(call: object) -> None:
            for place in places:
                await self._call(call, place)
                if self._job.pause_s:
                    await asyncio.sleep(self._job.pause_s)

        await asyncio.gather(*(caller(calls[i % len(calls)]) for i in range(self._job.in_flight)))

    async def _open_loop(self, calls: Sequence[object]) -> None:
        """Begins calls at their times; where this process falls behind, it begins those that are due at once."""
        running: set[asyncio.Task[None]] = set()
        for count, place in enumerate(self._places()):
            wait_s = self._began_s + count / self._job.rate - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if len(running) >= self._job.in_flight:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._call(calls[count % len(calls)], place))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    def _places(self) -> Iterator[int]:
        """Which request comes next: all in turn until the time is over, or each until it is answered."""
        job = self._job
        end_s = float("inf") if job.seconds is None else self._began_s + job.seconds
        if job.seconds is None or job.again:
            while self._left and time.monotonic() < end_s:
                yield self._left.popleft()
            return
        stop = self._folder / "stop"
        for count in itertools.count():
            if time.monotonic() >= end_s or (job.stop_file and stop.exists()):
                return
            yield count % len(self._requests)

    async def _call(self, call: object, place: int) -> None:
        tally, began_s = self.tally, time.monotonic()
        tally.calls += 1
        try:
            rows = await self._answered(call, place)
        except grpc.aio.AioRpcError as error:
            await self._refused(error, began_s, place)
            return
        now_s = time.monotonic()
        tally.rows += rows
        tally.latencies_s.append(now_s - began_s)
        tally.moments_s.append(now_s - self._began_s)

    async def _answered(self, call: object, place: int) -> int:
        """Number of rows that were answered rightly."""
        job, request = self._job, self._requests[place]
        if job.method == EXPLAIN_STREAM:
            right = came = 0
            async for raw in call(request, timeout=job.timeout_s):  # type: ignore[operator]
                message = pb.ExplainStreamResponse.FromString(raw)
                right += self._check_batch(message, place)
                came += len(message.batch.ids) + len(message.errors)
            self.tally.lost += len(self._expected[place]) - came
            return right
        raw = await call(request, timeout=job.timeout_s)  # type: ignore[operator]
        if job.method == HEALTH:
            serving = health_pb2.HealthCheckResponse.FromString(raw).status == health_pb2.HealthCheckResponse.SERVING
            self.tally.wrong += not serving
            return int(serving)
        if job.method == GET_EXPLANATION:
            return int(pb.GetExplanationResponse.FromString(raw).explanation.HasField("attribution"))
        return self._check_row(pb.ExplainResponse.FromString(raw), place)

    def _check_row(self, response: pb.ExplainResponse, place: int) -> int:
        if len(response.results) != 1:
            self.tally.lost += 1
            return 0
        result = response.results[0]
        attribution = result.explanation.attribution
        found = np.array([[attribution.base_value, *(player.value for player in attribution.players)]])
        right = self._agree(found, self._expected[place], place)
        if not right:
            self.tally.wrong += 1
            self.tally.example(f"row {place}: {result}")
        self._note((result.explanation.id,))
        return right

    def _check_batch(self, message: pb.ExplainStreamResponse, place: int) -> int:
        batch = message.batch
        n, p = len(batch.ids), len(batch.players)
        found = np.column_stack((np.array(batch.base_values), np.array(batch.values).reshape(n, p)))
        right = self._agree(found, self._expected[place][np.array(batch.indices, dtype=np.intp)], place) if n else 0
        self.tally.wrong += n - right + len(message.errors)
        if right < n or message.errors:
            self.tally.example(f"request {place}: {list(message.errors)[:1]} and {n - right} rows with other values")
        self._note(batch.ids)
        return right

    def _agree(self, found: NDArray[np.float64], expected: NDArray[np.float64], place: int) -> int:
        """Number of rows that are as expected."""
        if found.shape != expected.shape:
            return 0
        differs = np.abs(found - expected).max(axis=1, initial=0.0)
        return int((differs <= self._job.tolerance * self._scales[place]).sum())

    def _note(self, ids: Sequence[str]) -> None:
        if self._ids is not None:
            self._ids.writelines(f"{one}\n" for one in ids)

    async def _refused(self, error: grpc.aio.AioRpcError, began_s: float, place: int) -> None:
        tally, code = self.tally, error.code()
        now_s = time.monotonic()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and now_s - began_s >= self._job.timeout_s:
            tally.hung += 1
        elif code in REFUSALS and _says_when(error):
            tally.refused[code.name] = tally.refused.get(code.name, 0) + 1
            tally.refusals_s.append(now_s - began_s)
            if self._job.again:
                self._left.append(place)
            return
        elif self._job.patient and code in UNREACHABLE:
            tally.unreachable_s.append(now_s - self._began_s)
            await asyncio.sleep(RETRY_S)
            return
        else:
            tally.failed[code.name] = tally.failed.get(code.name, 0) + 1
        tally.example(f"request {place}: {code.name}: {error.details()}")


def _says_when(error: grpc.aio.AioRpcError) -> bool:
    """Whether a refusal says when to come again."""
    status = rpc_status.from_call(error)
    return status is not None and any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in status.details)


def _main(folder: Path) -> None:
    job = Job.read(folder)
    if not job.ids:
        load = _Load(job, folder, None)
        asyncio.run(load.run())
    else:
        with (folder / "ids").open("w") as ids:
            load = _Load(job, folder, ids)
            asyncio.run(load.run())
    load.tally.write(folder / "tally.json")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
