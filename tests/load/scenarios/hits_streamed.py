"""Large streams of cached rows; every batch is recorded before it is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.load import generator
from tests.load.jobs import EXPLAIN_STREAM, Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, TOLERANCE, Subject
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ROWS = 20_000
STREAMS = 4
ROWS_PER_S = 20_000
PROCESSES = (1, 2)


def run(
    folder: Path,
    *,
    seconds: float = 15.0,
    rows: int = ROWS,
    processes: Sequence[int] = PROCESSES,
    flags: tuple[str, ...] = (),
) -> Report:
    """Asks for the same rows again and again, with each number of processes."""
    report = Report("hits_streamed", f"{STREAMS} streams at a time for {seconds:g} s, {rows:,} cached rows in each")
    subject = Subject.of(BOOSTING, rows)
    expected = subject.expected()
    request = pb.ExplainStreamRequest(request=subject.packed(0, len(subject.rows))).SerializeToString()
    for count in processes:
        own = folder / str(count)
        own.mkdir()
        _measure(report, own, request, expected, count, seconds, flags)
    return report


def _measure(  # noqa: PLR0913, PLR0917 - one measurement in its parts
    report: Report,
    folder: Path,
    request: bytes,
    expected: NDArray[np.float64],
    processes: int,
    seconds: float,
    flags: tuple[str, ...],
) -> None:
    with running(folder, "--processes", str(processes), *flags) as service:
        job = Job(
            target=service.target,
            method=EXPLAIN_STREAM,
            in_flight=STREAMS,
            channels=STREAMS,
            tolerance=TOLERANCE,
            timeout_s=120.0,
        )
        warm = 2 * processes  # so that each has the rows in its own memory
        report.check_answers(generator.run(job, folder / "warm", [request] * warm, [expected] * warm))
        before_s = service.cpu_s()
        tally = generator.run(replace(job, seconds=seconds), folder / "load", [request], [expected])
        cpu_s = service.cpu_s() - before_s
        report.check("the service still runs", service.process.poll() is None)
    report.check_answers(tally)
    name = f"{processes} process" + ("es: " if processes > 1 else ": ")
    wanted = ROWS_PER_S if processes > 1 else None
    report.figure(f"{name}rows per second", tally.rows_per_s, "rows/s", at_least=wanted)
    report.figure(f"{name}processor time of the service for 1,000 rows", 1e6 * cpu_s / max(tally.rows, 1), "ms")
    report.figure(f"{name}that of the load generator", 1e6 * tally.cpu_s / max(tally.rows, 1), "ms")
