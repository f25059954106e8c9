"""Donors: rows whose values replace those of another row, drawn from all rows or so that the row stays plausible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.table import Column, Table

_LEVELS = 12
"""Levels of a category that get an indicator of their own; rarer ones say little about other columns."""
_NEIGHBOURS = 8
"""Associated columns that decide who is near: more of them would only dilute the strong ones."""
_CHANCE = 12.0
"""A squared correlation below this over n is taken for chance (3.5 standard errors)."""
_NEAREST = 5
_NEAREST_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Landscape:
    """How n rows with d columns lie to each other, ready for drawing donors.

    Attributes:
        codes: Number of each value within its column, in ascending order, a missing value last; intp, (n, d).
        links: Squared association of each column with each other one, 0 where it may be chance; float64, (d, d).
        places: Coordinates of the rows: ranks and indicators of levels and of missingness, each with variance 1;
            float64, (n, e).
        owners: Column that each coordinate belongs to; intp, (e,).
    """

    codes: NDArray[np.intp]
    links: NDArray[np.float64]
    places: NDArray[np.float64]
    owners: NDArray[np.intp]

    def distinct(self, column: int) -> int:
        """How many values a column has, a missing one included."""
        return int(self.codes[:, column].max(initial=-1)) + 1


def survey(table: Table) -> Landscape:
    """How the rows of a table lie to each other. Work: n d log n + n e^2, at most 14 coordinates a column.

    Two columns are linked by the largest squared correlation among their ranks, the distances of these from the middle,
    their indicators of levels (the 12 most frequent) and of missingness; below 12 / n it counts as chance.
    """
    codes = [_codes(values) for values in table.columns.values()]
    n, d = len(table), len(codes)
    parts: list[NDArray[np.float64]] = []
    owners: list[int] = []
    folded: list[bool] = []
    for column, (code, values) in enumerate(zip(codes, table.columns.values(), strict=True)):
        for coordinate, fold in _coordinates(code, values):
            spread = coordinate.std()
            if spread > 0:
                parts.append((coordinate - coordinate.mean()) / spread)
                owners.append(column)
                folded.append(fold)
    matrix = np.column_stack(parts) if parts else np.zeros((n, 0))
    owner = np.asarray(owners, dtype=np.intp)
    squared = (matrix.T @ matrix / max(n, 1)) ** 2
    links = np.zeros((d, d))
    if len(owner):
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        blocks = np.maximum.reduceat(np.maximum.reduceat(squared, starts, axis=0), starts, axis=1)
        present = owner[starts]
        links[np.ix_(present, present)] = blocks
    links[links < _CHANCE / max(n, 1)] = 0.0
    np.fill_diagonal(links, 0.0)
    keep = ~np.asarray(folded, dtype=bool)
    return Landscape(
        codes=np.column_stack(codes) if codes else np.zeros((n, 0), dtype=np.intp),
        links=links,
        places=np.ascontiguousarray(matrix[:, keep]),
        owners=owner[keep],
    )


def random_donors(codes: NDArray[np.intp], rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """For each of some rows another row with another value, each such row equally likely.

    Args:
        codes: Number of each row's value, 0 to c - 1; intp, (n,).
        rows: Places of the rows; intp, (k,).
        rng: Source of randomness.

    Returns:
        Places of the donors; intp, (k,). -1 where no row has another value.
    """
    counts = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    starts = np.cumsum(counts) - counts
    own = codes[rows]
    others = len(codes) - counts[own]
    drawn = (rng.random(len(rows)) * others).astype(np.intp)
    drawn += np.where(drawn >= starts[own], counts[own], 0)
    return np.where(others > 0, order[np.minimum(drawn, len(codes) - 1)], -1)


def near_donors(
    landscape: Landscape, columns: tuple[int, ...], rows: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """For each of some rows another row with another value that is among the nearest in the linked columns.

    Near is the Euclidean distance over the coordinates of the 8 columns that are linked most, each weighted with its
    link: columns that have nothing to do with the swapped ones do not decide. The donor is one of the nearest
    max(5, n / 50) rows, each equally likely; without links every row is near. Work: k n.

    Args:
        landscape: How the rows lie to each other.
        columns: Columns whose values are to be swapped together.
        rows: Places of the rows; intp, (k,).
        rng: Source of randomness.

    Returns:
        Places of the donors; intp, (k,). -1 where no row has another value.
    """
    n = len(landscape.codes)
    link = landscape.links[list(columns)].max(axis=0)
    link[list(columns)] = 0.0
    chosen = np.argsort(-link, kind="stable")[:_NEIGHBOURS]
    weights = np.where(np.isin(landscape.owners, chosen), link[landscape.owners], 0.0)
    used = np.flatnonzero(weights > 0)
    places = landscape.places[:, used] * np.sqrt(weights[used])
    length = (places**2).sum(axis=1)
    distance = length[rows, None] + length[None, :] - 2.0 * (places[rows] @ places.T)
    distance = np.maximum(distance, 0.0) + 1e-9 * rng.random(distance.shape)  # ties are broken by lot
    own = landscape.codes[:, list(columns)]
    distance[(own[rows][:, None, :] == own[None, :, :]).all(axis=2)] = np.inf
    nearest = min(max(_NEAREST, int(n * _NEAREST_SHARE)), n - 1)
    candidates = np.argpartition(distance, nearest - 1, axis=1)[:, :nearest]
    reachable = np.take_along_axis(distance, candidates, axis=1) < np.inf
    counts = reachable.sum(axis=1)
    candidates = np.take_along_axis(candidates, np.argsort(~reachable, axis=1, kind="stable"), axis=1)
    drawn = (rng.random(len(rows)) * counts).astype(np.intp)
    return np.where(counts > 0, candidates[np.arange(len(rows)), drawn], -1)


def joint_codes(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """One number for each row's values in several columns, equal where all are equal; intp, (n,)."""
    joint = codes[:, 0]
    for column in codes.T[1:]:
        _, joint = np.unique(joint * (int(column.max(initial=0)) + 1) + column, return_inverse=True)
    return joint.astype(np.intp)


def _codes(values: Column) -> NDArray[np.intp]:
    if values.dtype != np.object_:
        return np.unique(values, return_inverse=True)[1].astype(np.intp)
    levels = sorted({str(value) for value in values if value is not None})
    numbers = {level: number for number, level in enumerate(levels)}
    missing = len(levels)
    return np.fromiter(
        (missing if value is None else numbers[str(value)] for value in values), dtype=np.intp, count=len(values)
    )


def _coordinates(codes: NDArray[np.intp], values: Column) -> list[tuple[NDArray[np.float64], bool]]:
    """Coordinates of a column, and whether they are folded: distances from the middle, for links but not for places."""
    counts = np.bincount(codes) if len(codes) else np.zeros(1, dtype=np.intp)
    if values.dtype == np.object_:
        frequent = np.argsort(-counts, kind="stable")[:_LEVELS]
        return [((codes == level).astype(np.float64), False) for level in frequent]
    missing = np.isnan(cast("NDArray[np.float64]", values))
    present = counts[:-1] if missing.any() else counts
    middle = np.cumsum(present) - present / 2.0
    rank = np.zeros(len(codes))
    if len(present):
        rank[~missing] = 2.0 * middle[codes[~missing]] / present.sum() - 1.0
    fold = np.where(missing, 0.5, np.abs(rank))
    return [(rank, False), (fold, True), (missing.astype(np.float64), False)]
