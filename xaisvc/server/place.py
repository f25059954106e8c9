"""Which of the processes of a service this one is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One process among those of a service.

    Attributes:
        index: Its number, from 0.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def is_alone(self) -> bool:
        """Whether there are no others."""
        return self.count == 1
