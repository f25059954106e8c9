"""Permutation sampling: Shapley values of any model as mean contributions over random orders of the players.

phi_i is the expectation, over a uniform order of the players, of v(those before i, and i) - v(those before i) (Castro,
Gomez & Tejada 2009). Each order is walked forward and backward: the backward walk uses the complements of the forward
one, so the even part of the game cancels (antithetic sampling; Mitchell et al. 2022, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.budgets import LARGEST_COALITIONS, BudgetRange, Estimate, count_text, missed_text, spend
from xaisvc.attribution.masking import CoalitionValues, base_value
from xaisvc.attribution.rowwise import RowAnswer, assemble, by_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution.rowwise import RowTask
    from xaisvc.types import Attribution, Problem, Settings, Table

# Orders below which their scatter says nothing about the error.
_MIN_ORDERS = 8
# An error target or a deadline stops here.
MAX_COALITIONS = 65_536


def permutation_range(p: int) -> BudgetRange:
    """How many coalitions permutation sampling can use for p players; one order needs 2 (p - 1)."""
    if p <= 2:  # noqa: PLR2004 - one order and its reverse are all orders of two players
        everything = 2 * (p - 1)
        return BudgetRange(
            minimum=everything,
            minimum_rule=f"all coalitions of {p} players",
            default=everything,
            cap=everything,
            largest=None,
        )
    minimum = _MIN_ORDERS * 2 * (p - 1)
    return BudgetRange(
        minimum=minimum,
        minimum_rule=f"{_MIN_ORDERS} orders of {p} players, 2 * ({p} - 1) coalitions each",
        default=max(2 * p + 2048, minimum),
        cap=max(MAX_COALITIONS, minimum),
        largest=max(LARGEST_COALITIONS, minimum),
    )


@dataclass(frozen=True, slots=True)
class PermutationMethod:
    """Antithetic permutation sampling with exact efficiency and standard errors.

    The values of every order sum to v(all) - v(none), so their mean does too. A standard error is the standard
    deviation over orders divided by the root of their number. The budget counts coalitions in the orders; a coalition
    that comes up again is not evaluated again.
    """

    name: str = field(default="permutation", init=False)
    exact: bool = field(default=False, init=False)

    def why_not(self, problem: Problem) -> str:  # noqa: ARG002 - the protocol's signature; every problem can be sampled
        """Empty: every model can be sampled."""
        return ""

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Attributes the outputs of n rows.

        Raises:
            InvalidRequestError: If the budget is not a number, an error target or a deadline that makes sense.
            BudgetTooSmallError: If the budget is below the minimum, which the message names.
            LimitExceededError: If the budget is above the limit, which the message names.
            ModelOutputError: If the model's answers are not finite numbers, one per row.
        """
        allowed = permutation_range(len(problem.players))
        allowed.check(settings.budget)
        base = base_value(problem, settings.max_batch_rows)

        def explain(task: RowTask) -> RowAnswer:
            game = CoalitionValues(problem, task.row, settings.max_batch_rows, none=base, everyone=task.output)
            walk = _Walk(game, task.generator(), len(problem.players))
            found, met = spend(settings.budget, allowed, task, walk.estimate)
            return RowAnswer(
                values=found.values,
                standard_errors=found.standard_errors,
                base_value=base,
                model_evaluations=game.n_model_rows,
                n_coalitions=game.n_coalitions,
                exact=found.exact,
                target_met=met,
            )

        answers, outputs = by_row(problem, rows, settings, explain)
        return assemble(problem, answers, outputs, method=self.name, detail=_detail(problem, answers, allowed))


class _Walk:
    """The orders of one row so far. Lives for one row of one call and is never shared."""

    def __init__(self, game: CoalitionValues, generator: np.random.Generator, p: int) -> None:
        self._game = game
        self._generator = generator
        self._p = p
        self._contributions = np.empty((0, p))

    def estimate(self, n_coalitions: int) -> Estimate:
        """Attributions from as many orders as `n_coalitions` pays for; orders of earlier calls are kept."""
        p = self._p
        if p == 1:
            return Estimate(
                values=np.array([self._game.everyone - self._game.none]), standard_errors=np.zeros(1), exact=True
            )
        n_orders = n_coalitions // (2 * (p - 1))
        fresh = n_orders - len(self._contributions)
        if fresh > 0:
            self._contributions = np.concatenate([self._contributions, self._contributions_of(fresh)])
        values = self._contributions.mean(axis=0)
        if p == 2:  # noqa: PLR2004 - one order and its reverse are all orders of two players
            return Estimate(values=values, standard_errors=np.zeros(p), exact=True)
        errors = self._contributions.std(axis=0, ddof=1) / np.sqrt(len(self._contributions))
        return Estimate(values=values, standard_errors=errors, exact=False)

    def _contributions_of(self, n_orders: int) -> NDArray[np.float64]:
        """Mean contribution of each player over an order and its reverse; float64, (n_orders, p)."""
        p = self._p
        orders = np.argsort(self._generator.random((n_orders, p)), axis=1)
        places = np.argsort(orders, axis=1)
        # before[o, k] holds the first k + 1 players of order o; the reverse walk sees the complements.
        before = places[:, None, :] <= np.arange(p - 1)[None, :, None]
        flat = before.reshape(-1, p)
        values = self._game.at(np.concatenate([flat, ~flat])).reshape(2, n_orders, p - 1)
        ends = (
            np.broadcast_to([self._game.none], (n_orders, 1)),
            np.broadcast_to([self._game.everyone], (n_orders, 1)),
        )
        forward = np.diff(np.concatenate([ends[0], values[0], ends[1]], axis=1), axis=1)
        backward = -np.diff(np.concatenate([ends[1], values[1], ends[0]], axis=1), axis=1)
        return np.asarray(np.take_along_axis((forward + backward) / 2, places, axis=1))


def _detail(problem: Problem, answers: Sequence[RowAnswer], allowed: BudgetRange) -> str:
    text = (
        f"Permutation sampling from {count_text(answers)} distinct coalitions per row "
        f"over {len(problem.background)} background rows"
    )
    if all(answer.exact for answer in answers):
        return f"{text}; these are all coalitions, so the values are exact."
    text += ", each order walked forward and backward; standard errors from the scatter over orders."
    return text + missed_text(answers, allowed)
