"""The explanation record: everything about one explained row, from which every view is made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from xaisvc.types.fact_dates import FactDates
from xaisvc.types.schema import Space


class Severity(StrEnum):
    """How far a caveat limits the use of an attribution.

    `info` is context; `care` asks the reader to read with care; `unreliable` means reasons must not be given.
    """

    INFO = "info"
    CARE = "care"
    UNRELIABLE = "unreliable"

    @property
    def rank(self) -> int:
        """Place among severities, the most severe first: 0, 1 or 2."""
        return _RANKS[self]


_RANKS = {Severity.UNRELIABLE: 0, Severity.CARE: 1, Severity.INFO: 2}


class Gate(StrEnum):
    """What a caveat keeps from customers, whatever a view would like to say."""

    NO_REASONS = "no_reasons"
    """No reasons at all are given from this answer."""

    NOT_A_REASON = "not_a_reason"
    """The players of the caveat, one by one or together, are never a reason."""

    NO_RANKING = "no_ranking"
    """The players of the caveat are never ranked among each other: they are named together or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustNumber:
    """A number that holds where those of single players do not.

    Attributes:
        players: The players it is about, together.
        value: Sum of their attributions, in the record's space.
        low: Lower end of the interval that is to hold it under both value functions.
        high: Upper end.
    """

    players: tuple[str, ...]
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Caveat:
    """A typed, evidenced warning about one attribution.

    Attributes:
        kind: Stable name, for example `shared_credit`.
        severity: How far it limits the use.
        players: Players concerned, may be empty for the whole answer.
        message: What is the matter, for data scientists, in English; the figures are in `evidence` and `robust`.
        evidence: Figures behind it, name to number.
        robust: What to read instead; None where there is nothing better.
        gates: What it keeps from customers.
        model_rows: Model rows that were scored for it, beside those of the explanation.
    """

    kind: str
    severity: Severity
    players: tuple[str, ...] = ()
    message: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    robust: RobustNumber | None = None
    gates: tuple[Gate, ...] = ()
    model_rows: int = 0

    @property
    def id(self) -> str:
        """Name of the finding: the same for the same kind and players in every answer, for example to mute it."""
        digest = hashlib.sha256("\0".join((self.kind, *sorted(self.players))).encode()).hexdigest()
        return f"{self.kind}-{digest[:8]}"


class Level(StrEnum):
    """How far an answer may be relied on."""

    NORMAL = "normal"
    CARE = "care"
    """Read with care."""
    UNRELIABLE = "unreliable"
    """Not reliable: reasons must not be given."""


def reliability_level(caveats: Iterable[Caveat]) -> Level:
    """The level that follows from an answer's caveats: that of the most severe one, `info` counting for nothing."""
    severities = {caveat.severity for caveat in caveats}
    if Severity.UNRELIABLE in severities:
        return Level.UNRELIABLE
    return Level.CARE if Severity.CARE in severities else Level.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """SHA-256 of the pinned files, in hexadecimal."""

    model: str
    background: str
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedOutput:
    """The model's answer for the row.

    Attributes:
        id: Id of the output.
        prediction: The number in the output tensor, in `prediction_space`.
        prediction_space: Unit of the tensor's own numbers.
        band: Id of the band that holds the prediction; empty without bands.
        adverse: Whether the prediction leads to the adverse decision; None without a threshold.
    """

    id: str
    prediction: float
    prediction_space: Space
    band: str = ""
    adverse: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerValue:
    """One player's share.

    Attributes:
        player: Name of the player.
        features: Feature ids it stands for.
        value: Attribution in the record's space.
        standard_error: Its standard error, 0 if exact.
        portfolio_mean_abs: Mean absolute attribution of this player over the portfolio sample; None if not known.
    """

    player: str
    features: tuple[str, ...]
    value: float
    standard_error: float = 0.0
    portfolio_mean_abs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttribution:
    """The numbers and how they were made.

    Attributes:
        method: Method that ran.
        exact: Whether the values are exact under the value function.
        value_function: `interventional`, or `local_surrogate` for LIME.
        space: Unit of value, base value and output.
        base_value: Mean output over the background (LIME: intercept of the surrogate).
        output: The explained number.
        players_kind: Where the grouping comes from.
        players: One entry per player, in the order of the schema.
        model_evaluations: Model rows scored for this row.
        seed: The caller's seed.
        budget: The budget in words, for example `2048 coalitions`; empty for exact methods.
        detail: How and why the method was chosen.
        diagnostics: For example LIME's fidelity.
    """

    method: str
    exact: bool
    value_function: str
    space: Space
    base_value: float
    output: float
    players_kind: str
    players: tuple[PlayerValue, ...]
    model_evaluations: int
    seed: int
    budget: str = ""
    detail: str = ""
    diagnostics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """The same output over a sample of the background, so that one case can be seen against many.

    Attributes:
        rows: Number of background rows behind the figures.
        mean_prediction: Mean of the output tensor, in the unit of the tensor.
        adverse_share: Share of rows with the adverse decision; None without a threshold.
        rank_share: Share of rows whose prediction is lower than this row's.
    """

    rows: int
    mean_prediction: float
    adverse_share: float | None
    rank_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationRecord:
    """Everything about one explained row.

    Attributes:
        id: Identifier given by the service or the library; unique.
        created_at: Time of the answer, ISO 8601 in UTC.
        bundle: Name of the bundle.
        bundle_version: Its owner's version.
        digests: What was pinned.
        device: What the model ran on, `cpu` or `cuda`.
        answer_version: Version of the code's answers; changes whenever numbers may change.
        row: Feature id to value as validated; float, text, or None for missing.
        output: The model's answer.
        attribution: The numbers.
        caveats: Warnings, most severe first.
        portfolio: The portfolio context; None if the bundle has none.
        fact_dates: Feature id to the day that its value is from, where the caller said it.
    """

    id: str
    created_at: str
    bundle: str
    bundle_version: str
    digests: Digests
    device: str
    answer_version: int
    row: Mapping[str, float | str | None]
    output: ExplainedOutput
    attribution: RecordedAttribution
    caveats: tuple[Caveat, ...] = ()
    portfolio: Portfolio | None = None
    fact_dates: FactDates = field(default_factory=dict)

    @property
    def reliability(self) -> Level:
        """How far the answer may be relied on; see `reliability_level`."""
        return reliability_level(self.caveats)
