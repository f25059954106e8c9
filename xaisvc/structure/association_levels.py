"""The part of the screen for categories with three or more levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.association_nulls import chi_squared_tail, explained_tail, trace_tail
from xaisvc.structure.association_sums import Columns, correlate, linear_tail
from xaisvc.structure.ranks import N_SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from xaisvc.structure.association_pairs import Evidence
    from xaisvc.structure.ranks import Variable

    Numbers = NDArray[np.float64]
    Places = NDArray[np.intp]

MEANS_WEIGHT = 0.55
SPREADS_WEIGHT = 0.15
COARSE_WEIGHT = 0.15
FINE_WEIGHT = 0.15
TABLE_WEIGHT = 0.5
CELLS_WEIGHT = 0.3
AGREEMENT_WEIGHT = 0.2

_HEAVY = 3.0
"""Excess kurtosis of scores from which group means are not nearly normal."""

_DOMINANT = 0.3
"""Share of the most frequent value above which means of small groups are not nearly normal."""

_TINY = 1e-9
_FEWEST_LEFT = 20
_LEAST = 5.0  # a tail of 0.025: multiplied by the number of cells it says nothing
_CELLS_AT_ONCE = 400
_WORTH_MEASURING = 0.01


def level_tests(variables: Sequence[Variable], present: Numbers, evidence: Evidence) -> None:
    """Tests categories of three or more levels with everything and adds what is found to the evidence."""
    levels = np.array([i for i, v in enumerate(variables) if v.kind == "levels"], dtype=np.intp)
    if not len(levels):
        return
    scored = np.array([i for i, v in enumerate(variables) if v.kind in {"ordered", "flag"}], dtype=np.intp)
    ordered = np.array([i for i, v in enumerate(variables) if v.kind == "ordered"], dtype=np.intp)
    if len(scored):
        _means(variables, present, evidence, levels, scored)
    coarse = np.array([i for i in levels if variables[i].coarse.shape[1]], dtype=np.intp)
    fine = np.array([i for i in levels if variables[i].fine.shape[1]], dtype=np.intp)
    if len(coarse):
        _coarse(variables, present, evidence, coarse, ordered)
    if len(fine):
        _fine(variables, present, evidence, fine, scored)
    _agreement(variables, evidence, levels)


def _means(variables: Sequence[Variable], present: Numbers, evidence: Evidence, levels: Places, scored: Places) -> None:
    """Whether scores, or how far they lie from the middle, differ between the levels of a category.

    All levels count, down to those with two rows, for scores without a dominant value; only well filled ones for the
    others, whose means in small groups are far from normal.
    """
    second = [variables[i].shapes[:, 1:2] if variables[i].n_shapes > 1 else np.zeros((len(present), 1)) for i in scored]
    matrix = np.concatenate([np.concatenate([variables[i].linear for i in scored], axis=1), *second], axis=1)
    here = np.tile(present[:, scored], 2)
    spread_out = np.tile([variables[i].mode <= _DOMINANT for i in scored], 2)
    light = np.array([variables[i].excess < _HEAVY for i in scored] + [variables[i].n_shapes > 1 for i in scored])
    half = len(scored)
    for place in levels:
        alone = np.array([place])
        explained, df, n = _between(variables[place].codes, matrix, here)
        evidence.explain(alone, scored, explained[None, :half], df[None, :half], n[None, :half])
        evidence.explain(alone, scored, explained[None, half:], df[None, half:], n[None, half:])
        applies = spread_out
        if variables[place].coarse.shape[1] and not spread_out.all():
            codes = np.where(variables[place].codes >= 0, variables[place].coarse.argmax(axis=1), -1)
            coarse, few, _ = _between(codes, matrix, here)
            explained, df = np.where(spread_out, explained, coarse), np.where(spread_out, df, few)
            applies = np.ones_like(spread_out)
        applies = applies & light & (n - 1.0 - df >= _FEWEST_LEFT) & (df >= 1)
        p = np.where(applies, explained_tail(explained, df, n), np.nan)
        evidence.test(alone, scored, p[None, :half], MEANS_WEIGHT, directed=True)
        evidence.test(alone, scored, p[None, half:], SPREADS_WEIGHT, directed=True)


def _between(codes: Places, matrix: Numbers, here: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Share of each column's variance that lies between groups, its degrees of freedom and rows; float64, (q,) each.

    Args:
        codes: Group of each row, -1 for none; intp, (n,).
        matrix: Columns, 0 where missing; float64, (n, q).
        here: Where they have values; float64, (n, q).
    """
    order = np.argsort(codes, kind="stable")[int((codes < 0).sum()) :]
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    counts = np.add.reduceat(here[order], starts, axis=0)
    sums = np.add.reduceat(matrix[order], starts, axis=0)
    n = counts.sum(axis=0)
    middle = sums.sum(axis=0) ** 2 / np.maximum(n, 1.0)
    squares = (matrix[order] ** 2).sum(axis=0) - middle
    between = (sums**2 / np.maximum(counts, 1.0)).sum(axis=0) - middle
    explained = np.where(squares > _TINY, between / np.where(squares > _TINY, squares, 1.0), 0.0)
    return np.clip(explained, 0.0, 1.0), (counts > 0).sum(axis=0) - 1.0, n


