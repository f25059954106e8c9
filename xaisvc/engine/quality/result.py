"""What a quality report holds: frozen values that are written as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from xaisvc.evaluation import RowScores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.evaluation import Measure
    from xaisvc.evaluation.measures import Shape

FORM: Final = 2
"""Of the JSON. Reports of another form are not read."""
KIND: Final = "xaisvc quality report"

Outcome = Literal["measured", "not applicable", "refused", "failed", "out of time"]
Strength = Literal["strong", "weak", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Insertion and deletion, both ends included.

    Attributes:
        shares: Share of players inserted or removed, from 0 to 1.
        insertion: Share of the way from nobody's answer to the row's own.
        deletion: The same when players are taken away.
    """

    shares: tuple[float, ...]
    insertion: tuple[float, ...]
    deletion: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a measure rests on, row by row, so that two reports on the same rows can be compared row by row.

    Attributes:
        numerators: See `xaisvc.evaluation.RowScores`; None where the metric has no meaning for a row.
        denominators: The same; None for a mean.
        shape: The same.
    """

    numerators: tuple[float | None, ...]
    denominators: tuple[float | None, ...] | None
    shape: Shape

    def row_scores(self) -> RowScores:
        """The same as arrays."""
        above, below = (
            None if part is None else np.array([np.nan if one is None else one for one in part], dtype=np.float64)
            for part in (self.numerators, self.denominators)
        )
        assert above is not None  # noqa: S101 - every score has a numerator
        return RowScores(above, below, self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodQuality:
    """What was measured of one method.

    Attributes:
        name: Its name.
        kind: `ours`, `peer`, or for what stands beside methods so that scores can be judged: `reference` for the values
            that errors are measured against and `null` for values that mean nothing.
        package: The package it comes from.
        outcome: Whether it was measured.
        why: The reason, unless it was measured.
        exact: Whether its values are exact.
        detail: What ran.
        n_rows: Rows explained.
        budget: Coalitions per row, or samples for LIME; None where it takes none.
        evaluations_per_row: Model rows scored for each row.
        seconds: Wall time of the call that explained the rows.
        rows_per_s: Rows over that time.
        ready_s: Wall time of the first call, with one row.
        peak_memory_mib: Most memory of the process while it ran.
        measures: Metric to its number; metrics that need replaced values as `metric@background` and
            `metric@conditional`.
        scores: What each measure rests on, with five significant digits.
        curves: Replacement to its curves.
        notes: What could not be measured of it, and why.
    """

    name: str
    kind: str
    package: str
    outcome: Outcome
    why: str = ""
    exact: bool = False
    detail: str = ""
    n_rows: int = 0
    budget: int | None = None
    evaluations_per_row: float | None = None
    seconds: float | None = None
    rows_per_s: float | None = None
    ready_s: float | None = None
    peak_memory_mib: float | None = None
    measures: Mapping[str, Measure] = field(default_factory=dict)
    scores: Mapping[str, Scores] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPoint:
    """Error of a method at one budget.

    Attributes:
        method: Its name.
        budget: Coalitions per row.
        evaluations_per_row: Model rows scored for each row.
        error: Relative error against the reference, squares averaged over the seeds; its interval is over rows.
        seeds: The relative error with each seed; one for a method that knows no seed.
    """

    method: str
    budget: int
    evaluations_per_row: float
    error: Measure
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """The planner's choice against a peer, on the same rows with no more model rows than the peer takes.

    Attributes:
        peer: Name of the peer.
        budget: Coalitions per row of the peer.
        own_evaluations: Model rows per row that the planner's choice took.
        peer_evaluations: Model rows per row that the peer took.
        advantage: Relative error of the peer minus that of the planner's choice.
    """

    peer: str
    budget: int
    own_evaluations: float
    peer_evaluations: float
    advantage: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Whether the model is better than trivial rules.

    Attributes:
        target: `binary` or `number`.
        n_rows: Rows with labels.
        skills: Trivial rule to the model's skill score against it.
        strength: `none` where it beats not even the prior for sure, `weak` where some rule is not beaten for sure.
        statement: The finding in words.
    """

    target: str
    n_rows: int
    skills: Mapping[str, Measure]
    strength: Strength
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What errors are measured against.

    Attributes:
        method: That made it.
        exact: Whether it is the truth.
        n_rows: Rows that it covers.
        relative_standard_error: Its own error as a share of its values; 0 where it is exact.
    """

    method: str
    exact: bool
    n_rows: int
    relative_standard_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of methods with each other, in the order of `methods`; None where there is no number.

    Attributes:
        methods: Names.
        rank: Spearman correlation of sizes.
        sign: Share of the five leading factors that both have with the same sign.
        top: Share of the five leading factors that both have.
    """

    methods: tuple[str, ...]
    rank: tuple[tuple[float | None, ...], ...]
    sign: tuple[tuple[float | None, ...], ...]
    top: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """A quality report.

    Attributes:
        bundle: Name and version.
        output: Id of the output explained.
        space: Unit of the explained number.
        digests: SHA-256 of the bundle's parts, and a digest of the rows.
        rows: Rows at hand.
        features: Players.
        players: Who they are: `features`, `concepts`, `clusters` or `custom`.
        background_rows: b.
        settings: As asked for.
        reference: What errors are measured against; None if there is none.
        signal: None without labels.
        methods: In the order asked for, then what stands beside them.
        errors: Error against budget.
        contests: The planner's choice against peers.
        agreement: None if fewer than two methods were measured.
        complete: Whether everything asked for was done.
        seconds: Wall time of the last sitting.
        machine: Processor, CPUs, system.
        versions: Package to version.
        date: When it was finished, ISO 8601 in UTC.
    """

    bundle: str
    output: str
    space: str
    digests: Mapping[str, str]
    rows: int
    features: int
    players: str
    background_rows: int
    settings: Mapping[str, object]
    reference: Reference | None
    signal: Signal | None
    methods: tuple[MethodQuality, ...]
    errors: tuple[ErrorPoint, ...]
    contests: tuple[Contest, ...]
    agreement: Agreement | None
    complete: bool
    seconds: float
    machine: Mapping[str, object]
    versions: Mapping[str, str]
    date: str

    def to_json(self) -> dict[str, object]:
        """As plain values; a number that is not finite as None."""
        return {"kind": KIND, "form": FORM, **{name: plain(value) for name, value in asdict(self).items()}}


def plain(value: object) -> object:
    """A value as JSON has it: tuples as lists, numbers that are not finite as None."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
