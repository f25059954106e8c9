"""The event loop: asyncio's own, which looks for news from the wire less often while it has work."""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NEWS_S = 0.001
"""Between two looks of a busy loop. One call is some ten steps of the loop, which take a tenth of that."""


class SparingSelector(selectors.DefaultSelector):
    """A selector that a busy loop asks for news once a millisecond, and not between any two of its steps.

    Each look lets go of the interpreter, and a computing thread that takes it gives it back 5 ms later at worst: a call
    of ten steps could wait so long ten times. A loop that has nothing to do is told of everything at once, as ever.

    Args:
        clock: Monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._looked_s = float("-inf")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready: nothing new where the loop has work to do (`timeout` is 0) and has looked a moment ago."""
        if timeout == 0 and self._clock() - self._looked_s < NEWS_S:
            return []
        found = super().select(timeout)
        self._looked_s = self._clock()
        return found


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for a service."""
    return asyncio.SelectorEventLoop(SparingSelector())
