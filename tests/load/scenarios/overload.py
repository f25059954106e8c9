"""Four times the load that the service can bear: it goes on answering, and says no at once to the rest."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from tests.load import generator
from tests.load.jobs import HEALTH, Job
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import BOOSTING, TOLERANCE, Question, Subject

if TYPE_CHECKING:
    from pathlib import Path

TIMES = 4.0
QUESTIONS = (Question(method="lime_continuous", budget=5_000), Question(method="lime_continuous", budget=20_000))
"""Thousands of model rows for each row: what it takes is the model's own time, whoever asks together. A call costs as
much to refuse whatever it asks for, and the generator has the same processors: the cheaper the rows, the more are
offered in four times what is kept up, and the less time is left to answer some."""

TRIED = 64
MOST_TIMES_LIBRARY = 2.0
"""The service answers fewer rows in a second than the library times this, so that rows do not run out."""

MOST_WAITING = 512  # what the service lets wait: these rows cannot be asked for again meanwhile
SUSTAINED_IN_FLIGHT = 64
MOST_IN_FLIGHT = 4096
LEAST_OFFERED = 0.9
PEAK_SHARE = 0.3


def run(folder: Path, *, seconds: float = 15.0, flags: tuple[str, ...] = ()) -> Report:
    """Finds the rate that is kept up, then offers four times as much; for rows that cost little and for others."""
    report = Report("overload", f"{TIMES:g} times the rate that is kept up, for {seconds:g} s")
    for question in QUESTIONS:
        _measure(report, folder / str(question.budget), question, seconds, flags)
    return report


def _measure(report: Report, folder: Path, question: Question, seconds: float, flags: tuple[str, ...]) -> None:
    folder.mkdir()
    name = f"{question.budget:,} samples a row"
    before_s = max(3.0, PEAK_SHARE * seconds)
    rows_per_s = MOST_TIMES_LIBRARY * _library_rows_per_s(question)
    subject = Subject.of(BOOSTING, int((before_s + seconds) * rows_per_s) + MOST_WAITING, question)
    expected = [row[None, :] for row in subject.expected()]
    requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
    with running(folder, *flags) as service:
        cut = int(before_s * rows_per_s)
        job = Job(
            target=service.target,
            seconds=before_s,
            in_flight=SUSTAINED_IN_FLIGHT,
            tolerance=TOLERANCE,
        )
        peak = generator.run(job, folder / "peak", requests[:cut], expected[:cut])
        report.check_answers(peak)
        watch = Job(target=service.target, method=HEALTH, seconds=seconds, pause_s=0.05, channels=1)
        watch.write(folder / "health", [b""])
        prober = generator.start(folder / "health")
        job = Job(
            target=service.target,
            seconds=seconds,
            rate=TIMES * peak.rows_per_s,
            in_flight=MOST_IN_FLIGHT,
            tolerance=TOLERANCE,
            timeout_s=60.0,
            again=True,
        )
        tally = generator.run(job, folder / "load", requests[cut:], expected[cut:])
        health = prober.tally(seconds + 60.0)
        report.check("the service still runs", service.process.poll() is None)
    report.check_answers(tally, refusals=True)
    report.check("some calls were refused, each told when to come again", sum(tally.refused.values()) > 0, tally.calls)
    report.check("no row was asked for twice", tally.rows <= len(requests) - cut, tally.rows)
    offered = TIMES * peak.rows_per_s * seconds
    report.check(
        "rows did not run out", tally.calls >= LEAST_OFFERED * offered, f"{tally.calls} of {offered:.0f} calls"
    )
    report.check("health always says SERVING", not health.bad and health.rows > 0, f"{health.bad} {health.examples}")
    goodput = tally.rows_per_s  # until the last answer: what was admitted in the end counts, and so does its time
    report.figure(f"{name}: kept up", peak.rows_per_s, "rows/s")
    report.figure(f"{name}: offered", tally.calls / seconds, "rows/s")
    report.figure(f"{name}: answered while overloaded", goodput, "rows/s")
    share = goodput / peak.rows_per_s
    report.figure(f"{name}: share of what is kept up", share, "", at_least=0.9)
    cores = len(os.sched_getaffinity(0))
    taken = [one.cpu_s / one.seconds for one in (peak, tally)]
    report.figure(f"{name}: processors that the load generator takes while it is kept up", taken[0], "")
    report.figure(f"{name}: processors that it takes while overloaded", taken[1], "")
    report.figure(
        f"{name}: share by each processor that it leaves", share * (cores - taken[0]) / (cores - taken[1]), ""
    )
    report.latencies(tally, f"{name}: ")
    report.figure(f"{name}: refusals", sum(tally.refused.values()), "calls")
    if tally.refusals_s:
        report.figure(f"{name}: refusal p99", 1000 * float(np.quantile(tally.refusals_s, 0.99)), "ms", at_most=50.0)
    report.figure(f"{name}: health, longest", 1000 * health.percentile_s(1.0), "ms", at_most=100.0)


def _library_rows_per_s(question: Question) -> float:
    """Rows that the library explains in a second, with as many threads as there are processors."""
    subject = Subject.of(BOOSTING, 2 * TRIED, question, seed=2)
    explainer = subject.explainer(threads=len(os.sched_getaffinity(0)))
    rows_per_s = 0.0
    for part in (slice(0, TRIED), slice(TRIED, None)):  # the first makes the plan
        rows = subject.rows.take(part)
        began_s = time.monotonic()
        explainer.explain(rows, method=question.method, budget=question.budget)
        rows_per_s = len(rows) / (time.monotonic() - began_s)
    return rows_per_s
