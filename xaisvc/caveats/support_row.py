"""How rows lie in the support of a background: out of range, unknown, or put together as no row is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.support import RowSupport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.support import Density, Support
    from xaisvc.types.table import Table

FEW_ROWS = 8
"""Up to so many rows all features are looked up together: a call of numpy costs more than its values do."""
MOST = 1e4
"""Largest square of what an equation leaves, in its standard deviations."""


@dataclass(frozen=True, slots=True)
class RowScreen:
    """What is worked out from a support once, so that rows are read quickly. Made by `RowScreen.of`.

    A value v of feature j lies in interval i = #{breaks_j < v}; its normal score is z_ji + slope_ji (v - start_ji).
    """

    support: Support
    breaks: NDArray[np.float64]
    start: NDArray[np.float64]
    base: NDArray[np.float64]
    slope: NDArray[np.float64]
    counts: tuple[int, ...]
    places: tuple[_Levels | None, ...]
    numbers: NDArray[np.intp]
    labels: NDArray[np.intp]
    step: float
    cells: int
    paired: NDArray[np.intp]
    pairs: NDArray[np.intp]
    discrete: NDArray[np.bool_]

    @classmethod
    def of(cls, support: Support) -> RowScreen:
        """Prepares a support: O(p) time and memory.

        Args:
            support: What the background supports.
        """
        margins = support.margins
        p, g = margins.knots.shape
        breaks, start = np.full((p, g), np.inf), np.zeros((p, g + 1))
        base, slope = np.zeros((p, g + 1)), np.zeros((p, g + 1))
        for j in range(p):
            last = int(np.isfinite(margins.knots[j]).sum())
            if not last:
                continue
            knots, scores = margins.knots[j, :last], margins.scores[j, :last]
            base[j, last:] = scores[-1]
            if margins.discrete[j]:
                breaks[j, : last - 1] = (knots[1:] + knots[:-1]) / 2
                base[j, :last] = scores
                continue
            breaks[j, :last] = knots
            base[j, 0], base[j, 1:last] = scores[0], scores[:-1]
            start[j, 1:last] = knots[:-1]
            slope[j, 1:last] = np.diff(scores) / np.diff(knots)
        density = support.density
        cells = density.tables.shape[1] - 1 if density is not None else 1
        paired = np.unique(density.pairs) if density is not None else np.zeros(0, dtype=np.intp)
        return cls(
            support=support,
            breaks=breaks,
            start=start,
            base=base,
            slope=slope,
            counts=tuple(np.isfinite(breaks).sum(axis=1).tolist()),
            places=tuple(
                _Levels(dict.fromkeys(expected, _EXPECTED) | {level: float(i) for i, level in enumerate(levels)})
                if own
                else None
                for own, levels, expected in zip(support.categories, support.levels, support.expected, strict=True)
            ),
            numbers=np.flatnonzero(~support.categories),
            labels=np.flatnonzero(support.categories),
            step=2 * margins.reach / max(cells, 1),
            cells=cells,
            paired=paired,
            pairs=np.searchsorted(paired, density.pairs) if density is not None else np.zeros((0, 2), dtype=np.intp),
            discrete=margins.discrete[paired],
        )


def row_support(screen: RowScreen, rows: Table) -> RowSupport:
    """Which values of n rows are out of range or unknown, and which rows hold values that do not go together.

    A number is out of range beyond `Support.floors` and `ceilings`; a category or a missing value is unknown if the
    background does not hold it and chance does not explain that. A row is implausible if its discord is beyond
    `Density.limit`, which about 3 in 1,000 rows of the background's own law exceed. All three together speak for at
    most 1 % of such rows. Missing and unknown values take no part in the surprise but for the cells of pairs.

    Args:
        screen: The prepared support.
        rows: n rows with the support's features, in its order. Infinite numbers are out of range.

    Returns:
        The decisions, as arrays.
    """
    support = screen.support
    n, p = len(rows), len(support.features)
    values, unknown = _read(screen, rows)
    with np.errstate(invalid="ignore"):
        outside = (values < support.floors[:, None]) | (values > support.ceilings[:, None])
    density = support.density
    if density is None:
        return RowSupport(
            out_of_range=outside.T,
            unknown=unknown.T,
            surprise=np.full(n, np.nan),
            discord=np.full(n, np.nan),
            implausible=np.zeros(n, dtype=bool),
        )
    missing = ~np.isfinite(values)
    gaps = bool(missing.any())
    if gaps:
        values[missing] = np.nan
    interval = _intervals(screen, values)
    flat = interval + (np.arange(p) * screen.start.shape[1])[:, None]
    scores = screen.base.take(flat) + screen.slope.take(flat) * (values - screen.start.take(flat))
    if gaps:
        scores[missing] = 0.0
    surprise = 0.5 * np.einsum("ij,ij->j", density.precision @ scores, scores)
    if len(density.targets):
        surprise += _equations(density, values)
    for block in density.blocks:
        surprise += _student(scores[block.members], block.precision, block.freedom, block.grid, screen)
    if len(density.pairs):
        surprise += _pairs(screen, density, values, scores, interval)
    discord = surprise - 0.5 * np.einsum("ij,ij->j", scores, scores)
    return RowSupport(
        out_of_range=outside.T,
        unknown=unknown.T,
        surprise=surprise,
        discord=discord,
        implausible=discord > density.limit,
    )


class _Levels(dict[object, float]):
    """Levels of a category to their places; `_EXPECTED`, `_NEW` and `_ABSENT` for those that have none."""

    def __missing__(self, level: object) -> float:
        return _ABSENT if level is None else _NEW


_EXPECTED, _NEW, _ABSENT = -1.0, -2.0, -3.0


def _read(screen: RowScreen, rows: Table) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers and places of levels, NaN for missing and new ones, and which are unknown; (p, n) each."""
    n, p = len(rows), len(screen.places)
    columns = rows.columns.values()
    if n == 1:  # numpy would cost more than the values do
        cells = [
            column.item() if own is None else own[column[0]] for column, own in zip(columns, screen.places, strict=True)
        ]
        values = np.array(cells, dtype=np.float64).reshape(p, 1)
    elif len(screen.numbers) == p:
        values = np.concatenate(list(columns), dtype=np.float64, casting="unsafe").reshape(p, n)
    else:
        values = np.empty((p, n))
        for j, (column, own) in enumerate(zip(columns, screen.places, strict=True)):
            values[j] = column if own is None else np.fromiter(map(own.__getitem__, column), np.float64, n)
    unknown = np.zeros((p, n), dtype=bool)
    missing = np.isnan(values)
    if len(screen.numbers) < p:
        codes = values[screen.labels]
        negative = codes < 0
        if negative.any():
            missing[screen.labels] = codes == _ABSENT
            unknown[screen.labels] = codes == _NEW
            values[screen.labels] = np.where(negative, np.nan, codes)
    if missing.any():
        unknown |= missing & ~screen.support.misses[:, None]
    return values, unknown


