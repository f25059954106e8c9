"""Admits calls, and knows those in progress."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from xaisvc.errors import BusyError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

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

    @property
    def is_full(self) -> bool:
        """Whether as many calls are in progress as may be. Who shuts down says so instead."""
        return len(self._calls) >= self._most and not self._draining

    def busy(self) -> BusyError:
        """What a call is told that is one too many; the same for every caller and method."""
        return BusyError(
            f"{self._most} calls are in progress, which is as many as may be; try again in a moment", RETRY_AFTER_S
        )

    def call(self, method: str) -> AbstractContextManager[None]:
        """Counts one call for as long as the block runs. Health is neither counted nor ever refused.

        Raises:
            StoppingError: If no more calls are admitted, or this one has been cut off.
            BusyError: If as many calls are in progress as may be.
        """
        if method.startswith(HEALTH_PREFIX):
            return nullcontext()
        if self._draining:
            raise StoppingError
        if len(self._calls) >= self._most:
            raise self.busy()
        return _Known(self._calls, self._idle)

    def stream(self) -> AbstractContextManager[None]:
        """Knows one stream of the protocols beside ours for as long as the block runs. A shutdown does not wait for it.

        Raises:
            StoppingError: If the stream has been cut off.
        """
        return _Known(self._streams)

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


class _Known:
    """Knows the running task for as long as the block runs; every call passes here, so it is no generator.

    Args:
        tasks: Where the task is known; one that is taken out of them and cancelled was cut off by us.
        idle: Set while there are none.
    """

    __slots__ = ("_idle", "_task", "_tasks")

    def __init__(self, tasks: set[asyncio.Task[object]], idle: asyncio.Event | None = None) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("calls run in tasks of their own")
        self._task, self._tasks, self._idle = task, tasks, idle

    def __enter__(self) -> None:
        if self._idle is not None:
            self._idle.clear()
        self._tasks.add(self._task)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        was_cut_off = self._task not in self._tasks
        self._tasks.discard(self._task)
        if self._idle is not None and not self._tasks:
            self._idle.set()
        if was_cut_off and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()  # it is to be answered
            raise StoppingError from None
