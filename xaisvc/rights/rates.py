"""How many rows a minute each caller gets."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.errors import BusyError, LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.types import Caller

MINUTE_S = 60.0
MOST_BUCKETS = 10_000
"""Callers remembered at a time; those who have not asked for a minute are forgotten first."""

_ROUNDING = 1e-9
"""Share of a minute's rows by which sums of floats may be off, so that who waits as long as told is not told again."""


@dataclass(slots=True)
class _Bucket:
    """Rows that a caller may still have, and when that was counted."""

    rows: float
    at_s: float


class Rates:
    """A token bucket of rows for each caller: full at first, filled evenly at the caller's rows per minute.

    In any time of t seconds a caller with r rows a minute gets at most r (1 + t / 60) rows. Of n processes that serve
    the same callers each gives r / n rows a minute, so that all together give r and none has to ask the others; a
    caller whose connections all end in one process gets no more than that part.

    Args:
        clock: Monotonic clock in seconds.
        processes: How many processes share the callers between them.
    """

    def __init__(self, clock: Callable[[], float], processes: int = 1) -> None:
        self._clock = clock
        self._processes = processes
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, int], _Bucket] = {}

    def take(self, caller: Caller, rows: int) -> None:
        """Takes rows out of the caller's bucket, all of them or none.

        Raises:
            BusyError: If the bucket does not hold them now; says when it will.
            LimitExceededError: If it never will, because they are more than the caller has in a minute.
        """
        if caller.rows_per_minute is None:
            return
        limit = max(1, caller.rows_per_minute // self._processes)
        if rows > limit:
            raise LimitExceededError(
                f"rows: {rows} rows, but the caller's token allows {limit} rows a minute{self._here}; split the request"
            )
        key = (caller.tenant, caller.id, limit)
        with self._lock:
            now_s = self._clock()
            bucket = self._buckets.get(key)
            if bucket is None:
                self._make_room(now_s)
                bucket = self._buckets[key] = _Bucket(float(limit), now_s)
            else:
                bucket.rows = min(limit, bucket.rows + (now_s - bucket.at_s) * limit / MINUTE_S)
                bucket.at_s = now_s
            short = rows - bucket.rows
            if short <= _ROUNDING * limit:
                bucket.rows -= rows
                return
        wait_s = short * MINUTE_S / limit
        raise BusyError(
            f"rows: the caller's token allows {limit} rows a minute{self._here}; try again in {wait_s:.3g} s, or send "
            "fewer rows",
            wait_s,
        )

    @property
    def _here(self) -> str:
        return "" if self._processes == 1 else f" on each of the {self._processes} processes of the service"

    def _make_room(self, now_s: float) -> None:
        """Forgets those whose bucket is full again, and if that is not enough, who has not asked for the longest."""
        if len(self._buckets) < MOST_BUCKETS:
            return
        for key in [key for key, bucket in self._buckets.items() if now_s - bucket.at_s >= MINUTE_S]:
            del self._buckets[key]
        while len(self._buckets) >= MOST_BUCKETS:
            del self._buckets[min(self._buckets, key=lambda key: self._buckets[key].at_s)]