def _intervals(screen: RowScreen, values: NDArray[np.float64]) -> NDArray[np.intp]:
    """In which interval each value lies; intp, (p, n)."""
    p, n = values.shape
    if n <= FEW_ROWS:
        return np.asarray(np.count_nonzero(screen.breaks[:, None, :] < values[:, :, None], axis=2), dtype=np.intp)
    found = np.empty((p, n), dtype=np.intp)
    for j, count in enumerate(screen.counts):
        found[j] = np.searchsorted(screen.breaks[j, :count], values[j], "left")
    return found


def _equations(density: Density, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the squares of what equations leave, in their standard deviations; float64, (n,)."""
    known = np.isfinite(values)
    total = np.zeros(values.shape[1])
    for logs in (False, True):
        chosen = np.flatnonzero(density.logs == logs)
        if not len(chosen):
            continue
        there = known & (values > 0) if logs else known
        raw = np.log(np.where(there, values, 1.0)) if logs else values
        filled = np.where(there, raw, density.centres[chosen[0]][:, None])  # the same for all equations of a kind
        left = (density.weights[chosen] @ filled + density.offsets[chosen, None]) / density.spreads[chosen, None]
        left = np.where(there[density.targets[chosen]], left, 0.0)
        total += 0.5 * np.minimum(left**2, MOST).sum(axis=0)
    return total


def _student(
    normal: NDArray[np.float64],
    precision: NDArray[np.float64],
    freedom: float,
    grid: NDArray[np.float64],
    screen: RowScreen,
) -> NDArray[np.float64]:
    """Surprise of features under a Student copula; see `xaisvc.types.support.Student`; float64, (n,)."""
    reach, q = screen.support.margins.reach, len(normal)
    student = np.interp(normal, np.linspace(-reach, reach, len(grid)), grid)
    form = np.maximum(np.einsum("ij,ij->j", precision @ student, student), 0.0)
    margins = np.log1p(student**2 / freedom).sum(axis=0)
    return np.asarray(
        (freedom + q) / 2 * np.log1p(form / freedom) - (freedom + 1) / 2 * margins + 0.5 * (normal**2).sum(axis=0)
    )


def _pairs(
    screen: RowScreen,
    density: Density,
    values: NDArray[np.float64],
    scores: NDArray[np.float64],
    interval: NDArray[np.intp],
) -> NDArray[np.float64]:
    """How much less likely the cells of pairs are than under the Gaussian copula, summed; float64, (n,)."""
    own, last = screen.paired, screen.cells
    smooth = ((scores[own] + screen.support.margins.reach) / screen.step).astype(np.intp)  # never negative
    cells = np.minimum(np.where(screen.discrete[:, None], interval[own], smooth), last - 1)
    cells[np.isnan(values[own])] = last
    edge = np.arange(len(screen.pairs))[:, None]
    return np.asarray(density.tables[edge, cells[screen.pairs[:, 0]], cells[screen.pairs[:, 1]]].sum(axis=0))
