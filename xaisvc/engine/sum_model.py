"""A model that is a sum of trees and linear terms, or the link of such sums, scored without a runtime."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.tree_scores import TreeScores
from xaisvc.engine.guards import RELATIVE_TOLERANCE, relative_gap
from xaisvc.engine.linked import probability_of
from xaisvc.engine.scoring import ColumnMatrix
from xaisvc.errors import BundleError, ModelOutputError
from xaisvc.types import LinearTerm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.types import AdditiveModel, Players, Table

    Array = NDArray[np.generic]
    Matrix = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SumModel:
    """An output as a function of tensors; see `compile_sums`.

    Attributes:
        sums: The sums: the explained number alone, or what its link joins, the explained class first.
        is_link: Whether the explained number is the link of the sums.
    """

    sums: tuple[_Sum, ...]
    is_link: bool

    @property
    def terms(self) -> tuple[_Trees | _Weights, ...]:
        """The terms of all sums, one after the other."""
        return tuple(term for one in self.sums for term in one.terms)

    def answers(self, feeds: Mapping[str, Array]) -> NDArray[np.float64]:
        """The explained number of n rows that are tensors already; float64, (n,)."""
        return self.of_matrices(self.matrices(feeds, len(next(iter(feeds.values())))))

    def fixed(self, values: Mapping[str, Array], feeds: Mapping[str, Array]) -> SumModel:
        """The same function of rows of which some tensors are always the same; itself where that saves nothing.

        Args:
            values: Tensor name to what it always is, one entry for each row.
            feeds: All tensors of such rows, these among them: what reaches a term must be the same bits either way.
        """
        n = len(next(iter(feeds.values())))

        def fix(term: _Trees | _Weights) -> _Trees | _Weights:
            expected = term.columns.of_tensors(feeds, n)
            with suppress(BundleError, ModelOutputError):  # a graph of one row at a time takes no such constants
                columns = term.columns.fixed(values)
                if columns is not None and np.array_equal(columns.of_tensors(feeds, n), expected, equal_nan=True):
                    return replace(term, columns=columns)
            return term

        return replace(self, sums=tuple(replace(one, terms=tuple(map(fix, one.terms))) for one in self.sums))

    def matrices(self, feeds: Mapping[str, Array], n: int) -> list[Matrix]:
        """What reaches each of `terms` for n rows."""
        return [term.columns.of_tensors(feeds, n) for term in self.terms]

    def of_matrices(self, matrices: Sequence[Matrix]) -> NDArray[np.float64]:
        """The explained number of n rows from what reaches each of `terms`; float64, (n,)."""
        waiting = iter(matrices)
        totals: list[NDArray[np.float64]] = []
        for one in self.sums:
            total = np.full(len(matrices[0]), one.constant)
            for term in one.terms:
                term.add(next(waiting), total)
            totals.append(total)
        return probability_of(totals) if self.is_link else totals[0]

    def players_of_columns(self, players: Players) -> list[NDArray[np.int64]] | None:
        """The player that each column of each of `terms` belongs to, -1 for none; int64, (c,) each.

        None where a column depends on features of several players: mixed rows have columns of their own then.
        """
        of_feature = {name: i for i, members in enumerate(players.members) for name in members}
        found: list[NDArray[np.int64]] = []
        for term in self.terms:
            owners = [{of_feature.get(name, -1) for name in features} or {-1} for features in term.owners]
            if any(len(owner) > 1 for owner in owners):
                return None
            found.append(np.array([owner.pop() for owner in owners], dtype=np.int64))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sum:
    constant: float
    terms: tuple[_Trees | _Weights, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trees:
    columns: ColumnMatrix
    owners: tuple[frozenset[str], ...]
    scores: TreeScores

    def add(self, matrix: Matrix, totals: NDArray[np.float64]) -> None:
        self.scores.add(matrix, totals)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weights:
    columns: ColumnMatrix
    owners: tuple[frozenset[str], ...]
    weights: NDArray[np.float64]

    def add(self, matrix: Matrix, totals: NDArray[np.float64]) -> None:
        # No matrix product: its bits would depend on the number of rows.
        totals += (matrix[:, : len(self.weights)].astype(np.float64) * self.weights).sum(axis=1)


def compile_sums(
    sums: Sequence[AdditiveModel], scoring: ScoringModel, probes: Table, *, is_link: bool
) -> SumModel | None:
    """Compiles a model that holds trees and checks it against the model itself.

    Args:
        sums: The explained number as a sum, or the sums that its link joins.
        scoring: The model in the same space.
        probes: Rows to compare them on.
        is_link: Whether the explained number is the link of the sums.

    Returns:
        None where there are no trees, where some cannot be scored (see `TreeScores`), or where the numbers differ.
    """
    found: list[_Sum] = []
    for model in sums:
        terms: list[_Trees | _Weights] = []
        for term in model.terms:
            if not isinstance(term.columns, ColumnMatrix):
                return None
            if isinstance(term, LinearTerm):
                terms.append(_Weights(columns=term.columns, owners=term.owners, weights=term.weights))
                continue
            double = term.columns(probes.take(slice(0, 1))).dtype == np.float64
            scores = TreeScores.of(term.trees, double=double)
            if scores is None:
                return None
            terms.append(_Trees(columns=term.columns, owners=term.owners, scores=scores))
        found.append(_Sum(constant=model.constant, terms=tuple(terms)))
    if not any(isinstance(term, _Trees) for one in found for term in one.terms):
        return None
    compiled = SumModel(sums=tuple(found), is_link=is_link)
    gap = relative_gap(scoring(probes), compiled.answers(scoring.feeds(probes)))
    return compiled if gap <= RELATIVE_TOLERANCE else None
