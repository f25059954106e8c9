"""What views show beside the record: computed from the pinned bundle when a view is asked for, and never stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.counterfactual import RowCounterfactuals
    from xaisvc.types.outcomes import OutcomeBands


class Supplement(StrEnum):
    """Something that a section needs beside the record. Nobody pays for what none of their sections needs."""

    COUNTERFACTUALS = "counterfactuals"
    """What could change the decision."""

    SIMILAR_CASES = "similar_cases"
    """The closed cases of either outcome that are nearest."""

    BANDS = "bands"
    """What became of the cases of each band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearCase:
    """A closed case that is near to the row.

    Attributes:
        confirmed: Whether it was confirmed; otherwise it was cleared.
        closed: Day on which it was closed, in days since 1970-01-01.
        row: Feature id to value as the model was given it.
        distance: From 0, the same in every feature, to 1.
        parts: Feature id to what it adds to the distance before it is weighted, from 0, the same, to 1.
        reference: What the case is called where it is filed; empty if not said.
        finding: What was found, in a few words; empty if not said.
    """

    confirmed: bool
    closed: int
    row: Mapping[str, float | str | None]
    distance: float
    parts: Mapping[str, float]
    reference: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearCases:
    """The closed cases of either outcome that are nearest to one row, nearest first.

    Attributes:
        confirmed: Those that were confirmed.
        cleared: Those that were cleared.
        remote: Whether nothing like the row is on file; see `SimilarCases`.
        on_file: How many closed cases there are of the first and of the second outcome.
    """

    confirmed: tuple[NearCase, ...]
    cleared: tuple[NearCase, ...]
    remote: bool
    on_file: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplements:
    """What was supplied for one record; each is None if it was not needed or is not to be had.

    Not to be had is what the bundle does not bring, and everything of a bundle that is no longer the one that the
    record was made with.

    Attributes:
        counterfactuals: What could change the decision; all changes that the bundle declares, for a section to narrow
            down to what its reader may see.
        similar_cases: The nearest closed cases.
        bands: What became of the cases of each band of the record's output.
    """

    counterfactuals: RowCounterfactuals | None = None
    similar_cases: NearCases | None = None
    bands: OutcomeBands | None = None


NO_SUPPLEMENTS = Supplements()
"""For views whose sections need nothing beside the record."""
