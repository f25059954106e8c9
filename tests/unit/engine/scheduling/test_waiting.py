"""Waiting for a future no longer than its caller does."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.unit.engine.scheduling.doubles import Clock
from xaisvc.engine.scheduling import wait_for
from xaisvc.errors import TooLateError
from xaisvc.types import Interest


def test_a_result_is_given_even_at_the_deadline() -> None:
    future: Future[int] = Future()
    future.set_result(3)

    assert wait_for(future, Interest(), Clock()) == 3
    assert wait_for(future, Interest(until=0.0), Clock()) == 3


def test_a_wait_ends_at_the_deadline() -> None:
    with pytest.raises(TooLateError, match="deadline"):
        wait_for(Future(), Interest(until=0.0), Clock())


def test_a_timeout_of_the_computation_is_not_the_deadline() -> None:
    future: Future[int] = Future()
    future.set_exception(TimeoutError("a socket"))

    with pytest.raises(TimeoutError, match="a socket"):
        wait_for(future, Interest(), Clock())
