"""Random bytes of the system, drawn many at a time."""

from __future__ import annotations

import os
import threading
from typing import Final

_DRAWN: Final = 4096


class Randomness:
    """Gives random bytes, none of them twice, nor in a forked process. Safe to use from several threads.

    Whoever asks the system lets go of the interpreter, and where others compute waits to get it back for much longer
    than the system takes: one draw serves many.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn = b""
        self._place = 0
        self._process = os.getpid()

    def take(self, count: int) -> bytes:
        """So many bytes."""
        with self._lock:
            stop = self._place + count
            if stop > len(self._drawn) or self._process != os.getpid():
                self._drawn, self._place, stop = os.urandom(max(_DRAWN, count)), 0, count
                self._process = os.getpid()
            found = self._drawn[self._place : stop]
            self._place = stop
            return found
