"""Threads for blocking work, so that the event loop stays free for the wire. Most of them wait most of the time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Workers:
    """A bounded number of threads. Work whose caller has gone away before its turn never starts.

    Args:
        threads: Pieces of work that run at the same time.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="xaisvc-worker")
        self._running = 0
        self._lock = threading.Lock()

    @property
    def running(self) -> int:
        """Pieces of work that run now, whether or not somebody still waits for them."""
        return self._running

    async def run(self, work: Callable[[], _T]) -> _T:
        """Runs blocking work in a thread and waits for it."""
        context = copy_context()  # so that the work knows the call it is for
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, self._counted, work)

    def _counted(self, work: Callable[[], _T]) -> _T:
        with self._lock:
            self._running += 1
        try:
            return work()
        finally:
            with self._lock:
                self._running -= 1

    def close(self) -> None:
        """Takes no more work. What runs goes on; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
