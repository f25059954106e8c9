from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from xaisvc.engine.ids import RowIds


def test_ids_come_in_the_order_of_the_rows_whatever_is_read_first() -> None:
    numbers = count(1)
    ids = RowIds(5, lambda: f"id-{next(numbers)}")

    assert ids[2] == "id-3"
    assert ids[0] == "id-1"
    assert list(ids) == ["id-1", "id-2", "id-3", "id-4", "id-5"]
    assert ids[-1] == "id-5"
    assert ids[1:3] == ("id-2", "id-3")
    assert next(numbers) == 6


def test_an_id_that_nobody_reads_is_never_made() -> None:
    ids = RowIds(10**6, lambda: pytest.fail("made"))

    assert len(ids) == 10**6
    with pytest.raises(IndexError):
        _ = ids[10**6]


def test_threads_read_the_same_ids() -> None:
    numbers = count()
    ids = RowIds(200, lambda: str(next(numbers)))
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda _: tuple(ids), range(8)))

    assert set(read) == {tuple(map(str, range(200)))}
