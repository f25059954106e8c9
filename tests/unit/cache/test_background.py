from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.unit.cache.conftest import WAIT_S
from xaisvc.cache.background import BackgroundWriter

if TYPE_CHECKING:
    from collections.abc import Sequence


class Held:
    """A writing function that can be held up."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.entered = threading.Event()
        self.calls: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> None:
        self.entered.set()
        assert self.free.wait(WAIT_S)
        self.calls.append(list(items))


def test_items_are_written_in_their_order_and_together() -> None:
    held = Held()
    writer = BackgroundWriter("test", held)
    writer.add(0, 1)
    assert held.entered.wait(WAIT_S)
    for item in range(1, 5):
        assert writer.add(item, 1)
    held.free.set()

    assert writer.flush(WAIT_S)
    assert held.calls == [[0], [1, 2, 3, 4]]
    writer.close(WAIT_S)


def test_what_is_being_written_counts_as_waiting() -> None:
    held = Held()
    writer = BackgroundWriter("test", held, max_bytes=10)
    assert writer.add(0, 6)
    assert held.entered.wait(WAIT_S)

    assert not writer.add(1, 5)
    assert writer.add(2, 4)
    held.free.set()
    assert writer.flush(WAIT_S)
    assert writer.add(3, 10)
    writer.close(WAIT_S)
    assert held.calls == [[0], [2], [3]]


def test_waiting_ends_when_it_takes_too_long() -> None:
    held = Held()
    writer = BackgroundWriter("test", held)
    writer.add(0, 1)

    assert not writer.flush(0.01)
    held.free.set()
    assert writer.flush(WAIT_S)
    writer.close(WAIT_S)


def test_nothing_is_taken_after_closing() -> None:
    held = Held()
    held.free.set()
    writer = BackgroundWriter("test", held)
    writer.add(0, 1)
    writer.close(WAIT_S)

    assert not writer.add(1, 1)
    assert held.calls == [[0]]
    writer.close(WAIT_S)


def test_closing_ends_the_thread_and_gives_up_what_cannot_be_written() -> None:
    held = Held()
    writer = BackgroundWriter("test", held)
    writer.add(0, 1)
    assert held.entered.wait(WAIT_S)
    writer.add(1, 1)
    writer.close(0.01)
    held.free.set()
    thread = writer._thread
    assert thread is not None
    thread.join(WAIT_S)

    assert not thread.is_alive()
    assert held.calls == [[0]]


def test_nothing_to_write_starts_no_thread() -> None:
    writer = BackgroundWriter("test", Held())

    assert writer.flush(WAIT_S)
    writer.close(WAIT_S)
    assert writer._thread is None
