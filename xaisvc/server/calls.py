"""What is known of the call that the running task serves: who asks, and whether they still wait."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xaisvc.types import Caller, Interest


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call.

    Attributes:
        caller: Who asks.
        interest: Whether they still wait, and until when.
    """

    caller: Caller
    interest: Interest


_CURRENT: ContextVar[Call] = ContextVar("call")


def begin(call: Call) -> None:
    """Makes the call known to whatever runs in the same task."""
    _CURRENT.set(call)


def current() -> Call:
    """The call that this task serves."""
    return _CURRENT.get()
