"""Pairwise Shapley interaction values of a bundle's rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.attribution.tree_interactions import tree_interactions
from xaisvc.types import Settings, keep_going

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import Output, Players, Space, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionBatch:
    """Interaction values of n rows and p players.

    Attributes:
        values: float64, (n, p, p), symmetric, in `space`. `values[:, i, j]` with i != j is half of the pairwise Shapley
            interaction index of players i and j, `values[:, i, i]` the main effect of player i. A line sums to the
            SHAP value of its player, all numbers of a row to its output less the base value.
        players: The p players.
        base_values: Mean output over the background, in `space`; float64, (n,).
        outputs: The explained number of each row, in `space`; float64, (n,).
        output: The output explained.
        space: Unit of all numbers.
        method: `tree_interactions`.
        exact: Always true: where there is no exact form there is an error instead.
        detail: How the numbers were made, one sentence.
    """

    values: NDArray[np.float64]
    players: Players
    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    output: Output
    space: Space
    method: str
    exact: bool
    detail: str

    def __len__(self) -> int:
        """Number of rows n."""
        return len(self.outputs)


def explain_interactions(  # noqa: PLR0913 - what is explained, and how, each by name
    loaded: LoadedBundle,
    table: Table,
    *,
    output: Output,
    space: Space,
    players: Players,
    clock: Callable[[], float],
    threads: int = 1,
    check: Callable[[], None] = keep_going,
) -> InteractionBatch:
    """Splits the SHAP values of n rows into main effects and pairwise interactions; see `tree_interactions`.

    Args:
        loaded: The bundle on its device.
        table: n validated rows.
        output: What is explained.
        space: Unit of the explained number; for boosted classifiers `log_odds`, where the model is a sum.
        players: Who shares the credit.
        clock: Monotonic clock in seconds.
        threads: Threads that rows are spread over.
        check: Called between pieces of work; raises AbandonedError once nobody waits.

    Raises:
        MethodNotApplicableError: If the number explained is no sum of trees and linear terms; says what to do.
        LimitExceededError: If n * p * p is too large.
        ModelOutputError: If the model's answers cannot be explained.
    """
    problem = loaded.problem(output, space, players)
    settings = Settings(budget=None, seed=0, row_seeds=(), clock=clock, threads=threads, check=check)
    found = tree_interactions(problem, table, settings)
    return InteractionBatch(
        values=found.values,
        players=players,
        base_values=found.base_values,
        outputs=found.outputs,
        output=output,
        space=space,
        method="tree_interactions",
        exact=True,
        detail=found.detail,
    )
