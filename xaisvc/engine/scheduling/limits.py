"""How much a scheduler computes and keeps waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xaisvc.engine.scheduling.admission import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerLimits:
    """Limits of one scheduler.

    Attributes:
        threads: Compute threads.
        max_batch_cost: Model rows in one batch; what an urgent task may have to let go before it.
        max_batch_s: Seconds that a batch of more than some rows is thought to take at most. More saves nothing, and
            leaves other threads without work.
        bounds: How much may wait.
        bulk_every: Where both lanes wait, one batch in so many is a bulk one; at least 2.
        linger_s: Longest wait of an interactive task for others of its key, while fewer are there than lately were at
            the same time. Who is alone never waits.
        start_s_per_cost: Seconds per model row of a key of which nothing is known.
    """

    threads: int
    max_batch_cost: int
    bounds: Bounds
    bulk_every: int = 8
    max_batch_s: float = 1.0
    linger_s: float = 0.0
    start_s_per_cost: float = 1e-6

    def __post_init__(self) -> None:
        for name, least in (("threads", 1), ("max_batch_cost", 1), ("bulk_every", 2), ("linger_s", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: {getattr(self, name)} is less than {least}")
