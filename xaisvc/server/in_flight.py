"""Admits calls, and knows those in progress."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from xaisvc.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

HEALTH_PREFIX = "/grpc.health."
RETRY_AFTER_S = 0.5


class StoppingError(Exception):
    """The call came after the service had begun to shut down."""


class InFlight:
    """Admits calls up to a number, and waits for their answers or ends what remains when the service shuts down.

    Args:
        most: Most calls in progress at the same time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: set[asyncio.Task[object]] = set()
        self._streams: set[asyncio.Task[object]] = set()
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """Calls in progress."""
        return len(self._calls)

    @contextmanager
    def call(self, method: str) -> Iterator[None]:
        """Counts one call for as long as the block runs. Health is neither counted nor ever refused.

        Raises:
            StoppingError: If no more calls are admitted, or this one has been cut off.
            BusyError: If as many calls are in progress as may be.
        """
        if method.startswith(HEALTH_PREFIX):
            yield
            return
        if self._draining:
            raise StoppingError
        if len(self._calls) >= self._most:
            raise BusyError(
                f"{self._most} calls are in progress, which is as many as may be; try again in a moment", RETRY_AFTER_S
            )
        self._idle.clear()
        try:
            with self._known(self._calls):
                yield
        finally:
            if not self._calls:
                self._idle.set()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Knows one stream of the protocols beside ours for as long as the block runs. A shutdown does not wait for it.

        Raises:
            StoppingError: If the stream has been cut off.
        """
        with self._known(self._streams):
            yield

    @contextmanager
    def _known(self, tasks: set[asyncio.Task[object]]) -> Iterator[None]:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("calls run in tasks of their own")
        tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in tasks:  # cut off by us: answer it
                task.uncancel()
                raise StoppingError from None
            raise
        finally:
            tasks.discard(task)

    async def drain(self, grace_s: float) -> bool:
        """Admits no more calls, waits for those in progress, and cuts off what remains.

        Args:
            grace_s: How long to wait, in seconds.

        Returns:
            Whether all calls were answered in time.
        """
        self._draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)
        answered = self._idle.is_set()
        for tasks in (self._calls, self._streams):
            while tasks:
                tasks.pop().cancel()
        return answered
