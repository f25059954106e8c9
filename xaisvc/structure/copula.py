"""A Gaussian copula of mixed columns: normal scores of every feature by itself, and how the scores go together.

Liu, Lafferty and Wasserman (2009) call it the nonparanormal. Covariances are shrunk towards none, as much as held-out
rows ask for, so that there is an inverse with more features than rows too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.support import Margins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.table import Table

CELLS = 48
"""Cells into which the scores of a feature are put where pairs are looked at; one more holds missing values."""
KNOTS = 64
FEW_VALUES = 24
"""Up to so many different values a feature is taken value by value."""
FEW_ROWS = 10
"""A level with fewer rows says too little about where it belongs among the others."""
MAX_SIDES = 200
WEIGHTS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0)
RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Places:
    """A table as numbers.

    Attributes:
        values: Numbers, categories as the place of their level, NaN for missing and unknown; float64, (n, p).
        categories: Whether a feature is a category; bool, (p,).
        levels: Levels of each category, most frequent first; empty for numbers.
    """

    values: NDArray[np.float64]
    categories: NDArray[np.bool_]
    levels: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, table: Table) -> Places:
        """Numbers for a table, its own levels numbered from the most frequent one."""
        levels: list[tuple[str, ...]] = []
        for values in table.columns.values():
            if values.dtype != np.object_:
                levels.append(())
                continue
            counts: dict[str, int] = {}
            for value in values.tolist():
                if value is not None:
                    counts[value] = counts.get(value, 0) + 1
            levels.append(tuple(level for _, level in sorted((-count, level) for level, count in counts.items())))
        categories = np.array([values.dtype == np.object_ for values in table.columns.values()], dtype=bool)
        return cls(placed(table, tuple(levels)), categories, tuple(levels))


def placed(table: Table, levels: tuple[tuple[str, ...], ...]) -> NDArray[np.float64]:
    """A table as numbers: categories as places of given levels, infinite numbers as missing; float64, (n, p)."""
    found = np.empty((len(table), len(levels)))
    for j, values in enumerate(table.columns.values()):
        if values.dtype == np.object_:
            place: dict[object, float] = {level: float(i) for i, level in enumerate(levels[j])}
            found[:, j] = [place.get(value, np.nan) for value in values.tolist()]
        else:
            found[:, j] = values
    found[~np.isfinite(found)] = np.nan
    return found


def fit_margins(places: Places) -> Margins:
    """Normal scores of every feature by itself.

    Args:
        places: n rows of p features.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - heavy: loaded when used

    n, p = places.values.shape
    reach = float(ndtri(1.0 - 0.5 / max(n, 2)))
    knots, scores = np.full((p, KNOTS), np.inf), np.zeros((p, KNOTS))
    discrete = places.categories.copy()
    shares = _between(reach)
    for j in range(p):
        if places.categories[j]:
            continue
        values = places.values[:, j]
        own = np.sort(values[~np.isnan(values)])
        if not len(own):
            continue
        distinct, counts = np.unique(own, return_counts=True)
        discrete[j] = len(distinct) <= FEW_VALUES
        if len(distinct) <= KNOTS:
            middle = (np.cumsum(counts) - counts / 2) / len(own)
            knots[j, : len(distinct)] = distinct
            scores[j, : len(distinct)] = ndtri(middle)
            scores[j, len(distinct) :] = scores[j, len(distinct) - 1]
        else:
            at = np.unique(np.quantile(own, shares))
            below = (np.searchsorted(own, at, "left") + np.searchsorted(own, at, "right")) / (2 * len(own))
            edge = 0.5 / len(own)
            knots[j, : len(at)] = at
            scores[j, : len(at)] = ndtri(np.clip(below, edge, 1 - edge))
            scores[j, len(at) :] = scores[j, len(at) - 1]
    scores[:] = np.clip(scores, -reach, reach)
    margins = Margins(knots=knots, scores=scores, reach=reach, discrete=discrete)
    if places.categories.any():
        _order_levels(places, margins)
    return margins


def _between(reach: float) -> NDArray[np.float64]:
    from scipy.special import ndtr  # noqa: PLC0415 - heavy: loaded when used

    return np.asarray(ndtr(np.linspace(-reach, reach, KNOTS)))