def _coarse(
    variables: Sequence[Variable], present: Numbers, evidence: Evidence, levels: Places, ordered: Places
) -> None:
    """Well filled levels: chi-squared with each other, Pillai's trace with the cosines of ordered columns."""
    columns = Columns.of(variables, levels, [variables[i].coarse for i in levels], present)
    n_groups = np.array([variables[i].coarse.shape[1] for i in levels], dtype=np.float64)
    width = len(columns.owner) // len(levels)
    if len(ordered):
        shapes = Columns.of(variables, ordered, [variables[i].shapes for i in ordered], present)
        k = np.array([variables[i].n_shapes for i in ordered], dtype=np.float64)
        sums, n = correlate(columns, shapes)
        rest = 1.0 - (sums.row_sums / np.maximum(n, 1.0)[columns.owner])[:, shapes.owner]
        total = (sums.r**2 * rest).reshape(len(levels), width, len(ordered), N_SHAPES).sum(axis=(1, 3))
        one, other = np.broadcast_arrays(n_groups[:, None] - 1.0, k[None, :])
        p = np.where(other > 1, trace_tail(total, one, other, n), np.nan)
        evidence.test(levels, ordered, p, COARSE_WEIGHT, directed=True)
    sums, n = correlate(columns, columns)
    safe = np.maximum(n, 1.0)
    rest = 1.0 - (sums.row_sums / safe[columns.owner])[:, columns.owner]
    others = 1.0 - (sums.column_sums / safe[:, columns.owner])[columns.owner]
    total = (sums.r**2 * rest * others).reshape(len(levels), width, len(levels), width).sum(axis=(1, 3))
    one, other = np.broadcast_arrays(n_groups[:, None] - 1.0, n_groups[None, :] - 1.0)
    p = chi_squared_tail((n - 1.0) * total, one * other)
    np.fill_diagonal(p, np.nan)
    evidence.test(levels, levels, p, TABLE_WEIGHT, directed=False)
    # Bergsma's correction of Cramer's V: what chance adds is taken off, then the largest possible value is 1.
    squared = np.maximum(total - one * other / (n - 1.0), 0.0) / np.maximum(np.minimum(one, other), 1.0)
    evidence.explain(levels, levels, np.where(np.isnan(p), 0.0, np.minimum(squared, 1.0)), np.zeros_like(n), n)


