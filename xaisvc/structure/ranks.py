"""Columns of mixed kinds as functions of their ranks or levels: what the association study correlates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.types import Table

Kind: TypeAlias = Literal["ordered", "flag", "levels", "constant"]

N_SHAPES = 6
"""Cosines per ordered column: enough for three full waves across the ranks."""

SMALLEST_GROUP = 0.04
"""Ranks are grouped for the cosines so that no tied or lonely value weighs more than a 1 in 25 share allows."""

FEWEST_MISSING = 3
"""Missing (or present) values from which missingness is studied as a column of its own."""

FEWEST_OF_LEVEL = 3
MOST_COARSE = 8
MOST_FINE = 40
FINE_AT_ONCE = 2000

_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One column, or the missingness of one, ready to be correlated. Everything is 0 where the value is missing.

    Attributes:
        feature: Place of the feature that it belongs to.
        missingness: Whether this says where the feature is missing, not what its values are.
        kind: `ordered` (3 or more numbers), `flag` (two values, of whatever kind), `levels` (3 or more categories),
            `constant` (fewer than two values: it goes with nothing).
        present: Where there is a value; bool, (n,).
        linear: Normal scores of the ranks, or 0 and 1 for a flag; float64, (n, 1), and (n, 0) for levels.
        shapes: Cosines of the grouped ranks, orthonormal in the column; float64, (n, N_SHAPES), zero columns where
            ties leave fewer; (n, 0) unless ordered.
        n_shapes: Columns of `shapes` that are not zero.
        coarse: Indicators of well filled levels, rare ones together; float64, (n, up to MOST_COARSE).
        fine: Indicators of the levels with at least FEWEST_OF_LEVEL rows, most frequent first; float64, (n, up to
            MOST_FINE).
        codes: Level or distinct value of each row from 0 in ascending order, -1 where missing; intp, (n,).
        n_levels: Distinct values.
        excess: Excess kurtosis of `linear` where present: large where nearly all values are the same. 0 for levels.
        skew: Skewness of `linear` where present.
        mode: Share of the most frequent value among those present; 0 if there is none.
    """

    feature: int
    missingness: bool
    kind: Kind
    present: NDArray[np.bool_]
    linear: NDArray[np.float64]
    shapes: NDArray[np.float64]
    n_shapes: int
    coarse: NDArray[np.float64]
    fine: NDArray[np.float64]
    codes: NDArray[np.intp]
    n_levels: int
    excess: float
    skew: float
    mode: float


