"""Rows and values on which a model shows what it uses: real rows, rows with one extreme value, made-up rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.structure.donors import Landscape
    from xaisvc.types.table import Column

_BEYOND = 0.25
"""How far beyond the range of a feature to look, as a share of its width: a background of 500 rows ends before that."""
_TAIL = 0.02
_LEVELS = 64
_GAPS = 512
_LONE = 200
_FLAG = 2


@dataclass(frozen=True, slots=True)
class Library:
    """Rows that are swapped and rows whose values are used, in one table.

    Attributes:
        table: The n real rows, rows with one value beyond its range, made-up rows, and rows of values worth trying.
        bases: Number of rows that may be swapped: all but the last kind.
        order: The order in which aimed swaps take rows; intp, (bases,).
        values: For each column the places of rows whose values are the first to try; intp, (v,).
        gaps: For each column the places of rows whose values lie between those of the real rows; intp, (g,).
    """

    table: Table
    bases: int
    order: NDArray[np.intp]
    values: tuple[NDArray[np.intp], ...]
    gaps: tuple[NDArray[np.intp], ...]

    def aimed(self, columns: tuple[int, ...], start: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and donors of the aimed swaps from number `start` on; two of intp, (count,). Donor -1 if there is none.

        The first pass goes over all rows, each with the next of the values; later passes give each row another value.
        From the second call on, that is if `start` is not 0, every other value of a single column is one from a gap.
        """
        values = np.unique(np.concatenate([self.values[column] for column in columns]))
        number = np.arange(start, start + count)
        rows = self.order[number % self.bases]
        if not len(values):
            return rows, np.full(count, -1, dtype=np.intp)
        donors = values[(number % self.bases + number // self.bases) % len(values)]
        gaps = self.gaps[columns[0]]
        if start and len(columns) == 1 and len(gaps):
            odd = np.flatnonzero(number % 2)
            donors[odd] = gaps[np.arange(len(odd)) % len(gaps)]
        return rows, donors.astype(np.intp)


def make_library(
    table: Table,
    landscape: Landscape,
    categories: Mapping[str, Sequence[str]],
    rng: np.random.Generator,
    *,
    made_up: int,
) -> Library:
    """Real rows, two rows for each of at most 200 columns with that value beyond its range, and some made-up rows.

    A made-up row takes half its values from one real row, a quarter each from random rows and from the extremes.

    Args:
        table: The real rows.
        landscape: How they lie to each other.
        categories: Category feature to its declared values; those that no row has are tried too.
        rng: Source of randomness.
        made_up: Number of made-up rows.
    """
    n = len(table)
    low, high = _extremes(table, landscape)
    lone = rng.permutation(len(table.columns))[:_LONE]
    base = rng.integers(n, size=2 * len(lone))
    origin = rng.integers(n, size=made_up)
    bases = n + len(base) + made_up
    between = [
        _unseen(values, categories.get(name, ()), rng)
        if landscape.distinct(column) > _FLAG or name in categories
        else []
        for column, (name, values) in enumerate(table.columns.items())
    ]
    most = max(map(len, between), default=0)
    columns: dict[str, Column] = {}
    values: list[NDArray[np.intp]] = []
    gaps: list[NDArray[np.intp]] = []
    for column, (name, own) in enumerate(table.columns.items()):
        ends = np.array([low[column], high[column]], dtype=own.dtype)
        alone = own[base]
        at = np.flatnonzero(lone == column)
        if len(at):
            alone[2 * at[0] : 2 * at[0] + 2] = ends
        kind = rng.random(made_up)
        mixed = np.where(kind < 0.5, own[origin], own[rng.integers(n, size=made_up)])  # noqa: PLR2004 - half
        mixed = np.where(kind > 0.75, ends[rng.integers(2, size=made_up)], mixed)  # noqa: PLR2004 - a quarter
        extra = np.array([*between[column], *([low[column]] * (most - len(between[column])))], dtype=own.dtype)
        columns[name] = cast("Column", np.concatenate([own, alone, mixed.astype(own.dtype), ends, extra]))
        first = _worth_trying(landscape.codes[:, column], own, bases, rng)
        places = np.arange(bases + 2, bases + 2 + len(between[column]), dtype=np.intp)
        of_category = own.dtype == np.object_
        values.append(np.concatenate([first, places]) if of_category and len(first) else first)
        gaps.append(np.zeros(0, dtype=np.intp) if of_category else places)
    order = np.concatenate([n + rng.permutation(len(base) + made_up), rng.permutation(n)])
    order = order[np.argsort(_spread_out(len(base) + made_up, n), kind="stable")]
    return Library(Table(columns), bases, order.astype(np.intp), tuple(values), tuple(gaps))


def _unseen(values: Column, declared: Sequence[str], rng: np.random.Generator) -> list[float | str]:
    """Values that no row has: the middles of gaps between numbers (at most 512), and declared categories."""
    if values.dtype == np.object_:
        seen = {str(value) for value in values if value is not None}
        return [level for level in declared if level not in seen]
    numbers = np.unique(cast("NDArray[np.float64]", values))
    numbers = numbers[np.isfinite(numbers)]
    middles = (numbers[1:] + numbers[:-1]) / 2.0
    if (numbers == np.round(numbers)).all():
        middles = np.floor(middles[np.diff(numbers) > 1])
    return [float(middle) for middle in rng.permutation(middles)[:_GAPS]]


def _spread_out(first: int, second: int) -> NDArray[np.float64]:
    """Places that mix the first and second so many things evenly."""
    return np.concatenate([(np.arange(first) + 0.5) / max(first, 1), (np.arange(second) + 0.5) / max(second, 1)])


def _worth_trying(codes: NDArray[np.intp], values: Column, ends: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Places of rows whose values of a column are worth trying; `ends` is the place of the rows of extreme values."""
    distinct, first = np.unique(codes, return_index=True)
    if len(distinct) < 2:  # noqa: PLR2004 - a swap takes two values
        return np.zeros(0, dtype=np.intp)
    beyond = np.array([ends, ends + 1], dtype=np.intp)
    if values.dtype == np.object_:
        return rng.permutation(first).astype(np.intp)
    if len(distinct) <= _FLAG:
        return first.astype(np.intp)
    if len(distinct) <= _LEVELS:
        return np.concatenate([beyond, rng.permutation(first)]).astype(np.intp)
    order = np.argsort(codes, kind="stable")
    numbers = cast("NDArray[np.float64]", values)
    present = order[~np.isnan(numbers[order])]
    shares = (0.0, 1.0, _TAIL, 1.0 - _TAIL, 0.5)
    chosen = [present[round(share * (len(present) - 1))] for share in shares]
    missing = order[np.isnan(numbers[order])][:1]
    return np.concatenate([beyond, np.array(chosen, dtype=np.intp), missing]).astype(np.intp)


def _extremes(table: Table, landscape: Landscape) -> tuple[list[float | str | None], list[float | str | None]]:
    """For each column a value below and one above its range; of a category the rarest and the most frequent.

    Whole numbers stay whole, columns that are never negative stay so, and flags keep their two values.
    """
    low: list[float | str | None] = []
    high: list[float | str | None] = []
    for column, values in enumerate(table.columns.values()):
        codes = landscape.codes[:, column]
        if values.dtype == np.object_:
            counts = np.bincount(codes)
            low.append(values[int(np.flatnonzero(codes == counts.argmin())[0])])
            high.append(values[int(np.flatnonzero(codes == counts.argmax())[0])])
            continue
        numbers = cast("NDArray[np.float64]", values)
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            low.append(float("nan"))
            high.append(float("nan"))
            continue
        bottom, top = float(numbers.min()), float(numbers.max())
        step = _BEYOND * (top - bottom) if landscape.distinct(column) > _FLAG else 0.0
        if (numbers == np.round(numbers)).all():
            step = float(np.ceil(step))
        low.append(max(0.0, bottom - step) if bottom >= 0 else bottom - step)
        high.append(top + step)
    return low, high
