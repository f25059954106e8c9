"""Items spread over threads."""

from __future__ import annotations

from threading import Barrier, current_thread

import pytest

from xaisvc.attribution.parallel import in_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_is_found_keeps_the_order_of_the_items(threads: int) -> None:
    assert in_threads(lambda item: item * item, range(40), threads) == [item * item for item in range(40)]
    assert in_threads(str, [], threads) == []


def test_as_many_threads_as_asked_for_work_at_a_time_and_the_callers_is_one_of_them() -> None:
    meeting = Barrier(3)

    def work(_: int) -> str:
        meeting.wait(timeout=30)  # nobody goes on before three are here
        return current_thread().name

    names = in_threads(work, range(3), 3)

    assert len(set(names)) == 3
    assert current_thread().name in names


def test_no_item_is_begun_after_one_has_failed_and_the_first_failure_is_raised() -> None:
    meeting = Barrier(2)
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        meeting.wait(timeout=30)  # both threads fail in the first item that they take
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        in_threads(work, range(20), 2)

    assert sorted(begun) == [0, 1]


def test_a_helpers_failure_is_raised_in_the_callers_thread() -> None:
    caller = current_thread()
    meeting = Barrier(2)

    def work(item: int) -> int:
        meeting.wait(timeout=30)
        if current_thread() is not caller:
            raise KeyError("from the helper")
        return item

    with pytest.raises(KeyError, match="from the helper"):
        in_threads(work, range(2), 2)
