"""A Gaussian copula of mixed columns: normal scores of every feature by itself, and how the scores go together.

Liu, Lafferty and Wasserman (2009) call it the nonparanormal. Covariances are shrunk as much as held-out rows ask for,
so that there is an inverse with more features than rows too, but not within sets of features that go together.
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
NEAR = (0.5, 0.7, 0.9)
"""Correlations from which columns may form a finer set."""
LINK_CHANCE = 0.01
"""Chance that any pair of an independent table is taken for linked."""


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


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """How far covariances of q columns are shrunk towards 0.

    Attributes:
        wide: Set of each column; covariances between different sets are 0; intp, (q,).
        near: Finer sets; covariances within one are left as they are, so that a copy stays one; intp, (q,).
        weight: All other covariances are multiplied with 1 - weight.
    """

    wide: NDArray[np.intp]
    near: NDArray[np.intp]
    weight: float

    @classmethod
    def plain(cls, q: int, weight: float) -> Shrinkage:
        """All covariances of q columns by the same weight."""
        return cls(np.zeros(q, dtype=np.intp), np.arange(q), weight)

    def mask(self, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """What the covariances of some columns are multiplied with; float64, (k, k).

        It is (1 - weight) W + weight N, with 1 in W and N for two columns of a set. Both have no negative eigenvalue,
        so the product by elements with a covariance has none either (Schur 1911).
        """
        wide, near = self.wide[columns], self.near[columns]
        joined = (wide[:, None] == wide).astype(np.float64)
        return np.asarray((1.0 - self.weight) * joined + self.weight * (near[:, None] == near))


def shrunk_covariance(scores: NDArray[np.float64], mask: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariance of columns with mean 0, by elements multiplied with the mask of a `Shrinkage`; float64, (q, q)."""
    return np.asarray(scores.T @ scores / len(scores) * mask)


def chance_errors(q: int) -> float:
    """Standard errors that the largest of a normal statistic of all pairs of q columns exceeds in 1 of 100 tables."""
    from scipy.special import ndtri  # noqa: PLC0415 - heavy: loaded when used

    return -float(ndtri(LINK_CHANCE / max(q * (q - 1) / 2, 1.0) / 2))


def link_threshold(n: int, q: int) -> float:
    """Absolute correlation that any pair of q independent normal columns of n rows exceeds in 1 of 100 tables."""
    return float(np.tanh(chance_errors(q) / np.sqrt(max(n - 3, 1))))


def choose_shrinkage(scores: NDArray[np.float64]) -> Shrinkage:
    """How covariances are shrunk: what gives the largest held-out Gaussian likelihood, two halves.

    One weight for all would hide an exact copy in a wide table: with n rows the many covariances that are noise ask for
    a weight near 1. So columns form sets, connected by correlations that are no chance, and finer ones by correlations
    of .5, .7 and .9. Tried are all covariances and those within the first sets only, shrunk towards those within any of
    the finer sets or towards none. If no correlation is beyond chance, only the last is left. Time: O(q^3).

    Args:
        scores: n rows; constant columns are sets of their own; float64, (n, q).
    """
    q = scores.shape[1]
    nests = _nested_sets(scores)
    halves = (scores[0::2], scores[1::2])
    samples = [(fit.T @ fit / len(fit), test.T @ test / len(test)) for fit, test in (halves, halves[::-1])]
    best = (np.inf, WEIGHTS[-1], 0, len(nests) - 1)
    for wide in range(min(2, len(nests) - 1)):
        for near in range(wide + 1, len(nests)):
            for weight in WEIGHTS:
                found = Shrinkage(nests[wide], nests[near], weight)
                mask, sets = found.mask(np.arange(q)), nests[near] if weight == 1.0 else nests[wide]
                loss = sum(_loss(fit * mask, test, sets) for fit, test in samples)
                best = min(best, (loss, weight, wide, near))
    return Shrinkage(nests[best[2]], nests[best[3]], best[1]) if len(nests) > 1 else Shrinkage.plain(q, 1.0)


def _nested_sets(scores: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Sets of columns from all in one to each alone, every one finer than the one before; intp, (q,) each."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - heavy: loaded when used
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - heavy: loaded when used

    n, q = scores.shape
    if not q:
        return [np.zeros(0, dtype=np.intp)]
    spread = np.sqrt((scores**2).mean(axis=0))
    strength = np.abs(scores.T @ scores / n / np.maximum(np.outer(spread, spread), np.finfo(np.float64).tiny))
    chance = link_threshold(n, q)
    found = [np.zeros(q, dtype=np.intp)]
    for least in (chance, *(level for level in NEAR if level > chance)):
        count, label = connected_components(csr_array(strength >= least), directed=False)
        if found[-1].max() + 1 < count < q:
            found.append(label.astype(np.intp))
    return [*found, np.arange(q)] if q > 1 else found


def _loss(covariance: NDArray[np.float64], test: NDArray[np.float64], sets: NDArray[np.intp]) -> float:
    """Log determinant of a covariance and trace of its inverse times that of other rows, by sets without covariance."""
    from scipy.linalg import cho_factor, cho_solve  # noqa: PLC0415 - heavy: loaded when used

    ridge = RIDGE * max(float(np.trace(covariance)), 1.0) / len(covariance)
    size = np.bincount(sets)
    alone = size[sets] == 1
    own = np.diag(covariance)[alone] + ridge
    found = float(np.log(own).sum() + (np.diag(test)[alone] / own).sum())
    for mark in np.flatnonzero(size > 1):
        members = np.flatnonzero(sets == mark)
        part = covariance[np.ix_(members, members)] + ridge * np.eye(len(members))
        try:
            factor = cho_factor(part, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return np.inf
        found += 2.0 * float(np.log(np.diag(factor[0])).sum())
        found += float(np.trace(cho_solve(factor, test[np.ix_(members, members)], check_finite=False)))
    return found


def precision_of(scores: NDArray[np.float64], use: NDArray[np.bool_], shrinkage: Shrinkage) -> NDArray[np.float64]:
    """Inverse of the shrunk covariance of the columns in use, zeros for the others; float64, (p, p).

    Args:
        scores: n rows; float64, (n, p).
        use: Which columns; constant ones are left out anyway; bool, (p,).
        shrinkage: How far covariances are shrunk.
    """
    p = scores.shape[1]
    found = np.zeros((p, p))
    active = np.flatnonzero(use & (scores.std(axis=0) > 0))
    if len(active):
        covariance = shrunk_covariance(scores[:, active], shrinkage.mask(active))
        # Equal columns have no inverse otherwise.
        covariance[np.diag_indices(len(active))] += RIDGE * float(np.trace(covariance)) / len(active)
        found[np.ix_(active, active)] = np.linalg.inv(covariance)
    return found
