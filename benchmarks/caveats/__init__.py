"""CaveatBench: cases with known truth, and how often what is said about them is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number beside its target.

    Attributes:
        name: What was measured.
        value: The number.
        count: Cases behind it.
        target: What it should be; None if there is no target.
        bound: Whether the target is the least or the most that the value should be.
    """

    name: str
    value: float
    count: int
    target: float | None = None
    bound: Literal["least", "most"] = "least"

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.bound == "least" else self.value <= self.target
