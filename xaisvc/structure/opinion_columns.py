"""How the second opinion compares the values of a column: numbers by rank, categories by equality or on a scale.

Equality needs rows: a level that comes three times tells next to nothing of what goes with it. Where many rows hold
such levels, the category is read as the number that it stands for, if it stands for one: where rows of the same level
hardly differ in a number of the same set, its levels are placed at the means of that number's normal scores. That looks
at features only, never at the model. Where it stands for none, nothing can be told of its set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.second_opinion import ComparedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types.table import Column

    Floats = NDArray[np.float64]

MOST_LEVELS = 64
"""Levels of a category with a code of their own: the most frequent that come at least `FEWEST_OF_LEVEL` times."""

FEWEST_OF_LEVEL = 5

FEWEST_UNCODED, MOST_UNCODED = 0.02, 0.1
"""Shares of rows whose levels have no code. Up to the first a category is compared by equality in any case. Beyond it
levels stand on a scale if there is one, for rare levels are mostly those at its ends; beyond the second they must."""

MOST_WITHIN = 0.01
"""Share of a number's variance that may be left within levels that stand for it: a tenth of its deviation, and what a
level is off by on its scale."""

LEAST_BESIDE = 0.6
"""A level that stands for a number tells of others through it alone: rows of one level must differ in these by at least
this share of what neighbours on the scale differ by. Some hundred pairs of rows know such a share to about 0.15."""

FEWEST_PAIRS = 20
"""Rows beyond the first of their level from which on one can tell how much rows of a level differ."""


def compared_column(feature: str, values: Column) -> ComparedColumn:
    """How the values of a column are compared, from the background's."""
    if values.dtype == np.object_:
        names, counts = np.unique(np.array([str(v) for v in values if v is not None]), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
        kept = tuple(str(names[k]) for k in order if counts[k] >= FEWEST_OF_LEVEL)
        nothing = np.empty(0)
        return ComparedColumn(
            feature=feature, knots=nothing, scores=nothing, levels=kept, is_number=False, by_level=1.0
        )
    from scipy.special import ndtri  # noqa: PLC0415 (heavy: loaded when used)

    numbers = np.asarray(values, dtype=np.float64)
    present = numbers[~np.isnan(numbers)]
    knots, counts = np.unique(present, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / max(len(present), 1)
    return ComparedColumn(
        feature=feature,
        knots=knots,
        scores=np.asarray(ndtri(middle), dtype=np.float64),
        levels=(),
        is_number=True,
        by_level=float(len(present) < len(numbers)),
    )


def compared_columns(columns: Mapping[str, Column]) -> tuple[tuple[ComparedColumn, ...], tuple[str, ...]]:
    """How the columns of a set of dependent players are compared with each other's help.

    Args:
        columns: The set's features, all b background rows of each.

    Returns:
        One for each column, and the features among them of which nothing can be told: categories of which more than
        `MOST_UNCODED` of the rows hold rare levels, and that stand for no number of the set.
    """
    found = {feature: compared_column(feature, values) for feature, values in columns.items()}
    shares = {feature: 0.0 if one.is_number else _uncoded(one, columns[feature]) for feature, one in found.items()}
    rare = {feature: share for feature, share in shares.items() if share > FEWEST_UNCODED}
    if not rare:
        return tuple(found.values()), ()
    compared = {feature: one.compare(columns[feature]) for feature, one in found.items() if one.is_number}
    numbers = {feature: np.where(codes == 1, scores, np.nan) for feature, (scores, codes) in compared.items()}
    unread = []
    for feature, share in rare.items():
        scaled = _on_a_scale(found[feature], columns[feature], numbers)
        if scaled is not None:
            found[feature] = scaled
        elif share > MOST_UNCODED:
            unread.append(feature)
    return tuple(found.values()), tuple(unread)


def uneven(
    columns: Sequence[ComparedColumn],
    owner: NDArray[np.int64],
    scores: Floats,
    codes: NDArray[np.int64],
    added: Floats,
) -> Floats:
    """What a model does from level to level of categories on a scale, which no smooth function of the scale can tell.

    Of g players that stand for one number whoever comes first tells the level too, so by conditional values each has
    the g-th part of what the category adds, and its own player loses the rest. The smooth part of that is learnt; s,
    the deviation of the rest, is that of levels from the line through the ones beside them (Gasser, Sroka &
    Jennen-Steinmetz 1986), and is left to the error: s (g - 1) / g of the category's player, s / g of the others.

    Args:
        columns: Of the set.
        owner: Player of each column; int64, (q,).
        scores: Of the columns at n rows; float64, (q, n).
        codes: Likewise; int64, (q, n).
        added: What each of the c players adds, but for a constant; float64, (c, n).

    Returns:
        Standard deviation of each player's gap by it; float64, (c,), 0 without categories on a scale.
    """
    squares = np.zeros(len(added))
    for j, column in enumerate(columns):
        if column.is_number or not len(column.scores):
            continue
        placed = codes[j] == 1
        place, level, counts = np.unique(scores[j, placed], return_inverse=True, return_counts=True)
        if len(place) < 3:  # noqa: PLR2004 - a level and one on either side
            continue
        own = int(owner[j])
        mean = np.bincount(level, weights=added[own, placed]) / counts
        near = (place[2:] - place[1:-1]) / (place[2:] - place[:-2])
        apart = mean[1:-1] - near * mean[:-2] - (1.0 - near) * mean[2:]
        square = float(np.average(apart**2 / (1.0 + near**2 + (1.0 - near) ** 2), weights=counts[1:-1]))
        alike = [int(owner[k]) for k in range(len(columns)) if _stand_for_one(scores[[j, k]], codes[[j, k]])]
        group = sorted({own, *alike})
        part = np.where(np.array(group) == own, len(group) - 1, 1) / len(group)
        squares[group] += square * part**2
    return np.asarray(np.sqrt(squares))


def _stand_for_one(scores: Floats, codes: NDArray[np.int64]) -> bool:
    known = (codes == 1).all(axis=0)
    both = scores[:, known]
    if both.shape[1] < FEWEST_PAIRS or (both.std(axis=1) == 0).any():
        return False
    return float(np.asarray(np.corrcoef(both))[0, 1]) ** 2 > 1.0 - 2.0 * MOST_WITHIN


def _uncoded(column: ComparedColumn, values: Column) -> float:
    """Share of the rows whose level has no code of its own; a missing value has one."""
    _, codes = column.compare(values)
    return float((codes < 0).mean()) if len(codes) else 0.0


def _on_a_scale(column: ComparedColumn, values: Column, numbers: Mapping[str, Floats]) -> ComparedColumn | None:
    """The category as the number that its levels stand for; None if there is none.

    Args:
        column: The category.
        values: Of it; b rows.
        numbers: Normal scores of the set's numbers, NaN where missing; float64, (b,) each.
    """
    present = np.array([value is not None for value in values], dtype=np.bool_)
    if not present.any():
        return None
    levels, own = np.unique(np.array([str(value) for value in values[present]]), return_inverse=True)
    best: tuple[float, Floats, str] | None = None
    for feature, scores in numbers.items():
        known = scores[present]
        counts, means = _means(own, known, len(levels))
        within, pairs = _within(own, known, counts, means)
        spread = float(np.nanvar(known)) if np.isfinite(known).any() else 0.0
        if pairs < FEWEST_PAIRS or spread == 0 or within > MOST_WITHIN * spread:
            continue
        if best is None or within / spread < best[0]:
            best = (within / spread, means, feature)
    if best is None:
        return None
    _, means, stood_for = best
    others = [scores[present] for feature, scores in numbers.items() if feature != stood_for]
    if any(_tells_beside(own, scores, means) for scores in others):
        return None
    placed = np.isfinite(means)
    return replace(
        column,
        levels=tuple(str(level) for level in levels[placed]),
        scores=means[placed],
        by_level=float(not present.all()),
    )


def _means(own: NDArray[np.intp], scores: Floats, n_levels: int) -> tuple[NDArray[np.intp], Floats]:
    """Known values of each level, and their mean, NaN if there are none."""
    known = np.isfinite(scores)
    counts = np.bincount(own[known], minlength=n_levels)
    sums = np.bincount(own[known], weights=scores[known], minlength=n_levels)
    return counts, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _within(own: NDArray[np.intp], scores: Floats, counts: NDArray[np.intp], means: Floats) -> tuple[float, int]:
    """Mean square of rows of the same level about its mean, and its degrees of freedom."""
    known = np.isfinite(scores)
    pairs = int(known.sum() - np.count_nonzero(counts))
    return float(np.square(scores[known] - means[own[known]]).sum()) / max(pairs, 1), pairs


def _tells_beside(own: NDArray[np.intp], scores: Floats, scale: Floats) -> bool:
    """Whether rows of the same level are more alike in a number than rows next to each other on the levels' scale."""
    usable = np.isfinite(scores) & np.isfinite(scale[own])
    level, values = own[usable], scores[usable]
    counts, means = _means(level, values, len(scale))
    within, pairs = _within(level, values, counts, means)
    places = scale[level]
    order = np.lexsort((level, places))
    ahead = np.diff(level[order]) != 0
    if pairs < FEWEST_PAIRS or ahead.sum() < FEWEST_PAIRS:
        return False
    between = float(np.square(np.diff(values[order])[ahead]).mean()) / 2
    # Where the number follows the scale closely, neighbours differ by next to nothing, and there is nothing to add.
    return within < LEAST_BESIDE * between and between > MOST_WITHIN * float(values.var())