def variables_of(table: Table, features: Sequence[str]) -> tuple[Variable, ...]:
    """One variable per feature in the given order, then one per feature whose missingness varies enough to study."""
    columns = [table.columns[name] for name in features]
    n_categories = sum(values.dtype == np.object_ for values in columns)
    n_fine = int(np.clip(FINE_AT_ONCE // max(n_categories, 1), MOST_COARSE, MOST_FINE))
    values = tuple(_variable(place, column, n_fine) for place, column in enumerate(columns))
    n = len(table)
    absent = tuple(
        _flag(variable.feature, (~variable.present).astype(np.intp), missingness=True)
        for variable in values
        if FEWEST_MISSING <= int(variable.present.sum()) <= n - FEWEST_MISSING
    )
    return values + absent


def mid_ranks(counts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Rank from 1 of each distinct value, equal values sharing their mean rank.

    Args:
        counts: Rows that have each distinct value, in ascending order; intp, (d,).
    """
    return np.asarray(np.cumsum(counts) - (counts - 1) / 2, dtype=np.float64)


def _variable(feature: int, values: NDArray[np.float64] | NDArray[np.object_], n_fine: int) -> Variable:
    if values.dtype == np.object_:
        codes = _category_codes(cast("NDArray[np.object_]", values))
        ordered = False
    else:
        codes = _number_codes(values.astype(np.float64))
        ordered = True
    n_levels = int(codes.max(initial=-1)) + 1
    if n_levels < _PAIR:
        return _empty(feature, "constant", codes, n_levels)
    if n_levels == _PAIR:
        return _flag(feature, codes, missingness=False)
    return _ordered(feature, codes, n_levels) if ordered else _levels(feature, codes, n_levels, n_fine)


def _number_codes(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Place of each value among the distinct ones, -1 for NaN. One sort, as this runs for every column."""
    order = np.argsort(values, kind="stable")  # NaN last
    n_present = len(values) - int(np.isnan(values).sum())
    inside = order[:n_present]
    sorted_values = values[inside]
    steps = np.concatenate([[False], sorted_values[1:] != sorted_values[:-1]])[:n_present]
    codes = np.full(len(values), -1, dtype=np.intp)
    codes[inside] = np.cumsum(steps)
    return codes


def _category_codes(values: NDArray[np.object_]) -> NDArray[np.intp]:
    known: dict[str, int] = {name: 0 for name in values if name is not None}
    known = {name: place for place, name in enumerate(sorted(known))}
    return np.fromiter((-1 if name is None else known[name] for name in values), dtype=np.intp, count=len(values))


def _empty(feature: int, kind: Kind, codes: NDArray[np.intp], n_levels: int) -> Variable:
    nothing = np.zeros((len(codes), 0))
    return Variable(
        feature=feature,
        missingness=False,
        kind=kind,
        present=codes >= 0,
        linear=nothing,
        shapes=nothing,
        n_shapes=0,
        coarse=nothing,
        fine=nothing,
        codes=codes,
        n_levels=n_levels,
        excess=0.0,
        skew=0.0,
        mode=float(n_levels > 0),
    )


def _flag(feature: int, codes: NDArray[np.intp], *, missingness: bool) -> Variable:
    nothing = np.zeros((len(codes), 0))
    present = codes >= 0
    # The rarer value counts as 1, so that tails are tails of how often two rare things meet.
    share = float(codes[present].mean())
    linear = np.where(present, codes if share <= 0.5 else 1 - codes, 0).astype(np.float64)  # noqa: PLR2004 - half
    share = min(share, 1.0 - share)
    spread = share * (1.0 - share)
    return Variable(
        feature=feature,
        missingness=missingness,
        kind="flag",
        present=present,
        linear=linear[:, None],
        shapes=nothing,
        n_shapes=0,
        coarse=nothing,
        fine=nothing,
        codes=codes,
        n_levels=2,
        excess=1.0 / spread - 6.0,
        skew=(1.0 - 2.0 * share) / spread**0.5,
        mode=1.0 - share,
    )


def _ordered(feature: int, codes: NDArray[np.intp], n_levels: int) -> Variable:
    from scipy.special import ndtri  # noqa: PLC0415 - heavy: loaded when used

    present = codes >= 0
    counts = np.bincount(codes[present], minlength=n_levels)
    n = int(counts.sum())
    places = np.maximum(codes, 0)
    ranks = mid_ranks(counts)
    scores = ndtri(ranks / (n + 1))
    shares = counts / n
    scores -= shares @ scores
    scores /= np.sqrt(shares @ scores**2)
    linear = np.where(present, scores[places], 0.0)
    groups = _groups(counts)
    basis = _cosines(np.bincount(groups, weights=counts).astype(np.float64))
    shapes = np.zeros((len(codes), N_SHAPES))
    shapes[:, : basis.shape[1]] = basis[groups[places]] * present[:, None]
    nothing = np.zeros((len(codes), 0))
    return Variable(
        feature=feature,
        missingness=False,
        kind="ordered",
        present=present,
        linear=linear[:, None],
        shapes=shapes,
        n_shapes=basis.shape[1],
        coarse=nothing,
        fine=nothing,
        codes=codes,
        n_levels=n_levels,
        excess=float(shares @ scores**4) - 3.0,
        skew=float(shares @ scores**3),
        mode=float(shares.max()),
    )


def _groups(counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Group of each distinct value: neighbours together until a group is large enough; intp, (d,).

    Large enough is SMALLEST_GROUP of the rows and the square root of their number: two such groups meet by chance once.
    """
    n = float(counts.sum())
    least = max(SMALLEST_GROUP * n, np.sqrt(n))
    below = np.cumsum(counts)
    groups = np.empty(len(counts), dtype=np.intp)
    start, group, done = 0, 0, 0.0
    while start < len(counts):
        stop = int(np.searchsorted(below, done + least - 1e-9)) + 1  # 1e-9: a share that is met exactly is met
        if stop > len(counts):  # what is left is too small to stand alone
            groups[start:] = max(group - 1, 0)
            break
        groups[start:stop] = group
        start, group, done = stop, group + 1, float(below[stop - 1])
    return groups


def _cosines(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal functions of the groups: cosines of the mid rank, made orthogonal in the order of their waves.

    Args:
        counts: Rows of each of g groups; float64, (g,).

    Returns:
        Mean 0 and mean square 1 over the rows, uncorrelated; float64, (g, min(N_SHAPES, g - 1)).
    """
    shares = counts / counts.sum()
    middles = np.cumsum(shares) - shares / 2
    k = min(N_SHAPES, len(counts) - 1)
    waves = np.cos(np.pi * middles[:, None] * np.arange(k + 1))
    weights = np.sqrt(shares)[:, None]
    q, _ = np.linalg.qr(waves * weights)
    return np.asarray(q[:, 1:] / weights)


def _levels(feature: int, codes: NDArray[np.intp], n_levels: int, n_fine: int) -> Variable:
    present = codes >= 0
    counts = np.bincount(codes[present], minlength=n_levels)
    n = int(counts.sum())
    by_count = np.argsort(-counts, kind="stable")
    # Two levels of this many rows meet five times by chance, as a chi-squared test wants it.
    full = by_count[counts[by_count] >= np.sqrt(5.0 * n)][:MOST_COARSE]
    group_of = np.full(n_levels, len(full), dtype=np.intp)
    group_of[full] = np.arange(len(full))
    rest = n - int(counts[full].sum())
    if rest < np.sqrt(5.0 * n) and len(full):
        group_of[group_of == len(full)] = len(full) - 1
    coarse = _indicators(np.where(present, group_of[np.maximum(codes, 0)], -1))
    kept = by_count[counts[by_count] >= FEWEST_OF_LEVEL][:n_fine]
    place_of = np.full(n_levels, -1, dtype=np.intp)
    place_of[kept] = np.arange(len(kept))
    fine = _indicators(np.where(present, place_of[np.maximum(codes, 0)], -1))
    nothing = np.zeros((len(codes), 0))
    return Variable(
        feature=feature,
        missingness=False,
        kind="levels",
        present=present,
        linear=nothing,
        shapes=nothing,
        n_shapes=0,
        coarse=coarse if coarse.shape[1] >= _PAIR else nothing,
        fine=fine,
        codes=codes,
        n_levels=n_levels,
        excess=0.0,
        skew=0.0,
        mode=float(counts.max()) / n,
    )


def _indicators(codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """One column per code from 0; float64, (n, codes)."""
    return np.asarray(codes[:, None] == np.arange(int(codes.max(initial=-1)) + 1), dtype=np.float64)