def _order_levels(places: Places, margins: Margins) -> None:
    """Gives every level a normal score, in the order that goes best with the other features; fills `margins`.

    The order is that of the first singular vector of the levels' mean scores in the other features, each weighted with
    the root of its number of rows. Levels beyond `KNOTS` - 1 in frequency share the last place.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - heavy: loaded when used

    n = len(places.values)
    numbers = np.flatnonzero(~places.categories)
    sides = [scores_of(margins, places.values[:, numbers[:MAX_SIDES]], numbers[:MAX_SIDES])]
    codes = {}
    for j in np.flatnonzero(places.categories):
        code = np.where(np.isnan(places.values[:, j]), -1, np.minimum(places.values[:, j], KNOTS - 1)).astype(np.intp)
        codes[int(j)] = code
    for feature, code in codes.items():
        own = [sides[0]]
        for other, theirs in codes.items():
            if other != feature and sum(side.shape[1] for side in own) < MAX_SIDES:
                share = np.bincount(theirs[theirs >= 0], minlength=1)[:8] / n
                own.append((theirs[:, None] == np.arange(len(share))) / np.sqrt(np.maximum(share, 0.05)))
        side = np.column_stack(own)
        known = code >= 0
        if not known.any():
            continue
        count = np.bincount(code[known])
        sums = np.zeros((len(count), side.shape[1]))
        np.add.at(sums, code[known], side[known] - side.mean(axis=0))
        means = sums / (count + FEW_ROWS)[:, None]
        means[count < FEW_ROWS] = 0.0
        order_by = np.zeros(len(count))
        if side.shape[1]:
            left, _, right = np.linalg.svd(np.sqrt(count)[:, None] * means, full_matrices=False)
            sign = np.sign(right[0][np.argmax(np.abs(right[0]))]) or 1.0  # a singular vector has no sign of its own
            order_by = sign * left[:, 0] / np.sqrt(np.maximum(count, 1))
            order_by[count < FEW_ROWS] = 0.0
        order = np.lexsort((np.arange(len(count)), order_by))
        share = count[order] / count.sum()
        middle = np.cumsum(share) - share / 2
        margins.knots[feature, : len(count)] = np.arange(len(count))
        margins.scores[feature, order] = np.clip(ndtri(middle), -margins.reach, margins.reach)
        margins.scores[feature, :][: len(count)][count < FEW_ROWS] = 0.0
        margins.scores[feature, len(count) :] = margins.scores[feature, len(count) - 1]


def scores_of(
    margins: Margins, values: NDArray[np.float64], columns: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Normal scores of rows, between knots along a straight line, 0 for missing; float64, (n, q).

    Args:
        margins: Scores at knots.
        values: Numbers and places of levels; float64, (n, q).
        columns: Places of the q features in `margins`; all of them if None.
    """
    found = np.zeros_like(values)
    for i, j in enumerate(range(values.shape[1]) if columns is None else columns.tolist()):
        last = int(np.isfinite(margins.knots[j]).sum())
        if not last:
            continue
        own = values[:, i]
        if margins.discrete[j]:
            at = _nearest(margins.knots[j, :last], own)
            found[:, i] = margins.scores[j, at]
        else:
            found[:, i] = np.interp(own, margins.knots[j, :last], margins.scores[j, :last])
    found[np.isnan(values)] = 0.0
    return found


def cells_of(margins: Margins, values: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Cells of rows: of equal width on the scale of scores, or one for each value; intp, (n, p).

    Args:
        margins: Scores at knots.
        values: Numbers and places of levels; float64, (n, p).
        scores: Their normal scores; float64, (n, p).
    """
    width = 2 * margins.reach / CELLS
    found = np.clip((scores + margins.reach) / width, 0, CELLS - 1).astype(np.intp)
    for j in np.flatnonzero(margins.discrete):
        last = int(np.isfinite(margins.knots[j]).sum())
        if last:
            found[:, j] = np.minimum(_nearest(margins.knots[j, :last], values[:, j]), CELLS - 1)
    found[np.isnan(values)] = CELLS
    return found


def _nearest(knots: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.intp]:
    """The knot nearest to each value, the lower of two; 0 for NaN."""
    middles = (knots[1:] + knots[:-1]) / 2
    known = np.where(np.isnan(values), knots[0], values)
    return np.searchsorted(middles, known, "left")


def shrunk_covariance(scores: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Covariance of columns with mean 0, the covariances shrunk towards 0 by a weight; float64, (q, q)."""
    sample = scores.T @ scores / len(scores)
    found = (1.0 - weight) * sample
    found[np.diag_indices(len(sample))] = np.diag(sample)
    return np.asarray(found)


def choose_weight(scores: NDArray[np.float64]) -> float:
    """How much covariances are shrunk towards 0: the weight with the largest held-out Gaussian likelihood, two halves.

    Args:
        scores: n rows of columns that are not constant; float64, (n, q).
    """
    halves = (scores[0::2], scores[1::2])
    best = (np.inf, WEIGHTS[-1])
    for weight in WEIGHTS:
        loss = 0.0
        for fit, test in (halves, halves[::-1]):
            covariance = shrunk_covariance(fit, weight)
            covariance[np.diag_indices(len(covariance))] += (
                RIDGE * max(float(np.trace(covariance)), 1.0) / len(covariance)
            )
            sign, log_det = np.linalg.slogdet(covariance)
            if sign <= 0:
                loss = np.inf
                break
            loss += float(log_det + (np.linalg.inv(covariance) * (test.T @ test / len(test))).sum())
        best = min(best, (loss, weight))
    return best[1]


def precision_of(scores: NDArray[np.float64], use: NDArray[np.bool_], weight: float) -> NDArray[np.float64]:
    """Inverse of the shrunk covariance of the columns in use, zeros for the others; float64, (p, p).

    Args:
        scores: n rows; float64, (n, p).
        use: Which columns; constant ones are left out anyway; bool, (p,).
        weight: How much covariances are shrunk towards 0.
    """
    p = scores.shape[1]
    found = np.zeros((p, p))
    active = np.flatnonzero(use & (scores.std(axis=0) > 0))
    if len(active):
        covariance = shrunk_covariance(scores[:, active], weight)
        # Equal columns have no inverse otherwise.
        covariance[np.diag_indices(len(active))] += RIDGE * float(np.trace(covariance)) / len(active)
        found[np.ix_(active, active)] = np.linalg.inv(covariance)
    return found
