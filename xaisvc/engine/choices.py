"""What a caller chooses for a call, checked and put into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import InvalidRequestError
from xaisvc.types import Deadline, ErrorTarget, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xaisvc.engine.progress import Progress
    from xaisvc.types import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How rows are to be explained; see `Explainer.explain` for each."""

    method: str
    players: str | Mapping[str, Sequence[str]]
    budget: Budget | None
    seed: int
    space: Space | str | None
    progress: Callable[[Progress], None] | None = None
    cancel: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be called.

        Raises:
            InvalidRequestError: Names the argument.
        """
        for name, given in (("progress", self.progress), ("cancel", self.cancel)):
            if given is not None and not callable(given):
                raise InvalidRequestError.of(name, f"must be a function, or left out, got {given!r}")


def parse_space(space: Space | str | None) -> Space | None:
    """The space of a name.

    Raises:
        InvalidRequestError: If there is no such space; lists them.
    """
    if space is None:
        return None
    try:
        return Space(space)
    except ValueError:
        known = ", ".join(Space)
        raise InvalidRequestError.of("space", f"{str(space)!r} is not one of {known}") from None


def check_budget(budget: object, method: str) -> None:
    """Refuses a budget that makes no sense for any method.

    Args:
        budget: What the caller gave.
        method: Name of the method asked for.

    Raises:
        InvalidRequestError: If it is no number, error target or deadline, or not positive.
    """
    if budget is None:
        return
    size: float
    if isinstance(budget, ErrorTarget):
        size, name, unit = budget.standard_error, "ErrorTarget", "a standard error in the unit of the output"
    elif isinstance(budget, Deadline):
        size, name, unit = budget.seconds, "Deadline", "seconds"
    elif isinstance(budget, int) and not isinstance(budget, bool):
        size, name, unit = budget, "the budget", _unit(method)
    else:
        raise InvalidRequestError.of(
            "budget", f"must be a whole number of {_unit(method)}, an ErrorTarget or a Deadline, or left out"
        )
    if not (np.isfinite(size) and size > 0):
        raise InvalidRequestError.of("budget", f"{name} must be positive and finite ({unit}), got {size}")


def check_seed(seed: object) -> None:
    """Refuses a seed that is no whole number of 64 bits.

    Raises:
        InvalidRequestError: If it is not.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise InvalidRequestError.of("seed", "must be a whole number of at most 64 bits")


def check_positive(name: str, number: object) -> None:
    """Refuses an argument that is given and no whole number above 0.

    Raises:
        InvalidRequestError: If it is not.
    """
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        raise InvalidRequestError.of(name, f"must be a whole number of at least 1, got {number!r}")


def budget_in_words(budget: Budget | None, method: str) -> str:
    """The budget of a method as records tell it."""
    if isinstance(budget, ErrorTarget):
        return f"until the largest standard error is {budget.standard_error:g}"
    if isinstance(budget, Deadline):
        return f"{budget.seconds:g} seconds"
    return "the method's default" if budget is None else f"{budget} {_unit(method)}"


def _unit(method: str) -> str:
    """What a method counts its budget in."""
    return "samples" if method.startswith("lime") else "coalitions"
