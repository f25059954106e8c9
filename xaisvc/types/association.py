"""How the features of a background go together: pairs, redundancies and linked sets, studied once per bundle."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Power(StrEnum):
    """What the number of rows lets the study of association see."""

    FULL = "full"
    """500 rows or more: correlations from 0.3 and clear dependence of every other shape."""

    REDUCED = "reduced"
    """150 to 499 rows: weak dependence may be missed."""

    STRONG_ONLY = "strong_only"
    """50 to 149 rows: only strong dependence is seen."""

    CANNOT_TELL = "cannot_tell"
    """Fewer than 50 rows: nothing is said, neither linked nor independent."""


class Route(StrEnum):
    """How a feature was found to follow from others."""

    LINEAR = "linear"
    """A weighted sum of their ranks or values."""

    PRODUCT = "product"
    """The product of two: parity, interaction."""

    TREES = "trees"
    """Regression trees: any other rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redundancy:
    """A feature that others determine, in whole or in part.

    Attributes:
        feature: Place of the feature.
        predictors: Places of the features that it follows from, ascending.
        r_squared: Share of its variance (on normal scores; for a category of its levels' indicators) that they predict
            in rows that were held out, in (0, 1].
        p_value: Probability of so good a prediction by chance, corrected for everything that was tried.
        route: How it was found.
    """

    feature: int
    predictors: tuple[int, ...]
    r_squared: float
    p_value: float
    route: Route


@dataclass(frozen=True, kw_only=True)
class Association:
    """How the features of a background go together.

    Two features are linked where independence is refuted for the pair at a chance of at most 1 in 100 for the whole
    table (`p_value <= 0.01`) and the strength is at least 0.05.

    Attributes:
        features: Ids of the f features, in the order of the schema.
        effect: Strength of every pair, the square root of the share of variance that one explains of the other in the
            better way, corrected for chance; 1 where one follows from the other, 1 on the diagonal, 0 where nothing can
            be told; float64, symmetric (f, f).
        p_value: Probability of what is seen under independence, corrected for all pairs (Holm); NaN where fewer than 50
            rows have both values, 0 on the diagonal; float64, symmetric (f, f).
        linked: Whether independence is refuted; True on the diagonal; bool, symmetric (f, f).
        by_missingness: Whether a pair is linked by where values are missing only; bool, symmetric (f, f).
        redundancies: Features that follow from others, in ascending order, at most one per feature.
        clusters: Linked sets of two or more features, each ascending, in the order of their first feature: joined by
            linked pairs and by redundancies, in chains too.
        merges: Average linkage of all features over 1 - effect, as scipy writes it: the two sets merged, their distance
            and the size of the new set; float64, (f - 1, 4).
        between: Strongest effect of a linked pair whose features are in different clusters: what splitting a large set
            left over; 0 if none was split.
        n_rows: Rows studied.
        n_complete: Rows without any missing value, of those studied.
        power: What the number of rows that have both values of a pair (the median of all pairs) lets the study see.
        detectable: Smallest correlation that would have been found in 95 of 100 such tables; 1 if none.
    """

    features: tuple[str, ...]
    effect: NDArray[np.float64]
    p_value: NDArray[np.float64]
    linked: NDArray[np.bool_]
    by_missingness: NDArray[np.bool_]
    redundancies: tuple[Redundancy, ...]
    clusters: tuple[tuple[int, ...], ...]
    merges: NDArray[np.float64]
    between: float
    n_rows: int
    n_complete: int
    power: Power
    detectable: float

    def __post_init__(self) -> None:
        for values in (self.effect, self.p_value, self.linked, self.by_missingness, self.merges):
            values.setflags(write=False)
