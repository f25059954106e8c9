from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xaisvc.engine.progress import Progress, Ticker

if TYPE_CHECKING:
    from collections.abc import Iterator


def ticking(*times: float) -> Iterator[float]:
    return iter(times)


def test_it_says_how_far_and_how_long() -> None:
    told: list[Progress] = []
    clock = ticking(10.0, 12.0, 16.0)
    ticker = Ticker(40, lambda: next(clock), told.append)

    ticker.advance(10, 10)
    ticker.advance(5, 30)  # 30 rows of the call, of which 5 are distinct

    assert told == [
        Progress(rows_done=10, rows=40, seconds_elapsed=2.0, seconds_left=6.0),
        Progress(rows_done=40, rows=40, seconds_elapsed=6.0, seconds_left=0.0),
    ]
    assert ticker.rows_left == 0


@pytest.mark.parametrize(("seconds", "rows"), [(0.0, 256), (0.1, 256), (0.25, 128), (0.3, 64), (1.0, 32), (100.0, 1)])
def test_pieces_take_about_half_a_second_and_grow_at_most_fourfold(seconds: float, rows: int) -> None:
    clock = ticking(0.0, seconds)
    ticker = Ticker(10**6, lambda: next(clock), lambda _: None)
    first = ticker.piece(16384)

    ticker.advance(first, first)

    assert first == 64
    assert ticker.piece(16384) == rows
    assert ticker.piece(8) == min(8, rows)


def test_where_nobody_wants_to_know_pieces_are_as_large_as_they_may() -> None:
    ticker = Ticker(10**6, lambda: 0.0, None)

    assert ticker.piece(16384) == 16384
