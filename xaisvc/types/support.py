"""What a background supports: which rows are like it, and whether mixtures of its rows are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Each feature's distribution by itself, as normal scores at knots.

    The normal score of a value v is z = Phi^-1(F(v)) with F the background's distribution function, in the middle of
    its step where values repeat. A category counts as the place of its level in `Support.levels`; a level's score
    follows from the order of levels that goes best with the other features. A missing value has score 0.

    Attributes:
        knots: Values, ascending, filled up with infinity; for a category the places 0, 1, ...; float64, (p, g).
        scores: Normal scores at the knots, the last one repeated where knots are filled up; float64, (p, g).
        reach: Largest absolute normal score.
        discrete: Whether a feature has so few values that each is a cell of its own; bool, (p,).
    """

    knots: NDArray[np.float64]
    scores: NDArray[np.float64]
    reach: float
    discrete: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """Features under a Student copula.

    Attributes:
        members: Their places; intp, (q,).
        freedom: Degrees of freedom.
        precision: Inverse of their correlation; float64, (q, q).
        grid: Student scores at equally spaced normal scores from -reach to reach; float64, (g,).
    """

    members: NDArray[np.intp]
    freedom: float
    precision: NDArray[np.float64]
    grid: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """A log density on the scale of normal scores, without a constant, and where it is too low.

        surprise(x) = -log p(x) = (z P z + sum_l (r_l / s_l)^2) / 2 + sum_b s_b(z_b) + sum_e t_e(c_e)

    with z the normal scores, P the precision of a Gaussian copula, r_l what is left of feature l after a linear
    equation in the other features, s_l its standard deviation, s_b the surprise of a block of features under a Student
    copula, and t_e for a pair of features e how much less likely the pair's cells c_e are than under the Gaussian
    copula.

    Attributes:
        precision: P; zeros for constant features, those with an equation and those in blocks; float64, (p, p).
        targets: Features with an equation; intp, (l,).
        logs: Whether an equation holds for logarithms; bool, (l,).
        weights: Weight of each feature in what is left; the feature's own is 1; float64, (l, p).
        offsets: What is left for a row of zeros; float64, (l,).
        spreads: s; float64, (l,).
        centres: Stands in for a missing value (its logarithm where `logs` say so); float64, (l, p).
        blocks: Features under Student copulas.
        pairs: Pairs of features; intp, (e, 2).
        tables: t by the cells of the first and the second feature; float64, (e, c, c).
        limit: Discord above which a row is jointly implausible; the discord is the surprise less sum_j z_j^2 / 2, that
            of the features by themselves.
        bulk: Surprise above which hybrids count as implausible: about 1 in 1,000 real rows has more.
    """

    precision: NDArray[np.float64]
    targets: NDArray[np.intp]
    logs: NDArray[np.bool_]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    spreads: NDArray[np.float64]
    centres: NDArray[np.float64]
    blocks: tuple[Student, ...]
    pairs: NDArray[np.intp]
    tables: NDArray[np.float64]
    limit: float
    bulk: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrids:
    """Whether rows that mix two background rows, as interventional values ask for, can be told from real ones.

    Attributes:
        unreal: Whether they can; None if there are too few rows or features to tell.
        area: Area under the ROC curve with which the better of density and classifier tells them; 0.5 is not at all.
        area_error: Standard error of an area without any difference.
        fraction: Share of hybrids that are implausible: less likely than all but 1 in 1,000 real rows. 0 where the
            features were not found to depend on each other; NaN where it cannot be told.
        fraction_error: Its standard error from the number of rows; NaN where it cannot be told.
        by_density: Share that the density finds by itself.
        by_classifier: Share that the classifier finds by itself; 0 where it finds no dependence.
    """

    unreal: bool | None
    area: float
    area_error: float
    fraction: float
    fraction_error: float
    by_density: float
    by_classifier: float

    @classmethod
    def none(cls) -> Self:
        """Nothing is mixed: every hybrid is a real row."""
        return cls(
            unreal=False,
            area=0.5,
            area_error=0.0,
            fraction=0.0,
            fraction_error=0.0,
            by_density=0.0,
            by_classifier=0.0,
        )

    @classmethod
    def unknown(cls) -> Self:
        """It cannot be told."""
        nan = float("nan")
        return cls(
            unreal=None, area=nan, area_error=nan, fraction=nan, fraction_error=nan, by_density=nan, by_classifier=nan
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What a background of b rows and p features supports.

    Attributes:
        rows: Number of rows studied.
        features: Ids of the features.
        levels: Levels of each category in the background, in the order of their places; empty for numbers.
        expected: Levels that the description declares and the background lacks by chance: it lacks so many that fresh
            rows are bound to bring some. Not unknown, though nothing is known about them.
        categories: Whether a feature is a category; bool, (p,).
        lows: Smallest value seen, NaN without one and for categories; float64, (p,).
        highs: Largest value seen; float64, (p,).
        floors: A value below is out of range; minus infinity for categories; float64, (p,).
        ceilings: A value above is out of range; float64, (p,).
        misses: Whether a missing value was seen; bool, (p,).
        margins: Each feature by itself.
        density: All features together; None if it cannot be told.
        hybrids: Whether mixtures of rows are like rows.
    """

    rows: int
    features: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    expected: tuple[tuple[str, ...], ...]
    categories: NDArray[np.bool_]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    floors: NDArray[np.float64]
    ceilings: NDArray[np.float64]
    misses: NDArray[np.bool_]
    margins: Margins
    density: Density | None
    hybrids: Hybrids


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSupport:
    """How n rows lie in a background's support.

    Attributes:
        out_of_range: Whether each value lies outside the widened range of the background; bool, (n, p).
        unknown: Whether a value is a category, or a missing value, that neither the background holds nor chance
            explains; bool, (n, p).
        surprise: Minus the log density of the row, without a constant; NaN where it cannot be told; float64, (n,).
        discord: The part of it that is about how values go together; NaN where it cannot be told; float64, (n,).
        implausible: Whether the values, each of them possible, do not go together; bool, (n,).
    """

    out_of_range: NDArray[np.bool_]
    unknown: NDArray[np.bool_]
    surprise: NDArray[np.float64]
    discord: NDArray[np.float64]
    implausible: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Locks the arrays."""
        for values in (self.out_of_range, self.unknown, self.surprise, self.discord, self.implausible):
            values.setflags(write=False)


class Enough(StrEnum):
    """Whether a background has rows enough."""

    TOO_FEW = "too_few"
    REDUCED = "reduced"
    ENOUGH = "enough"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adequacy:
    """Whether a background of b rows can carry explanations.

    Attributes:
        rows: b.
        distinct_rows: Different rows among them.
        enough: Too few below 100 rows: attributions and everything said about dependence are coarse. Reduced below 500:
            weak dependence is missed.
        as_of: Day the rows are from, ISO 8601; empty if not known.
        age_days: Days from then to the day of the study; None if not known.
        stale: Whether that is more than the bank allows; None if not known.
        base_value: Mean output over the background, in the outputs' unit; NaN without outputs.
        base_error: Its standard error, copies of a row counted as one draw; NaN without outputs.
        effective_rows: Rows drawn without copies that would give that error; NaN without outputs, or if they are equal.
        carrying_rows: Rows on which the outputs' spread rests, (sum d^2)^2 / sum d^4 with d the deviations from the
            mean: b / 3 for normal outputs, few where few rows stand out; NaN likewise.
    """

    rows: int
    distinct_rows: int
    enough: Enough
    as_of: str
    age_days: int | None
    stale: bool | None
    base_value: float
    base_error: float
    effective_rows: float
    carrying_rows: float
