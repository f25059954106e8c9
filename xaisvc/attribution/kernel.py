"""Kernel SHAP: Shapley values of any model by constrained weighted least squares over sampled coalitions.

The estimate solves

    min over phi of  sum over S of w(S) (v(S) - v(none) - sum over i in S of phi_i)^2
    subject to       sum of phi = v(all) - v(none)

with the Shapley kernel as w (Lundberg & Lee 2017, Theorem 2; Covert & Lee 2021, equations 6 and 9). Coalitions come in
complementary pairs, and for a pair the two terms collapse into one observation of the odd part of the game:
y = v(S) - v(not S) against u in {-1, 1}^p, u_i = 1 where i is in S. Outer sizes are enumerated, the rest is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.budgets import LARGEST_COALITIONS, BudgetRange, Estimate, count_text, missed_text, spend
from xaisvc.attribution.coalitions import PairClasses, PairStream, all_coalitions, coalitions_of_size, shapley_values
from xaisvc.attribution.masking import CoalitionValues, base_value
from xaisvc.attribution.rowwise import RowAnswer, assemble, by_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution.rowwise import RowTask
    from xaisvc.types import Attribution, Problem, Settings, Table

# Sampled pairs below which a standard error would be guesswork.
_MIN_SAMPLED_PAIRS = 16
# An error target or a deadline stops here: a fit of this size takes longer than its error is worth.
MAX_COALITIONS = 65_536


def coalition_range(p: int) -> BudgetRange:
    """How many coalitions Kernel SHAP can use for p players."""
    everything = max(2**p - 2, 0)
    minimum = 2 * p + 2 * _MIN_SAMPLED_PAIRS
    rule = f"2 * {p} players + {2 * _MIN_SAMPLED_PAIRS}"
    if minimum >= everything:
        minimum, rule = everything, f"all coalitions of {p} players"
    return BudgetRange(
        minimum=minimum,
        minimum_rule=rule,
        default=min(2 * p + 2048, everything),
        cap=min(MAX_COALITIONS, everything),
        largest=LARGEST_COALITIONS if everything > LARGEST_COALITIONS else None,
    )


@dataclass(frozen=True, slots=True)
class KernelMethod:
    """Kernel SHAP with paired coalitions, exact efficiency and standard errors.

    Exact, and said to be, when the budget covers all 2^p - 2 coalitions.
    """

    name: str = field(default="kernel", init=False)
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
        allowed = coalition_range(len(problem.players))
        allowed.check(settings.budget)
        fit = _KernelFit(len(problem.players))
        base = base_value(problem, settings.max_batch_rows)

        def explain(task: RowTask) -> RowAnswer:
            game = CoalitionValues(problem, task.row, settings.max_batch_rows, none=base, everyone=task.output)
            stream = PairStream(fit.classes, task.generator())
            found, met = spend(settings.budget, allowed, task, lambda size: fit.estimate(game, stream, size))
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


class _KernelFit:
    """The part of the work that all rows of a call share: masks of the enumerated sizes."""

    def __init__(self, p: int) -> None:
        self.p = p
        self.classes = PairClasses.of(p)
        self._enumerated: dict[int, tuple[NDArray[np.bool_], NDArray[np.float64]]] = {}
        self._everything: NDArray[np.bool_] | None = None

    def estimate(self, game: CoalitionValues, stream: PairStream, n_coalitions: int) -> Estimate:
        """Attributions of one row from `n_coalitions` coalitions, at least the minimum."""
        if n_coalitions >= 2**self.p - 2:
            return self._enumerate(game)
        n_pairs = n_coalitions // 2
        n_classes = self.classes.n_enumerated(n_pairs)
        outer, outer_weights = self._outer(n_classes)
        drawn, counts = stream.distinct(n_pairs - len(outer), n_classes)
        inner_weight = self.classes.weights[n_classes:].sum() / counts.sum()  # of one draw
        masks = np.concatenate([outer, drawn])
        values = game.at(np.concatenate([masks, ~masks]))
        return fit_pairs(
            masks,
            values[: len(masks)] - values[len(masks) :],
            np.concatenate([outer_weights, inner_weight * counts]),
            game.everyone - game.none,
            draws=counts,
        )

    def _enumerate(self, game: CoalitionValues) -> Estimate:
        if self._everything is None:
            self._everything = all_coalitions(self.p)
        between = game.at(self._everything[1:-1]) if self.p > 1 else np.empty(0)
        values = np.concatenate(([game.none], between, [game.everyone]))
        return Estimate(values=shapley_values(values, self.p), standard_errors=np.zeros(self.p), exact=True)

    def _outer(self, n_classes: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        if n_classes not in self._enumerated:
            masks = [coalitions_of_size(self.p, size + 1) for size in range(n_classes)]
            weights = [
                np.full(count, weight / count)
                for count, weight in zip(self.classes.counts[:n_classes], self.classes.weights, strict=False)
            ]
            self._enumerated[n_classes] = np.concatenate(masks), np.concatenate(weights)
        return self._enumerated[n_classes]


def fit_pairs(
    masks: NDArray[np.bool_],
    differences: NDArray[np.float64],
    weights: NDArray[np.float64],
    total: float,
    *,
    draws: NDArray[np.int64],
) -> Estimate:
    """The constrained weighted least squares fit, and its errors.

    The fit is a projection: with U the rows u, W the weights, H = U'WU and M the inverse of H on the vectors that sum
    to zero, phi = total / p + M U'W (y - U total / p). Adding 1 1' to H changes nothing there and makes it invertible
    whatever p is, as every pair of class 1 is among the masks.

    Errors come from the delete-one jackknife over draws in closed form: without draw k the fit moves by
    M u_k w r_k / (1 - h_k), with residual r_k, weight of one draw w and leverage h_k = w u_k' M u_k.

    Args:
        masks: One coalition of each distinct pair, enumerated pairs first; bool, (q, p).
        differences: y = v(S) - v(not S) of each; float64, (q,).
        weights: Weight of each; float64, (q,).
        total: v(all) - v(none).
        draws: How often each of the sampled pairs, the last ones, was drawn; int64, (at most q,).

    Returns:
        Values that sum to `total`, and their standard errors.
    """
    p = masks.shape[1]
    signs = np.where(masks, 1.0, -1.0)
    weighted = signs * weights[:, None]
    gram = weighted.T @ signs
    inverse = np.linalg.inv(gram + np.trace(gram) / p)
    along = inverse.sum(axis=1)
    projection = inverse - np.outer(along, along) / along.sum()
    even_share = np.full(p, total / p)
    values = even_share + projection @ (weighted.T @ (differences - signs @ even_share))

    sampled = signs[-len(draws) :]
    one_draw = weights[-len(draws) :] / draws
    reach = sampled @ projection
    leverages = one_draw * np.einsum("kp,kp->k", reach, sampled)
    residuals = (differences - signs @ values)[-len(draws) :]
    moves = (one_draw * residuals / (1.0 - leverages))[:, None] * reach
    n_draws = int(draws.sum())
    spread = moves - (draws @ moves) / n_draws
    errors = np.sqrt((draws @ spread**2) * n_draws / (n_draws - 1))
    return Estimate(values=values, standard_errors=errors, exact=False)


def _detail(problem: Problem, answers: Sequence[RowAnswer], allowed: BudgetRange) -> str:
    text = f"Kernel SHAP from {count_text(answers)} coalitions per row over {len(problem.background)} background rows"
    n_exact = sum(answer.exact for answer in answers)
    if n_exact == len(answers):
        return f"{text}; these are all coalitions, so the values are exact."
    text += ", in complementary pairs; standard errors by the jackknife over sampled pairs."
    if n_exact:
        text += f" {n_exact} of {len(answers)} rows were enumerated and are exact."
    return text + missed_text(answers, allowed)
