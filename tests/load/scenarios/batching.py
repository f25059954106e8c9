"""Many callers of one row each, all different, against one caller at a time: what computing together gains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.load import generator
from tests.load.jobs import Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, LOGISTIC, TOLERANCE, Question, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import TypeAlias

    from tests.load.jobs import Tally

    Case: TypeAlias = tuple[Path, Question, int, bool, int]

CALLERS = 64
TIMES_MORE = 5.0
MOST_SPREAD = 3.0
CHANNELS = 16
CASES = (
    (LOGISTIC, Question(method="kernel", budget=512), 2400, True, 1),
    (LOGISTIC, Question(method="permutation", budget=512), 2400, True, 1),
    (BOOSTING, Question(method="kernel", budget=512), 2400, True, 1),
    (LOGISTIC, Question(method="kernel", budget=512), 3200, True, 2),
)
"""Bundle, method, more rows than are answered in a second, whether batching is to make it so much faster, and the
processes of the service: where a row is soon computed, one process is bound by what a call costs in Python."""


def run(folder: Path, *, seconds: float = 6.0, cases: Sequence[Case] = CASES, flags: tuple[str, ...] = ()) -> Report:
    """Measures one caller, then many."""
    report = Report("batching", f"{CALLERS} callers of one distinct row each against one at a time, {seconds:g} s each")
    for place, (bundle, question, rows_per_s, gains, processes) in enumerate(cases):
        subject = Subject.of(bundle, int(seconds * rows_per_s), question)
        one, many = _measure(report, folder / str(place), subject, seconds, ("--processes", str(processes), *flags))
        name = f"{subject.name}, {question.method}" + (f", {processes} processes" if processes > 1 else "")
        report.figure(f"{name}: one caller", one.rows_per_s, "rows/s")
        report.figure(f"{name}: {CALLERS} callers", many.rows_per_s, "rows/s")
        more = many.rows_per_s / max(one.rows_per_s, 1e-9)
        report.figure(f"{name}: times more", more, "", at_least=TIMES_MORE if gains else None)
        report.latencies(many, f"{name}: ")
        spread = many.percentile_s(0.99) / many.percentile_s(0.5)
        report.figure(f"{name}: p99 / p50", spread, "", at_most=MOST_SPREAD if gains else None)
    return report


def _measure(
    report: Report, folder: Path, subject: Subject, seconds: float, flags: tuple[str, ...]
) -> tuple[Tally, Tally]:
    """What became of one caller at a time, and of many; no row is ever asked for twice."""
    folder.mkdir()
    expected = [row[None, :] for row in subject.expected()]
    requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
    part = len(requests) // 4
    tallies = []
    with running(folder, *flags) as service:
        # The first call of a method makes its plan, which all others find: it is part of neither figure.
        first = Job(target=service.target, in_flight=1, tolerance=TOLERANCE)
        report.check_answers(generator.run(first, folder / "first", requests[-1:], expected[-1:]))
        for callers, rows in ((1, slice(0, part)), (CALLERS, slice(part, -1))):
            job = Job(
                target=service.target,
                seconds=seconds,
                in_flight=callers,
                channels=CHANNELS,
                tolerance=TOLERANCE,
            )
            tally = generator.run(job, folder / f"{callers}", requests[rows], expected[rows])
            report.check_answers(tally)
            report.check("no row was asked for twice", tally.calls <= len(requests[rows]), tally.calls)
            tallies.append(tally)
        report.check("the service still runs", service.process.poll() is None)
    return tallies[0], tallies[1]
