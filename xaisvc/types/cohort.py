"""What many explanations say together, so that nothing of it can be read back to one person.

Every share is in whole percent, ends of intervals rounded outwards. Where a number is None, it was withheld: the group
behind it, or what is left when it is taken away from another one, is too small.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MIN_CELL = 20
"""Fewest persons that a published number may be about."""

ALARM_FLOOR = 0.05
"""Share of the influence from which protected facts are an alarm."""


class Comparison(StrEnum):
    """How one share stands to another, in a word."""

    HIGHER = "higher"
    LOWER = "lower"
    NOT_BEYOND_CHANCE = "not_beyond_chance"
    """The difference is no larger than what chance gives."""


class Extent(StrEnum):
    """How many of the records something holds for, where the number may not be told apart."""

    FEW = "few"
    """Fewer than the smallest cell, or none."""
    SOME = "some"
    NEARLY_ALL = "nearly_all"
    """All, or all but fewer than the smallest cell."""
    WITHHELD = "withheld"
    """Not told, so that nothing else can be worked out."""


class Strength(StrEnum):
    """How often a rule is right on records that it was not made from."""

    MORE_OFTEN = "more_often"
    """In less than two of three."""
    MOSTLY = "mostly"
    """In two of three, up to nine of ten."""
    NEARLY_ALWAYS = "nearly_always"


class Reason(StrEnum):
    """Why a number is withheld."""

    SMALL = "small"
    """Its group is too small, or another group's number could be worked out from it."""
    EARLIER = "earlier"
    """Taken from what was told before, it would tell of too few persons."""
    DOMINATED = "dominated"
    """One person makes most of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its 95 % confidence interval.

    Attributes:
        percent: The share, in whole percent.
        low: Lower end, in whole percent, rounded down.
        high: Upper end, in whole percent, rounded up.
    """

    percent: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days in UTC.

    Attributes:
        since: First day, ISO 8601; empty for the first record.
        until: Day after the last one, ISO 8601; empty for all complete days.
    """

    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The cohort that another one is compared with.

    Attributes:
        period: Its days; without bounds where the records were named.
        n: Number of persons.
    """

    period: Period
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One concept's part in what drove the outcomes.

    Attributes:
        concept: Id of the concept, or of the feature or player that stands alone; empty for several together.
        features: Ids of the features behind it.
        share: Share of the total absolute influence of everything that may be shown.
        against: Share of its own influence that counted towards the adverse side; where no side is adverse, towards a
            higher output.
    """

    concept: str
    features: tuple[str, ...]
    share: Share
    against: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityPart:
    """Share of the records at one level of reliability, or at several that are told as one.

    Attributes:
        levels: The levels, from `normal` to `unreliable`.
        share: Their share of the records.
    """

    levels: tuple[str, ...]
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class CaveatCount:
    """How many records have a caveat of one kind.

    Attributes:
        kind: Kind of the caveat.
        extent: How many, in a word.
        n: Number of records; None where only the word is told.
    """

    kind: str
    extent: Extent
    n: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What the records of a segment have in common: values of one feature, or bands.

    Attributes:
        values: Categories, bands, or `true` and `false`; empty for numbers.
        low: Smallest number, included; None for no bound.
        high: Largest number, not included; None for no bound.
        missing: Whether records without a value belong to it. Without values and bounds: only these; a cell with none
            of the three holds every record with a value.
    """

    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Some of the records, seen together.

    Attributes:
        cell: What they have in common.
        n: Number of records.
        share: Their share of the cohort, in whole percent.
        adverse: Share of them with the adverse decision; None if withheld, or without a threshold.
        adverse_compared: How that compares with all other records; None if withheld.
        reliability: Their levels of reliability; empty if withheld.
        weaker: How their share of explanations that are not normal compares with all other records; None if withheld.
    """

    cell: Cell
    n: int
    share: int
    adverse: Share | None
    adverse_compared: Comparison | None
    reliability: tuple[ReliabilityPart, ...]
    weaker: Comparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """The cohort, cut into segments that do not overlap and that hold every record.

    Attributes:
        by: Id of the feature, or `band`.
        segments: The segments; empty if withheld.
    """

    by: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is different from another cohort.

    Attributes:
        subject: What is compared: `adverse`, `normal` (explanations without limits), `driver`, or `segment` (its share
            of the records).
        concept: The driver's concept; empty for other subjects.
        by: What the segment is cut by; empty for other subjects.
        cell: The segment; None for other subjects.
        before: Share in the other cohort, in whole percent.
        now: Share in this one, in whole percent.
        low: Lower end of the interval of the difference, in percentage points; all intervals hold together with 95 %.
        high: Upper end.
        word: The difference in a word.
    """

    subject: str
    concept: str
    before: int
    now: int
    low: int
    high: int
    word: Comparison
    by: str = ""
    cell: Cell | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One test of a rule.

    Attributes:
        feature: Id of the feature.
        cell: The values that pass.
    """

    feature: str
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Where the model decides otherwise than it mostly does.

    Attributes:
        conditions: One or two; all must pass.
        covers: Share of the records that pass, in whole percent.
        strength: How often it is right on records that it was not made from, in a word.
        precision: The same in whole percent; None where that would tell of too few persons.
    """

    conditions: tuple[Condition, ...]
    covers: int
    strength: Strength
    precision: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules that stand in for the model: records that pass one of them get `outcome`, all others do not.

    Attributes:
        outcome: `adverse` or `favourable`; without a threshold `higher` or `lower` than the middle.
        rules: One to three.
        fidelity: Part of the decisions beyond the most frequent one that the rules get right, on records that they were
            not made from: (agreement - b) / (1 - b), where b is the share of the most frequent decision; in whole
            percent.
        agreement: Share of those records where rules and model agree, in whole percent.
    """

    outcome: str
    rules: tuple[Rule, ...]
    fidelity: int
    agreement: int


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What one audience did with the explanations of the cohort.

    Attributes:
        audience: Id of the audience.
        opened: Records of which a view was opened; None if withheld.
        judged: Records with a verdict; None if withheld.
        overridden: Share of those with a verdict where the last one deviates from the model; None if withheld.
        override_extent: The same in a word.
        unused: Share of those with a verdict where the explanation played no part; None if withheld.
        readers: Different readers; None if withheld.
        repeat_readers: Share of readers that opened views on two days or more; None if withheld.
        rarely_overridden: Whether so few of many verdicts deviate that readers may follow the model without judging.
    """

    audience: str
    opened: int | None
    judged: int | None
    overridden: Share | None
    override_extent: Extent
    unused: Share | None
    readers: int | None
    repeat_readers: Share | None
    rarely_overridden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that whoever answers for the model has to look into.

    Attributes:
        kind: `protected_influence`, or the kind of a caveat.
        features: Features concerned that may be shown.
        share: Their share of the influence; None for caveats.
        extent: How many records it holds for.
    """

    kind: str
    features: tuple[str, ...]
    share: Share | None
    extent: Extent


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Something that is not told.

    Attributes:
        what: Its place, for example `segments.purpose.adverse`.
        reason: Why.
    """

    what: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """An aggregate of explanations that no person can be read from.

    Attributes:
        bundle: Name of the bundle.
        bundle_version: Its owner's version.
        output: Id of the explained output.
        period: The days; without bounds where the records were named.
        n: Number of persons: records with the same row count once.
        adverse: Share with the adverse decision; None if withheld, or without a threshold.
        adverse_extent: The same in a word; None without a threshold.
        drivers: What drove the outcomes, largest share first; of explanations that may be relied on; empty if withheld.
        changes: What is different from the other cohort; empty without one.
        segments: The cohort cut by each feature that was asked for.
        reliability: Levels of reliability; levels that are too rare are told together. Empty if there is only one part.
        caveats: How many records have a caveat, kind by kind, in alphabetical order.
        rules: Rules that stand in for the model; None if no rules get decisions right beyond chance.
        people: What each audience did with the explanations, in alphabetical order.
        alarms: What has to be looked into.
        withheld: What is not told.
        left_out: Share of the period's explanations that answer another question, such as an earlier model or another
            method, in whole percent; None if it is too small a group to tell.
        against: The cohort that `changes` compares with; None for none.
        level: Level of reliability of nearly all explanations, where `reliability` is empty; empty if there is none.
    """

    bundle: str
    bundle_version: str
    output: str
    period: Period
    n: int
    adverse: Share | None
    adverse_extent: Extent | None
    drivers: tuple[Driver, ...]
    changes: tuple[Change, ...]
    segments: tuple[Segmentation, ...]
    reliability: tuple[ReliabilityPart, ...]
    caveats: tuple[CaveatCount, ...]
    rules: Rules | None
    people: tuple[People, ...]
    alarms: tuple[Alarm, ...]
    withheld: tuple[Withheld, ...]
    left_out: int | None = None
    against: Compared | None = None
    level: str = ""
