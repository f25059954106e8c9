"""A batch with any set of bad tasks, in one thread."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.scheduling.doubles import Clock, Values, limits, refuses_negatives, task
from xaisvc.engine.scheduling.batch import compute_batch
from xaisvc.engine.scheduling.desk import Desk
from xaisvc.engine.scheduling.faults import concerns_all
from xaisvc.errors import AbandonedError, TooLateError
from xaisvc.types import Interest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.engine.scheduling import Cancel


@given(bad=st.lists(st.booleans(), min_size=1, max_size=40))
def test_exactly_the_bad_tasks_fail(bad: list[bool]) -> None:
    clock = Clock()
    desk: Desk[Values, int] = Desk(limits(), clock)
    runs: Counter[int] = Counter()
    calls = 0

    def compute(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
        nonlocal calls
        calls += 1
        runs.update(part[0] for part in parts)
        return refuses_negatives(parts, cancel)

    rows = [-1 - place if is_bad else place for place, is_bad in enumerate(bad)]
    entries = [desk.enter(task(row), compute) for row in rows]
    batch = desk.next_batch()
    assert batch is not None
    compute_batch(desk, batch.pieces, clock=clock, alike=concerns_all)

    for row, entry in zip(rows, entries, strict=True):
        if row < 0:
            assert str(entry.future.exception(0)) == f"[{row}] are negative"
        else:
            assert entry.future.result(0) == [2 * row]
    assert calls <= 2 * len(rows) - 1
    assert max(runs.values()) <= 1 + math.ceil(math.log2(len(rows)))
    assert desk.state(0).reruns == calls - 1


@given(
    events=st.lists(st.sampled_from(["stays", "leaves", "is late", "bad"]), min_size=1, max_size=12),
    at_call=st.integers(1, 6),
)
def test_who_leaves_or_is_late_between_reruns_is_left_out(events: list[str], at_call: int) -> None:
    clock = Clock()
    desk: Desk[Values, int] = Desk(limits(), clock)
    interests = [Interest(clock.now + (5 if event == "is late" else 1e9)) for event in events]
    calls = 0

    def compute(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
        nonlocal calls
        calls += 1
        if calls > at_call:
            assert all(events[abs(part[0]) - 1] in {"stays", "bad"} for part in parts)
        if calls == at_call:
            clock.now += 5
            for event, interest in zip(events, interests, strict=True):
                if event == "leaves":
                    interest.leave()
        assert cancel() == (calls == at_call and all(events[abs(p[0]) - 1] in {"leaves", "is late"} for p in parts))
        return refuses_negatives(parts, cancel)

    entries = []
    for place, (event, interest) in enumerate(zip(events, interests, strict=True)):
        entry = desk.enter(task(-1 - place if event == "bad" else 1 + place, interest=interest), compute)
        interest.when_gone(lambda entry=entry: desk.leave(entry))  # type: ignore[misc]
        entries.append(entry)
    batch = desk.next_batch()
    assert batch is not None
    compute_batch(desk, batch.pieces, clock=clock, alike=concerns_all)

    for place, (event, entry) in enumerate(zip(events, entries, strict=True)):
        if event == "bad":
            assert isinstance(entry.future.exception(0), ArithmeticError)
        elif event == "stays" or entry.future.exception(0) is None:
            assert entry.future.result(0) == [2 * (place + 1)]
        else:
            assert isinstance(entry.future.exception(0), AbandonedError if event == "leaves" else TooLateError)


@given(events=st.lists(st.sampled_from(["stays", "leaves", "is late"]), min_size=1, max_size=8))
def test_who_leaves_or_is_late_before_the_work_begins_is_never_computed(events: list[str]) -> None:
    clock = Clock()
    desk: Desk[Values, int] = Desk(limits(), clock)
    computed: list[int] = []

    def compute(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
        computed.extend(part[0] for part in parts)
        return refuses_negatives(parts, cancel)

    entries = [
        desk.enter(task(place, interest=Interest(clock.now + (5 if event == "is late" else 1e9))), compute)
        for place, event in enumerate(events)
    ]
    batch = desk.next_batch()
    assert batch is not None
    clock.now += 5
    for event, entry in zip(events, entries, strict=True):
        if event == "leaves":
            entry.task.interest.leave()  # and nobody has told the desk yet
    compute_batch(desk, batch.pieces, clock=clock, alike=concerns_all)

    assert sorted(computed) == [place for place, event in enumerate(events) if event == "stays"]
    assert [entry.future.done() for entry in entries] == [event != "leaves" for event in events]
