"""What an explainer takes from the world around it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _new_id() -> str:
    return os.urandom(16).hex()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an explainer takes from the world around it, so that tests can put their own in.

    Attributes:
        clock: Monotonic clock in seconds, for deadlines and progress.
        now: Time of day, for records.
        new_id: Makes the identifier of a record.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc_now
    new_id: Callable[[], str] = _new_id


def usable_cpus() -> int:
    """CPUs that this process may run on, which in a container can be fewer than the machine has."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return own or 1
