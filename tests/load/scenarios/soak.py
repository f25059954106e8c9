"""Everything that callers do, for a long time, some of them killed in the middle: nothing may pile up.

A week is not needed to see a leak: what is kept for a call is kept thousands of times in minutes.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.load import generator
from tests.load.growth import MIB, settled, watching
from tests.load.jobs import EXPLAIN_STREAM, Job
from tests.load.reports import Report
from tests.load.service import ROOT, running
from tests.load.subjects import BOOSTING, LOGISTIC, TOLERANCE, Question, Subject
from xaisvc.client import Client, Feedback
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from tests.load.service import ServiceProcess

SECONDS = 300.0
ROWS = 4096
"""Answered again and again, so that the cache has come to its size before growth is looked for."""

SAMPLED = 256
STREAMED = 500
IN_FLIGHT = 8
STREAMS = 2
KILL_EVERY_S = 3.0
LOOKS = 200
SETTLED_WITHIN_S = 20.0
LONG_S = 120.0
"""From here on the second half of the time is no warming up any more, and growth in it is judged."""

MOST_GROWTH_MIB = 64.0
MOST_LEFT = 2
AUDIENCES = ("data_scientist", "business_manager", "relationship_manager", "customer")


def run(folder: Path, *, seconds: float = SECONDS, rows: int = ROWS, flags: tuple[str, ...] = ()) -> Report:
    """Calls of every kind for so long, then a look at what is left of them."""
    report = Report(
        "soak",
        f"rows, streams, views, comparisons and feedback for {seconds:g} s; a caller killed every {KILL_EVERY_S:g} s",
    )
    single = _Asked.of(Subject.of(BOOSTING, rows))
    sampled = _Asked.of(Subject.of(LOGISTIC, min(rows, SAMPLED), Question(method="kernel", budget=256)))
    with running(folder, *flags) as service:
        _calls_of_people(service, single.subject, 0.0)  # what is made once is made now
        warm = [_steady(service, folder / f"warm{i}", one, 1.0).tally(60.0) for i, one in enumerate((single, sampled))]
        before = settled(service, lambda _: False, 1.0)
        with watching(service, max(0.1, seconds / LOOKS)) as watch:
            loads = [
                _steady(service, folder / "single", single, seconds),
                _steady(service, folder / "sampled", sampled, seconds),
                _streams(service, folder / "streams", single, seconds),
            ]
            people, killed = _people_and_killed(service, folder, single, seconds)
            tallies = [load.tally(seconds + 120.0) for load in loads]
        after = settled(service, lambda held: held.files - before.files <= MOST_LEFT, SETTLED_WITHIN_S)
        report.check("no restart", service.process.poll() is None)
        failures = [event for event in service.events if event.get("level") == "error"]
        report.check("nothing unexpected in the log", not failures, failures[:3])
    for tally in (*warm, *tallies):
        report.check_answers(tally)
    report.check("callers were killed in the middle", killed > 0, killed)
    report.check("views, comparisons and feedback were answered", people > 0, people)
    report.check("open files are given back", after.files - before.files <= MOST_LEFT, (before, after))
    threads = after.threads - before.threads
    report.check("threads are no more than calls at once", threads <= 2 * IN_FLIGHT + STREAMS + 2, (before, after))
    growth_mib, more_threads = watch.growth_mib(), watch.more_threads()
    if seconds >= LONG_S:
        report.check("threads have stopped growing", more_threads <= MOST_LEFT, more_threads)
        report.check("memory has stopped growing", growth_mib <= MOST_GROWTH_MIB, f"{growth_mib:.1f} MiB")
    report.check("xaisvc records verify", *_verified(folder / "data"))
    report.figure("rows answered", sum(tally.rows for tally in tallies), "rows")
    report.figure("views, comparisons and feedback", people, "calls")
    report.figure("callers killed", killed, "callers")
    report.figure("memory before", before.resident_bytes / MIB, "MiB")
    report.figure("memory, most", watch.highest_mib, "MiB")
    report.figure("memory gained in the second half", growth_mib, "MiB", at_most=MOST_GROWTH_MIB)
    report.figure("open files left", after.files - before.files, "files", at_most=MOST_LEFT)
    report.figure("threads gained in the second half", more_threads, "threads", at_most=MOST_LEFT)
    report.figure("records on disk", sum(file.stat().st_size for file in files_of(folder / "data")) / MIB, "MiB")
    return report


@dataclass(frozen=True)
class _Asked:
    """Rows, and what must be answered; worked out once for all jobs."""

    subject: Subject
    expected: NDArray[np.float64]

    @classmethod
    def of(cls, subject: Subject) -> Self:
        return cls(subject, subject.expected())


def files_of(folder: Path) -> Iterator[Path]:
    """Every file in a folder and below."""
    return (path for path in folder.rglob("*") if path.is_file())


def _steady(service: ServiceProcess, folder: Path, asked: _Asked, seconds: float) -> generator.Generator:
    """Single rows, all in turn."""
    job = Job(target=service.target, seconds=seconds, in_flight=IN_FLIGHT, channels=2, tolerance=TOLERANCE)
    requests = [asked.subject.request(i).SerializeToString() for i in range(len(asked.expected))]
    job.write(folder, requests, [row[None, :] for row in asked.expected])
    return generator.start(folder)


def _streams(service: ServiceProcess, folder: Path, asked: _Asked, seconds: float) -> generator.Generator:
    job = Job(
        target=service.target,
        method=EXPLAIN_STREAM,
        seconds=seconds,
        in_flight=STREAMS,
        channels=STREAMS,
        tolerance=TOLERANCE,
    )
    n = len(asked.expected)
    cuts = [(start, min(start + STREAMED, n)) for start in range(0, n, STREAMED)]
    requests = [pb.ExplainStreamRequest(request=asked.subject.packed(*cut)).SerializeToString() for cut in cuts]
    job.write(folder, requests, [asked.expected[slice(*cut)] for cut in cuts])
    return generator.start(folder)


def _people_and_killed(service: ServiceProcess, folder: Path, asked: _Asked, seconds: float) -> tuple[int, int]:
    """Calls of people that were answered, and callers that were killed in the middle, for so long."""
    end_s = time.monotonic() + seconds
    people = 0
    for killed in itertools.count():
        doomed = _streams(service, folder / "doomed", asked, seconds + 60.0)
        doomed.began_s()
        people += _calls_of_people(service, asked.subject, min(KILL_EVERY_S, max(0.2, end_s - time.monotonic())))
        doomed.process.kill()
        doomed.process.wait()
        (folder / "doomed" / "began").unlink()
        if time.monotonic() >= end_s:
            return people, killed + 1
    raise AssertionError


def _calls_of_people(service: ServiceProcess, subject: Subject, seconds: float) -> int:
    """What people do with explanations, by connections that are opened and closed; number of calls."""
    end_s = time.monotonic() + seconds
    calls = 0
    for count in itertools.count():
        with Client(service.target) as client:
            row = [subject.rows.row(count % len(subject.rows))]
            tree = client.explain(subject.name, row, audiences=AUDIENCES, formats=("html",)).records[0]
            lime = client.explain(subject.name, row, method="lime", budget=200).records[0]
            client.compare([tree.id, lime.id])
            client.render_view(tree.id, "relationship_manager", "html", "nl", reader="desk-1")
            client.submit_feedback(Feedback(explanation_id=tree.id, audience="customer", verdict="agree"))
            client.get_explanation(tree.id)
            client.list_models()
            calls += 7
        if time.monotonic() >= end_s:
            return calls
    raise AssertionError


def _verified(data: Path) -> tuple[bool, str]:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "xaisvc.cli", "records", "verify", "--data-dir", str(data)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr
