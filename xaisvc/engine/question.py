"""One request, so far as rows are answered by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xaisvc.engine.commands import ExplainCommand
    from xaisvc.engine.models import Framed, ServedModel
    from xaisvc.types import Caller, Interest

_SECONDS_PER_MODEL_ROW = 2e-6
_LEAST_LEAD_S, _MOST_LEAD_S = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Question:
    """How rows are to be answered, and for whom.

    Attributes:
        model: The version of the model that answers.
        framed: What the request comes to.
        command: The request.
        caller: Who asks.
        interest: Whether they still wait.
    """

    model: ServedModel
    framed: Framed
    command: ExplainCommand
    caller: Caller
    interest: Interest

    def seconds(self, rows: int) -> float:
        """What so many rows may take to compute, in seconds; another process is waited for no longer."""
        return rows * self.framed.model_rows * _SECONDS_PER_MODEL_ROW

    def lead_s(self, rows: int) -> float:
        """After so many seconds another process may compute rows that this one has begun."""
        return min(max(_LEAST_LEAD_S, 2 * self.seconds(rows)), _MOST_LEAD_S)
