"""Whether somebody still waits for an answer, and until when."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def keep_going() -> None:
    """The check of work that cannot be abandoned: asked between pieces of it, and never has an objection."""


class Interest:
    """The interest of one caller in one answer. Ends once and for good; safe to use from several threads.

    Args:
        until: Reading of the monotonic clock after which nobody waits any more; infinite by default.
    """

    __slots__ = ("_gone", "_listeners", "_lock", "until")

    def __init__(self, until: float = float("inf")) -> None:
        self.until = until
        self._lock = threading.Lock()
        self._gone = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def gone(self) -> bool:
        """Whether the caller has left. A passed deadline is for whoever has a clock to judge."""
        return self._gone

    def leave(self) -> None:
        """Says that the caller has left, and tells everybody who asked to be told."""
        with self._lock:
            if self._gone:
                return
            self._gone = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def when_gone(self, listener: Callable[[], None]) -> None:
        """Calls `listener` once the caller has left, at once if they have; it must be quick and not raise."""
        with self._lock:
            if not self._gone:
                self._listeners.append(listener)
                return
        listener()
