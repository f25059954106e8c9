"""Both lanes, and whose turn it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from xaisvc.engine.scheduling.lane import WaitingLane
from xaisvc.engine.scheduling.task import Answer, Lane, RowsT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xaisvc.engine.scheduling.entry import Entry, Piece


class WaitingLanes(Generic[RowsT, Answer]):
    """Interactive tasks go before bulk tasks, but where both wait one batch in `bulk_every` is a bulk one.

    Args:
        bulk_every: At least 2; with 2 the lanes take turns.
    """

    def __init__(self, bulk_every: int) -> None:
        self._bulk_every = bulk_every
        self._lanes: dict[Lane, WaitingLane[RowsT, Answer]] = {lane: WaitingLane() for lane in Lane}
        self._passed_over = 0  # batches taken in a row while bulk tasks waited
        self._next_deadline = float("inf")  # no waiting entry has an earlier one

    def __len__(self) -> int:
        """Number of tasks with rows that wait."""
        return sum(len(lane) for lane in self._lanes.values())

    def __iter__(self) -> Iterator[Entry[RowsT, Answer]]:
        """The entries of both lanes."""
        for lane in self._lanes.values():
            yield from lane

    def __getitem__(self, lane: Lane) -> WaitingLane[RowsT, Answer]:
        """One lane."""
        return self._lanes[lane]

    @property
    def cost(self) -> int:
        """Model rows that wait."""
        return sum(lane.cost for lane in self._lanes.values())

    def seconds_before(self, lane: Lane) -> float:
        """Seconds, on one thread, of what goes before a new task of this lane."""
        bulk = self._lanes[Lane.BULK].seconds if lane is Lane.BULK else 0.0
        return self._lanes[Lane.INTERACTIVE].seconds + bulk

    def add(self, entry: Entry[RowsT, Answer]) -> None:
        """Lets an entry wait."""
        self._lanes[entry.task.lane].add(entry)
        self._next_deadline = min(self._next_deadline, entry.task.interest.until)

    def discard(self, entry: Entry[RowsT, Answer]) -> None:
        """Takes an entry out; nothing happens if it does not wait."""
        self._lanes[entry.task.lane].discard(entry)

    def take_late(self, now: float) -> list[Entry[RowsT, Answer]]:
        """Takes out every entry whose deadline has passed. Looks at all of them only if there can be one."""
        if now < self._next_deadline:
            return []
        late = [entry for entry in self if now >= entry.task.interest.until]
        for entry in late:
            self.discard(entry)
        self._next_deadline = min((entry.task.interest.until for entry in self), default=float("inf"))
        return late

    def due(self) -> WaitingLane[RowsT, Answer]:
        """The lane that is next. Something must wait."""
        interactive, bulk = self._lanes[Lane.INTERACTIVE], self._lanes[Lane.BULK]
        if not len(interactive) or (len(bulk) and self._passed_over >= self._bulk_every - 1):
            return bulk
        return interactive

    def pick(self, max_cost: int) -> list[Piece[RowsT, Answer]]:
        """Takes out the next batch. Something must wait."""
        lane, bulk = self.due(), self._lanes[Lane.BULK]
        self._passed_over = self._passed_over + 1 if lane is not bulk and len(bulk) else 0
        return lane.pick(max_cost)
