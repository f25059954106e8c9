"""What a background supports, studied once per bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import InvalidInputError
from xaisvc.structure.copula import Places, fit_margins
from xaisvc.structure.support_density import choose_form, fit_density
from xaisvc.structure.support_hybrids import Mixed, compare, score_by_classifier, score_by_density
from xaisvc.structure.support_tails import VALUES, rare_quantile, upper_quantile
from xaisvc.types.support import Hybrids, Support

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.schema import BundleDescription
    from xaisvc.types.table import Table

MIN_ROWS = 100
MAX_ROWS = 2000
WIDENED = 0.1
"""A value is within range up to so much of the range beyond it."""
CAUTION = 0.75
RANGE_LEVEL, UNKNOWN_LEVEL, JOINT_LEVEL = 0.001, 0.002, 0.0015
"""Share of fresh rows of the background's law that may be out of range, hold unknown levels, be jointly implausible."""

LEAST_DISCORD = 0.7
"""A row is not implausible if it is still half as likely (log 2) as if its features had nothing to do with each other:
where next to nothing goes together, the limit would follow rounding and errors of fit."""


def study_support(table: Table, description: BundleDescription, rng: np.random.Generator) -> Support:
    """Which rows are like the background's, and whether mixtures of its rows are.

    The joint density is a Gaussian copula over normal scores, corrected where held-out rows gain by it: features that
    follow from others by a linear equation in their values or logarithms, features under a Student copula, and pairs
    with a table of their own. Its limits, and all figures about hybrids, come from five-fold cross-fitting. A
    classifier of real rows against hybrids stands beside it for whatever that form cannot express.

    Of more than 2,000 rows, 2,000 drawn at random are studied for what goes together; ranges and categories come from
    all rows. Time and memory: O(p^2 n) for n up to 2,000 rows, about 0.5 s with 10 features and 10 s with 300; tables
    of pairs take at most 64 x 19 kB.

    Args:
        table: The background, b rows.
        description: The bundle; its category levels are known even where the background does not hold them.
        rng: Draws folds, hybrids and resamples; the same generator state gives the same result.

    Returns:
        What is supported. With fewer than 100 rows, `density` is None and the hybrids cannot be told.

    Raises:
        InvalidInputError: If the table has no rows or not the description's features.
    """
    if not len(table) or table.feature_ids != description.feature_ids:
        raise InvalidInputError("the background needs rows and exactly the bundle's features, in the bundle's order")
    whole = Places.of(table)
    lows, highs, floors, ceilings = _ranges(whole)
    few = whole
    if len(table) > MAX_ROWS:
        kept = np.sort(rng.permutation(len(table))[:MAX_ROWS])
        few = Places(whole.values[kept], whole.categories, whole.levels)
    varies = np.array([len(np.unique(column[~np.isnan(column)])) > 1 for column in few.values.T])
    margins, density = fit_margins(few), None
    hybrids = _cannot_tell(len(table), int(varies.sum()))
    if len(table) >= MIN_ROWS and varies.any():
        form = choose_form(few)
        mixed = Mixed.draw(len(few.values), max(few.values.shape[1], 2), rng)
        if few.values.shape[1] == 1:
            mixed = Mixed(mixed.fold, mixed.partner, mixed.own[:, :, :1])
        scored = score_by_density(few, form, mixed)
        limit = max(upper_quantile(scored.discord, JOINT_LEVEL), LEAST_DISCORD)
        bulk = rare_quantile(scored.real)
        margins, density = fit_density(few, form, limit=limit, bulk=bulk)
        if varies.sum() > 1:
            hybrids = compare(scored, score_by_classifier(few, mixed, rng), rng)
    return Support(
        rows=len(table),
        features=table.feature_ids,
        levels=whole.levels,
        expected=_expected(whole, description),
        categories=whole.categories,
        lows=lows,
        highs=highs,
        floors=floors,
        ceilings=ceilings,
        misses=np.asarray(np.isnan(whole.values).any(axis=0)),
        margins=margins,
        density=density,
        hybrids=hybrids,
    )


def _cannot_tell(rows: int, varying: int) -> Hybrids:
    """Too few rows to tell; or so few features that every hybrid is a real row."""
    return Hybrids.none() if rows >= MIN_ROWS and varying <= 1 else Hybrids.unknown()


def _ranges(places: Places) -> tuple[NDArray[np.float64], ...]:
    """Smallest and largest value seen, and the bounds beyond which a value is out of range; float64, (p,) each.

    A bound lies a tenth of the range beyond the values seen, or where the tail of the feature's own distribution leaves
    a probability of 0.001 for all bounds together, whichever is farther: with 30 long-tailed features one fresh row in
    ten would exceed some range otherwise.
    """
    p = places.values.shape[1]
    lows, highs = np.full(p, np.nan), np.full(p, np.nan)
    floors, ceilings = np.full(p, -np.inf), np.full(p, np.inf)
    numbers = np.flatnonzero(~places.categories)
    level = RANGE_LEVEL / (2 * max(len(numbers), 1))
    for j in numbers:
        values = places.values[:, j]
        known = values[~np.isnan(values)]
        if not len(known):
            continue
        lows[j], highs[j] = known.min(), known.max()
        margin = WIDENED * (highs[j] - lows[j])
        floors[j] = min(lows[j] - margin, -upper_quantile(-known, level, shapes=VALUES, caution=CAUTION))
        ceilings[j] = max(highs[j] + margin, upper_quantile(known, level, shapes=VALUES, caution=CAUTION))
    return lows, highs, floors, ceilings


def _expected(places: Places, description: BundleDescription) -> tuple[tuple[str, ...], ...]:
    """Levels that are declared, not in the background, and yet no surprise.

    A fresh row brings an unseen level with about the probability m / n, m the number of levels seen once (Good 1953).
    Features with the fewest of those are judged as long as the probabilities add up to at most 0.002.
    """
    n = len(places.values)
    once = []
    for j in np.flatnonzero(places.categories):
        seen = places.values[:, j]
        once.append((int((np.bincount(seen[~np.isnan(seen)].astype(np.intp)) == 1).sum()), int(j)))
    found: list[tuple[str, ...]] = [()] * len(description.features)
    total = 0
    for count, place in sorted(once):
        total += count
        if total > UNKNOWN_LEVEL * n:
            seen_levels = set(places.levels[place])
            found[place] = tuple(level for level in description.features[place].categories if level not in seen_levels)
    return tuple(found)
