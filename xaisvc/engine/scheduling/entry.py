"""A task on its way through the scheduler, and the pieces in which its rows are computed."""

from __future__ import annotations

import itertools
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from xaisvc.engine.scheduling.task import Answer, RowsT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.engine.scheduling.task import Compute, Task


class Entry(Generic[RowsT, Answer]):
    """One task that was taken. Whoever changes it holds the scheduler's lock.

    Attributes:
        task: What is asked.
        compute: Computes it, and others with the same key.
        future: Where the answers go. It counts as running from the start, so that only the interest can end it.
        number: Place in the order of arrival.
        submitted_at: Reading of the clock.
        estimate_s: Seconds that the whole task is thought to take.
        next_row: The first row that is in no piece yet.
        done: Whether the future has its answer, or is about to; set once, by whoever then resolves the future.
    """

    __slots__ = (
        "__weakref__",
        "_answers",
        "_known",
        "_size",
        "compute",
        "done",
        "estimate_s",
        "future",
        "next_row",
        "number",
        "submitted_at",
        "task",
    )

    def __init__(
        self,
        task: Task[RowsT],
        compute: Compute[RowsT, Answer],
        *,
        number: int,
        submitted_at: float,
        estimate_s: float,
    ) -> None:
        self.task = task
        self.compute = compute
        self.number = number
        self.submitted_at = submitted_at
        self.estimate_s = estimate_s
        self.future: Future[list[Answer]] = Future()
        self.future.set_running_or_notify_cancel()
        self.next_row = 0
        self.done = False
        self._size = len(task.rows)
        self._answers: dict[int, Sequence[Answer]] = {}
        self._known = 0

    def __len__(self) -> int:
        """Number of rows."""
        return self._size

    @property
    def is_cut_up(self) -> bool:
        """Whether every row is in a piece."""
        return self.next_row >= self._size

    @property
    def cost_left(self) -> int:
        """Cost of the rows that are in no piece yet, in model rows."""
        return self.task.cost - self.cost_before(self.next_row)

    @property
    def seconds_left(self) -> float:
        """Seconds that the rows which are in no piece yet are thought to take."""
        return self.estimate_s * self.cost_left / self.task.cost

    def cost_before(self, row: int) -> int:
        """Cost of the rows before `row`: whole numbers that add up to the task's cost however it is cut."""
        return self.task.cost * row // self._size

    def wanted(self, now: float) -> bool:
        """Whether somebody still waits for the answer."""
        return not self.done and not self.task.interest.gone and now < self.task.interest.until

    def cut(self, room: int, *, whole: bool) -> Piece[RowsT, Answer] | None:
        """Takes the next piece that costs at most `room`; with `whole`, all that is left or nothing.

        Without `whole` it takes one row at least, however much it costs.
        """
        start, stop = self.next_row, self._size
        if self.cost_left > room:
            if whole:
                return None
            stop = min(stop, start + max(1, room * self._size // self.task.cost))
        self.next_row = stop
        return Piece(self, start, stop)

    def keep(self, piece: Piece[RowsT, Answer], answers: Sequence[Answer]) -> bool:
        """Keeps the answers of one piece and says whether they were the last."""
        self._answers[piece.start] = answers
        self._known += piece.stop - piece.start
        return self._known >= self._size

    def answers(self) -> list[Answer]:
        """All answers in the order of the rows."""
        return list(itertools.chain.from_iterable(self._answers[start] for start in sorted(self._answers)))

    def resolve(self, outcome: list[Answer] | Exception) -> None:
        """Resolves the future; without the lock, since it calls whoever listens. What they raise is theirs."""
        try:
            if isinstance(outcome, Exception):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)
        except BaseException:  # noqa: BLE001, S110 - the future is resolved by then, and the thread must live on
            pass


@dataclass(frozen=True, slots=True, eq=False)
class Piece(Generic[RowsT, Answer]):
    """Rows of one entry that are computed at once: from `start` up to, not including, `stop`."""

    entry: Entry[RowsT, Answer]
    start: int
    stop: int

    def __len__(self) -> int:
        """Number of rows."""
        return self.stop - self.start

    @property
    def cost(self) -> int:
        """Cost in model rows."""
        return self.entry.cost_before(self.stop) - self.entry.cost_before(self.start)

    def rows(self) -> RowsT:
        """The rows."""
        rows = self.entry.task.rows
        return rows if len(self) == len(self.entry) else rows.take(slice(self.start, self.stop))