def _fine(variables: Sequence[Variable], present: Numbers, evidence: Evidence, levels: Places, scored: Places) -> None:
    """Single levels, rare ones too: with scores and with single levels of other categories, each one a test."""
    columns = Columns.of(variables, levels, [variables[i].fine for i in levels], present)
    n_fine = np.array([variables[i].fine.shape[1] for i in levels], dtype=np.float64)
    width = len(columns.owner) // len(levels)
    if len(scored):
        lines = Columns.of(variables, scored, [variables[i].linear for i in scored], present)
        sums, n = correlate(columns, lines)
        p = linear_tail(columns, lines, sums, n, least=_LEAST)
        p = p.reshape(len(levels), width, len(scored)).min(axis=1) * n_fine[:, None]
        evidence.test(levels, scored, np.minimum(p, 1.0), FINE_WEIGHT, directed=True)
    at_once = max(_CELLS_AT_ONCE // width, 1)
    for start in range(0, len(levels), at_once):
        block = slice(start, start + at_once)
        rows = levels[block]
        some = columns.take(block, width)
        sums, n = correlate(some, columns)
        p = linear_tail(some, columns, sums, n, least=_LEAST)
        p = p.reshape(len(rows), width, len(levels), width).min(axis=(1, 3)) * np.outer(n_fine[block], n_fine)
        p = np.where(rows[:, None] == levels[None, :], np.nan, np.minimum(p, 1.0))
        evidence.test(rows, levels, p, CELLS_WEIGHT, directed=False)


def _agreement(variables: Sequence[Variable], evidence: Evidence, levels: Places) -> None:
    """Whether rows with the same level of one category share that of another more often than in random order.

    For categories with more levels than the tables hold, and, as a strength, for pairs that the tables saw: the share
    of the chance to err about one category that knowing the other takes away (Goodman and Kruskal's tau), the better
    of both ways.
    """
    for place, i in enumerate(levels):
        for j in levels[place + 1 :]:
            one, other = variables[i], variables[j]
            poor = not (one.coarse.shape[1] and other.coarse.shape[1])
            if not poor and evidence.smallest[i, j] * evidence.weight[i, j] > _WORTH_MEASURING:
                continue
            both = (one.codes >= 0) & (other.codes >= 0)
            n = int(both.sum())
            if n < _FEWEST_LEFT:
                continue
            table = Counts.of(one.codes[both], other.codes[both])
            pair = np.array([i]), np.array([j])
            if poor:
                p = np.array([[table.agreement_tail()]])
                evidence.test(pair[0], pair[1], p, AGREEMENT_WEIGHT, directed=False)
                evidence.test(pair[1], pair[0], p, AGREEMENT_WEIGHT, directed=False)
            for explained, df in table.tau():
                evidence.explain(pair[0], pair[1], np.array([[explained]]), np.array([[df]]), np.array([[float(n)]]))


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by the level of one category, of another, and of both; float64, only those that occur.

    Attributes:
        rows: (a,).
        columns: (b,).
        cells: (c,).
        row_of: Level of the first category of each cell; intp, (c,).
        column_of: Level of the second; intp, (c,).
    """

    rows: Numbers
    columns: Numbers
    cells: Numbers
    row_of: Places
    column_of: Places

    @classmethod
    def of(cls, one: Places, other: Places) -> Counts:
        """Counts the levels of each row of two categories; intp, (n,) each."""
        _, a, rows = np.unique(one, return_inverse=True, return_counts=True)
        _, b, columns = np.unique(other, return_inverse=True, return_counts=True)
        found, cells = np.unique(a * len(columns) + b, return_counts=True)
        row_of, column_of = np.divmod(found, len(columns))
        return cls(rows.astype(float), columns.astype(float), cells.astype(float), row_of, column_of)

    def tau(self) -> Iterator[tuple[float, float]]:
        """Share of one category's variance that the other explains and its degrees of freedom, both ways."""
        n = self.cells.sum()
        for explaining, explained, by in (
            (self.rows, self.columns, self.row_of),
            (self.columns, self.rows, self.column_of),
        ):
            total = 1.0 - float(((explained / n) ** 2).sum())
            within = n - float((self.cells**2 / explaining[by]).sum())
            if total > 0:
                yield 1.0 - within / n / total, len(explaining) - 1.0

    def agreement_tail(self) -> float:
        """Tail of how many pairs of rows agree in both: a gamma law with the mean and variance of all permutations."""
        from scipy.special import gammaincc  # noqa: PLC0415 - heavy: loaded when used

        seen = float((self.cells * (self.cells - 1.0)).sum())
        mean, variance = self.agreement_moments()
        if not variance > 0.0 or seen <= mean:
            return 1.0
        return float(gammaincc(mean**2 / variance, (seen - 1.0) * mean / variance))  # half a pair less: they are whole

    def agreement_moments(self) -> tuple[float, float]:
        """Mean and variance, over all orders of one column, of the number of ordered pairs of rows that agree in both.

        Source: Mantel, N. (1967), The detection of disease clustering and a generalized regression approach, Cancer
        Research 27, 209-220.
        """
        n = self.cells.sum()
        a, a3 = _agreeing(self.rows)
        b, b3 = _agreeing(self.columns)
        mean = a * b / (n * (n - 1.0))
        square = 2.0 * a * b / (n * (n - 1.0))
        square += 4.0 * (a3 - a) * (b3 - b) / (n * (n - 1.0) * (n - 2.0))
        square += (a**2 + 2.0 * a - 4.0 * a3) * (b**2 + 2.0 * b - 4.0 * b3) / (n * (n - 1.0) * (n - 2.0) * (n - 3.0))
        return mean, square - mean**2


def _agreeing(counts: Numbers) -> tuple[float, float]:
    """Ordered pairs of rows in the same level, and the sum over rows of its square."""
    return float((counts * (counts - 1.0)).sum()), float((counts * (counts - 1.0) ** 2).sum())
