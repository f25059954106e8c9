from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaisvc.counterfactuals.regions import evenly, region_of, shares

SIDES = st.integers(1, 5)


@st.composite
def grids(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int], list[bool]]:
    shape = (draw(SIDES), draw(SIDES))
    cells = draw(st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    good = np.array(cells).reshape(shape)
    corner = (draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1)))
    good[corner] = True
    return good, corner, [draw(st.booleans()), draw(st.booleans())]


def _largest(good: np.ndarray, corner: tuple[int, int], ordered: list[bool]) -> int:
    """The largest region by trying all."""

    def sets(count: int, first: int, *, is_ordered: bool) -> list[tuple[int, ...]]:
        if is_ordered:
            return [tuple(range(first, last + 1)) for last in range(first, count)]
        others = [place for place in range(count) if place != first]
        chosen = product([False, True], repeat=len(others))
        return [(first, *(o for o, taken in zip(others, flags, strict=True) if taken)) for flags in chosen]

    rows, columns = (
        sets(count, first, is_ordered=flag) for count, first, flag in zip(good.shape, corner, ordered, strict=True)
    )
    return max(len(a) * len(b) for a in rows for b in columns if good[np.ix_(a, b)].all())


@given(grids())
def test_a_region_is_good_everywhere_and_as_large_as_can_be(case: tuple) -> None:
    good, corner, ordered = case
    ones = [np.ones(count, dtype=np.intp) for count in good.shape]

    first, second = region_of(good, corner, ordered, ones)
    assert good[np.ix_(first, second)].all()
    assert (first[0], second[0]) == corner
    for places, start, flag in zip((first, second), corner, ordered, strict=True):
        assert len(set(places.tolist())) == len(places)
        if flag:
            assert places.tolist() == list(range(start, start + len(places)))
    largest = _largest(good, corner, ordered)
    assert len(first) * len(second) <= largest
    if any(ordered):  # two axes without order are extended place by place, which need not find the largest
        assert len(first) * len(second) == largest


def test_weights_say_what_is_large() -> None:
    good = np.array([[True, True, True], [True, False, False]])
    heavy = [np.array([1, 50]), np.array([1, 1, 1])]

    tall, wide = (region_of(good, (0, 0), [True, True], w) for w in (heavy, [np.ones(2, int), np.ones(3, int)]))
    assert [part.tolist() for part in tall] == [[0, 1], [0]]
    assert [part.tolist() for part in wide] == [[0], [0, 1, 2]]


def test_of_two_equally_large_regions_the_one_with_the_smaller_first_change_is_taken() -> None:
    good = np.array([[True, True], [True, False]])

    found = region_of(good, (0, 0), [True, True], [np.ones(2, int), np.ones(2, int)])
    assert [part.tolist() for part in found] == [[0], [0, 1]]


def test_one_axis() -> None:
    good = np.array([True, False, True, True, False, True])

    assert region_of(good, (2,), [True], [np.ones(6, int)])[0].tolist() == [2, 3]
    assert region_of(good, (2,), [False], [np.ones(6, int)])[0].tolist() == [2, 0, 3, 5]


@given(st.integers(1, 5000), st.integers(2, 300))
def test_places_are_spread_evenly_and_hold_both_ends(count: int, most: int) -> None:
    places = evenly(count, most)

    assert (places[0], places[-1]) == (0, count - 1)
    assert len(places) <= max(most, 1)
    steps = np.diff(places)
    assert steps.size == 0 or (steps.min() >= 1 and steps.max() - steps.min() <= 1)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=2), st.integers(4, 5000))
def test_shares_keep_the_product_within_the_bound(counts: list[int], most: int) -> None:
    found = shares(counts, most)

    assert np.prod(found) <= most
    assert all(1 <= share <= count for share, count in zip(found, counts, strict=True))
    if np.prod(counts) <= most:
        assert list(found) == counts


@pytest.mark.parametrize(("counts", "expected"), [((2, 900), (2, 500)), ((900, 2), (500, 2)), ((900, 900), (31, 31))])
def test_a_short_axis_leaves_more_to_the_other(counts: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shares(counts, 1000) == expected
