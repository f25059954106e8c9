"""Many callers at once, one row each, all of it cached; every answer is recorded before it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.load import generator
from tests.load.jobs import Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, TOLERANCE, Subject

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 2048
IN_FLIGHT = 256
ROWS_PER_S = 1000


def run(folder: Path, *, seconds: float = 30.0, rows: int = ROWS, flags: tuple[str, ...] = ()) -> Report:
    """Asks for cached rows for some seconds."""
    report = Report("hits_unary", f"{IN_FLIGHT} calls in flight for {seconds:g} s, one cached row each")
    subject = Subject.of(BOOSTING, rows)
    expected = [np.array([row]) for row in subject.expected()]
    requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
    with running(folder, *flags) as service:
        warm = generator.run(
            Job(target=service.target, in_flight=32, tolerance=TOLERANCE), folder / "warm", requests, expected
        )
        report.check_answers(warm)
        before_s = service.cpu_s()
        job = Job(target=service.target, seconds=seconds, in_flight=IN_FLIGHT, tolerance=TOLERANCE)
        tally = generator.run(job, folder / "load", requests, expected)
        cpu_s = service.cpu_s() - before_s
        report.check("the service still runs", service.process.poll() is None)
    report.check_answers(tally)
    report.figure("rows per second", tally.rows_per_s, "rows/s", at_least=ROWS_PER_S)
    report.latencies(tally)
    report.figure("processor time of the service for one row", 1000 * cpu_s / max(tally.rows, 1), "ms")
    report.figure("processor time of the load generator for one row", 1000 * tally.cpu_s / max(tally.rows, 1), "ms")
    return report
