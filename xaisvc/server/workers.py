"""Threads for blocking work, so that the event loop stays free for the wire. Most of them wait most of the time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

_T = TypeVar("_T")


class Workers:
    """A bounded number of threads. Work whose caller has gone away before its turn never starts.

    Args:
        threads: Pieces of work that run at the same time.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="xaisvc-worker")
        self._landing = _Landing()
        self._running = 0
        self._lock = threading.Lock()

    @property
    def running(self) -> int:
        """Pieces of work that run now, whether or not somebody still waits for them."""
        return self._running

    async def run(self, work: Callable[[], _T]) -> _T:
        """Runs blocking work in a thread and waits for it."""
        awaited: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        context = copy_context()  # so that the work knows the call it is for
        self._pool.submit(context.run, self._counted, work, awaited)
        return await awaited

    async def landed(self, made: Future[_T]) -> _T:
        """Waits, in no thread, for what another thread makes."""
        awaited: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        made.add_done_callback(lambda done: self._landing.land(awaited, done.result))
        return await awaited

    def _counted(self, work: Callable[[], _T], awaited: asyncio.Future[_T]) -> None:
        if awaited.done():  # its caller has gone away
            return
        with self._lock:
            self._running += 1
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the work is waited for
            outcome: Callable[[], _T] = partial(_raise, error)
        else:
            outcome = partial(_same, result)
        finally:
            with self._lock:
                self._running -= 1
        self._landing.land(awaited, outcome)

    def close(self) -> None:
        """Takes no more work. What runs goes on; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Landing:
    """Hands results to the event loop; those that come while it is busy wake it once, not each for itself."""

    def __init__(self) -> None:
        self._landed: deque[tuple[asyncio.Future[object], Callable[[], object]]] = deque()
        self._is_called = False

    def land(self, awaited: asyncio.Future[_T], result: Callable[[], _T]) -> None:
        """Gives a result, or raises what `result` raises, to whoever waits for `awaited`."""
        self._landed.append((awaited, result))  # type: ignore[arg-type]  # the pair belongs together
        if not self._is_called:
            self._is_called = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                awaited.get_loop().call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_called = False  # before looking, so that what lands from now on calls again
        while self._landed:
            awaited, result = self._landed.popleft()
            if awaited.done():
                continue
            try:
                awaited.set_result(result())
            except BaseException as error:  # noqa: BLE001 - as above
                awaited.set_exception(error)


def _same(result: _T) -> _T:
    return result


def _raise(error: BaseException) -> NoReturn:
    raise error
