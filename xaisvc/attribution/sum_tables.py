"""Designs of models that are sums of weighted columns and trees: coalition values without a mixed row.

With s_i(x) what player i's columns add, t(x) what the trees add, and z the background rows of a coalition S,

    v(S) = constant + sum over i in S of s_i(x) + sum over i not in S of mean s_i(z) + mean t(x in S, z elsewhere)

Only the first sum, and the last mean for the trees, depend on the row; see `tree_coalitions`. All of it is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.linear import Matrices, players_of_columns, why_not_additive
from xaisvc.attribution.masking import steady_mean
from xaisvc.attribution.tree_coalitions import TreeCoalitions, lay_out_coalitions
from xaisvc.types import LinearTerm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.types import CoalitionDesign, ColumnFunction, Players, Problem, Table

    Numbers = NDArray[np.float64]
    Matrix = NDArray[np.float32] | NDArray[np.float64]

_PAIRS_AT_ONCE = 256
"""Pairs with background rows of their own whose means are taken together; bounds memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighted:
    """A linear term.

    Attributes:
        term: The term.
        weights: Its weights; float64, (c,).
        players: Player of each column, p for a column that is the same in every row; int64, (c,).
    """

    term: LinearTerm
    weights: Numbers
    players: NDArray[np.int64]

    @staticmethod
    def of(term: LinearTerm, players: Players) -> _Weighted:
        """Finds out who owns the columns."""
        owners = players_of_columns(term.owners, players)[: term.weights.size]
        weights = np.array(term.weights, dtype=np.float64)  # a copy: a read-only array would have its own loop compiled
        return _Weighted(term=term, weights=weights, players=np.where(owners < 0, len(players), owners))

    def add(self, matrix: Matrix, parts: Numbers) -> None:
        """Adds what each player's columns make of n rows to `parts`, float64, (n, p + 1)."""
        from xaisvc.attribution.sum_kernel import add_columns  # noqa: PLC0415 (heavy: loaded when used)

        add_columns(np.array(matrix, dtype=np.float64, order="C"), self.weights, self.players, parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SumTable:
    """A design of m coalitions, first one of each pair and then the others, with what the background makes of it.

    Attributes:
        masks: 1 where a coalition holds a player; float64, (p, m).
        absent: What does not depend on the row: the constant, and the means of absent players' columns; float64, (m,).
        weighted: The linear terms.
        trees: The terms of trees.
    """

    masks: Numbers
    absent: Numbers
    weighted: tuple[_Weighted, ...]
    trees: tuple[TreeCoalitions, ...]

    @staticmethod
    def of(problem: Problem, design: CoalitionDesign, most_bytes: int) -> SumTable | None:
        """Makes the table of a design.

        Args:
            problem: A model read as a sum, and its background.
            design: The design, of at least one pair.
            most_bytes: Bound on its size.

        Returns:
            The table; None if a column mixes players, or it would be too large.
        """
        if problem.additive is None or why_not_additive(problem):
            return None
        coalitions, players = 2 * len(design), problem.players
        if coalitions * (len(players) + 1) * 8 > most_bytes:
            return None
        terms = problem.additive.terms
        trees: list[TreeCoalitions] = []
        for term in terms:
            if isinstance(term, LinearTerm):
                continue
            counted = lay_out_coalitions(term, players, problem.background, design, most_bytes)
            if counted is None or sum(found.n_bytes for found in trees) + counted.n_bytes > most_bytes:
                return None
            trees.append(counted)
        weighted = tuple(_Weighted.of(term, players) for term in terms if isinstance(term, LinearTerm))
        masks = np.concatenate([design.masks, ~design.masks])
        absent = problem.additive.constant + sum(tree.leaves.constant for tree in trees)
        return SumTable(
            masks=np.ascontiguousarray(masks.T, dtype=np.float64),
            absent=absent + _absent(weighted, problem.background, design, masks),
            weighted=weighted,
            trees=tuple(trees),
        )

    @property
    def n_bytes(self) -> int:
        """Size of the arrays that grow with the design."""
        return self.masks.nbytes + self.absent.nbytes + sum(tree.n_bytes for tree in self.trees)

    @property
    def operations(self) -> int:
        """Additions that a row takes."""
        return int(self.masks.size * bool(self.weighted)) + sum(tree.counts.size for tree in self.trees)

    @property
    def reads(self) -> tuple[tuple[ColumnFunction, int], ...]:
        """The preprocessing in front of each term, and the columns that it reads: first linear terms, then trees."""
        return (
            *((one.term.columns, one.weights.size) for one in self.weighted),
            *((tree.columns, tree.needed) for tree in self.trees),
        )

    def fill(self, matrices: Sequence[Matrix], found: Numbers) -> None:
        """Coalition values of n rows.

        Args:
            matrices: What the preprocessings of `reads` make of the rows; (n, c) each.
            found: Written to; float64, (n, m).
        """
        from xaisvc.attribution.sum_kernel import add_parts  # noqa: PLC0415 (heavy: loaded when used)

        found[:] = self.absent
        split = len(self.weighted)
        if self.weighted:
            parts = np.zeros((len(found), len(self.masks) + 1))
            for one, matrix in zip(self.weighted, matrices[:split], strict=True):
                one.add(matrix, parts)
            add_parts(parts, self.masks, found)
        for tree, matrix in zip(self.trees, matrices[split:], strict=True):
            tree.add(matrix, found)


def _absent(
    weighted: tuple[_Weighted, ...], background: Table, design: CoalitionDesign, masks: NDArray[np.bool_]
) -> Numbers:
    """Means of the columns of players that a coalition does not hold, and of nobody's; float64, (m,)."""
    if not weighted:
        return np.zeros(len(masks))
    parts = np.zeros((len(background), masks.shape[1] + 1))
    matrices = Matrices(background)
    for one in weighted:
        one.add(matrices(one.term.columns, one.weights.size), parts)
    if design.background is None:
        means = np.broadcast_to(steady_mean(parts.T), (len(design), parts.shape[1]))
    else:
        means = np.concatenate(
            [
                steady_mean(np.moveaxis(parts[design.background[start : start + _PAIRS_AT_ONCE]], 1, 2))
                for start in range(0, len(design), _PAIRS_AT_ONCE)
            ]
        )
    away = np.concatenate([~masks, np.ones((len(masks), 1), dtype=np.bool_)], axis=1)
    return np.asarray(np.where(away, np.concatenate([means, means]), 0.0).sum(axis=1))
