"""How rows lie in the support of a background: out of range, unknown, or put together as no row is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from xaisvc.types.support import RowSupport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.support import Density, Student, Support
    from xaisvc.types.table import Table

    Floats: TypeAlias = NDArray[np.float64]
    Places: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A density in the form that its kernel takes; see `support_kernel.surprises`.

    A value v of feature j lies in interval i = #{breaks_j < v}; its normal score is base_ji + slope_ji (v - start_ji).
    """

    margins: tuple[Floats, Places, Floats, Floats, Floats, float]
    precision: Floats
    equations: tuple[Places, Flags, Floats, Floats, Floats, Floats]
    blocks: tuple[Places, Places, Floats, Floats, Floats]
    pairs: tuple[Places, Floats, Flags, float]

    @classmethod
    def of(cls, support: Support, density: Density) -> _Reading:
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
        cells = max(density.tables.shape[1] - 1, 1)
        return cls(
            margins=(breaks, np.isfinite(breaks).sum(axis=1).astype(np.int64), start, base, slope, margins.reach),
            precision=_floats(density.precision),
            equations=(
                np.array(density.targets, dtype=np.int64),
                np.array(density.logs, dtype=np.bool_),
                _floats(density.weights),
                _floats(density.offsets),
                _floats(density.spreads),
                _floats(density.centres),
            ),
            blocks=_stacked(density.blocks),
            pairs=(
                np.array(density.pairs, dtype=np.int64),
                _floats(density.tables),
                np.array(margins.discrete, dtype=np.bool_),
                2 * margins.reach / cells,
            ),
        )


def _floats(values: Floats) -> Floats:
    """A copy that kernels take: what is stored may be locked, and would have them compiled once more."""
    return np.array(values, dtype=np.float64, order="C")


def _stacked(blocks: tuple[Student, ...]) -> tuple[Places, Places, Floats, Floats, Floats]:
    """Blocks one after the other."""
    sizes = [len(block.members) for block in blocks]
    precisions = np.zeros((sum(sizes), max(sizes, default=1)))
    ends = np.cumsum(sizes, dtype=np.int64)
    for block, end, size in zip(blocks, ends, sizes, strict=True):
        precisions[end - size : end, :size] = block.precision
    return (
        ends,
        np.array([place for block in blocks for place in block.members], dtype=np.int64),
        np.array([block.freedom for block in blocks], dtype=np.float64),
        precisions,
        np.array([block.grid for block in blocks], dtype=np.float64).reshape(len(blocks), -1 if blocks else 2),
    )


@dataclass(frozen=True, slots=True)
class RowScreen:
    """What is worked out from a support once, so that rows are read quickly. Made by `RowScreen.of`."""

    support: Support
    places: tuple[_Levels | None, ...]
    numbers: NDArray[np.intp]
    labels: NDArray[np.intp]
    reading: _Reading | None

    @classmethod
    def of(cls, support: Support) -> RowScreen:
        """Prepares a support: O(p) time and memory, beside a copy of its density.

        Args:
            support: What the background supports.
        """
        return cls(
            support=support,
            places=tuple(
                _Levels(dict.fromkeys(expected, _EXPECTED) | {level: float(i) for i, level in enumerate(levels)})
                if own
                else None
                for own, levels, expected in zip(support.categories, support.levels, support.expected, strict=True)
            ),
            numbers=np.flatnonzero(~support.categories),
            labels=np.flatnonzero(support.categories),
            reading=None if support.density is None else _Reading.of(support, support.density),
        )


def row_support(screen: RowScreen, rows: Table) -> RowSupport:
    """Which values of n rows are out of range or unknown, and which rows hold values that do not go together.

    A number is out of range beyond `Support.floors` and `ceilings`; a category or a missing value is unknown if the
    background does not hold it and chance does not explain that. A row is implausible if its discord is beyond
    `Density.limit`, which about 3 in 2,000 rows of the background's own law exceed. All three together speak for at
    most 1 % of such rows. Missing and unknown values take no part in the surprise but for the cells of pairs.

    Args:
        screen: The prepared support.
        rows: n rows with the support's features, in its order. Infinite numbers are out of range.

    Returns:
        The decisions, as arrays.
    """
    return read_support(screen, read_rows(screen, rows))


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Values of n rows and p features as numbers.

    Attributes:
        values: Numbers, and places of levels; NaN for missing and new ones; float64, (p, n).
        unknown: Whether a value is a level, or a missing value, that neither the background holds nor chance explains;
            bool, (p, n).
    """

    values: Floats
    unknown: Flags


def read_support(screen: RowScreen, read: ReadRows) -> RowSupport:
    """`row_support` of rows that were read by `read_rows`."""
    support, values, unknown = screen.support, read.values, read.unknown
    n = values.shape[1]
    from xaisvc.caveats.support_kernel import beyond, surprises  # noqa: PLC0415 - heavy: loaded when used

    outside = np.empty(values.shape, dtype=np.bool_)
    beyond(values, support.floors, support.ceilings, outside)
    density, reading = support.density, screen.reading
    surprise, discord = np.full(n, np.nan), np.full(n, np.nan)
    if density is None or reading is None:
        implausible = np.zeros(n, dtype=np.bool_)
    else:
        found = (surprise, discord)
        surprises(values, reading.margins, reading.precision, reading.equations, reading.blocks, reading.pairs, found)
        implausible = discord > density.limit
    return RowSupport(
        out_of_range=outside.T, unknown=unknown.T, surprise=surprise, discord=discord, implausible=implausible
    )


class _Levels(dict[object, float]):
    """Levels of a category to their places; `_EXPECTED`, `_NEW` and `_ABSENT` for those that have none."""

    def __missing__(self, level: object) -> float:
        return _ABSENT if level is None else _NEW


_EXPECTED, _NEW, _ABSENT = -1.0, -2.0, -3.0


def read_rows(screen: RowScreen, rows: Table) -> ReadRows:
    """Reads rows with the support's features, in its order."""
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
    return ReadRows(values, unknown)
