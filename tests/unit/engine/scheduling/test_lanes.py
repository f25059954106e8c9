"""Whose turn it is between the lanes, and what is late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.scheduling.doubles import Values, doubled, task
from xaisvc.engine.scheduling import Lane
from xaisvc.engine.scheduling.entry import Entry
from xaisvc.engine.scheduling.lanes import WaitingLanes
from xaisvc.types import Interest


def entry(lane: Lane, until: float = float("inf"), number: int = 0) -> Entry[Values, int]:
    return Entry(
        task(number, lane=lane, interest=Interest(until)), doubled, number=number, submitted_at=0.0, estimate_s=1.0
    )


def order(lanes: WaitingLanes[Values, int]) -> str:
    found = ""
    while len(lanes):
        found += lanes.pick(1)[0].entry.task.lane.value[0]
    return found


@given(interactive=st.integers(0, 40), bulk=st.integers(0, 40), every=st.integers(2, 9))
def test_bulk_has_one_turn_in_so_many_while_both_wait(interactive: int, bulk: int, every: int) -> None:
    lanes: WaitingLanes[Values, int] = WaitingLanes(every)
    for _ in range(interactive):
        lanes.add(entry(Lane.INTERACTIVE))
    for _ in range(bulk):
        lanes.add(entry(Lane.BULK))
    found = order(lanes)
    both = found[: min(found.rfind("i"), found.rfind("b")) + 1]  # as long as both lanes had something

    assert (found.count("i"), found.count("b")) == (interactive, bulk)
    assert all((letter == "b") == (place % every == every - 1) for place, letter in enumerate(both))


def test_what_goes_before_a_new_task_depends_on_its_lane() -> None:
    lanes: WaitingLanes[Values, int] = WaitingLanes(4)
    for lane in (Lane.INTERACTIVE, Lane.BULK, Lane.BULK):
        lanes.add(entry(lane))

    assert lanes.seconds_before(Lane.INTERACTIVE) == 1.0
    assert lanes.seconds_before(Lane.BULK) == 3.0
    assert lanes.cost == 3


@given(untils=st.lists(st.integers(0, 20), max_size=20), readings=st.lists(st.integers(0, 25), max_size=6))
def test_late_entries_are_taken_out_once_and_no_others(untils: list[int], readings: list[int]) -> None:
    lanes: WaitingLanes[Values, int] = WaitingLanes(4)
    entries = [entry(Lane.BULK if until % 2 else Lane.INTERACTIVE, until) for until in untils]
    for one in entries:
        lanes.add(one)
    late: list[Entry[Values, int]] = []
    for now in sorted(readings):
        late += lanes.take_late(now)
        assert sorted(one.task.interest.until for one in late) == sorted(until for until in untils if until <= now)
        assert len(lanes) == len(entries) - len(late)
    assert len(set(late)) == len(late)
