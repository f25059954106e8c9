"""Can rows that mix two background rows be told from real ones, and how many of them could not be real?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.copula import Places
from xaisvc.structure.support_density import Form, discord, fit_density, surprise
from xaisvc.structure.support_tails import rare_quantile
from xaisvc.types.support import Hybrids

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
PER_ROW = 4
"""Hybrids for each real row."""
LEVEL = 0.001
"""Share of real rows that count as implausible."""
CRITICAL = 3.4
"""Standard errors beyond which an area is no chance: about 1 in 3,000 tables of independent features."""
SHARED = 0.5
"""Spread of the area over that of Mann and Whitney: hybrids are made of the real rows' values, so both vary together.
Measured on independent tables of 100 and 500 rows with 8 and 40 features: 0.24 to 0.34 with the density, 0.32 to 0.53
with the classifier."""
ADDS = 0.02
"""The classifier's hybrids count too if it tells more than the density does, and adds so many."""
MAX_CLASSIFIED = 60
RESAMPLES = 40


@dataclass(frozen=True, slots=True)
class Scored:
    """Surprise of real rows and of hybrids of them, by models that saw neither.

    Attributes:
        real: float64, (n,).
        discord: Discord of the real rows; float64, (n,); zeros for a classifier.
        hybrid: float64, (h, n): the hybrids whose own row is that of the column.
        partner: The other row of each hybrid; intp, (h, n).
    """

    real: NDArray[np.float64]
    discord: NDArray[np.float64]
    hybrid: NDArray[np.float64]
    partner: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Real rows by fold, and hybrids of rows of the same fold.

    Attributes:
        fold: Fold of each row; intp, (n,).
        partner: The other row; intp, (h, n).
        own: Whether a feature is taken from the row itself; bool, (h, n, p).
    """

    fold: NDArray[np.intp]
    partner: NDArray[np.intp]
    own: NDArray[np.bool_]

    @classmethod
    def draw(cls, n: int, p: int, rng: np.random.Generator) -> Mixed:
        """Folds at random; for each row partners of its fold, and a number of own features from 1 to p - 1."""
        fold = rng.permutation(n) % FOLDS
        partner = np.empty((PER_ROW, n), dtype=np.intp)
        for k in range(FOLDS):
            members = np.flatnonzero(fold == k)
            for h in range(PER_ROW):
                shift = rng.integers(1, max(len(members), 2), len(members))
                partner[h, members] = members[(np.arange(len(members)) + shift) % len(members)]
        size = rng.integers(1, p, (PER_ROW, n, 1))
        own = rng.permuted(np.tile(np.arange(p), (PER_ROW, n, 1)), axis=2) < size
        return cls(fold, partner, own)

    def rows(self, values: NDArray[np.float64], h: int) -> NDArray[np.float64]:
        """The h-th hybrid of every row; float64, (n, p)."""
        return np.where(self.own[h], values, values[self.partner[h]])


def score_by_density(places: Places, form: Form, mixed: Mixed) -> Scored:
    """Surprise by densities fitted to the other folds.

    Args:
        places: n rows of p features.
        form: What the density consists of.
        mixed: Folds and hybrids.
    """
    n = len(places.values)
    real, apart, hybrid = np.empty(n), np.empty(n), np.empty((PER_ROW, n))
    for k in range(FOLDS):
        test = mixed.fold == k
        margins, density = fit_density(Places(places.values[~test], places.categories, places.levels), form)
        real[test] = surprise(margins, density, places.values[test])
        apart[test] = discord(margins, density, places.values[test])
        for h in range(PER_ROW):
            hybrid[h, test] = surprise(margins, density, mixed.rows(places.values, h)[test])
    return Scored(real, apart, hybrid, mixed.partner)


def score_by_classifier(places: Places, mixed: Mixed, rng: np.random.Generator) -> Scored:
    """Log odds of being a hybrid, by gradient boosted trees fitted to the other folds.

    Of more than 60 features, 60 drawn at random take part: bounded time, less power.

    Args:
        places: n rows of p features.
        mixed: Folds and hybrids.
        rng: Draws the features.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - heavy: loaded when used

    n = len(places.values)
    known = ~np.isnan(places.values)
    lows = np.where(known, places.values, np.inf).min(axis=0)
    highs = np.where(known, places.values, -np.inf).max(axis=0)
    columns = np.flatnonzero(lows < highs)
    if len(columns) > MAX_CLASSIFIED:
        columns = np.sort(rng.permutation(columns)[:MAX_CLASSIFIED])
    values = np.array(places.values[:, columns])
    categories = places.categories[columns]
    values[:, categories] = np.minimum(values[:, categories], 200.0)  # the trees take at most 255 levels
    mixes = [np.where(mixed.own[h][:, columns], values, values[mixed.partner[h]]) for h in range(PER_ROW)]
    real, hybrid = np.empty(n), np.empty((PER_ROW, n))
    seed = int(rng.integers(2**31))
    for k in range(FOLDS):
        test = mixed.fold == k
        rows = np.concatenate([values[~test], mixes[0][~test], mixes[1][~test]])
        label = np.repeat([0, 1], [(~test).sum(), 2 * (~test).sum()])
        model = HistGradientBoostingClassifier(
            max_iter=60,
            learning_rate=0.1,
            max_leaf_nodes=15,
            min_samples_leaf=10,
            l2_regularization=1.0,
            categorical_features=categories if categories.any() else None,
            early_stopping=False,
            random_state=seed,
        ).fit(rows, label)
        real[test] = model.decision_function(values[test])
        for h in range(PER_ROW):
            hybrid[h, test] = model.decision_function(mixes[h][test])
    return Scored(real, np.zeros(n), hybrid, mixed.partner)


