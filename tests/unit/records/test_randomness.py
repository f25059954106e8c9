"""Random bytes that are drawn many at a time: none is given twice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from xaisvc.records import Randomness

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    drawn: list[int] = []
    draw: Callable[[int], bytes] = os.urandom

    def urandom(count: int) -> bytes:
        drawn.append(count)
        return draw(count)

    monkeypatch.setattr(os, "urandom", urandom)
    return drawn


def test_bytes_are_as_many_as_asked_for_and_the_systems_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = bytes(range(256)) * 16
    monkeypatch.setattr(os, "urandom", lambda count: drawn[:count])
    randomness = Randomness()

    assert [randomness.take(16), randomness.take(0), randomness.take(5)] == [drawn[:16], b"", drawn[16:21]]


def test_one_draw_serves_many(counted: list[int]) -> None:
    randomness = Randomness()
    found = [randomness.take(16) for _ in range(512)]

    assert len(set(found)) == 512
    assert counted == [4096, 4096]


def test_more_than_is_drawn_at_a_time_is_drawn_for_itself(counted: list[int]) -> None:
    randomness = Randomness()
    randomness.take(16)

    assert len(randomness.take(10_000)) == 10_000
    assert counted == [4096, 10_000]


def test_no_two_threads_get_the_same() -> None:
    randomness = Randomness()
    with ThreadPoolExecutor(8) as pool:
        found = [
            one for many in pool.map(lambda _: [randomness.take(16) for _ in range(2000)], range(8)) for one in many
        ]

    assert len(set(found)) == len(found) == 16_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_give_what_its_parent_will_give() -> None:
    randomness = Randomness()
    randomness.take(16)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, randomness.take(16))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        found = pipe.read()
    os.waitpid(child, 0)

    assert len(found) == 16
    assert found != randomness.take(16)
