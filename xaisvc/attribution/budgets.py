"""What a budget means, for every method that samples: a number, an error target or a deadline.

All three run the same estimator, which must be able to go on from where it stopped: stage after stage with about twice
the coalitions, until the budget is met.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.errors import BudgetTooSmallError, FieldViolation, InvalidRequestError, LimitExceededError
from xaisvc.types import Deadline, ErrorTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.attribution.rowwise import RowAnswer, RowTask
    from xaisvc.types import Budget


# Coalitions that a caller may ask for: with 100 players their masks and values take about 0.3 GB.
LARGEST_COALITIONS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a sampling method knows after a number of coalitions.

    Attributes:
        values: float64, (p,).
        standard_errors: float64, (p,); zeros if exact.
        exact: Whether more coalitions cannot change the values.
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRange:
    """The number of coalitions (LIME: samples) a method can use for one row.

    Attributes:
        minimum: Fewest that give values and errors.
        minimum_rule: How the minimum comes about, for the error's text.
        default: Used when the caller names no budget.
        cap: Most that an error target or a deadline will use.
        largest: Most that a caller may ask for, which bounds memory; None if a larger number costs no more.
        unit: What is counted, `coalitions` or `samples`.
    """

    minimum: int
    minimum_rule: str
    default: int
    cap: int
    largest: int | None
    unit: str = "coalitions"

    def check(self, budget: Budget | None) -> None:
        """Refuses a budget that cannot be met.

        Raises:
            InvalidRequestError: If it is not a positive number.
            BudgetTooSmallError: If it is below the minimum, which the message names.
            LimitExceededError: If it is above the limit, which the message names.
        """
        if budget is None:
            return
        if isinstance(budget, ErrorTarget):
            _check_positive(budget.standard_error, "an error target", "in the unit of the output")
        elif isinstance(budget, Deadline):
            _check_positive(budget.seconds, "a deadline", "in seconds")
        elif isinstance(budget, bool) or not isinstance(budget, int):
            raise InvalidRequestError.of(
                "budget",
                f"got {type(budget).__name__}; give a whole number of {self.unit} per row, ErrorTarget or Deadline",
            )
        elif budget < self.minimum:
            raise BudgetTooSmallError.of(
                "budget",
                f"{budget} {self.unit} per row are fewer than the {self.minimum} needed ({self.minimum_rule}); "
                f"raise the budget to {self.minimum} or more, or leave it out for {self.default}",
                "BUDGET_TOO_SMALL",
            )
        elif self.largest is not None and budget > self.largest:
            reason = f"{budget} {self.unit} per row are more than the {self.largest} allowed; lower the budget"
            raise LimitExceededError(f"budget: {reason}", [FieldViolation("budget", "LIMIT_EXCEEDED", reason)])


def _check_positive(number: float, name: str, unit: str) -> None:
    if not (math.isfinite(number) and number > 0):
        raise InvalidRequestError.of("budget", f"{name} must be a finite number above 0, {unit}; got {number}")


def spend(
    budget: Budget | None,
    allowed: BudgetRange,
    task: RowTask,
    estimate: Callable[[int], Estimate],
) -> tuple[Estimate, bool]:
    """Runs an estimator until its budget is met.

    Args:
        budget: As the caller gave it, checked.
        allowed: The method's range.
        task: Holds the row's clock and the end of its deadline.
        estimate: Called with a growing number of coalitions; goes on from the call before.

    Returns:
        The last estimate, and whether an error target was met (True for the other budgets).
    """
    if isinstance(budget, ErrorTarget):
        return _until_error(budget.standard_error, allowed, estimate)
    if isinstance(budget, Deadline):
        return _until_deadline(allowed, task, estimate), True
    return estimate(allowed.default if budget is None else budget), True


def _until_error(target: float, allowed: BudgetRange, estimate: Callable[[int], Estimate]) -> tuple[Estimate, bool]:
    size = allowed.minimum
    while True:
        found = estimate(size)
        met = found.exact or bool(found.standard_errors.max() <= target)
        if met or size >= allowed.cap:
            return found, met
        size = min(2 * size, allowed.cap)


def _until_deadline(allowed: BudgetRange, task: RowTask, estimate: Callable[[int], Estimate]) -> Estimate:
    start = task.clock()
    size = allowed.minimum
    while True:
        found = estimate(size)
        now = task.clock()
        if found.exact or size >= allowed.cap or now >= task.end:
            return found
        # The time so far predicts the next stage; what would not fit any more is left away.
        seconds_each = (now - start) / size
        fits = size + int((task.end - now) / seconds_each) if seconds_each > 0 else allowed.cap
        grown = min(2 * size, fits, allowed.cap)
        if grown < size + max(2, size // 8):
            return found
        size = grown


def count_text(answers: Sequence[RowAnswer]) -> str:
    """How many coalitions (LIME: samples) the rows took, for example `26 to 200`."""
    counts = [answer.n_coalitions for answer in answers]
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def missed_text(answers: Sequence[RowAnswer], allowed: BudgetRange) -> str:
    """A sentence on rows that did not reach their error target; empty if all did."""
    missed = sum(not answer.target_met for answer in answers)
    if not missed:
        return ""
    return (
        f" {missed} of {len(answers)} rows reached the cap of {allowed.cap:,} {allowed.unit} before the error target."
    )
