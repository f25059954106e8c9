"""A breaker: stops asking what keeps failing, and asks again from time to time whether it is back."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = 5
"""Failures in a row after which nothing is asked any more."""

PROBE_S = 2.0
"""Seconds between two probes while nothing is asked."""

SOON_S = 0.1
"""Seconds to the first probe where one failure was enough: it may have been a pause of a moment."""


class Breaker:
    """Closed while calls go through; open after some failures in a row, or a costly one, until a probe succeeds.

    While it is open no caller waits for anything. Whoever finds it open may claim the next probe once it is due; one
    probe runs at a time, on a thread of its own, and calls that began before the breaker opened no longer count.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        failures: int = FAILURES,
        probe_s: float = PROBE_S,
        soon_s: float = SOON_S,
    ) -> None:
        """Closes the breaker.

        Args:
            clock: Monotonic clock in seconds.
            failures: Failures in a row that open it.
            probe_s: Seconds from opening to the first probe, and from a failed probe to the next.
            soon_s: Seconds to the first probe after a costly failure, unless the breaker has closed only just now.
        """
        self._clock = clock
        self._limit = failures
        self._probe_s = probe_s
        self._soon_s = soon_s
        self._closed_at = -math.inf
        self._lock = threading.Lock()
        self._failures = 0
        self._probe_at: float | None = None  # not None: open
        self._probing = False

    @property
    def closed(self) -> bool:
        """Whether calls go through."""
        return self._probe_at is None

    @property
    def doubtful(self) -> bool:
        """Whether the last call failed, or none goes through: what can be done without is better left."""
        return self._failures > 0 or self._probe_at is not None

    def succeeded(self) -> None:
        """A call was answered."""
        with self._lock:
            if self._probe_at is None:
                self._failures = 0

    def failed(self, *, costly: bool = False) -> bool:
        """A call was not answered; True if that opened the breaker.

        Args:
            costly: Whether somebody waited for it as long as may be waited. Once is enough then, and the first probe
                comes soon; not soon again if the breaker closed less than `probe_s` ago, or else what answers probes
                and nothing more would be waited for again and again.
        """
        with self._lock:
            if self._probe_at is not None:
                return False
            self._failures += 1
            if not costly and self._failures < self._limit:
                return False
            now = self._clock()
            soon = costly and now - self._closed_at >= self._probe_s
            self._probe_at = now + (self._soon_s if soon else self._probe_s)
            return True

    def trip(self) -> None:
        """Opens the breaker at once, with the first probe due: asking again is known to be of no use."""
        with self._lock:
            if self._probe_at is None:
                self._probe_at = self._clock()

    def claim_probe(self) -> bool:
        """Whether the caller is to probe now, and then to report with `probed`."""
        if self._probe_at is None:  # without the lock: asked with every call
            return False
        with self._lock:
            due = not self._probing and self._open_and_due()
            self._probing = self._probing or due
            return due

    def probed(self, *, answered: bool) -> None:
        """Ends a claimed probe: closes the breaker, or lets it wait for the next one."""
        with self._lock:
            if not self._probing:
                return
            self._probing = False
            if answered:
                self._probe_at = None
                self._failures = 0
                self._closed_at = self._clock()
            else:
                self._probe_at = self._clock() + self._probe_s

    def _open_and_due(self) -> bool:
        return self._probe_at is not None and self._clock() >= self._probe_at
