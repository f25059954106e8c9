"""Refuses a request that costs more than allowed, before anything of it is computed or allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.errors import FieldViolation, LimitExceededError
from xaisvc.types import Deadline

if TYPE_CHECKING:
    from xaisvc.engine.commands import ExplainCommand, ServiceLimits
    from xaisvc.engine.models import Framed


def check_cost(limits: ServiceLimits, command: ExplainCommand, framed: Framed, rows: int) -> None:
    """Checks rows times coalitions times background rows, or rows times seconds.

    Args:
        limits: What one request may ask for.
        command: What is asked for.
        framed: What it comes to.
        rows: Number of rows in the request.

    Raises:
        LimitExceededError: If it is too much; names what to change.
    """
    budget = command.budget
    if isinstance(budget, Deadline):
        if rows * budget.seconds > limits.max_seconds and framed.frame.budget is not None:
            raise _too_much(
                f"{rows} rows times {budget.seconds:g} seconds are more than the {limits.max_seconds:g} seconds that "
                "one request may take; split the request or lower the deadline"
            )
        return
    model_rows = rows * framed.model_rows
    if model_rows > limits.max_model_rows:
        fit = limits.max_model_rows // framed.model_rows
        change = f"send at most {fit:,} rows at a time, or lower the budget" if fit else "lower the budget"
        raise _too_much(
            f"{rows:,} rows times up to {framed.model_rows:,} model rows (coalitions times background rows) are more "
            f"than the {limits.max_model_rows:,} that one request may take; {change}"
        )


def _too_much(text: str) -> LimitExceededError:
    return LimitExceededError(f"budget: {text}", (FieldViolation("budget", "TOO_MUCH_WORK", text),))
