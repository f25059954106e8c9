"""Large streams of cached rows; every batch is recorded before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.load import generator
from tests.load.jobs import EXPLAIN_STREAM, Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, TOLERANCE, Subject
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 20_000
STREAMS = 2
ROWS_PER_S = 20_000


def run(folder: Path, *, seconds: float = 15.0, rows: int = ROWS, flags: tuple[str, ...] = ()) -> Report:
    """Asks for the same rows again and again."""
    report = Report("hits_streamed", f"{STREAMS} streams at a time for {seconds:g} s, {rows:,} cached rows in each")
    subject = Subject.of(BOOSTING, rows)
    n = len(subject.rows)
    expected = [subject.expected()]
    requests = [pb.ExplainStreamRequest(request=subject.packed(0, n)).SerializeToString()]
    with running(folder, *flags) as service:
        job = Job(target=service.target, method=EXPLAIN_STREAM, tolerance=TOLERANCE, timeout_s=120.0)
        report.check_answers(generator.run(job, folder / "warm", requests, expected))
        before_s = service.cpu_s()
        job = Job(
            target=service.target,
            method=EXPLAIN_STREAM,
            seconds=seconds,
            in_flight=STREAMS,
            tolerance=TOLERANCE,
            timeout_s=120.0,
        )
        tally = generator.run(job, folder / "load", requests, expected)
        cpu_s = service.cpu_s() - before_s
        report.check("the service still runs", service.process.poll() is None)
    report.check_answers(tally)
    report.figure("rows per second", tally.rows_per_s, "rows/s", at_least=ROWS_PER_S)
    report.figure("processor time of the service for 1,000 rows", 1e6 * cpu_s / max(tally.rows, 1), "ms")
    return report
