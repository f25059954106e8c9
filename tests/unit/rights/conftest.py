from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from xaisvc.rights import TOKENS_FILE, Grant, TokenFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Time:
    """Both clocks of a service, moved by the test only."""

    monotonic_s: float = 1000.0
    utc: datetime = field(default=NOON)

    def clock(self) -> float:
        return self.monotonic_s

    def now(self) -> datetime:
        return self.utc

    def pass_(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.utc += timedelta(seconds=seconds)


class Counter:
    """Bytes that differ from call to call and never by chance."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, size: int) -> bytes:
        self._calls += 1
        return self._calls.to_bytes(size, "big")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def randomness() -> Counter:
    return Counter()


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / TOKENS_FILE)


def _grant(**changes: Any) -> Grant:
    values: dict[str, Any] = {
        "name": "desk",
        "bundles": frozenset({"loans"}),
        "audiences": frozenset({"customer"}),
        "methods": frozenset(),
        "valid_for": timedelta(days=90),
    }
    return Grant(**{**values, **changes})


@pytest.fixture
def grant() -> Callable[..., Grant]:
    """Makes a grant like a usual one, with changes."""
    return _grant
