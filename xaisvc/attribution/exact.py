"""Shapley values from all coalitions: exact for any model of few players, and for more where the graph tells them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.coalitions import all_coalitions, shapley_values
from xaisvc.attribution.masking import CoalitionValues, base_value
from xaisvc.attribution.rowwise import RowAnswer, assemble, by_row
from xaisvc.attribution.tree_probability import explain_linked, why_not_linked
from xaisvc.errors import MethodNotApplicableError

if TYPE_CHECKING:
    from xaisvc.attribution.rowwise import RowTask
    from xaisvc.types import Attribution, Problem, Settings, Table

# 2^14 coalitions over 100 background rows are 1.6 million model rows for one explained row: about a second for a small
# network. Beyond these limits an exact answer costs more than its last digits are worth.
MAX_PLAYERS = 14
MAX_MODEL_ROWS = 4_000_000


@dataclass(frozen=True, slots=True)
class ExactMethod:
    """All coalitions: phi_i = sum over S of |S|! (p - |S| - 1)! / p! * (v(S + i) - v(S)).

    v(S) is the mean output over the background with the players in S kept at the row's values (interventional). Needs
    2^p - 2 coalitions for each row; applicable up to `MAX_PLAYERS` players and `MAX_MODEL_ROWS` model rows per row.

    A probability that is the link of sums of trees and linear terms (`Problem.linked`) needs no model rows: the sums of
    all coalitions are read from the trees, see `tree_probability`, which has limits of its own, several times wider.
    """

    name: str = field(default="exact", init=False)
    exact: bool = field(default=True, init=False)

    def why_not(self, problem: Problem) -> str:
        """Why all coalitions would be too much work, one sentence; empty if they are not."""
        by_model = _too_many_rows(problem)
        if by_model and problem.linked is not None:
            return why_not_linked(problem)
        return by_model

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Attributes the outputs of n rows; the budget is not used.

        Raises:
            MethodNotApplicableError: If `why_not` is not empty.
            ModelOutputError: If the model's answers are not finite numbers, one per row.
        """
        if reason := self.why_not(problem):
            raise MethodNotApplicableError.of("method", f"'{self.name}' cannot be used: {reason}", "NOT_APPLICABLE")
        if not why_not_linked(problem):
            return explain_linked(problem, rows, settings, method=self.name)
        p = len(problem.players)
        between = all_coalitions(p)[1:-1]
        base = base_value(problem, settings.max_batch_rows)

        def explain(task: RowTask) -> RowAnswer:
            game = CoalitionValues(problem, task.row, settings.max_batch_rows, none=base, everyone=task.output)
            values = np.concatenate(([game.none], game.means(between), [game.everyone]))
            return RowAnswer(
                values=shapley_values(values, p),
                standard_errors=np.zeros(p),
                base_value=base,
                model_evaluations=game.n_model_rows,
                n_coalitions=len(between),
                exact=True,
            )

        answers, outputs = by_row(problem, rows, settings, explain)
        ignored = "" if settings.budget is None else "; the budget was not needed"
        detail = f"All {2**p:,} coalitions of {p} players over {len(problem.background)} background rows{ignored}."
        return assemble(problem, answers, outputs, method=self.name, detail=detail)


def _too_many_rows(problem: Problem) -> str:
    """Why scoring the model for every coalition would be too much work; empty if it would not."""
    p, n_background = len(problem.players), len(problem.background)
    if p > MAX_PLAYERS:
        return f"{p} players have 2^{p} coalitions, and enumeration stops at {MAX_PLAYERS} players"
    if 2**p * n_background > MAX_MODEL_ROWS:
        return (
            f"{p} players and {n_background} background rows need {2**p * n_background:,} model rows for each "
            f"explained row, and enumeration stops at {MAX_MODEL_ROWS:,}"
        )
    return ""
