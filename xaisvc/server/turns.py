"""Few batches of streams are worked on at the same time, and callers take turns."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """Lets so many pieces of work run at a time. For one event loop; who waits does so in no thread.

    Of those who wait, callers come one after the other, however many pieces one of them brings.

    Args:
        most: Pieces at the same time.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # in the order of the callers' turns

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Waits for a turn, which lasts as long as the block.

        Args:
            caller: Who it is for.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(caller)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, caller: str) -> None:
        given = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(given)
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():  # it came at the same moment
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Gives the turn to the next caller who still waits."""
        while self._waiting:
            caller = next(iter(self._waiting))
            own = self._waiting.pop(caller)
            given = own.popleft()
            if own:
                self._waiting[caller] = own  # behind the others
            if not given.done():
                given.set_result(None)
                return
        self._free += 1
