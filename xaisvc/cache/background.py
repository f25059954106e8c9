"""A thread that writes what requests leave behind, so that no request waits for a disk or a server."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")

MAX_WAITING_BYTES = 16 * 2**20
"""What may wait to be written; more is dropped, because a cache that cannot keep up is not worth the memory."""


class BackgroundWriter(Generic[Item]):
    """Hands items to one writing function, in their order, as many at a time as wait. Bounded in bytes."""

    def __init__(
        self, name: str, write: Callable[[Sequence[Item]], None], *, max_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        """Starts nothing yet: the thread starts with the first item.

        Args:
            name: Of the thread.
            write: Writes items; called by one thread at a time; never raises.
            max_bytes: What may wait.
        """
        self._name = name
        self._write = write
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._waiting: list[Item] = []
        self._waiting_bytes = 0
        self._added = 0
        self._written = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, item: Item, size_bytes: int) -> bool:
        """Leaves an item to be written; False if too much waits already, and the item is forgotten."""
        with self._changed:
            if self._closed or self._waiting_bytes + size_bytes > self._max_bytes:
                return False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._waiting.append(item)
            self._waiting_bytes += size_bytes
            self._added += 1
            self._changed.notify_all()
            return True

    def flush(self, seconds: float) -> bool:
        """Waits until everything added before is written; False if that takes longer than so many seconds."""
        with self._changed:
            goal = self._added
            return self._changed.wait_for(lambda: self._written >= goal, timeout=seconds)

    def close(self, seconds: float) -> None:
        """Takes nothing more, and waits so many seconds at most until what waits is written."""
        end = time.monotonic() + seconds
        self.flush(seconds)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                items, self._waiting = self._waiting, []
                size_bytes = self._waiting_bytes  # counts as waiting until it is written
            self._write(items)
            with self._changed:
                self._waiting_bytes -= size_bytes
                self._written += len(items)
                self._changed.notify_all()
