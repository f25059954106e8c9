"""What the scheduler carries for a request: its rows, where their answers go, and when they had their turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.cache import ExplanationCache
    from xaisvc.types import Table


@dataclass(frozen=True, slots=True, eq=False)
class Payload:
    """Rows to be computed, all of a task or a slice of them.

    Attributes:
        table: The rows.
        keys: Name of each row's answer in a cache; empty if the answers are not kept.
        cache: Where the answers are kept.
        began: When slices of the task were begun, in seconds by the clock of who computes; shared by all slices.
    """

    table: Table
    keys: Sequence[bytes] = ()
    cache: ExplanationCache | None = None
    began: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.table)

    def take(self, indices: slice, /) -> Payload:
        """The rows of a slice."""
        return Payload(self.table.take(indices), self.keys[indices], self.cache, self.began)
