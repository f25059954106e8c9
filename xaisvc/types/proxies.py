"""Which features tell a protected attribute that the model was not given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """How well something tells a protected attribute.

    Attributes:
        source: What tells: the feature's id, or a name for a set of features.
        features: The features behind it.
        group: The group that it tells best from all others.
        area: Cross-fitted area under the ROC curve for that group; 0.5 tells nothing, 1 everything.
        area_error: Standard error of an area where nothing is told.
        p_value: Chance of an area as large for any group by any of the ways that were tried, if nothing is told.
        share: Share of the model's mean absolute attribution that the features hold; NaN if not known.
        tells: Whether the attribute is told: more than chance over everything that was looked at, and an area of at
            least 0.55.
        matters: Whether it is told by something the model leans on: `tells`, and a share of at least 0.05 or unknown.
    """

    source: str
    features: tuple[str, ...]
    group: str
    area: float
    area_error: float
    p_value: float
    share: float
    tells: bool
    matters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """What tells one protected attribute.

    Attributes:
        attribute: Its name.
        rows: Rows for which it is known.
        groups: Groups that were told apart, and their numbers of rows.
        too_small: Groups with too few rows to say anything about.
        features: One for each feature, strongest first.
        clusters: One for each cluster that was handed in, strongest first.
        together: All features together; None if it cannot be told.
        score: The model's score; None if it was not handed in, or cannot be told.
        refusal: Why nothing can be told; empty if it can.
    """

    attribute: str
    rows: int
    groups: tuple[tuple[str, int], ...]
    too_small: tuple[str, ...]
    features: tuple[Proxy, ...]
    clusters: tuple[Proxy, ...]
    together: Proxy | None
    score: Proxy | None
    refusal: str
