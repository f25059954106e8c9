"""Correlations of many functions of columns with many, over the rows where both columns have values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xaisvc.structure.association_nulls import correlation_tail, paired_sum_tail, spread_of, table_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.structure.ranks import Variable

    Numbers = NDArray[np.float64]

NOT_NORMAL = 0.15
"""Skewness or excess kurtosis of a sum in random order from which a small tail is computed anew."""

WORTH_A_LOOK = 1e-2
"""Tail of the normal approximation below which it is checked."""

MOST_CHECKED = 2000
"""Sums that are checked with the saddle point, smallest tails first: bounds the time to some seconds."""

_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """w functions of v variables, in the order of the variables, the same number for each variable.

    Attributes:
        matrix: Values, 0 where missing; float64, (n, w).
        owner: Place of each function's variable among the v; intp, (w,).
        present: Where each variable has a value; float64 0 or 1, (n, v).
        binary: Whether a function is 0 or 1; bool, (w,).
        skew: Skewness of each function; float64, (w,).
        excess: Excess kurtosis of each function; float64, (w,).
        complete: Whether nothing is missing.
    """

    matrix: Numbers
    owner: NDArray[np.intp]
    present: Numbers
    binary: NDArray[np.bool_]
    skew: Numbers
    excess: Numbers
    complete: bool

    @classmethod
    def of(
        cls, variables: Sequence[Variable], places: NDArray[np.intp], functions: Sequence[Numbers], present: Numbers
    ) -> Columns:
        """Functions of the variables at `places`; narrower ones are filled up with columns of zeros.

        Args:
            variables: All variables.
            places: Which of them; intp, (v,).
            functions: For each of them float64, (n, up to width).
            present: Where each of all variables has a value; float64, (n, all).
        """
        width = max(block.shape[1] for block in functions)
        n = len(present)
        matrix = np.zeros((n, len(functions), width))
        for place, block in enumerate(functions):
            matrix[:, place, : block.shape[1]] = block
        matrix = matrix.reshape(n, -1)
        owner = np.repeat(np.arange(len(functions)), width)
        here = np.ascontiguousarray(present[:, places])
        binary = np.repeat([variables[i].kind != "ordered" for i in places], width)
        skew = np.repeat([variables[i].skew for i in places], width)
        excess = np.repeat([variables[i].excess for i in places], width)
        levels = np.repeat([variables[i].kind == "levels" for i in places], width)
        if levels.any():
            share = matrix.sum(axis=0) / np.maximum(here.sum(axis=0), 1.0)[owner]
            spread = np.maximum(share * (1.0 - share), _TINY)
            skew = np.where(levels, (1.0 - 2.0 * share) / np.sqrt(spread), skew)
            excess = np.where(levels, 1.0 / spread - 6.0, excess)
        return cls(
            matrix=matrix,
            owner=owner,
            present=here,
            binary=binary,
            skew=skew,
            excess=excess,
            complete=bool(here.all()),
        )

    def take(self, variables: slice, width: int) -> Columns:
        """The functions of consecutive variables, `width` of each."""
        start, stop, _ = variables.indices(self.present.shape[1])
        functions = slice(start * width, stop * width)
        return Columns(
            matrix=self.matrix[:, functions],
            owner=self.owner[functions] - start,
            present=self.present[:, variables],
            binary=self.binary[functions],
            skew=self.skew[functions],
            excess=self.excess[functions],
            complete=self.complete,
        )


class Sums(NamedTuple):
    """What the rows with both values sum to, for every function with every other.

    Attributes:
        r: Correlation, 0 where a function does not vary there; float64, (w, u).
        products: Sum of products; float64, (w, u).
        row_sums: Sum of the first function; float64, (w, u's variables).
        column_sums: Sum of the second function; float64, (w's variables, u).
    """

    r: Numbers
    products: Numbers
    row_sums: Numbers
    column_sums: Numbers


def correlate(one: Columns, other: Columns) -> tuple[Sums, Numbers]:
    """Correlations of every function of `one` with every function of `other` where both variables have values.

    Returns:
        The sums, and the rows behind them by variable, float64, (v, u).
    """
    products = one.matrix.T @ other.matrix
    n = one.present.T @ other.present
    row_sums = one.matrix.T @ other.present
    column_sums = one.present.T @ other.matrix
    row_squares = (one.matrix**2).T @ other.present
    column_squares = one.present.T @ other.matrix**2
    safe = np.maximum(n, 1.0)
    row_rest = row_squares - row_sums**2 / safe[one.owner]
    column_rest = column_squares - column_sums**2 / safe[:, other.owner]
    row_scale = np.where(row_rest > _TINY * np.maximum(row_squares, 1.0), row_rest, np.inf) ** -0.5
    column_scale = np.where(column_rest > _TINY * np.maximum(column_squares, 1.0), column_rest, np.inf) ** -0.5
    r = column_sums[one.owner] / safe[one.owner][:, other.owner]
    r *= row_sums[:, other.owner]
    np.subtract(products, r, out=r)
    r *= row_scale[:, other.owner]
    r *= column_scale[one.owner]
    return Sums(np.clip(r, -1.0, 1.0), products, row_sums, column_sums), n


def linear_tail(one: Columns, other: Columns, sums: Sums, n: Numbers, *, least: float = 0.0) -> Numbers:
    """Two-sided tail of every correlation, exact for two flags and checked where the normal approximation may fail.

    Args:
        one: Functions, (w,).
        other: Functions, (u,).
        sums: Their correlations.
        n: Rows behind them by variable.
        least: Squared correlation times rows below which the tail is given as 1, without working it out.

    Returns:
        NaN for a function with itself if `one is other`; float64, (w, u).
    """
    rows = n[one.owner][:, other.owner]
    p = np.ones_like(sums.r)
    large = rows * sums.r**2 >= least
    p[large] = correlation_tail(sums.r[large], rows[large])
    look = p < WORTH_A_LOOK
    if one is other:
        look = np.triu(look, 1)
    tables = look & one.binary[:, None] & other.binary[None, :]
    i, j = np.nonzero(tables)
    if len(i):
        p[i, j] = table_tail(
            np.rint(sums.products[i, j]),
            np.rint(sums.row_sums[i, other.owner[j]]),
            np.rint(sums.column_sums[one.owner[i], j]),
            rows[i, j],
        )
    root = np.sqrt(np.maximum(rows, 1.0))
    skewed = np.abs(one.skew[:, None] * other.skew[None, :]) / root > NOT_NORMAL
    heavy = one.excess[:, None] * other.excess[None, :] / root**2 > NOT_NORMAL
    i, j = np.nonzero(look & ~tables & (skewed | heavy))
    order = np.argsort(p[i, j], kind="stable")[:MOST_CHECKED]
    for a, b in zip(i[order], j[order], strict=True):
        p[a, b] = max(p[a, b], _checked(one, other, int(a), int(b)))
    if one is other:
        p = np.triu(p, 1) + np.triu(p, 1).T
        np.fill_diagonal(p, np.nan)
    return p


def _checked(one: Columns, other: Columns, a: int, b: int) -> float:
    both = (one.present[:, one.owner[a]] * other.present[:, other.owner[b]]) > 0
    first, second = one.matrix[both, a], other.matrix[both, b]
    first, second = first - first.mean(), second - second.mean()
    return paired_sum_tail(float(first @ second), spread_of(first), spread_of(second))
