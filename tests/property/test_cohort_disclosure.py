"""No small cell can be had from what is told: linear programs and all short combinations say so."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tests.unit.cohorts.worlds import columns, features, question
from xaisvc.cohorts import Told, Wish, summarise
from xaisvc.cohorts.disclosure import coarse_parts, visible_rows
from xaisvc.cohorts.partition import cut_feature

MINIMUM = 20
SLACK = 1e-6  # of the solver's own feasibility tolerance, 1e-7, summed over some cells

counts = st.integers(0, 60) | st.integers(0, 25)


def interval(known: list[tuple[np.ndarray, float]], place: int, size: int) -> tuple[float, float]:
    """What equations tell of one of `size` counts that are not negative."""
    cost = np.zeros(size)
    cost[place] = 1
    rows, sums = np.array([row for row, _ in known]), np.array([value for _, value in known])
    ends = [linprog(sign * cost, A_eq=rows, b_eq=sums, bounds=(0, None), method="highs") for sign in (1, -1)]
    assert all(end.status == 0 for end in ends)
    return ends[0].fun, -ends[1].fun


def check_table(table: np.ndarray, visible: np.ndarray) -> int:
    """Tries to find every cell that is not told, from row sums, column sums and the rows that are; counts them."""
    r, k = table.shape
    known: list[tuple[np.ndarray, float]] = []
    for i in range(r):
        row = np.zeros((r, k))
        row[i] = 1
        known.append((row.ravel(), float(table[i].sum())))
    for c in range(k):
        row = np.zeros((r, k))
        row[:, c] = 1
        known.append((row.ravel(), float(table[:, c].sum())))
    for i in np.flatnonzero(visible).tolist():
        for c in range(k):
            row = np.zeros((r, k))
            row[i, c] = 1
            known.append((row.ravel(), float(table[i, c])))
            assert table[i, c] >= MINIMUM
    hidden = [(i, c) for i in np.flatnonzero(~visible).tolist() for c in range(k)]
    for i, c in hidden:
        low, high = interval(known, i * k + c, r * k)
        assert high >= MINIMUM - SLACK
        assert high - low >= MINIMUM - SLACK
    return len(hidden)


def tables(parts: int) -> st.SearchStrategy[list[list[int]]]:
    return st.lists(st.lists(counts, min_size=parts, max_size=parts), min_size=2, max_size=5)


@given(st.integers(2, 3).flatmap(tables))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_no_hidden_cell_of_a_table_is_pinned(rows: list[list[int]]) -> None:
    table = np.array([row for row in rows if sum(row) >= MINIMUM], dtype=np.int64)
    if len(table) < 2 or (table.sum(axis=0) < MINIMUM).any():
        return  # such sums are not told, so neither is anything of the table
    check_table(table, visible_rows(table))


def test_the_check_sees_a_cell_that_can_be_had() -> None:
    table = np.array([[40, 40], [30, 30], [50, 3]])

    with pytest.raises(AssertionError):
        check_table(table, np.array([True, True, False]))  # the column sum less the visible rows
    with pytest.raises(AssertionError):
        check_table(np.array([[40, 40], [50, 3], [60, 4]]), np.array([True, False, False]))  # 7 in two cells
    assert check_table(table, visible_rows(table)) == 4


@given(st.lists(counts, min_size=2, max_size=4), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_category_that_is_told_with_others_is_pinned(sizes: list[int], seed: int) -> None:
    """Of a category that is told with others, the sums leave an interval up to 20 or more."""
    feature = features()[1]
    values = np.repeat(np.array(feature.categories[: len(sizes)], dtype=object), sizes)
    np.random.default_rng(seed).shuffle(values)
    cut = cut_feature(feature, values) if sum(sizes) >= MINIMUM else None
    if cut is None:
        return
    assert cut.sizes.min() >= MINIMUM
    present = [name for name, size in zip(feature.categories, sizes, strict=False) if size]
    for cell, size in zip(cut.cells, cut.sizes.tolist(), strict=True):
        inside = [name for name in cell.values if name in present]
        if len(inside) > 1:
            low, high = interval([(np.ones(len(inside)), float(size))], 0, len(inside))
            assert (low, high) == pytest.approx((0, size), abs=SLACK)
        else:
            assert size == sizes[feature.categories.index(inside[0])] >= MINIMUM


@given(st.lists(counts, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_parts_are_large_enough_or_one(sizes: list[int]) -> None:
    parts = coarse_parts(sizes)

    assert [place for part in parts for place in part] == list(range(len(sizes)))
    assert len(parts) == 1 or all(sum(sizes[i] for i in part) >= MINIMUM for part in parts)


@given(
    st.lists(st.integers(0, 40), min_size=4, max_size=6),
    st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=2, max_size=7),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_no_short_combination_of_told_sets_leaves_few(sizes: list[int], wanted: list[list[bool]]) -> None:
    """Sets are unions of blocks of persons. Of those that were allowed one after the other, no three tell of few."""
    starts = np.cumsum([0, *sizes])
    blocks = [np.arange(low, high, dtype=np.uint64) for low, high in pairwise(starts)]
    told, allowed = Told(), []
    for choice in wanted:
        picked = [block for block, chosen in zip(blocks, choice, strict=False) if chosen]
        persons = np.concatenate([np.empty(0, dtype=np.uint64), *picked])
        if len(persons) >= MINIMUM and told.allows("n", persons):
            told.add({"n": persons})
            allowed.append(np.array([bool(chosen) for chosen, _ in zip(choice, sizes, strict=False)], dtype=int))
    for count in (1, 2, 3):
        for sets in combinations({one.tobytes(): one for one in allowed}.values(), count):
            for signs in product((1, -1), repeat=count):
                mixed = sum(sign * one for sign, one in zip(signs, sets, strict=True))
                left = int(np.array(sizes)[mixed != 0].sum())
                assert left == 0 or left >= MINIMUM


@given(st.integers(20, 260), st.integers(0, 10**6), st.floats(0.02, 0.98))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_whole_cohort_tells_of_no_few(n: int, seed: int, adverse: float) -> None:
    """From segment sizes, decisions overall and visible segments, no hidden decision count is pinned."""
    rng = np.random.default_rng(seed)
    own = columns(n, seed, adverse=rng.uniform(size=n) < adverse)
    found = summarise(own, question(), Wish(segment_by=("purpose", "amount", "savings", "band")))
    assert own.adverse is not None
    total = int(own.adverse.sum())
    assert (found.adverse is None) == (min(total, n - total) < MINIMUM)
    for cut in found.segments:
        if not cut.segments:
            continue
        assert sum(segment.n for segment in cut.segments) == n
        assert min(segment.n for segment in cut.segments) >= MINIMUM
        shown = np.array([segment.adverse is not None for segment in cut.segments])
        if found.adverse is None:
            assert not shown.any()
            continue
        partition = _codes(own, cut.by)
        table = np.array([[int((partition[c] & own.adverse).sum()) for c in range(len(partition))]])
        sizes = np.array([segment.n for segment in cut.segments])
        check_table(np.column_stack([sizes - table[0], table[0]]), shown)


def _codes(own: object, by: str) -> list[np.ndarray]:
    from xaisvc.cohorts.columns import Columns
    from xaisvc.cohorts.partition import cut_bands

    assert isinstance(own, Columns)
    if by == "band":
        assert own.bands is not None
        cut = cut_bands(question().bands, own.bands)
    else:
        cut = cut_feature(next(one for one in features() if one.id == by), own.features[by])
    assert cut is not None
    return [cut.codes == place for place in range(len(cut.cells))]
