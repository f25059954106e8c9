"""Exact pairwise Shapley interaction values of sums of trees and linear terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.linear import LinearPart, Matrices, chunks, finished, why_not_additive
from xaisvc.attribution.masking import score
from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.tree_routing import Routes
from xaisvc.errors import LimitExceededError, MethodNotApplicableError
from xaisvc.types import LinearTerm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Problem, Settings, Table

MAX_CELLS = 2**27
"""Largest answer, n * p * p numbers: 1 GiB of float64."""
_CELLS_AT_ONCE = 16_000_000
"""Tests of nodes held at once, one byte each, for explained rows and for background rows."""
_PAIRS_AT_ONCE = 4_000_000
"""Cells (rows times players squared) that one piece of work fills: 32 MB for each thread."""
_MOST_PLAYERS_ON_A_PATH = 62
_REMEDY = "ask for attributions instead (`explain`), which need no sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """Pairwise Shapley interaction values of n rows and p players.

    Attributes:
        values: float64, (n, p, p), in the problem's space. Symmetric. `values[:, i, j]` with i != j is half of the
            pairwise Shapley interaction index of players i and j; `values[:, i, i]` is the SHAP value of player i less
            the rest of its line. So a line sums to the SHAP value of its player, and all of a row's numbers to its
            output less the base value.
        base_values: Mean output over the background; float64, (n,).
        outputs: The explained number of each row; float64, (n,).
        detail: How they were made, one sentence.
    """

    values: NDArray[np.float64]
    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    detail: str


def why_no_interactions(problem: Problem) -> str:
    """Why exact interaction values cannot be had, one sentence; empty if they can."""
    if problem.additive is None:
        return problem.additive_reason or "the model is no sum of trees and linear terms"
    if reason := why_not_additive(problem):
        return reason
    routes = Routes([problem.additive], problem.players)
    most = min(routes.depth, len(routes.tested))
    if most > _MOST_PLAYERS_ON_A_PATH:
        return (
            f"the trees are {routes.depth} branches deep over {len(routes.tested)} players, and at most "
            f"{_MOST_PLAYERS_ON_A_PATH} players on a path are supported; use groups"
        )
    return ""


def tree_interactions(problem: Problem, rows: Table, settings: Settings) -> Interactions:
    """Splits the SHAP values of n rows into main effects and pairwise interactions, exactly.

    With the interventional value function v and p players,

        I(i, j)     = sum over S without i, j of |S|! (p - |S| - 2)! / (p - 1)!
                                                 * (v(S+i+j) - v(S+i) - v(S+j) + v(S))
        values[i,j] = I(i, j) / 2
        values[i,i] = phi_i - sum over j != i of values[i,j]

    (Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
    Intelligence 2020, equations 9 and 10; there for path-dependent values). A leaf's share has a closed form for each
    pair of patterns (see `tree_interaction_kernel`), and background rows with the same pattern count together. Linear
    terms have no interactions: they enter the diagonal alone.

    Cost: rows times leaves times distinct background patterns at the leaf times players squared on its path, and one
    pass over leaves times background rows for all rows together. Memory: the answer, 8 n p p bytes, and at most about
    100 MB beside it for each thread.

    Args:
        problem: A model read as trees and linear terms, and its background.
        rows: n rows of raw features.
        settings: `max_batch_rows`, `threads` and `check` are used; no budget and no seed.

    Raises:
        MethodNotApplicableError: If `why_no_interactions` is not empty; says what to do.
        LimitExceededError: If n * p * p is above `MAX_CELLS`.
        ModelOutputError: If a number is not finite.
        AdditivityError: If the numbers do not sum to the output.
    """
    reason = why_no_interactions(problem)
    if reason or problem.additive is None:
        hint = f"ask for space 'log_odds', where the model is a sum, or {_REMEDY}" if problem.linked else f"{_REMEDY}"
        raise MethodNotApplicableError.of(
            "method", f"there are no exact interaction values here: {reason}; {hint}", "NOT_APPLICABLE"
        )
    n, p, b = len(rows), len(problem.players), len(problem.background)
    if n * p * p > MAX_CELLS:
        raise LimitExceededError(
            f"{n:,} rows with {p} players have {n * p * p:,} interaction values, and a call gives at most "
            f"{MAX_CELLS:,}; send at most {max(1, MAX_CELLS // (p * p)):,} rows, or group players"
        )
    model = problem.additive
    linear = LinearPart([term for term in model.terms if isinstance(term, LinearTerm)], problem)
    routes = Routes([model], problem.players)
    walk = _Walk(routes, Matrices(problem.background), b)
    base = model.constant + linear.base + walk.base
    values = np.zeros((n, p, p))
    singles = np.zeros((n, p))
    outputs = np.zeros(n)

    def fill(chunk: slice) -> None:
        settings.check()
        part = rows.take(chunk)
        matrices = Matrices(part)
        outputs[chunk] = score(problem, part, "explained rows")
        walk.add(routes.truth(matrices, slice(0, len(part))), singles[chunk], values[chunk])
        linear.add(matrices, singles[chunk])
        _finish(values[chunk], singles[chunk])

    at_once = max(1, min(walk.rows_at_once, settings.max_batch_rows, _PAIRS_AT_ONCE // (p * p)))
    in_threads(fill, list(chunks(n, at_once)), settings.threads)
    trees = f"{routes.roots.size} trees leaf by leaf" if routes.roots.size else "a linear model, which has none,"
    checked = finished(
        problem,
        method="interactions",
        values=singles,
        base=base,
        outputs=outputs,
        detail=f"exact pairwise interactions of {trees} over {b} background rows",
    )
    return Interactions(values=values, base_values=checked.base_values, outputs=outputs, detail=checked.detail)


class _Walk:
    """The trees of a sum made ready for the kernel.

    Attributes:
        base: Mean of the trees' sum over the background.
        rows_at_once: Rows whose tests fit the bound on memory.
    """

    def __init__(self, routes: Routes, background: Matrices, count: int) -> None:
        self._routes = routes
        self._background = background
        self._count = count
        self.rows_at_once = max(1, _CELLS_AT_ONCE // max(1, routes.player.size))
        self._pieces = list(chunks(count, self.rows_at_once))
        self._only = routes.truth(background, self._pieces[0]) if len(self._pieces) == 1 else None
        total = sum(float(routes.sums(self._truth(piece), 1).sum()) for piece in self._pieces)
        self.base = total / count

    def _truth(self, piece: slice) -> NDArray[np.bool_]:
        return self._routes.truth(self._background, piece) if self._only is None else self._only

    def add(self, truth: NDArray[np.bool_], singles: NDArray[np.float64], pairs: NDArray[np.float64]) -> None:
        """Adds SHAP values, float64, (n, p), and I(i, j) for i < j, float64, (n, p, p), of rows with tests `truth`."""
        from xaisvc.attribution.tree_interaction_kernel import (  # noqa: PLC0415 (heavy: loaded when used)
            add_interactions,
            pair_weights,
            single_weights,
        )

        routes = self._routes
        if not routes.roots.size:
            return
        for piece in self._pieces:
            add_interactions(
                truth,
                self._truth(piece),
                routes.roots,
                routes.player,
                routes.is_leaf,
                routes.true_child,
                routes.false_child,
                routes.value,
                routes.depth,
                single_weights(),
                pair_weights(),
                singles,
                pairs,
            )
        singles /= self._count
        pairs /= self._count


def _finish(pairs: NDArray[np.float64], singles: NDArray[np.float64]) -> None:
    """Turns I(i, j) for i < j into interaction values, in place; float64, (n, p, p). `singles` are the SHAP values."""
    pairs *= 0.5
    pairs += pairs.transpose(0, 2, 1)
    place = np.arange(singles.shape[1])
    pairs[:, place, place] = singles - pairs.sum(axis=2)
