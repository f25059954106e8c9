"""Cuts a cohort by one feature or by band into cells that are large enough, whatever the values are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import Kind
from xaisvc.types.cohort import MIN_CELL, Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.cohorts.columns import Column
    from xaisvc.types import Feature

CUT_KINDS = frozenset({Kind.NUMERIC, Kind.INTEGER, Kind.BOOLEAN, Kind.CATEGORY})
"""Kinds of features that a cohort can be cut by; single days say too much of a person."""

_QUANTILES = (0.25, 0.5, 0.75)
_DIGITS = 2
_FEWEST_TOGETHER = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Partition:
    """Cells that do not overlap and hold every record.

    Attributes:
        by: Id of the feature, or `band`.
        cells: The cells; each holds `MIN_CELL` records or more.
        codes: Place of the cell of each record; intp, (n,).
        ordered: Whether neighbouring cells belong together; a cell of missing values only stands last and has none.
    """

    by: str
    cells: tuple[Cell, ...]
    codes: NDArray[np.intp]
    ordered: bool

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of records in each cell; int64, (cells,)."""
        return np.bincount(self.codes, minlength=len(self.cells)).astype(np.int64)


def cut_feature(feature: Feature, values: Column, minimum: int = MIN_CELL) -> Partition | None:
    """Cuts by a feature's values: categories, or about quarters of the numbers with borders of two digits.

    Two digits are too coarse to tell a person's own number. Cells that are too small are told together: neighbours of
    numbers, and all small categories as one, with the smallest large one if they are too few.

    Args:
        feature: The feature; its kind is one of `CUT_KINDS`.
        values: Its values; float64 with NaN, or objects with None; (n,).
        minimum: Smallest size of a cell.

    Returns:
        The cells; None if there would be one only.
    """
    if feature.kind is Kind.CATEGORY:
        return _cut_categories(feature, values, minimum)
    numbers = np.asarray(values, dtype=np.float64)
    if feature.kind is Kind.BOOLEAN:
        places = np.where(np.isnan(numbers), 2, numbers).astype(np.intp)
        names = (Cell(values=("false",)), Cell(values=("true",)), Cell(missing=True))
        return _together(feature.id, names, places, minimum)
    return _cut_numbers(feature.id, numbers, minimum)


def cut_bands(bands: Sequence[str], places: NDArray[np.intp], minimum: int = MIN_CELL) -> Partition | None:
    """Cuts by band; neighbours that are too small are told together."""
    return _neighbours("band", [Cell(values=(band,)) for band in bands], places, minimum)


def assign(partition: Partition, values: Column) -> NDArray[np.intp]:
    """The cell of each of some other values, as its words say; -1 for none.

    Args:
        partition: Cells of the same feature, or of bands.
        values: float64 with NaN, or objects with None (bands: their ids); (n,).
    """
    cells = list(enumerate(partition.cells))
    if values.dtype == object:
        known: dict[object, int] = {value: place for place, cell in cells for value in cell.values}
        known[None] = next((place for place, cell in cells if cell.missing), -1)
        return np.array([known.get(value, -1) for value in values.tolist()], dtype=np.intp)
    numbers = np.asarray(values, dtype=np.float64)
    is_missing = np.isnan(numbers)
    found = np.full(len(numbers), -1, dtype=np.intp)
    for place, cell in cells:
        if cell.values:
            inside = np.isin(numbers, [float(value == "true") for value in cell.values])
        elif is_only_missing(cell):
            inside = np.zeros(len(numbers), dtype=np.bool_)
        else:
            low, high = -np.inf if cell.low is None else cell.low, np.inf if cell.high is None else cell.high
            inside = (numbers >= low) & ((numbers < high) | (cell.high is None)) & ~is_missing
        found[inside | (is_missing & cell.missing)] = place
    return found


def is_only_missing(cell: Cell) -> bool:
    """Whether only records without a value belong to a cell."""
    return cell.missing and not cell.values and cell.low is None and cell.high is None


def _cut_categories(feature: Feature, values: Column, minimum: int) -> Partition | None:
    known = {value: place for place, value in enumerate(feature.categories)}
    cells = [Cell(values=(value,)) for value in feature.categories]
    places = np.array([known.get(value, len(cells)) for value in values.tolist()], dtype=np.intp)
    return _together(feature.id, (*cells, Cell(missing=True)), places, minimum)


