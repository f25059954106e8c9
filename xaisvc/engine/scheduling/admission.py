"""Whether there is room for one more task; judged before anything is allocated for it."""

from __future__ import annotations

from dataclasses import dataclass

from xaisvc.errors import BusyError, TooLateError

_LEAST_RETRY_S, _MOST_RETRY_S = 0.05, 30.0
_DOUBT = 2.0  # an estimate may be twice the truth; only a deadline missed even then is certain to be missed


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait.

    Attributes:
        max_waiting_tasks: Tasks that may wait in one lane.
        max_waiting_s: Seconds that a task may be expected to wait.
        max_caller_tasks: Tasks of one caller that may wait in one lane; None for as many as the lane takes.
    """

    max_waiting_tasks: int
    max_waiting_s: float
    max_caller_tasks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is ahead of a task that asks for room.

    Attributes:
        lane_tasks: Tasks that wait in its lane.
        caller_tasks: Those of its own caller among them.
        wait_s: Seconds until it is thought to have its turn.
    """

    lane_tasks: int
    caller_tasks: int
    wait_s: float


def check_room(bounds: Bounds, load: Load, *, left_s: float) -> None:
    """Refuses a task for which there is no room.

    Only what is ahead of a task counts, never its own cost: an estimate that was once too high would otherwise refuse
    everything, and nothing would ever correct it.

    Args:
        bounds: How much may wait.
        load: What waits.
        left_s: Seconds to the caller's deadline.

    Raises:
        TooLateError: If the deadline has passed.
        BusyError: If a bound is reached, or the deadline would pass before the task has its turn.
    """
    if left_s <= 0:
        raise TooLateError(
            "the deadline passed before the work could begin, so nothing was computed; allow more time or ask for less"
        )
    if load.lane_tasks >= bounds.max_waiting_tasks:
        raise BusyError(
            f"{load.lane_tasks} requests are waiting already, which is as many as may; try again later or send fewer "
            "at a time",
            _retry_after(load.wait_s / 2),
        )
    if bounds.max_caller_tasks is not None and load.caller_tasks >= bounds.max_caller_tasks:
        raise BusyError(
            f"{load.caller_tasks} of your requests are waiting already, which is as many as one caller may have; wait "
            "for some of them first",
            _retry_after(load.wait_s / 2),
        )
    if load.wait_s > bounds.max_waiting_s:
        raise BusyError(
            f"the work that is waiting already takes about {load.wait_s:.1f} seconds, and {bounds.max_waiting_s:g} is "
            "the most that a request may wait; try again later",
            _retry_after(load.wait_s - bounds.max_waiting_s / 2),
        )
    if load.wait_s > _DOUBT * left_s:
        raise BusyError(
            f"the work that is waiting already takes about {load.wait_s:.1f} seconds, and the deadline is in "
            f"{left_s:.2f}; try again later or allow more time",
            _retry_after(load.wait_s - left_s / 2),
        )


def _retry_after(seconds: float) -> float:
    return min(max(seconds, _LEAST_RETRY_S), _MOST_RETRY_S)
