"""A thread that looks for many at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from xaisvc.engine.behind import Behind

if TYPE_CHECKING:
    from collections.abc import Sequence

WAIT_S = 30.0


def test_what_comes_while_it_is_busy_is_looked_at_together_and_in_order() -> None:
    looks: list[Sequence[int]] = []
    busy, may_go_on = threading.Event(), threading.Event()

    def look(items: Sequence[int]) -> None:
        looks.append(items)
        busy.set()
        assert may_go_on.wait(WAIT_S)

    behind = Behind(look)
    assert behind.add(0)
    assert busy.wait(WAIT_S)
    for i in range(1, 5):
        assert behind.add(i)
    may_go_on.set()
    behind.close()

    assert looks == [[0], [1, 2, 3, 4]]


def test_after_closing_nothing_is_taken() -> None:
    looks: list[Sequence[int]] = []
    never_used = Behind(looks.append)
    never_used.close()

    assert not never_used.add(1)
    assert looks == []
