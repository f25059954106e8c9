"""What was used last is kept, within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key; what was not used for longest makes room. Safe to use from several threads."""

    def __init__(self, most_bytes: int, n_bytes: Callable[[T], int]) -> None:
        """An empty store.

        Args:
            most_bytes: Bound of all values together. A value that is larger alone is handed out and not kept.
            n_bytes: Size of a value.
        """
        self._most_bytes = most_bytes
        self._n_bytes = n_bytes
        self._lock = threading.Lock()
        self._values: OrderedDict[bytes, T] = OrderedDict()

    def get(self, key: bytes, make: Callable[[], T]) -> T:
        """The value for `key`, made if it is not there. Two threads may make the same value; one of them is kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        made = make()
        if self._n_bytes(made) > self._most_bytes:
            return made
        with self._lock:
            self._values[key] = made
            while sum(map(self._n_bytes, self._values.values())) > self._most_bytes:
                self._values.popitem(last=False)
        return made
