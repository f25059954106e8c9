"""Many callers of one row each, all different, against one caller at a time: what computing together gains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.load import generator
from tests.load.jobs import Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, LOGISTIC, TOLERANCE, Question, Subject

if TYPE_CHECKING:
    from pathlib import Path

CALLERS = 64
ROWS = 8192
TIMES_MORE = 5.0
MOST_SPREAD = 3.0
CASES = (
    (LOGISTIC, Question(method="kernel", budget=512)),
    (BOOSTING, Question(method="permutation", budget=512)),
)


def run(folder: Path, *, seconds: float = 8.0, rows: int = ROWS, flags: tuple[str, ...] = ()) -> Report:
    """Measures one caller, then many."""
    report = Report("batching", f"{CALLERS} callers of one distinct row each against one at a time, {seconds:g} s each")
    for bundle, question in CASES:
        subject = Subject.of(bundle, rows, question)
        expected = subject.expected()
        requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
        name = f"{subject.name}, {question.method}"
        place = folder / question.method
        place.mkdir()
        with running(place, *flags) as service:
            tallies = {}
            middle = rows // 4  # a single caller does not come that far, so no row is ever asked for twice
            for callers, part in ((1, slice(0, middle)), (CALLERS, slice(middle, None))):
                asked, wanted = requests[part], expected[part]
                job = Job(target=service.target, seconds=seconds, in_flight=callers, tolerance=TOLERANCE)
                tallies[callers] = generator.run(job, place / f"{callers}", asked, [row[None, :] for row in wanted])
                report.check_answers(tallies[callers])
            report.check("the service still runs", service.process.poll() is None)
        one, many = tallies[1], tallies[CALLERS]
        report.figure(f"{name}: one caller", one.rows_per_s, "rows/s")
        report.figure(f"{name}: {CALLERS} callers", many.rows_per_s, "rows/s")
        report.figure(f"{name}: times more", many.rows_per_s / max(one.rows_per_s, 1e-9), "", at_least=TIMES_MORE)
        report.latencies(many, f"{name}: ")
        spread = many.percentile_s(0.99) / many.percentile_s(0.5)
        report.figure(f"{name}: p99 / p50", spread, "", at_most=MOST_SPREAD)
    return report
