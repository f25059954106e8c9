"""What a metric is to the report: its words, and how it is computed from evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.evaluation.evidence import Evidence
    from xaisvc.evaluation.measures import RowScores

Observation = TypeVar("Observation")
Better = Literal["higher", "lower", "neither"]
Group = Literal["accuracy", "faithfulness", "stability", "robustness", "complexity"]
Part = Literal["values", "truth", "removed", "seeds", "backgrounds", "budgets", "neighbours", "again", "randomised",
               "with_noise", "copied", "retrained"]  # fmt: skip
"""The part of the evidence that a metric reads beside the attributions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        id: Stable name, as in results and threshold files.
        title: A few words for tables.
        group: What it is about.
        part: What it needs.
        better: Which way is better; `neither` for a description.
        unit: Unit of the number; empty for none. `output` is the explained unit.
        lowest: Lower end of its range.
        highest: Upper end of its range.
        source: Who defined it.
        shows: What it can show, one sentence.
        cannot_show: What it cannot show, one sentence.
        score: Computes it.
    """

    id: str
    title: str
    group: Group
    part: Part
    better: Better
    unit: str
    lowest: float
    highest: float
    source: str
    shows: str
    cannot_show: str
    score: Callable[[Evidence], RowScores]

    def of(self, evidence: Evidence) -> RowScores | None:
        """The metric's scores, or None if the evidence lacks its part."""
        return self.score(evidence) if getattr(evidence, self.part) is not None else None


def given(part: Observation | None) -> Observation:
    """A part of the evidence that `Metric.of` has found to be there."""
    assert part is not None  # noqa: S101 - `Metric.of` has looked
    return part
