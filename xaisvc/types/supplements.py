"""What views show beside the record: computed from the pinned bundle when a view is asked for, and never stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.counterfactual import RowCounterfactuals
    from xaisvc.types.outcomes import OutcomeBands
    from xaisvc.types.overview import Overview, ReaderRights, RowInteractions, SecondMethod


class Supplement(StrEnum):
    """Something that a section needs beside the record. Nobody pays for what none of their sections needs."""

    COUNTERFACTUALS = "counterfactuals"
    """What could change the decision."""

    SIMILAR_CASES = "similar_cases"
    """The closed cases of either outcome that are nearest."""

    BANDS = "bands"
    """What became of the cases of each band."""

    OVERVIEW = "overview"
    """How the model answers overall."""

    SECOND_METHOD = "second_method"
    """What another method says of the row."""

    INTERACTIONS = "interactions"
    """What pairs of players do together."""

    READERS = "readers"
    """What each other audience gets of the record."""

    UNUSED = "unused"
    """Which features the model is proven not to use."""

    STANDING = "standing"
    """Where the row's own values lie among those of the background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactStanding:
    """Where one value lies among rows that have a value of this feature, for example those of the background.

    Attributes:
        rows: How many rows have a value.
        below: How many have a lower one; 0 for a category or a missing value.
        equal: How many have the same; 0 for a missing value.
        missing: Whether the value is missing.
    """

    rows: int
    below: int
    equal: int
    missing: bool = False

    @property
    def is_outside(self) -> bool:
        """Whether no row has a value this high, or this low, or the same category."""
        return not self.missing and self.rows > 0 and self.equal == 0 and self.below in {0, self.rows}

    @property
    def rarity(self) -> float:
        """Share of the rows that are as far out or further, on the side of the value that is rarer; in [0, 1]."""
        if not self.rows:
            return 1.0
        return min(self.rows - self.below, self.below + self.equal) / self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class NearCase:
    """A closed case that is near to the row.

    Attributes:
        confirmed: Whether it was confirmed; otherwise it was cleared.
        closed: Day on which it was closed, in days since 1970-01-01.
        row: Feature id to value as the model was given it; only features that the reader may see.
        distance: From 0, the same in every feature, to 1.
        parts: Feature id to what it adds to the distance before it is weighted, from 0, the same, to 1.
        reference: What the case is called where it is filed; empty if not said.
        finding: What was found, in a few words; empty if not said.
        findings: Language to the same in it, for languages beside the one that it is noted in.
    """

    confirmed: bool
    closed: int
    row: Mapping[str, float | str | None]
    distance: float
    parts: Mapping[str, float]
    reference: str = ""
    finding: str = ""
    findings: Mapping[str, str] = field(default_factory=dict)

    def finding_in(self, language: str) -> str:
        """What was found, in `language` if it is noted in it."""
        return self.findings.get(language) or self.finding


@dataclass(frozen=True, slots=True, kw_only=True)
class NearCases:
    """The closed cases of either outcome that are nearest to one row, nearest first.

    Attributes:
        confirmed: Those that were confirmed.
        cleared: Those that were cleared.
        remote: Whether nothing like the row is on file; see `SimilarCases`.
        beyond: Ids of the features whose value lies far from that of every closed case: beyond their range by more than
            its width, or never met.
        on_file: How many closed cases there are of the first and of the second outcome.
    """

    confirmed: tuple[NearCase, ...]
    cleared: tuple[NearCase, ...]
    remote: bool
    on_file: tuple[int, int]
    beyond: tuple[str, ...] = ()


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
        overview: How the model answers overall, for the record's output, space and players.
        second_method: What another method says of the row.
        interactions: What pairs of players do together in the row.
        readers: What each other audience gets of the record.
        unused: Ids of the features that the graph proves to have no influence on the record's output.
        standing: Feature id to where the row's value lies among those of the background.
    """

    counterfactuals: RowCounterfactuals | None = None
    similar_cases: NearCases | None = None
    bands: OutcomeBands | None = None
    overview: Overview | None = None
    second_method: SecondMethod | None = None
    interactions: RowInteractions | None = None
    readers: tuple[ReaderRights, ...] | None = None
    unused: frozenset[str] | None = None
    standing: Mapping[str, FactStanding] | None = None


NO_SUPPLEMENTS = Supplements()
"""For views whose sections need nothing beside the record."""
