"""LIME for tables, as the lime package computes it by default, with fidelity, stability and errors.

Draws rows from what the background says about each feature, asks the model about them once for all explained rows, and
fits for each row a weighted ridge regression on binary columns that say where a draw agrees with it (Ribeiro, Singh &
Guestrin 2016). Values are weights of that surrogate, in output units: what agreeing with the row on this player adds.
They are added to its intercept and do not sum to the model's output.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.budgets import BudgetRange
from xaisvc.attribution.lime_batch import DistinctRows, Fits, answer, size_text, spend_on_rows
from xaisvc.attribution.lime_sample import LimeSample, generator_of
from xaisvc.attribution.lime_selection import select_columns
from xaisvc.attribution.masking import score
from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.surrogate import (
    N_BLOCKS,
    N_FIT_BLOCKS,
    RIDGE_ALPHA,
    WeightedSums,
    block_starts,
    draw_resamples,
    kernel_width,
    weights_at,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.attribution.lime_batch import Spent
    from xaisvc.attribution.lime_sample import Codes, Draws
    from xaisvc.attribution.lime_selection import Selection
    from xaisvc.types import Attribution, Problem, Settings, Table

DEFAULT_SAMPLES = 5000
# An error target or a deadline stops here.
MAX_SAMPLES = 80_000
# Samples that a caller may ask for: with 100 features their bins and answers take about 25 MB.
LARGEST_SAMPLES = 200_000
_MIN_SAMPLES = 2 * N_BLOCKS
# Rows that a thread takes at a time; changes no number.
_ROWS_TOGETHER = 16


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
    """LIME: quartile bins, exponential kernel of width 0.75 sqrt(p), ridge 1.

    Samples are seeded by the plan and shared by all rows; the first sample of every row is the row itself. A player of
    several features counts as kept in a draw if every one of its features falls into the row's own bin or category. The
    budget is the number of samples; a row explained alone costs as many model rows, and further rows one each.

    Attributes:
        name: Name used by callers.
        selection: Which players may have a weight, see `select_columns`; the others get 0, with no error.
        n_selected: Most players that have a weight, unless `selection` is `none`.
    """

    name: str = "lime"
    selection: Selection = "none"
    n_selected: int = 10
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
        distinct = DistinctRows.of(rows)
        batch = _Batch(problem, distinct.rows, settings, self)
        spent = spend_on_rows(settings, allowed, len(distinct.rows), p, batch.fit)
        return answer(
            problem,
            distinct,
            spent,
            batch.outputs,
            method=self.name,
            detail=lime_detail("LIME", problem, spent, self._words()),
            allowed=allowed,
        )

    def _words(self) -> str:
        if self.selection == "none":
            return ""
        return f" At most {self.n_selected} players have a weight ({self.selection.replace('_', ' ')})."


class _Batch:
    """The distinct rows of one call. Lives for that call and is never shared between calls."""

    def __init__(self, problem: Problem, rows: Table, settings: Settings, method: LimeMethod) -> None:
        self._problem = problem
        self._rows = rows
        self._settings = settings
        self._method = method
        self._sample = LimeSample(problem, settings)
        self._bins = self._sample.bins(rows)
        places = {name: index for index, name in enumerate(self._sample.columns)}
        players = problem.players.members
        self._members = np.array([places[name] for members in players for name in members], dtype=np.int64)
        self._first = np.cumsum([0, *map(len, players)], dtype=np.int64)
        self._class_weights = weights_at(np.arange(len(players) + 1.0), len(players))
        self._resamples = draw_resamples(generator_of(settings.plan_seed, 1))
        self.outputs = np.full(len(rows), np.nan)

    def fit(self, places: NDArray[np.intp], size: int) -> Fits:
        """See `FitFunction`."""
        draws = self._sample.draws(size)
        found = Fits.empty(len(places), len(self._class_weights) - 1)

        def chunk(start: int) -> None:
            self._settings.check()
            self._fit_chunk(draws, places[start : start + _ROWS_TOGETHER], found, start)

        in_threads(chunk, range(0, len(places), _ROWS_TOGETHER), self._settings.threads)
        return found

    def _fit_chunk(self, draws: Draws, places: NDArray[np.intp], found: Fits, start: int) -> None:
        from xaisvc.attribution.lime_kernel import N_DIAGNOSTICS, fit_rows  # noqa: PLC0415 - heavy: loaded when used

        for place in places:
            if np.isnan(self.outputs[place]):
                # One by one, so that the answer of a model that rounds by batch size is the same in any company.
                self.outputs[place] = score(self._problem, self._rows.take(slice(place, place + 1)), "explained rows")[
                    0
                ]
        chunk = slice(start, start + len(places))
        bins, outputs = self._bins[places], self.outputs[places]
        fit_rows(
            draws.codes,
            bins,
            self._first,
            self._members,
            self._class_weights,
            draws.answers,
            outputs,
            block_starts(len(draws)),
            N_FIT_BLOCKS,
            self._resamples,
            RIDGE_ALPHA,
            self._selected(draws, bins, outputs),
            found.weights[chunk],
            found.standard_errors[chunk],
            found.intercepts[chunk],
            found.diagnostics[chunk, :N_DIAGNOSTICS],
        )
        found.diagnostics[chunk, N_DIAGNOSTICS] = found.intercepts[chunk]
        found.diagnostics[chunk, N_DIAGNOSTICS + 1] = found.intercepts[chunk] + found.weights[chunk].sum(axis=1)

    def _selected(self, draws: Draws, bins: Codes, outputs: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Players that may have a weight; bool, (n, p)."""
        from xaisvc.attribution.lime_kernel import add_up  # noqa: PLC0415 - heavy: loaded when used

        p = len(self._class_weights) - 1
        if self._method.selection == "none":
            return np.ones((len(bins), p), dtype=np.bool_)
        selected = np.zeros((len(bins), p), dtype=np.bool_)
        for index, (own, output) in enumerate(zip(bins, outputs, strict=True)):
            lower, projected = np.empty((p, p)), np.empty(p)
            mass, total, squares = add_up(
                draws.codes,
                own,
                self._first,
                self._members,
                self._class_weights,
                draws.answers,
                output,
                lower,
                projected,
            )
            means = np.diag(lower) / mass
            sums = WeightedSums(
                columns=np.tril(lower) + np.tril(lower, -1).T - mass * np.outer(means, means),
                answers=projected - means * total,
                squares=squares - total**2 / mass,
                means=means,
                mean_answer=total / mass,
            )
            chosen = select_columns(sums, np.ones(p), self._method.selection, self._method.n_selected)
            selected[index, chosen] = True
        return selected


def lime_detail(name: str, problem: Problem, spent: Spent, more: str = "") -> str:
    """How the weights came about, in words."""
    return (
        f"{name} from {size_text(spent)} samples per row, quartile bins of {len(problem.background)} background "
        f"rows, kernel width {kernel_width(len(problem.players)):.3g}, ridge 1; weights of a local surrogate, which do "
        f"not sum to the output; standard errors by the bootstrap.{more}"
    )
