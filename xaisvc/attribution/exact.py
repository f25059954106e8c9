"""Shapley values from all coalitions: exact for any model of few players, and for more where the graph tells them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xaisvc.attribution.active import active_players, for_all, inert_text, only
from xaisvc.attribution.kernel import KernelSampler, coalition_range
from xaisvc.attribution.sampling import games_of, sample
from xaisvc.attribution.tree_probability import explain_linked, why_not_linked
from xaisvc.errors import MethodNotApplicableError

if TYPE_CHECKING:
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
        active = active_players(problem)
        games = only(games_of(problem, settings), active, p)
        everything = replace(settings, budget=2 ** len(active) - 2)
        sampler = KernelSampler(problem, games, active, everything)
        found = sample(problem, games, rows, everything, coalition_range(len(active)), sampler)
        ignored = "" if settings.budget is None else "; the budget was not needed"
        who = f"{len(active)} players" if len(active) > 1 else "one player"
        detail = f"All {2 ** len(active):,} coalitions of {who} over {found.background}{ignored}."
        attribution = for_all(found, active, p).attribution(
            self.name, lambda _: detail + inert_text(active, p), coalition_range(len(active))
        )
        return replace(attribution, exact=True)


def _too_many_rows(problem: Problem) -> str:
    """Why scoring the model for every coalition would be too much work; empty if it would not."""
    p, n_background = len(active_players(problem)), len(problem.background)
    if p > MAX_PLAYERS:
        return f"{p} players have 2^{p} coalitions, and enumeration stops at {MAX_PLAYERS} players"
    if 2**p * n_background > MAX_MODEL_ROWS:
        return (
            f"{p} players and {n_background} background rows need {2**p * n_background:,} model rows for each "
            f"explained row, and enumeration stops at {MAX_MODEL_ROWS:,}"
        )
    return ""
