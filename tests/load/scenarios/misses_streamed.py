"""Streams of rows that nobody has asked for before, beside the library alone with as many threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.load import generator
from tests.load.jobs import EXPLAIN_STREAM, Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, TOLERANCE, Subject
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ROWS = 60_000
STREAMED = 5_000
CASES = ("xgb", "rf")
"""XGBoost (300 trees of depth 6) and a random forest (100 trees), both slower by the row than the demo's model."""

STREAMS = 4
PROCESSES = 2
THREADS = 2
LEAST_SHARE = 0.5
REPEATS = 3


def run(folder: Path, *, count: int = ROWS, flags: tuple[str, ...] = ()) -> Report:
    """Explains distinct rows with the library, and then with the service."""
    report = Report(
        "misses_streamed",
        f"{count:,} distinct rows in streams of {STREAMED:,}, {STREAMS} at a time, {PROCESSES} processes; none cached",
    )
    for place, bundle in enumerate((BOOSTING, *(_large_bundle(folder, case) for case in CASES))):
        _measure(report, folder / str(place), Subject.of(bundle, count), flags)
    return report


def _measure(report: Report, folder: Path, subject: Subject, flags: tuple[str, ...]) -> None:
    first = Subject.of(subject.bundle, 4096, seed=2)
    n = len(subject.rows)
    library_rows_per_s, expected = _alone(subject)
    cuts = [(start, min(start + STREAMED, n)) for start in range(0, n, STREAMED)]
    requests = [pb.ExplainStreamRequest(request=subject.packed(*cut)).SerializeToString() for cut in cuts]
    with running(_made(folder), "--processes", str(PROCESSES), *flags, models=[subject.bundle]) as service:
        job = Job(
            target=service.target,
            method=EXPLAIN_STREAM,
            in_flight=STREAMS,
            channels=STREAMS,
            tolerance=TOLERANCE,
            timeout_s=300.0,
        )
        warm = pb.ExplainStreamRequest(request=first.packed(0, len(first.rows))).SerializeToString()
        report.check_answers(generator.run(job, folder / "warm", [warm], [first.expected()]))
        before_s = service.cpu_s()
        tally = generator.run(job, folder / "load", requests, [expected[slice(*cut)] for cut in cuts])
        cpu_s = service.cpu_s() - before_s
        report.check("the service still runs", service.process.poll() is None)
    report.check_answers(tally)
    report.check("every row was answered once", tally.rows == n, f"{tally.rows} of {n}")
    report.figure(f"{subject.name}: service", tally.rows_per_s, "rows/s")
    report.figure(f"{subject.name}: library, {THREADS} threads", library_rows_per_s, "rows/s")
    report.figure(f"{subject.name}: processor time of the service for 1,000 rows", 1e6 * cpu_s / n, "ms")
    share = tally.rows_per_s / library_rows_per_s
    report.figure(f"{subject.name}: share of the library", share, "", at_least=LEAST_SHARE)


def _alone(subject: Subject) -> tuple[float, NDArray[np.float64]]:
    """The library's best rate of some, after one to warm up, and its answers."""
    expected = subject.expected(threads=THREADS)
    explainer = subject.explainer(threads=THREADS)
    explainer.explain(subject.take(0, 100).rows)
    seconds = []
    for _ in range(REPEATS):
        began_s = time.monotonic()
        explainer.explain(subject.rows)
        seconds.append(time.monotonic() - began_s)
    return len(subject.rows) / min(seconds), expected


def _large_bundle(folder: Path, name: str) -> Path:
    """A model of `benchmarks/performance` with 30 features and 100 background rows."""
    from benchmarks.performance import cases

    cases.build(cases.CASES[name], folder / "work", (100,))
    return cases.folder_of(cases.CASES[name], folder / "work") / "b100"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
