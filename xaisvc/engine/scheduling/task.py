"""What the scheduler is asked to do: some rows of one caller, to be computed together with others like them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Self

    from xaisvc.types import Interest


class Rows(Protocol):
    """Some rows that can be counted and cut; `xaisvc.types.Table` is one. The scheduler knows nothing else of them."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def take(self, indices: slice, /) -> Self:
        """The rows of a slice with both ends given and step 1."""
        ...


RowsT = TypeVar("RowsT", bound=Rows)
Answer = TypeVar("Answer")

Cancel: TypeAlias = Callable[[], bool]
"""Says yes once nobody waits for the result any more; asked between pieces of work."""

Compute: TypeAlias = Callable[[Sequence[RowsT], Cancel], Sequence[Sequence[Answer]]]
"""Computes the rows of several tasks at once.

It gets one payload per task and returns for each, in order, one answer per row. It may raise whatever it likes. Tasks
of the same key must bring functions that do the same: the batch is computed by the function of its first task.
"""


class Lane(enum.Enum):
    """How urgent a task is."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task(Generic[RowsT]):
    """Rows of one caller that one computation answers.

    Attributes:
        key: Tasks with equal keys may be computed together.
        rows: At least one row.
        cost: Work of all rows together, in model rows; at least 1. Each row costs the same.
        lane: How urgent it is.
        caller: Who asks; turns are shared out between callers by cost.
        interest: Whether the caller still waits, and until when by the scheduler's clock.
    """

    key: Hashable
    rows: RowsT
    cost: int
    lane: Lane
    caller: str
    interest: Interest

    def __post_init__(self) -> None:
        if len(self.rows) < 1:
            raise ValueError("a task needs at least one row")
        if self.cost < 1:
            raise ValueError(f"cost: {self.cost} model rows; a task costs at least 1")
