"""CaveatBench: cases with known truth, and how often what is said about them is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT = "default"
"""Name of the thresholds that xaisvc comes with."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number beside its target.

    Attributes:
        name: What was measured.
        value: The number.
        count: Cases behind it.
        target: What it should be; None if there is no target.
        bound: Whether the target is the least or the most that the value should be.
        kind: A share of `count` cases, the mean over them, or the largest of them.
        setting: Name of the thresholds that it was measured with.
    """

    name: str
    value: float
    count: int
    target: float | None = None
    bound: Literal["least", "most"] = "least"
    kind: Literal["share", "mean", "largest"] = "share"
    setting: str = DEFAULT

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.bound == "least" else self.value <= self.target


def share(  # noqa: PLR0913, PLR0917 - what a figure is made of
    name: str,
    hits: float,
    count: int,
    target: float | None = None,
    bound: Literal["least", "most"] = "least",
    setting: str = DEFAULT,
) -> Figure:
    """The figure of so many hits among so many cases; of none too, which counts for nothing in sums."""
    return Figure(name, hits / count if count else 0.0, count, target, bound, setting=setting)