def _together(by: str, cells: Sequence[Cell], places: NDArray[np.intp], minimum: int) -> Partition | None:
    """Cells that are too small become one; it takes the smallest of the others as long as it is too small itself."""
    sizes = np.bincount(places, minlength=len(cells))
    rest = {int(i) for i in np.flatnonzero((sizes > 0) & (sizes < minimum))}
    large = sorted((int(i) for i in np.flatnonzero(sizes >= minimum)), key=lambda i: (sizes[i], i))
    while rest and large and sum(sizes[i] for i in rest) < minimum:  # so never one alone, as each is too small
        rest.add(large.pop(0))
    groups = [{i} for i in sorted(large)] + ([rest] if rest else [])
    return _partition(by, cells, places, [sorted(group) for group in groups], ordered=False)


def _neighbours(by: str, cells: Sequence[Cell], places: NDArray[np.intp], minimum: int) -> Partition | None:
    sizes = np.bincount(places, minlength=len(cells)).tolist()
    groups = [[i] for i in range(len(cells))]
    while len(groups) > 1:
        counts = [sum(sizes[i] for i in group) for group in groups]
        small = min(range(len(groups)), key=lambda i: (counts[i], i))
        if counts[small] >= minimum:
            break
        other = min((i for i in (small - 1, small + 1) if 0 <= i < len(groups)), key=lambda i: (counts[i], i))
        first = min(small, other)
        groups[first : first + 2] = [groups[first] + groups[first + 1]]
    return _partition(by, cells, places, groups, ordered=True)


def _partition(
    by: str, cells: Sequence[Cell], places: NDArray[np.intp], groups: Sequence[Sequence[int]], *, ordered: bool
) -> Partition | None:
    if len(groups) < _FEWEST_TOGETHER:
        return None
    new_places = np.zeros(len(cells), dtype=np.intp)
    for place, group in enumerate(groups):
        new_places[list(group)] = place
    told = tuple(union([cells[i] for i in group]) for group in groups)
    return Partition(by=by, cells=told, codes=new_places[places], ordered=ordered)


def union(cells: Sequence[Cell]) -> Cell:
    """What the values of several cells have in common; cells of numbers are neighbours, from low to high."""
    return Cell(
        values=tuple(value for cell in cells for value in cell.values),
        low=cells[0].low,
        high=cells[-1].high,
        missing=any(cell.missing for cell in cells),
    )


def _cut_numbers(by: str, numbers: NDArray[np.float64], minimum: int) -> Partition | None:
    is_missing = np.isnan(numbers)
    known = numbers[~is_missing]
    if len(known) < minimum:
        return None
    found = np.quantile(known, _QUANTILES, method="inverted_cdf").tolist()
    borders = sorted({_rounded(value) for value in found} - {_rounded(float(known.min()))})
    borders = [border for border in borders if border > known.min()]
    ends = [None, *borders, None]
    cells = [Cell(low=low, high=high) for low, high in pairwise(ends)]
    places = np.searchsorted(np.array(borders), numbers, side="right")
    missing = int(is_missing.sum())
    if not missing:
        return _neighbours(by, cells, places, minimum)
    if missing >= minimum:
        places = np.where(is_missing, len(cells), places)
        whole = _neighbours(by, cells, places[~is_missing], minimum)
        merged = whole.cells if whole else (Cell(low=None, high=None),)
        codes = np.full(len(numbers), len(merged), dtype=np.intp)
        codes[~is_missing] = whole.codes if whole else 0
        return Partition(by=by, cells=(*merged, Cell(missing=True)), codes=codes, ordered=True)
    whole = _neighbours(by, cells, places[~is_missing], minimum)
    if whole is None:
        return None
    last = len(whole.cells) - 1
    codes = np.full(len(numbers), last, dtype=np.intp)
    codes[~is_missing] = whole.codes
    highest = whole.cells[last]
    told = (*whole.cells[:last], Cell(low=highest.low, high=highest.high, missing=True))
    return Partition(by=by, cells=told, codes=codes, ordered=True)


def _rounded(value: float) -> float:
    """To two significant digits."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    digits = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    return round(value, digits)
