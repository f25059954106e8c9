"""What a budget may be, for every method that samples: a number, an error target or a deadline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.errors import BudgetTooSmallError, FieldViolation, InvalidRequestError, LimitExceededError
from xaisvc.types import Deadline, ErrorTarget

if TYPE_CHECKING:
    from xaisvc.types import Budget


# Coalitions that a caller may ask for: with 100 players their masks and values take about 0.3 GB.
LARGEST_COALITIONS = 500_000


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
        first: Where an error target is first looked at; the minimum if that is larger.
    """

    minimum: int
    minimum_rule: str
    default: int
    cap: int
    largest: int | None
    unit: str = "coalitions"
    first: int = 0

    @property
    def first_stage(self) -> int:
        """Where an error target starts: `first`, within the minimum and the cap."""
        return max(self.minimum, min(self.first, self.cap))

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
            given = f"1 {self.unit[:-1]} per row is" if budget == 1 else f"{budget} {self.unit} per row are"
            raise BudgetTooSmallError.of(
                "budget",
                f"{given} fewer than the {self.minimum} needed ({self.minimum_rule}); "
                f"raise the budget to {self.minimum} or more, or leave it out for {self.default}",
                "BUDGET_TOO_SMALL",
            )
        elif self.largest is not None and budget > self.largest:
            reason = f"{budget} {self.unit} per row are more than the {self.largest} allowed; lower the budget"
            raise LimitExceededError(f"budget: {reason}", [FieldViolation("budget", "LIMIT_EXCEEDED", reason)])


def _check_positive(number: float, name: str, unit: str) -> None:
    if not (math.isfinite(number) and number > 0):
        raise InvalidRequestError.of("budget", f"{name} must be a finite number above 0, {unit}; got {number}")
