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
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ROWS = 2048
IN_FLIGHT = 256
CHANNELS = 16
"""The kernel spreads connections over processes, by chance: many come out more evenly than few."""

ROWS_PER_S = 1000
PROCESSES = (1, 2)
"""Where answers come from the cache, one process keeps one core busy; the target is for the machine's two."""


def run(
    folder: Path,
    *,
    seconds: float = 60.0,
    rows: int = ROWS,
    processes: Sequence[int] = PROCESSES,
    flags: tuple[str, ...] = (),
) -> Report:
    """Asks for cached rows for some seconds, once for each number of processes."""
    report = Report("hits_unary", f"{IN_FLIGHT} calls in flight for {seconds:g} s, one cached row each")
    subject = Subject.of(BOOSTING, rows)
    expected = [np.array([row]) for row in subject.expected()]
    requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
    for count in processes:
        own = folder / str(count)
        own.mkdir()
        _measure(report, own, requests, expected, count, seconds, flags)
    return report


def _measure(  # noqa: PLR0913, PLR0917 - one measurement in its parts
    report: Report,
    folder: Path,
    requests: Sequence[bytes],
    expected: Sequence[NDArray[np.float64]],
    processes: int,
    seconds: float,
    flags: tuple[str, ...],
) -> None:
    with running(folder, "--processes", str(processes), *flags) as service:
        warm = Job(target=service.target, in_flight=32, channels=CHANNELS, tolerance=TOLERANCE)
        for i in range(processes):  # so that each has the rows in its own memory
            report.check_answers(generator.run(warm, folder / f"warm{i}", requests, expected))
        before_s = service.cpu_s()
        job = Job(target=service.target, seconds=seconds, in_flight=IN_FLIGHT, channels=CHANNELS, tolerance=TOLERANCE)
        tally = generator.run(job, folder / "load", requests, expected)
        cpu_s = service.cpu_s() - before_s
        report.check("the service still runs", service.process.poll() is None)
    report.check_answers(tally)
    name = f"{processes} process" + ("es: " if processes > 1 else ": ")
    wanted = ROWS_PER_S if processes > 1 else None
    report.figure(f"{name}rows per second", tally.rows_per_s, "rows/s", at_least=wanted)
    report.latencies(tally, name)
    report.figure(f"{name}processor time of the service for one row", 1000 * cpu_s / max(tally.rows, 1), "ms")
    report.figure(f"{name}that of the load generator", 1000 * tally.cpu_s / max(tally.rows, 1), "ms")
