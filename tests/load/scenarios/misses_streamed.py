"""Streams of rows that nobody has asked for before, beside the library alone with as many threads.

The library works out caveats when they are read, so it is timed twice: `explain` alone, whose numbers are all that most
callers of a library look at, and everything that a stream answers, request by request: the numbers, every row's
caveats, and what the rows of a request show together. Records, the wire and the load generator, which takes its part of
the same processors, come on top for the service alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.load import generator
from tests.load.jobs import EXPLAIN_STREAM, Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, TOLERANCE, Subject
from xaisvc.engine.frames import batch_answers
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ROWS = 60_000
DEMO_TIMES = 4
"""As many times more rows of the demo's model: 60,000 of them take a second and a half, of which the first and the last
streams, with a processor to spare, were a fifth."""
STREAMED = 5_000
CASES = ("xgb", "rf")
"""XGBoost (300 trees of depth 6) and a random forest (100 trees), both slower by the row than the demo's model."""

STREAMS = 8
"""Each has a connection of its own, which the kernel gives to a process by chance. With four of them, one process got
all in one run of eight, and what was measured then was the other's idleness."""

PROCESSES = 2
THREADS = 2
LEAST_SHARE = 0.5
REPEATS = 3


def run(folder: Path, *, count: int = ROWS, flags: tuple[str, ...] = ()) -> Report:
    """Explains distinct rows with the library, and then with the service."""
    report = Report(
        "misses_streamed",
        f"{count:,} distinct rows, {DEMO_TIMES * count:,} of the demo model, in streams of {STREAMED:,}, {STREAMS} at "
        f"a time, {PROCESSES} processes; none cached",
    )
    _measure(report, folder / "demo", Subject.of(BOOSTING, DEMO_TIMES * count), flags)
    for case in CASES:
        _measure(report, folder / case, Subject.of(_large_bundle(folder, case), count), flags)
    return report


def _measure(report: Report, folder: Path, subject: Subject, flags: tuple[str, ...]) -> None:
    first = Subject.of(subject.bundle, 4096, seed=2)
    n = len(subject.rows)
    cuts = [(start, min(start + STREAMED, n)) for start in range(0, n, STREAMED)]
    expected = subject.expected(threads=THREADS)
    numbers_per_s, answers_per_s = _alone(subject, cuts)
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
    report.figure(f"{subject.name}: library, numbers alone, {THREADS} threads", numbers_per_s, "rows/s")
    report.figure(f"{subject.name}: library, with all caveats, {THREADS} threads", answers_per_s, "rows/s")
    report.figure(f"{subject.name}: processor time of the service for 1,000 rows", 1e6 * cpu_s / n, "ms")
    for what, rows_per_s in (("numbers alone", numbers_per_s), ("the same answers", answers_per_s)):
        share = tally.rows_per_s / rows_per_s
        report.figure(f"{subject.name}: share of the library, {what}", share, "", at_least=LEAST_SHARE)


def _alone(subject: Subject, cuts: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """The library's best rates of some, after one to warm up: numbers of all rows at once, answers cut by cut."""
    explainer = subject.explainer(threads=THREADS)
    parts = [subject.rows.take(slice(*cut)) for cut in cuts]

    def numbers() -> None:
        explainer.explain(subject.rows)

    def answers() -> None:
        for part in parts:
            batch = explainer.explain(part)
            batch_answers(batch)
            _ = batch.batch_caveats

    return len(subject.rows) / _least_s(numbers), len(subject.rows) / _least_s(answers)


def _least_s(work: Callable[[], None]) -> float:
    work()
    seconds = []
    for _ in range(REPEATS):
        began_s = time.monotonic()
        work()
        seconds.append(time.monotonic() - began_s)
    return min(seconds)


def _large_bundle(folder: Path, name: str) -> Path:
    """A model of `benchmarks/performance` with 30 features and 100 background rows."""
    from benchmarks.performance import cases

    cases.build(cases.CASES[name], folder / "work", (100,))
    return cases.folder_of(cases.CASES[name], folder / "work") / "b100"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
