"""What LIME does around its arithmetic: equal rows once, a budget for all rows, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xaisvc.types import Attribution, Deadline, ErrorTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xaisvc.attribution.budgets import BudgetRange
    from xaisvc.types import Problem, Settings, Table

DIAGNOSTICS = ("fidelity", "r2", "stability_top3_jaccard", "stability_sign_flips", "intercept", "local_prediction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """Surrogates of n rows.

    Attributes:
        weights: float64, (n, p).
        standard_errors: float64, (n, p).
        intercepts: float64, (n,).
        diagnostics: `fidelity`, `r2`, `stability_top3_jaccard`, `stability_sign_flips`, `intercept` and
            `local_prediction` of each row, in this order; float64, (n, 6).
    """

    weights: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    diagnostics: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int, p: int) -> Fits:
        """Room for n rows and p players."""
        return cls(
            weights=np.empty((n, p)),
            standard_errors=np.empty((n, p)),
            intercepts=np.empty(n),
            diagnostics=np.empty((n, len(DIAGNOSTICS))),
        )

    def put(self, places: NDArray[np.intp], others: Fits) -> None:
        """Writes the surrogates of some rows over those at `places`."""
        self.weights[places] = others.weights
        self.standard_errors[places] = others.standard_errors
        self.intercepts[places] = others.intercepts
        self.diagnostics[places] = others.diagnostics

    @property
    def by_name(self) -> tuple[Mapping[str, float], ...]:
        """The diagnostics of each row by name."""
        return tuple(dict(zip(DIAGNOSTICS, numbers, strict=True)) for numbers in self.diagnostics.tolist())


class FitFunction(Protocol):
    """Fits surrogates to some of the distinct rows."""

    def __call__(self, places: NDArray[np.intp], size: int) -> Fits:
        """The surrogates of the rows at `places` from `size` samples each, the rows themselves among them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctRows:
    """The rows of a call, equal ones once.

    Attributes:
        rows: The d distinct rows, in the order of their first appearance.
        first: Where each first appears in the call; (d,).
        place: Which distinct row each row of the call is; (n,).
    """

    rows: Table
    first: NDArray[np.intp]
    place: NDArray[np.intp]

    @classmethod
    def of(cls, rows: Table) -> DistinctRows:
        """The distinct rows."""
        found = rows.distinct()
        if found is None:
            everyone = np.arange(len(rows), dtype=np.intp)
            return cls(rows=rows, first=everyone, place=everyone)
        first, place = found
        return cls(rows=rows.take(first), first=first, place=place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a budget came to.

    Attributes:
        fits: The surrogates of all distinct rows.
        sizes: Samples of each; int64, (d,).
        missed: Whether a row reached the cap before its error target; bool, (d,).
    """

    fits: Fits
    sizes: NDArray[np.int64]
    missed: NDArray[np.bool_]


def spend_on_rows(settings: Settings, allowed: BudgetRange, n: int, p: int, fit: FitFunction) -> Spent:
    """Fits surrogates to n distinct rows until the budget is met.

    Samples are doubled from stage to stage. An error target is a matter of each row alone: a row that has reached it
    takes no part in later stages. A deadline is for all rows together, which all get the same number of samples.
    """
    budget = settings.budget
    everyone = np.arange(n, dtype=np.intp)
    if isinstance(budget, ErrorTarget):
        return _until_error(budget.standard_error, allowed, everyone, p, fit)
    if isinstance(budget, Deadline):
        return _until_deadline(settings, budget.seconds, allowed, everyone, fit)
    size = allowed.default if budget is None else budget
    return _same_for_all(fit(everyone, size), size)


def _same_for_all(fits: Fits, size: int) -> Spent:
    n = len(fits.weights)
    return Spent(fits=fits, sizes=np.full(n, size, dtype=np.int64), missed=np.zeros(n, dtype=np.bool_))


def _until_error(target: float, allowed: BudgetRange, left: NDArray[np.intp], p: int, fit: FitFunction) -> Spent:
    fits, sizes = Fits.empty(len(left), p), np.zeros(len(left), dtype=np.int64)
    size = allowed.minimum
    while True:
        found = fit(left, size)
        fits.put(left, found)
        sizes[left] = size
        left = left[found.standard_errors.max(axis=1) > target]
        if not len(left) or size >= allowed.cap:
            missed = np.zeros(len(sizes), dtype=np.bool_)
            missed[left] = True
            return Spent(fits=fits, sizes=sizes, missed=missed)
        size = min(2 * size, allowed.cap)


def _until_deadline(
    settings: Settings, seconds: float, allowed: BudgetRange, everyone: NDArray[np.intp], fit: FitFunction
) -> Spent:
    start = settings.clock()
    end = start + seconds
    size = allowed.minimum
    while True:
        fits = fit(everyone, size)
        now = settings.clock()
        if size >= allowed.cap or now >= end:
            return _same_for_all(fits, size)
        # The time so far predicts the next stage; what would not fit any more is left away.
        seconds_each = (now - start) / size
        fits_in = size + int((end - now) / seconds_each) if seconds_each > 0 else allowed.cap
        grown = min(2 * size, fits_in, allowed.cap)
        if grown < size + max(2, size // 8):
            return _same_for_all(fits, size)
        size = grown


def answer(  # noqa: PLR0913 - one keyword for each part of an answer that methods word themselves
    problem: Problem,
    distinct: DistinctRows,
    spent: Spent,
    outputs: NDArray[np.float64],
    *,
    method: str,
    detail: str,
    allowed: BudgetRange,
    evaluations: NDArray[np.int64] | None = None,
) -> Attribution:
    """Puts the surrogates of d distinct rows into the `Attribution` of n rows.

    `evaluations`, (d,), are the model rows that a row costs alone; without it, one for each sample.
    """
    place, fits = distinct.place, spent.fits
    by_name = fits.by_name
    groups = any(len(members) > 1 for members in problem.players.members)
    missed = int(spent.missed[place].sum())
    return Attribution(
        values=fits.weights[place],
        base_values=fits.intercepts[place],
        outputs=outputs[place],
        standard_errors=fits.standard_errors[place],
        method=method,
        exact=False,
        model_evaluations=(spent.sizes if evaluations is None else evaluations)[place],
        detail=detail
        + (" A group counts as kept where all of its features fall into the row's own bins." if groups else "")
        + (
            f" {missed} of {len(place)} rows reached the cap of {allowed.cap:,} {allowed.unit} before the error target."
            if missed
            else ""
        ),
        diagnostics=tuple(by_name[index] for index in place.tolist()),
        value_function="local_surrogate",
    )


def size_text(spent: Spent) -> str:
    """How many samples the rows took, for example `200 to 1,600`."""
    low, high = (int(spent.sizes.min()), int(spent.sizes.max())) if len(spent.sizes) else (0, 0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
