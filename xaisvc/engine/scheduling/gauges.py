"""What the scheduler has done and is doing, in numbers."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BATCH_SIZE_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper ends of the classes in which batches are counted by their number of tasks; one more class holds the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerState:
    """One reading. Everything but the first six only ever grows.

    Attributes:
        waiting_tasks: Tasks with rows that wait.
        waiting_bulk_tasks: Those in the bulk lane among them.
        waiting_cost: Model rows that wait.
        waiting_s: Seconds until a new bulk task is thought to have its turn.
        running_batches: Batches that are being computed.
        live_threads: Compute threads that are alive.
        submitted: Tasks taken.
        answered: Tasks answered.
        failed: Tasks that failed by an error of their own computation.
        abandoned: Tasks whose caller left.
        late: Tasks whose deadline passed, before or after they were taken.
        refused: Tasks for which there was no room.
        dropped: Tasks still unanswered when the scheduler was closed.
        reruns: Computations repeated to find a task at fault.
        batches: Batches computed, reruns not counted.
        batch_tasks: Sum of the tasks in them.
        batch_rows: Sum of the rows in them.
        batch_cost: Sum of their cost, in model rows.
        batch_sizes: Number of batches in each class of `BATCH_SIZE_BOUNDS`, and of those above.
        waited_s: Sum of the seconds that tasks waited for their first batch.
        computed_s: Sum of the seconds spent in computations, reruns among them.
    """

    waiting_tasks: int
    waiting_bulk_tasks: int
    waiting_cost: int
    waiting_s: float
    running_batches: int
    live_threads: int
    submitted: int
    answered: int
    failed: int
    abandoned: int
    late: int
    refused: int
    dropped: int
    reruns: int
    batches: int
    batch_tasks: int
    batch_rows: int
    batch_cost: int
    batch_sizes: tuple[int, ...]
    waited_s: float
    computed_s: float


@dataclass(slots=True)
class Counts:
    """The numbers that grow. Whoever changes them holds the scheduler's lock."""

    submitted: int = 0
    answered: int = 0
    failed: int = 0
    abandoned: int = 0
    late: int = 0
    refused: int = 0
    dropped: int = 0
    reruns: int = 0
    batches: int = 0
    batch_tasks: int = 0
    batch_rows: int = 0
    batch_cost: int = 0
    batch_sizes: list[int] = field(default_factory=lambda: [0] * (len(BATCH_SIZE_BOUNDS) + 1))
    waited_s: float = 0.0
    computed_s: float = 0.0

    def count_batch(self, *, tasks: int, rows: int, cost: int) -> None:
        """Counts one batch that is about to be computed."""
        self.batches += 1
        self.batch_tasks += tasks
        self.batch_rows += rows
        self.batch_cost += cost
        self.batch_sizes[bisect_left(BATCH_SIZE_BOUNDS, tasks)] += 1

    def reading(  # noqa: PLR0913 - one number per gauge, all by name
        self,
        *,
        waiting_tasks: int,
        waiting_bulk_tasks: int,
        waiting_cost: int,
        waiting_s: float,
        running_batches: int,
        live_threads: int,
    ) -> SchedulerState:
        """These numbers together with those of the moment."""
        return SchedulerState(
            waiting_tasks=waiting_tasks,
            waiting_bulk_tasks=waiting_bulk_tasks,
            waiting_cost=waiting_cost,
            waiting_s=waiting_s,
            running_batches=running_batches,
            live_threads=live_threads,
            submitted=self.submitted,
            answered=self.answered,
            failed=self.failed,
            abandoned=self.abandoned,
            late=self.late,
            refused=self.refused,
            dropped=self.dropped,
            reruns=self.reruns,
            batches=self.batches,
            batch_tasks=self.batch_tasks,
            batch_rows=self.batch_rows,
            batch_cost=self.batch_cost,
            batch_sizes=tuple(self.batch_sizes),
            waited_s=self.waited_s,
            computed_s=self.computed_s,
        )
