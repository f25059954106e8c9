"""Looks for answers behind this process's memory, in a file or on a server: one thread, for all who ask at once."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")

_CLOSE_S = 1.0  # a look takes milliseconds; one that hangs is left behind


class Behind(Generic[Item]):
    """A thread that does for many at a time what an event loop must not wait for. It starts with the first item.

    Args:
        look: Does it, for as many items as wait; called by one thread at a time; never raises.
    """

    def __init__(self, look: Callable[[Sequence[Item]], None]) -> None:
        self._look = look
        self._waiting: SimpleQueue[Item | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def add(self, item: Item) -> bool:
        """Leaves an item to the thread; False if there is none any more."""
        if self._thread is None:
            self._start()
        if self._is_closed:
            return False
        self._waiting.put(item)
        return True

    def close(self) -> None:
        """Takes no more, and waits until what was left before is done, but not for long."""
        with self._lock:
            self._is_closed = True
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="look-behind", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        is_open = True
        while is_open:
            found = [self._waiting.get()]
            try:
                while True:
                    found.append(self._waiting.get_nowait())
            except Empty:
                pass
            is_open = None not in found
            items = [item for item in found if item is not None]
            if items:
                self._look(items)
