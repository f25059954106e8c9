from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts import overlap
from xaisvc.cohorts.overlap import KEPT_ASKERS, KEPT_SETS, Memory, Told, smallest_remainder

if TYPE_CHECKING:
    import pytest


def people(*ranges: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.concatenate([np.arange(low, high, dtype=np.uint64) for low, high in ranges])


def test_what_two_sets_leave() -> None:
    assert smallest_remainder(people((0, 100)), []) == 100
    assert smallest_remainder(people((0, 100)), [people((200, 300))]) == 100
    assert smallest_remainder(people((0, 100)), [people((0, 95))]) == 5
    assert smallest_remainder(people((0, 95)), [people((0, 100))]) == 5
    assert smallest_remainder(people((0, 98)), [people((0, 95), (98, 100))]) == 5  # 3 and 2 persons differ
    assert smallest_remainder(people((0, 100)), [people((0, 60))]) == 40
    # Few persons in common say nothing, as long as the union is not told.
    assert smallest_remainder(people((0, 100)), [people((97, 200))]) == 100


def test_what_three_sets_leave() -> None:
    before = [people((0, 100)), people((100, 200))]

    assert smallest_remainder(people((0, 205)), before) == 5
    assert smallest_remainder(people((0, 105)), [people((0, 55)), people((55, 100))]) == 5
    # The union of two sets and both of them tell of the few that they share.
    assert smallest_remainder(people((0, 150)), [people((0, 80)), people((75, 150))]) == 5


def test_a_year_less_eleven_months_is_a_month() -> None:
    months = [people((100 * i, 100 * i + 100)) for i in range(11)]

    assert smallest_remainder(people((0, 1103)), months) == 3
    assert smallest_remainder(people((1000, 1100)), [people((0, 1103)), *months[:10]]) == 3
    assert smallest_remainder(people((0, 1130)), months) == 30


def test_only_sets_of_one_name_are_compared() -> None:
    told = Told()
    told.add({"n": people((0, 100))})

    assert told.allows("n", people((0, 100)))
    assert not told.allows("n", people((0, 99)))
    assert told.allows("n", people((0, 80)))
    assert told.allows("adverse", people((0, 99)))


def test_memory_of_persons_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "KEPT_PERSONS", 250)
    memory = Memory()
    with memory.lock:
        first = memory.told(("a",))
        first.add({"n": people((0, 100)), "adverse": people((0, 40))})
        first.add({"n": people((100, 200)), "adverse": people((100, 140))})
        assert [len(one) for one in first.sets["n"]] == [100]  # the oldest of the largest is gone
        assert first.size == 180
        second = memory.told(("b",))
        second.add({"n": people((0, 100))})
        memory.told(("b",))
        assert memory.told(("b",)) is second
        assert memory.told(("a",)) is not first


def test_memory_is_bounded_and_each_asker_s_own() -> None:
    told = Told()
    for i in range(KEPT_SETS + 5):
        told.add({"n": people((100 * i, 100 * i + 50))})
    assert len(told.sets["n"]) == KEPT_SETS
    told.add({"n": told.sets["n"][0]})
    assert len(told.sets["n"]) == KEPT_SETS

    memory = Memory()
    with memory.lock:
        first = memory.told(("bank", "loans"))
        assert memory.told(("bank", "loans")) is first
        assert memory.told(("other", "loans")) is not first
        for i in range(KEPT_ASKERS):
            memory.told((str(i),))
        assert memory.told(("bank", "loans")) is not first
