"""How far a call is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.engine.chunks import LANE_ROWS, evenly

if TYPE_CHECKING:
    from collections.abc import Callable

_GROWTH = 4
_SECONDS_BETWEEN = 0.5
"""Time between two reports, and so between two pieces of work, where somebody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a call is.

    Attributes:
        rows_done: Rows explained so far.
        rows: Rows in all.
        seconds_elapsed: Since the call began.
        seconds_left: What the rows that are left will take if they cost what the others did.
    """

    rows_done: int
    rows: int
    seconds_elapsed: float
    seconds_left: float


class Ticker:
    """Counts rows and reports them. Lives for one call.

    Args:
        rows: Rows in all.
        clock: Monotonic clock in seconds.
        report: Told after each piece of work; None if nobody wants to know.
    """

    def __init__(self, rows: int, clock: Callable[[], float], report: Callable[[Progress], None] | None) -> None:
        self.rows = rows
        self.rows_done = 0
        self._clock = clock
        self._report = report
        self._start = clock()
        self._before = self._start
        self._next_rows = LANE_ROWS

    @property
    def rows_left(self) -> int:
        """Rows that are not done."""
        return self.rows - self.rows_done

    def piece(self, most: int) -> int:
        """Rows of the next piece of work: all it may have, or as many as take about half a second if reports go out."""
        return most if self._report is None else min(most, self._next_rows)

    def advance(self, worked: int, done: int) -> None:
        """Takes note of a piece of work.

        Args:
            worked: Rows that were computed.
            done: Rows of the call that are answered by them.
        """
        self.rows_done += done
        if self._report is None:
            return
        now = self._clock()
        seconds = now - self._before
        self._before = now
        fits = int(worked * _SECONDS_BETWEEN / seconds) if seconds > 0 else _GROWTH * worked
        self._next_rows = max(1, evenly(min(fits, _GROWTH * worked)))
        elapsed = now - self._start
        self._report(
            Progress(
                rows_done=self.rows_done,
                rows=self.rows,
                seconds_elapsed=elapsed,
                seconds_left=elapsed / self.rows_done * self.rows_left if self.rows_done else 0.0,
            )
        )
