"""A clock, rows and computations that tests control. Nothing here sleeps; whoever waits, waits for an event."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from xaisvc.engine.scheduling import Bounds, Lane, Scheduler, SchedulerLimits, Task
from xaisvc.types import Interest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from xaisvc.engine.scheduling import Cancel

SOON_S = 30.0  # bounds a test that hangs; nothing ever takes this long
PLENTY = Bounds(max_waiting_tasks=10_000, max_waiting_s=1e9)


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Values(list[int]):
    """Rows that are whole numbers."""

    def take(self, indices: slice, /) -> Values:
        return Values(self[indices])


def doubled(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
    del cancel
    return [[2 * value for value in part] for part in parts]


def refuses_negatives(parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
    bad = [value for part in parts for value in part if value < 0]
    if bad:
        raise ArithmeticError(f"{bad} are negative")
    return doubled(parts, cancel)


class Gated:
    """A computation that stands still until it is let go, and remembers what it was given."""

    def __init__(self, inner: Callable[[Sequence[Values], Cancel], list[list[int]]] = doubled) -> None:
        self.calls: list[list[Values]] = []
        self.cancels: list[Cancel] = []
        self._inner = inner
        self._begun = threading.Semaphore(0)
        self._may_end = threading.Semaphore(0)

    def __call__(self, parts: Sequence[Values], cancel: Cancel) -> list[list[int]]:
        self.calls.append(list(parts))
        self.cancels.append(cancel)
        self._begun.release()
        assert self._may_end.acquire(timeout=SOON_S)
        return self._inner(parts, cancel)

    def wait_begun(self) -> None:
        assert self._begun.acquire(timeout=SOON_S)

    def let_end(self, times: int = 1) -> None:
        self._may_end.release(times)


def task(
    *values: int,
    key: object = "key",
    cost: int | None = None,
    lane: Lane = Lane.INTERACTIVE,
    caller: str = "anna",
    interest: Interest | None = None,
) -> Task[Values]:
    return Task(
        key=key,
        rows=Values(values),
        cost=len(values) if cost is None else cost,
        lane=lane,
        caller=caller,
        interest=interest or Interest(),
    )


def limits(  # noqa: PLR0913 - limits with everything given or usual
    *,
    threads: int = 1,
    max_batch_cost: int = 1000,
    bounds: Bounds = PLENTY,
    bulk_every: int = 4,
    linger_s: float = 0.0,
    start_s_per_cost: float = 1e-3,
) -> SchedulerLimits:
    return SchedulerLimits(
        threads=threads,
        max_batch_cost=max_batch_cost,
        bounds=bounds,
        bulk_every=bulk_every,
        linger_s=linger_s,
        start_s_per_cost=start_s_per_cost,
    )


def occupy(scheduler: Scheduler[Values, int], gate: Gated) -> Future[list[int]]:
    """Keeps one thread busy until the gate lets it end."""
    future = scheduler.submit(task(0, key=object(), caller="blocker"), gate)
    gate.wait_begun()
    return future


def result(future: Future[list[int]]) -> list[int]:
    return future.result(SOON_S)


def error(future: Future[list[int]]) -> BaseException | None:
    return future.exception(SOON_S)
