"""The tasks of one lane that wait, in an order that is fair between callers."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic

from xaisvc.engine.scheduling.task import Answer, RowsT

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from xaisvc.engine.scheduling.entry import Entry, Piece

_REMEMBERED = 64  # idle callers kept before those without meaning are forgotten


class _Line(Generic[RowsT, Answer]):
    """What one caller has waiting, and the cost served to them so far, on the lane's scale."""

    __slots__ = ("by_key", "entries", "name", "served")

    def __init__(self, name: str, served: int) -> None:
        self.name = name
        self.served = served
        self.entries: OrderedDict[Entry[RowsT, Answer], None] = OrderedDict()
        self.by_key: dict[Hashable, OrderedDict[Entry[RowsT, Answer], None]] = {}

    @property
    def head(self) -> Entry[RowsT, Answer]:
        return next(iter(self.entries))

    def rank(self) -> tuple[int, int]:
        """Least served first; among equals, who waits longest."""
        return self.served, self.head.number


class WaitingLane(Generic[RowsT, Answer]):
    """Start-time fair queueing: the caller who was served least goes first, counted in cost, not in tasks.

    Two callers who both have work waiting are never further apart than the largest piece of each. Who comes back after
    a pause starts where the others are, never earlier than where they stopped: being away earns nothing. (P. Goyal,
    H. M. Vin, H. Cheng: Start-time fair queueing, SIGCOMM 1996.)

    Attributes:
        cost: Model rows that wait.
        seconds: Seconds they are thought to take on one thread.
    """

    def __init__(self) -> None:
        self.cost = 0
        self.seconds = 0.0
        self._tasks = 0
        self._turn = 0  # where on the scale of served cost the lane is
        self._lines: dict[str, _Line[RowsT, Answer]] = {}
        self._by_key: dict[Hashable, dict[str, _Line[RowsT, Answer]]] = {}
        self._key_cost: dict[Hashable, int] = {}
        self._stopped_at: dict[str, int] = {}  # callers with nothing waiting, who were served past the turn

    def __len__(self) -> int:
        """Number of tasks with rows that wait."""
        return self._tasks

    def __iter__(self) -> Iterator[Entry[RowsT, Answer]]:
        """The entries, caller by caller."""
        for line in self._lines.values():
            yield from line.entries

    def tasks_of(self, caller: str) -> int:
        """Number of tasks of one caller."""
        line = self._lines.get(caller)
        return 0 if line is None else len(line.entries)

    def cost_of(self, key: Hashable) -> int:
        """Model rows that wait under one key."""
        return self._key_cost.get(key, 0)

    def tasks_under(self, key: Hashable) -> int:
        """Number of tasks that wait under one key."""
        return sum(len(line.by_key[key]) for line in self._by_key.get(key, {}).values())

    def add(self, entry: Entry[RowsT, Answer]) -> None:
        """Lets an entry wait, behind what its caller has waiting already."""
        key, caller = entry.task.key, entry.task.caller
        lines = self._by_key.setdefault(key, {})
        line = self._lines.get(caller)
        if line is None:
            line = _Line(caller, max(self._turn, self._stopped_at.pop(caller, 0)))
            self._lines[caller] = line
        line.entries[entry] = None
        line.by_key.setdefault(key, OrderedDict())[entry] = None
        lines[caller] = line
        self._key_cost[key] = self._key_cost.get(key, 0) + entry.cost_left
        self._tasks += 1
        self.cost += entry.cost_left
        self.seconds += entry.seconds_left

    def discard(self, entry: Entry[RowsT, Answer]) -> None:
        """Takes an entry out, with all its rows that are in no piece yet; nothing happens if it does not wait."""
        line = self._lines.get(entry.task.caller)
        if line is not None and entry in line.entries:
            self._count_out(entry, entry.cost_left, entry.seconds_left)
            self._remove(line, entry)

    def head(self) -> Entry[RowsT, Answer]:
        """The entry that is first in the next batch. There must be one."""
        return min(self._lines.values(), key=_Line.rank).head

    def pick(self, max_cost: int) -> list[Piece[RowsT, Answer]]:
        """Takes out the next batch: pieces of one key, together at most `max_cost`, in fair order.

        Only the first task of a batch is ever cut; one row always goes in, however much it costs.
        """
        first = min(self._lines.values(), key=_Line.rank)
        key = first.head.task.key
        self._turn = max(self._turn, first.served)
        lines = [(line.served, next(iter(line.by_key[key])).number, line) for line in self._by_key[key].values()]
        heapq.heapify(lines)
        pieces: list[Piece[RowsT, Answer]] = []
        room = max_cost
        while lines and room > 0:
            _, _, line = heapq.heappop(lines)
            entry = next(iter(line.by_key[key]))
            seconds = entry.seconds_left
            piece = entry.cut(room, whole=bool(pieces))
            if piece is None:
                continue
            pieces.append(piece)
            room -= piece.cost
            line.served += piece.cost
            self._count_out(entry, piece.cost, seconds - entry.seconds_left)
            if entry.is_cut_up:
                self._remove(line, entry)
            if key in line.by_key:
                heapq.heappush(lines, (line.served, next(iter(line.by_key[key])).number, line))
        return pieces

    def _count_out(self, entry: Entry[RowsT, Answer], cost: int, seconds: float) -> None:
        self.cost -= cost
        self.seconds = max(0.0, self.seconds - seconds)
        self._key_cost[entry.task.key] -= cost

    def _remove(self, line: _Line[RowsT, Answer], entry: Entry[RowsT, Answer]) -> None:
        key = entry.task.key
        self._tasks -= 1
        del line.entries[entry]
        del line.by_key[key][entry]
        if not line.by_key[key]:
            del line.by_key[key]
            del self._by_key[key][line.name]
            if not self._by_key[key]:
                del self._by_key[key], self._key_cost[key]
        if not line.entries:
            del self._lines[line.name]
            self._stopped_at[line.name] = line.served
            self._forget()

    def _forget(self) -> None:
        """Drops what is known of idle callers where it has no meaning any more."""
        if not self._lines:  # nobody is owed anything, so the scale may begin anew
            self._stopped_at.clear()
            self._turn = 0
            self.seconds = 0.0
        elif len(self._stopped_at) > _REMEMBERED + 2 * len(self._lines):
            self._stopped_at = {name: served for name, served in self._stopped_at.items() if served > self._turn}
