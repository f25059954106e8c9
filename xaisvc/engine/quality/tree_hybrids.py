"""Answers of a sum of trees and linear terms for rows that take some features from the background, without model rows.

A quality report asks the same model about hundreds of mixes of the same two rows. Where the explained number is a sum
and no column depends on several players, the tests at the branches are worked out once for each row and the mixes are
read from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.attribution.linear import Matrices, chunks, players_of_columns, why_not_additive
from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.tree_routing import Routes
from xaisvc.types import LinearTerm

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.types import Problem, Table

    Floats = NDArray[np.float64]

MOST_TESTS: Final = 200_000_000
"""Tests of explained and background rows held at once, a byte each; beyond, the model itself is asked."""
MOST_NODES: Final = 256
"""Of a tree that is looked at as a whole; a walk of a larger one sees the smaller part of its nodes."""
_ROWS_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHybrids:
    """A model's trees with their tests worked out for some rows and the background. Safe to use from several threads.

    Attributes:
        roots: Root node of each tree; int32, (trees,).
        nodes: What each node tests, its children and its value; see `tree_hybrids_kernel.add_trees`.
        depth: Branches on the longest path.
        sizes: Nodes of each tree, or empty; see `tree_hybrids_kernel.add_trees`.
        row_true: Whether each test holds for each explained row; uint8, (n, t).
        back_true: The same for background rows; uint8, (b, t).
        row_parts: What linear terms add for each player of an explained row; float64, (n, p).
        back_parts: The same for background rows; float64, (b, p).
        constant: What depends on nothing.
        threads: Threads that rows are spread over.
        check: Called often; raises AbandonedError once nobody waits.
    """

    roots: NDArray[np.int32]
    nodes: tuple[NDArray[np.int32], NDArray[np.int32], Floats]
    depth: int
    sizes: NDArray[np.int64]
    row_true: NDArray[np.uint8]
    back_true: NDArray[np.uint8]
    row_parts: Floats
    back_parts: Floats
    constant: float
    threads: int
    check: Callable[[], None]

    @classmethod
    def of(cls, problem: Problem, rows: Table, threads: int, check: Callable[[], None]) -> TreeHybrids | None:
        """Works out the tests of some rows.

        Args:
            problem: The model, its background and its players.
            rows: The explained rows; n of them.
            threads: Threads that rows are spread over.
            check: Called often; raises AbandonedError once nobody waits.

        Returns:
            None if the explained number is no such sum, or one without trees, or one too large to be held.
        """
        if problem.additive is None or why_not_additive(problem):
            return None
        from xaisvc.engine.quality.tree_hybrids_kernel import LEAF  # noqa: PLC0415 - heavy: loaded when used

        routes = Routes([problem.additive], problem.players)
        count = len(rows) + len(problem.background)
        if not routes.roots.size or routes.player.size * count > MOST_TESTS:
            return None
        own, other = Matrices(rows), Matrices(problem.background)
        parts = [np.zeros((len(table), len(problem.players))) for table in (rows, problem.background)]
        constant = problem.additive.constant
        for term in problem.additive.terms:
            if not isinstance(term, LinearTerm):
                continue
            players = players_of_columns(term.owners, problem.players)
            for column in np.flatnonzero(term.weights):
                for matrices, part in zip((own, other), parts, strict=True):
                    values = matrices(term.columns, term.weights.size)[:, column] * term.weights[column]
                    if players[column] >= 0:
                        part[:, players[column]] += values
                if players[column] < 0:
                    constant += float(values[0])
        return cls(
            roots=routes.roots.astype(np.int32),
            nodes=(
                np.where(routes.is_leaf, LEAF, routes.player).astype(np.int32),
                np.stack([routes.false_child, routes.true_child], axis=1).astype(np.int32),
                routes.value,
            ),
            depth=routes.depth,
            sizes=_sizes(routes),
            row_true=np.ascontiguousarray(routes.truth(own, slice(0, len(rows))).T).view(np.uint8),
            back_true=np.ascontiguousarray(routes.truth(other, slice(0, len(problem.background))).T).view(np.uint8),
            row_parts=parts[0],
            back_parts=parts[1],
            constant=constant,
            threads=threads,
            check=check,
        )

    def __call__(
        self, places: NDArray[np.intp], donors: NDArray[np.intp], keep: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Answers in the explained space; see `xaisvc.evaluation.HybridModel`."""
        from xaisvc.engine.quality.tree_hybrids_kernel import add_trees  # noqa: PLC0415 - heavy: loaded when used

        found = np.full(donors.shape, self.constant)

        def fill(chunk: slice) -> None:
            self.check()
            here, kept = places[chunk], np.ascontiguousarray(keep[chunk])
            if self.row_parts.any() or self.back_parts.any():
                found[chunk] += (kept @ self.row_parts[here][:, :, None])[:, :, :1]
                found[chunk] += ((~kept)[:, :, None, :] * self.back_parts[donors[chunk]]).sum(axis=3)
            add_trees(
                self.row_true[here],
                self.back_true,
                np.ascontiguousarray(donors[chunk], dtype=np.int64),
                kept,
                self.roots,
                self.nodes,
                self.depth,
                self.sizes,
                found[chunk],
            )

        in_threads(fill, list(chunks(len(places), _ROWS_AT_ONCE)), self.threads)
        return found


def _sizes(routes: Routes) -> NDArray[np.int64]:
    """Nodes of each tree if they follow each other, children after their parents, and are few; else empty."""
    none = np.zeros(0, dtype=np.int64)
    sizes = np.append(routes.roots[1:], routes.value.size).astype(np.int64) - routes.roots
    if routes.roots[0] != 0 or sizes.min() <= 0 or sizes.max() > MOST_NODES:
        return none
    inner = np.flatnonzero(~routes.is_leaf)
    children = np.stack([routes.false_child[inner], routes.true_child[inner]])
    stops = np.repeat(np.cumsum(sizes), sizes)[inner]
    return sizes if (children > inner).all() and (children < stops).all() else none
