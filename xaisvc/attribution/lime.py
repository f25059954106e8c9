"""LIME for tables, as the lime package computes it by default, with fidelity, stability and errors.

Draws rows from what the background says about each feature, asks the model about them, and fits a weighted ridge
regression on binary columns that say where a draw agrees with the explained row (Ribeiro, Singh & Guestrin 2016). All
players keep their weight: there is no feature selection. Values are weights of that surrogate; they are added to its
intercept and do not sum to the model's output.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.budgets import BudgetRange, Estimate, count_text, missed_text, spend
from xaisvc.attribution.lime_columns import lime_columns
from xaisvc.attribution.masking import score_in_chunks
from xaisvc.attribution.rowwise import RowAnswer, assemble, by_row
from xaisvc.attribution.surrogate import N_BLOCKS, Surrogate, closeness, fit_surrogate, kernel_width
from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution.lime_columns import LimeColumn
    from xaisvc.attribution.rowwise import RowTask
    from xaisvc.types import Attribution, Problem, Settings
    from xaisvc.types.table import Column

DEFAULT_SAMPLES = 5000
# An error target or a deadline stops here.
MAX_SAMPLES = 80_000
# Samples that a caller may ask for: with 100 players their columns take about 0.3 GB.
LARGEST_SAMPLES = 200_000
_MIN_SAMPLES = 2 * N_BLOCKS

SAMPLE_ROWS = "rows of the LIME sample"


def sample_range(p: int) -> BudgetRange:
    """How many samples LIME can use for p players."""
    minimum = max(_MIN_SAMPLES, 4 * p)
    return BudgetRange(
        minimum=minimum,
        minimum_rule=f"4 * {p} players, at least {_MIN_SAMPLES}",
        default=max(DEFAULT_SAMPLES, minimum),
        cap=max(MAX_SAMPLES, minimum),
        largest=max(LARGEST_SAMPLES, minimum),
        unit="samples",
    )


@dataclass(frozen=True, slots=True)
class LimeMethod:
    """LIME: quartile bins, exponential kernel of width 0.75 sqrt(p), ridge 1, seeded for each row.

    A player of several features counts as kept in a draw if every one of its features falls into the row's own bin or
    category. The budget is the number of samples, the row itself among them.
    """

    name: str = field(default="lime", init=False)
    exact: bool = field(default=False, init=False)

    def why_not(self, problem: Problem) -> str:  # noqa: ARG002 - the protocol's signature; every problem can be sampled
        """Empty: every model can be sampled."""
        return ""

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Fits a surrogate around each of n rows.

        Raises:
            InvalidRequestError: If the budget is not a number, an error target or a deadline that makes sense.
            BudgetTooSmallError: If the budget is below the minimum, which the message names.
            LimitExceededError: If the budget is above the limit, which the message names.
            ModelOutputError: If the model's answers are not finite numbers, one per row.
        """
        p = len(problem.players)
        allowed = sample_range(p)
        allowed.check(settings.budget)
        columns = lime_columns(problem.background)

        def explain(task: RowTask) -> RowAnswer:
            sample = _Sample(problem, task, columns, settings.max_batch_rows)
            _, met = spend(settings.budget, allowed, task, sample.estimate)
            return surrogate_answer(sample.surrogate, len(sample.answers), len(sample.answers), target_met=met)

        answers, outputs = by_row(problem, rows, settings, explain)
        return assemble(
            problem,
            answers,
            outputs,
            method=self.name,
            detail=lime_detail("LIME", problem, answers, allowed),
            value_function="local_surrogate",
        )


class _Sample:
    """The draws around one row so far. Lives for one row of one call and is never shared."""

    def __init__(self, problem: Problem, task: RowTask, columns: Mapping[str, LimeColumn], max_batch_rows: int) -> None:
        self._problem = problem
        self._task = task
        self._columns = columns
        self._max_batch_rows = max_batch_rows
        self._generator = task.generator()
        values = task.row.row(0)
        self._row_bins = {name: column.bin_of(values[name]) for name, column in columns.items()}
        self.agreement = np.ones((1, len(problem.players)))
        self.answers = np.array([task.output])
        self.surrogate: Surrogate

    def estimate(self, n_samples: int) -> Estimate:
        """The surrogate of `n_samples` samples; draws of earlier calls are kept."""
        agreement, answers = self._draw(n_samples - len(self.answers))
        self.agreement = np.concatenate([self.agreement, agreement])
        self.answers = np.concatenate([self.answers, answers])
        self.surrogate = fit_surrogate(
            self.agreement, self.answers, closeness(self.agreement), self._task.generator(stream=1)
        )
        return Estimate(values=self.surrogate.weights, standard_errors=self.surrogate.standard_errors, exact=False)

    def _draw(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        drawn: dict[str, Column] = {}
        agrees: dict[str, NDArray[np.bool_]] = {}
        # One row of numbers for each draw, so that draws are the same however many are made at a time.
        uniforms = self._generator.random((n, len(self._columns)))
        for index, (name, column) in enumerate(self._columns.items()):
            bins, drawn[name] = column.draw(uniforms[:, index])
            agrees[name] = bins == self._row_bins[name]
        answers = score_in_chunks(self._problem, Table(drawn), SAMPLE_ROWS, self._max_batch_rows)
        players = self._problem.players.members
        together = [np.all([agrees[name] for name in members], axis=0) for members in players]
        return np.column_stack(together).astype(np.float64), answers


def surrogate_answer(surrogate: Surrogate, n_samples: int, model_evaluations: int, *, target_met: bool) -> RowAnswer:
    """The answer of a row from its surrogate."""
    return RowAnswer(
        values=surrogate.weights,
        standard_errors=surrogate.standard_errors,
        base_value=surrogate.intercept,
        model_evaluations=model_evaluations,
        n_coalitions=n_samples,
        exact=False,
        target_met=target_met,
        diagnostics=surrogate.diagnostics,
    )


def lime_detail(name: str, problem: Problem, answers: Sequence[RowAnswer], allowed: BudgetRange) -> str:
    """How the weights came about, in words."""
    p = len(problem.players)
    text = (
        f"{name} from {count_text(answers)} samples per row, quartile bins of {len(problem.background)} background "
        f"rows, kernel width {kernel_width(p):.3g}, ridge 1; weights of a local surrogate, which do not sum to the "
        "output; standard errors by the bootstrap."
    )
    if any(len(members) > 1 for members in problem.players.members):
        text += " A group counts as kept where all of its features fall into the row's own bins."
    return text + missed_text(answers, allowed)
