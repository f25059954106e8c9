from __future__ import annotations

import numpy as np
import pytest

from xaisvc.cohorts.disclosure import coarse_parts, extent_of, nested_too_closely, visible_rows
from xaisvc.types.cohort import Extent


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([[40, 40], [30, 30]], [True, True]),
        # The small row alone would follow from the column sum, so the smallest other one goes with it.
        ([[40, 40], [30, 30], [50, 3]], [True, False, False]),
        # Two small rows hide each other only if their sum is large enough in every part.
        ([[40, 40], [30, 30], [50, 12], [60, 11]], [True, True, False, False]),
        ([[40, 40], [30, 30], [50, 3], [60, 4]], [True, False, False, False]),
        # A column that is too small as a whole is told of nowhere.
        ([[40, 9], [30, 8]], [False, False]),
        ([[40, 30], [20, 0]], [False, False]),
        ([[25, 25, 25], [25, 25, 25], [25, 25, 19]], [False, True, False]),
    ],
)
def test_visible_rows(table: list[list[int]], expected: list[bool]) -> None:
    assert visible_rows(np.array(table)).tolist() == expected


def test_a_barred_row_takes_another_with_it() -> None:
    table = np.array([[40, 40], [30, 30], [50, 50]])

    assert visible_rows(table, np.array([True, False, False])).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((100, 30, 20), ((0,), (1,), (2,))),
        ((100, 30, 3), ((0,), (1, 2))),
        ((100, 3, 3), ((0, 1, 2),)),
        ((100, 15, 15), ((0,), (1, 2))),
        ((5, 100, 30), ((0, 1), (2,))),
        ((0, 0, 100), ((0, 1, 2),)),
    ],
)
def test_coarse_parts(counts: tuple[int, ...], expected: tuple[tuple[int, ...], ...]) -> None:
    assert coarse_parts(counts) == expected


def test_extents() -> None:
    assert [extent_of(count, 100) for count in (0, 19, 20, 80, 81, 100)] == [
        Extent.FEW,
        Extent.FEW,
        Extent.SOME,
        Extent.SOME,
        Extent.NEARLY_ALL,
        Extent.NEARLY_ALL,
    ]


def test_a_set_within_another_must_leave_enough() -> None:
    people = np.arange(200)
    sets = {"a": people < 100, "b": people < 90, "c": people < 50, "d": people >= 95, "e": people < 100}

    assert nested_too_closely(sets) == {"b"}  # d overlaps a without lying within it; e is a itself
    assert nested_too_closely({}) == frozenset()
