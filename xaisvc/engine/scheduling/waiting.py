"""Waiting for an answer, never longer than the caller does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from xaisvc.errors import TooLateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from xaisvc.types import Interest

Value = TypeVar("Value")


def wait_limit(seconds: float) -> float:
    """A wait that the platform can express: `seconds`, or the longest there is."""
    return min(max(0.0, seconds), threading.TIMEOUT_MAX)


def wait_for(future: Future[Value], interest: Interest, clock: Callable[[], float]) -> Value:
    """The result of a future of the scheduler, which fails by itself once the caller leaves.

    Raises:
        AbandonedError: If the caller left.
        TooLateError: If the deadline passed first.
    """
    try:
        return future.result(wait_limit(interest.until - clock()))
    except TimeoutError:
        if future.done():  # it failed with a TimeoutError of its own, or was answered this moment
            return future.result()
        raise TooLateError("the deadline passed before the answer was ready") from None
