"""The service is killed under load, again and again: what it has answered must be in its records."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from tests.load import generator
from tests.load.jobs import GET_EXPLANATION, Job
from tests.load.reports import Report
from tests.load.service import ROOT, START_S, await_port, free_port, kill_group, launch
from tests.load.subjects import LOGISTIC, TOLERANCE, Subject
from xaisvc.records import RecordFolder
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 40  # four seconds each; `--count 200` takes a quarter of an hour
IN_FLIGHT = 32
ROWS = 4096
SHORTEST_S, LONGEST_S = 0.1, 1.0
SERVING_WITHIN_S = 5.0
READ_BACK = 200


def run(folder: Path, *, count: int = COUNT, flags: tuple[str, ...] = ()) -> Report:
    """Kills the service `count` times, each time after it has answered for a while."""
    report = Report("kills", f"kill -9 under load, {count} times; {IN_FLIGHT} calls in flight")
    subject = Subject.of(LOGISTIC, ROWS)
    requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
    expected = [row[None, :] for row in subject.expected()]
    rng = np.random.default_rng(1)
    port = free_port()
    flags = (*flags, "--models", str(LOGISTIC))
    starts_s = []
    process = launch(folder, *flags, models=(), port=port)
    try:
        await_port(process, folder)
        job = Job(
            target=f"127.0.0.1:{port}",
            seconds=count * START_S,
            in_flight=IN_FLIGHT,
            tolerance=TOLERANCE,
            patient=True,
            ids=True,
            stop_file=True,
        )
        job.write(folder / "load", requests, expected)
        load = generator.start(folder / "load")
        load.began_s()
        for _ in range(count):
            time.sleep(float(rng.uniform(SHORTEST_S, LONGEST_S)))
            kill_group(process)
            began_s = time.monotonic()
            process = launch(folder, *flags, models=(), port=port)
            await_port(process, folder)
            starts_s.append(time.monotonic() - began_s)
        time.sleep(LONGEST_S)
        (folder / "load" / "stop").touch()
        tally = load.tally(120.0)
        ids = (folder / "load" / "ids").read_text().split()
        _check_read_back(report, f"127.0.0.1:{port}", ids, folder)
    finally:
        kill_group(process)
    report.check_answers(tally)
    report.check("the load met the kills", len(tally.unreachable_s) >= count, len(tally.unreachable_s))
    report.check("every answer has an id of its own", len(ids) == tally.rows == len(set(ids)), len(ids))
    lost = lost_records(folder / "data", ids)
    report.check("every acknowledged record is there", not lost, f"{len(lost)} of {len(ids)}, {lost[:3]}")
    verified = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "xaisvc.cli", "records", "verify", "--data-dir", str(folder / "data")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    report.check("xaisvc records verify", verified.returncode == 0, verified.stdout + verified.stderr)
    report.figure("acknowledged records", len(ids), "records")
    report.figure("lost", len(lost), "records", at_most=0)
    report.figure("serving again, median", float(np.median(starts_s)), "s")
    report.figure("serving again, longest", max(starts_s), "s", at_most=SERVING_WITHIN_S)
    return report


def lost_records(data: Path, ids: list[str]) -> list[str]:
    """Those acknowledged explanations that are not in the records, with their content."""
    places: dict[str, list[int]] = {}
    for one in ids:
        event, _, place = one.rpartition("-")
        places.setdefault(event, []).append(int(place))
    lost = []
    with closing(RecordFolder(data)) as folder:
        for event_id, wanted in places.items():
            event = folder.get(event_id)
            lost += [
                f"{event_id}-{place}"
                for place in wanted
                if event is None or place >= len(event.parts) or event.parts[place] is None
            ]
    return lost


def _check_read_back(report: Report, target: str, ids: list[str], folder: Path) -> None:
    """Reads some records of all times through the service itself."""
    some = [ids[int(place)] for place in np.linspace(0, len(ids) - 1, min(len(ids), READ_BACK))]
    job = Job(target=target, method=GET_EXPLANATION)
    requests = [pb.GetExplanationRequest(id=one).SerializeToString() for one in some]
    tally = generator.run(job, folder / "back", requests)
    report.check("records can be read through the service", tally.rows == len(some) and not tally.bad, tally.examples)
