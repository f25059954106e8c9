"""Identifiers of the rows of a batch, made when somebody reads them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import overload


class RowIds(Sequence[str]):
    """One identifier per row, the same at every reading.

    Identifiers are made in the order of the rows, up to the furthest that was read: most of a million rows are never
    asked for theirs, and a counter that stands in for chance gives the first row its first number.
    """

    def __init__(self, count: int, new_id: Callable[[], str]) -> None:
        self._count = count
        self._new_id = new_id
        self._made: list[str] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of rows n."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        """The identifier of one row, or of several for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(self._count)[index])
        place = range(self._count)[index]
        if place >= len(self._made):
            with self._lock:
                while place >= len(self._made):
                    self._made.append(self._new_id())
        return self._made[place]
