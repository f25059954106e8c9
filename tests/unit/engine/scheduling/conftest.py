"""Schedulers that are closed after the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.engine.scheduling.doubles import Values, limits
from xaisvc.engine.scheduling import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def make_scheduler() -> Iterator[Callable[..., Scheduler[Values, int]]]:
    """Makes schedulers with the given limits; `clock` and `alike` go to the scheduler itself."""
    made: list[Scheduler[Values, int]] = []

    def make(**settings: object) -> Scheduler[Values, int]:
        own = {name: settings.pop(name) for name in ("clock", "alike") if name in settings}
        made.append(Scheduler(limits(**settings), **own))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for scheduler in made:
        scheduler.close(0)
