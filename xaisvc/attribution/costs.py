"""What a row will cost, known before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.attribution.active import active_players
from xaisvc.attribution.kernel import coalition_range
from xaisvc.attribution.lime import sample_range
from xaisvc.attribution.permutation import permutation_range
from xaisvc.types import Deadline, ErrorTarget

if TYPE_CHECKING:
    from xaisvc.attribution.planner import Plan
    from xaisvc.types import Budget, Problem

CLOSED_FORM_ROWS = 3
"""What a value that is read from trees or coefficients costs, in predictions of the model (measured: 2.5 to 6)."""
MODEL_ROWS_PER_SECOND = 5_000_000
"""What a deadline is counted as. Models are faster or slower than that; it only serves to tell small from large."""


def most_model_rows(problem: Problem, chosen: Plan, budget: Budget | None) -> int:
    """Most model rows that one row can cost: coalitions times background rows, or samples.

    Args:
        problem: What is explained.
        chosen: The method that runs.
        budget: As the caller gave it.
    """
    method, p, b = chosen.method, len(problem.players), len(problem.background)
    if method.name in {"linear", "tree"}:
        return CLOSED_FORM_ROWS
    if method.exact:
        return b << len(active_players(problem))
    if isinstance(budget, Deadline):
        return max(1, round(budget.seconds * MODEL_ROWS_PER_SECOND))
    if method.name.startswith("lime"):
        allowed, each = sample_range(p), 1
    else:
        allowed, each = (permutation_range(p) if method.name == "permutation" else coalition_range(p)), b
    if isinstance(budget, ErrorTarget):
        return allowed.cap * each
    return (allowed.default if budget is None else budget) * each
