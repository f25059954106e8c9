"""What is known of the call that the running task serves: who asks, and whether they still wait."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.types import Interest

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.server.traces import CallTrace
    from xaisvc.types import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call.

    Attributes:
        caller: Who asks.
        interest: Whether they still wait, and until when.
        trace: Where the call is traced; None if it is not.
    """

    caller: Caller
    interest: Interest
    trace: CallTrace | None = None


_CURRENT: ContextVar[Call] = ContextVar("call")


def begin(caller: Caller, left_s: float | None, clock: Callable[[], float], trace: CallTrace | None) -> Call:
    """A call that begins now, known to whatever runs in the same task, and in the threads that work for it.

    Args:
        caller: Who asks.
        left_s: Seconds that they wait; None for as long as it takes.
        clock: Monotonic clock in seconds.
        trace: Where the call is traced; None if it is not.
    """
    interest = Interest() if left_s is None else Interest(clock() + left_s)
    call = Call(caller=caller, interest=interest, trace=trace)
    _CURRENT.set(call)
    return call


def current() -> Call:
    """The call that this task serves."""
    return _CURRENT.get()


def current_trace() -> CallTrace | None:
    """Where the call that this task serves is traced; None outside of calls."""
    call = _CURRENT.get(None)
    return None if call is None else call.trace