def compare(density: Scored, classifier: Scored | None, rng: np.random.Generator) -> Hybrids:
    """Whether hybrids are recognisably unreal, and how many are implausible.

    Args:
        density: Surprise by the density.
        classifier: Log odds by the classifier; None if it was not asked.
        rng: Draws resamples for the standard error.
    """
    n = len(density.real)
    found = [density] + ([classifier] if classifier is not None else [])
    areas = [_area(scored) for scored in found]
    error = SHARED * float(np.sqrt((2 * n + 1) / (12.0 * n * n)))
    sees = [area > 0.5 + CRITICAL * error for area in areas]
    flags = [scored.hybrid > rare_quantile(scored.real) for scored in found]
    shares = [max(0.0, float(flag.mean()) - LEVEL) if see else 0.0 for flag, see in zip(flags, sees, strict=True)]
    joined = np.zeros_like(density.hybrid, dtype=bool)
    levels = 0.0
    chosen: list[Scored] = []
    if sees[0]:
        joined, levels, chosen = flags[0], LEVEL, [density]
    if classifier is not None and sees[1] and areas[1] > areas[0] + error:
        both = joined | flags[1]
        if float(both.mean()) - float(joined.mean()) >= LEVEL + ADDS:
            joined, levels, chosen = both, levels + LEVEL, [*chosen, classifier]
    fraction = max(0.0, float(joined.mean()) - levels)
    return Hybrids(
        unreal=any(sees),
        area=max(areas),
        area_error=error,
        fraction=fraction,
        fraction_error=_error(joined, density.partner, chosen, rng),
        by_density=shares[0],
        by_classifier=shares[1] if classifier is not None else 0.0,
    )


def _area(scored: Scored) -> float:
    """Probability that a hybrid is more surprising than a real row, ties counted half."""
    real = np.sort(scored.real)
    flat = scored.hybrid.ravel()
    below = np.searchsorted(real, flat, "left") + np.searchsorted(real, flat, "right")
    return float(below.mean() / (2 * len(real)))


def _error(
    flags: NDArray[np.bool_], partner: NDArray[np.intp], chosen: list[Scored], rng: np.random.Generator
) -> float:
    """Standard error of a share of flagged hybrids: rows are shared by hybrids, and the limit is an estimate.

    Args:
        flags: bool, (h, n).
        partner: The other row of each hybrid; intp, (h, n).
        chosen: The scores whose limits made the flags.
        rng: Draws resamples of the real rows.
    """
    if not chosen:
        return 0.0
    h, n = flags.shape
    share = float(flags.mean())
    own = flags.mean(axis=0) - share
    theirs = (np.bincount(partner.ravel(), flags.ravel() - share, minlength=n)) / h
    from_rows = (float((own**2).mean()) + float((theirs**2).mean())) / n
    moved = [
        sum(float((scored.hybrid > rare_quantile(scored.real[rng.integers(n, size=n)])).mean()) for scored in chosen)
        for _ in range(RESAMPLES)
    ]
    return float(np.sqrt(from_rows + np.var(moved)))
