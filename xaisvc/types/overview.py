"""How a model answers overall, and what a second look at one row says: the context of a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.association import Power


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one feature is spread over the background.

    Attributes:
        feature: Its id.
        rows: Background rows b.
        missing: Share of them without a value.
        quantiles: Quantiles 0, 1, ... 100 % of a number, in its own unit; empty for categories and truth values.
        shares: Level, as text, to share of the rows that have a value, most frequent first; None for a number.
    """

    feature: str
    rows: int
    missing: float
    quantiles: tuple[float, ...] = ()
    shares: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmPoint:
    """One sampled row in a beeswarm.

    Attributes:
        value: Attribution, in the overview's space.
        level: Where the feature's value lies in the sample, the share of the other values below it in [0, 1]; None for
            a category, a missing value and players of several features.
    """

    value: float
    level: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlayerOverview:
    """One player's attributions over the sampled rows.

    Attributes:
        player: Its name.
        features: Features that it stands for.
        mean_abs: Mean absolute attribution, in the overview's space.
        mean_abs_error: Standard error of `mean_abs` from the number of sampled rows.
        points: One point for each sampled row, ascending by attribution: the points of two players cannot be put
            together to a row.
        trend: Spearman's correlation of value and attribution; None for a category, a constant and several features.
    """

    player: str
    features: tuple[str, ...]
    mean_abs: float
    mean_abs_error: float
    points: tuple[SwarmPoint, ...]
    trend: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEffect:
    """The attributions of the sampled rows that have one level of a category.

    Attributes:
        level: The level; empty for missing.
        rows: How many sampled rows have it.
        mean: Their mean attribution.
        low: Smallest attribution.
        high: Largest attribution.
    """

    level: str
    rows: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dependence:
    """How one feature's attribution goes with its value, over the sampled rows.

    Attributes:
        feature: Its id.
        points: Value and attribution of each sampled row with a value, ascending; empty for a category.
        levels: The levels of a category, most frequent first; empty for a number.
        interplay: Share of the attribution's variance that the feature's own value does not explain, in [0, 1]: within
            levels, or within tenths of the values. What is left is due to other features. None where it is not told.
    """

    feature: str
    points: tuple[tuple[float, float], ...] = ()
    levels: tuple[LevelEffect, ...] = ()
    interplay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Two sets of features joined in a dendrogram.

    Attributes:
        first: Place of the first feature of the joined set in `AssociationMap.features`.
        left: Place, in units of features, where the first of the two sets hangs.
        right: Where the other hangs.
        left_height: Distance 1 - mean effect at which the first was made; 0 for a feature.
        right_height: The same of the other.
        height: Distance at which they are joined, in [0, 1].
    """

    first: int
    left: float
    right: float
    left_height: float
    right_height: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AssociationMap:
    """How features of the background go together, ready to be drawn.

    Attributes:
        features: Ids in the order of the dendrogram's leaves.
        effect: Strength of each pair in [0, 1], in that order, 1 on the diagonal.
        linked: Whether independence of a pair is refuted.
        merges: The dendrogram by average linkage over 1 - effect, lowest first.
        clusters: Sets of features that the study found to go together, of all features.
        left_out: Features that are not drawn: those with the smallest mean absolute attributions.
        rows: Background rows studied.
        power: What this number of rows lets the study see.
        detectable: Smallest correlation that would have been found in 95 of 100 such tables.
    """

    features: tuple[str, ...]
    effect: tuple[tuple[float, ...], ...]
    linked: tuple[tuple[bool, ...], ...]
    merges: tuple[Merge, ...]
    clusters: tuple[tuple[str, ...], ...]
    left_out: int
    rows: int
    power: Power
    detectable: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerStability:
    """How one player's values depend on what was drawn.

    Attributes:
        background_error: Usual standard error of its value from the draw of the background rows, in the overview's
            space.
        interplay: Usual share of its value that depends on the other players, in [0, 1].
    """

    background_error: float
    interplay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A bundle's model over a sample of its background, for one output in one space and some players.

    Attributes:
        rows: Sampled rows.
        background_rows: Rows of the background that they are from, evenly spaced.
        method: Method that attributed them.
        exact: Whether its values are exact.
        model_rows: Model rows scored for it.
        players: The players, largest mean absolute attribution first.
        dependence: The strongest players of one feature, in the same order.
        association: How the features go together.
        profiles: Feature id to its spread over the background.
        stability: Player to how its values depend on the draw; empty where it is not known.
    """

    rows: int
    background_rows: int
    method: str
    exact: bool
    model_rows: int
    players: tuple[PlayerOverview, ...]
    dependence: tuple[Dependence, ...]
    association: AssociationMap
    profiles: Mapping[str, Profile]
    stability: Mapping[str, PlayerStability]

    def usual(self, player: str) -> float | None:
        """Mean absolute attribution of a player; None if it is not one of these players."""
        return next((one.mean_abs for one in self.players if one.player == player), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairInteraction:
    """What two players do together, beside what each does alone.

    Attributes:
        players: The two.
        value: Pairwise Shapley interaction of the row, both halves together, in the record's space.
    """

    players: tuple[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RowInteractions:
    """The pairwise Shapley interactions of one row; exact.

    Attributes:
        pairs: All pairs that are not 0, largest absolute value first.
        main: Player to its main effect: its attribution less its half of each of its interactions.
        players: Number of players p.
    """

    pairs: tuple[PairInteraction, ...]
    main: Mapping[str, float]
    players: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondMethod:
    """The same row by another method, and how far the two agree; see `xaisvc.caveats.method_agreement`.

    Attributes:
        method: The other method.
        value_function: What it answers: `interventional` or `local_surrogate`.
        exact: Whether its values are exact.
        values: Player to value, in the record's space.
        standard_errors: Player to standard error of it.
        diagnostics: The method's own, for example `r2` of a local surrogate.
        material_players: Players with a material share under at least one method.
        kendall_tau: Rank correlation of their absolute values; None where it means nothing.
        sign_agreement: Share of them whose signs do not conflict; None if there are none.
        leader_agreement: Share of the leading ones that lead under both; None if there are none.
        conflicting: Players whose signs conflict.
        disputed: Players that are among the three largest under one method only.
        model_rows: Model rows scored for it.
        seed: Its seed.
    """

    method: str
    value_function: str
    exact: bool
    values: Mapping[str, float]
    standard_errors: Mapping[str, float]
    diagnostics: Mapping[str, float]
    material_players: int
    kendall_tau: float | None
    sign_agreement: float | None
    leader_agreement: float | None
    conflicting: tuple[str, ...]
    disputed: tuple[str, ...]
    model_rows: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRights:
    """What one audience gets of a record.

    Attributes:
        audience: Its id.
        labels: Language to its name.
        status: Status of its view of this record, such as `complete` or `held_for_review`; `not_concerned` if the
            bundle has no views for it, `many_only` if it reads about many records and nothing of one.
        actions: Feature id to what happens to it in its views: `show`, `generalise`, `hide`, `hold` or
            `closed`.
        kept_back: Players that a caveat of this record keeps from being given as reasons to it.
    """

    audience: str
    labels: Mapping[str, str]
    status: str
    actions: Mapping[str, str]
    kept_back: tuple[str, ...] = ()
