"""Short versions of `python -m tests.load`: what is answered under load and faults is right. Speed is not judged."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.load import generator
from tests.load.jobs import Job
from tests.load.scenarios import batching, cancel, hits_unary, kills, malformed, redis_faults, slow_clients, soak
from tests.load.service import running
from tests.load.subjects import LOGISTIC, TOLERANCE, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.load.reports import Report

pytestmark = pytest.mark.load


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: that of a Unix socket may have about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        yield Path(name)


def all_right(report: Report) -> bool:
    assert report.checks
    assert report.details == []

    return report.right


def test_cached_answers_are_right_with_many_calls_in_flight(folder: Path) -> None:
    assert all_right(hits_unary.run(folder, seconds=1.0, rows=100, processes=[2]))


def test_answers_that_were_computed_together_are_right(folder: Path) -> None:
    assert all_right(batching.run(folder, seconds=0.5, cases=batching.CASES[:1]))


@pytest.mark.redis
@pytest.mark.parametrize("fault", ["stopped", "corrupted"])
def test_a_fault_of_redis_makes_no_answer_wrong(folder: Path, fault: str) -> None:
    assert all_right(redis_faults.run(folder, seconds=0.5, rows=200, names=[fault]))


def test_what_was_acknowledged_outlives_a_kill(folder: Path) -> None:
    assert all_right(kills.run(folder, count=1))


def test_nonsense_is_refused_and_the_service_goes_on(folder: Path) -> None:
    assert all_right(malformed.run(folder, count=500))


def test_whoever_leaves_harms_nobody(folder: Path) -> None:
    assert all_right(cancel.run(folder, count=10))


def test_whoever_does_not_read_makes_nobody_else_wait(folder: Path) -> None:
    assert all_right(slow_clients.run(folder, seconds=1.0, count=10, rows=4096, half_open=10, stalled_s=1.0))


def test_nothing_piles_up(folder: Path) -> None:
    assert all_right(soak.run(folder, seconds=2.0, rows=200))


def test_the_load_generator_sees_wrong_answers_and_lost_records(folder: Path) -> None:
    subject = Subject.of(LOGISTIC, 20)
    requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
    expected = [row[None, :] for row in subject.expected()]
    expected[3] = expected[3] + 1e-5  # ten times what is tolerated
    expected[7] = -expected[7]
    with running(folder, models=[LOGISTIC]) as service:
        job = Job(target=service.target, tolerance=TOLERANCE, ids=True)
        tally = generator.run(job, folder / "load", requests, expected)

    assert (tally.rows, tally.wrong, tally.bad) == (18, 2, {"wrong": 2})
    ids = (folder / "load" / "ids").read_text().split()
    assert kills.lost_records(service.data, ids) == []
    absent = {"no-such-event-0", ids[0].removesuffix("0") + "1"}
    assert set(kills.lost_records(service.data, [*ids, *absent])) == absent
