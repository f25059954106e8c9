"""Whether there is room."""

from __future__ import annotations

import pytest

from xaisvc.engine.scheduling.admission import Bounds, Load, check_room
from xaisvc.errors import BusyError, TooLateError

BOUNDS = Bounds(max_waiting_tasks=10, max_waiting_s=4.0, max_caller_tasks=5)
FOREVER = float("inf")


def load(lane_tasks: int = 0, caller_tasks: int = 0, wait_s: float = 0.0) -> Load:
    return Load(lane_tasks=lane_tasks, caller_tasks=caller_tasks, wait_s=wait_s)


@pytest.mark.parametrize(
    ("waiting", "left_s"),
    [
        (load(), FOREVER),
        (load(9, 4, 4.0), FOREVER),
        (load(wait_s=2.0), 1.0),  # an estimate may be twice the truth
        (load(), 1e-6),  # nothing is ahead, so the estimate says nothing
    ],
)
def test_there_is_room(waiting: Load, left_s: float) -> None:
    check_room(BOUNDS, waiting, left_s=left_s)


@pytest.mark.parametrize(
    ("waiting", "left_s", "message", "retry_after_s"),
    [
        (load(10, 0, 3.0), FOREVER, "10 requests are waiting already", 1.5),
        (load(9, 5, 3.0), FOREVER, "5 of your requests are waiting already", 1.5),
        (load(1, 1, 4.5), FOREVER, "takes about 4.5 seconds, and 4 is the most", 2.5),
        (load(1, 1, 2.1), 1.0, r"about 2.1 seconds, and the deadline is in 1.00", 1.6),
        (load(10, 0, 0.0), FOREVER, "10 requests", 0.05),
        (load(10, 0, 1e9), FOREVER, "10 requests", 30.0),
    ],
)
def test_there_is_no_room(waiting: Load, left_s: float, message: str, retry_after_s: float) -> None:
    with pytest.raises(BusyError, match=message) as caught:
        check_room(BOUNDS, waiting, left_s=left_s)
    assert caught.value.retry_after_s == pytest.approx(retry_after_s)  # one float64 subtraction


@pytest.mark.parametrize("left_s", [0.0, -1.0])
def test_a_passed_deadline_comes_before_a_full_lane(left_s: float) -> None:
    with pytest.raises(TooLateError, match="deadline"):
        check_room(BOUNDS, load(10, 10, 10.0), left_s=left_s)


def test_a_caller_may_have_what_the_lane_takes_unless_bounded() -> None:
    check_room(Bounds(max_waiting_tasks=10, max_waiting_s=4.0), load(9, 9), left_s=FOREVER)
