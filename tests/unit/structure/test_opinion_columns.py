"""How columns of a set are compared: rare levels on the scale of a number that they stand for, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from xaisvc.structure.opinion_columns import compared_columns, uneven
from xaisvc.types.second_opinion import ComparedColumn


def _texts(values: np.ndarray) -> np.ndarray:
    return np.array([f"L{value}" for value in values], dtype=object)


def _bins(numbers: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rank bins of numbers under names whose order says nothing."""
    ranks = numbers.argsort().argsort() * count // len(numbers)
    return _texts(rng.permutation(count)[ranks])


@pytest.mark.parametrize("count", [80, 200])
def test_rare_levels_that_stand_for_a_number_are_placed_at_its_scores(count: int) -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=500)
    columns = {"q": _bins(a, count, rng), "a": a, "loose": 0.6 * a + 0.8 * rng.normal(size=500)}

    found, unread = compared_columns(columns)

    level, number, _ = found
    assert unread == ()
    assert len(level.levels) == count
    own = dict(zip(level.levels, level.scores.tolist(), strict=True))
    scores, _ = number.compare(a)
    # Rows of a level are within one bin: the widest ones are at the ends, half a deviation at most.
    np.testing.assert_allclose([own[text] for text in columns["q"]], scores, atol=0.7)
    assert np.corrcoef([own[text] for text in columns["q"]], scores)[0, 1] > 0.99
    assert level.by_level == 0.0
    assert not level.is_number


def test_missing_rows_and_missing_numbers_leave_a_scale() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=500)
    q = _bins(a, 120, rng)
    lone = q[0]
    q[1:20] = None
    a = np.where((q == lone) | (np.arange(500) > 480), np.nan, a)

    (level, _), unread = compared_columns({"q": q, "a": a})

    assert unread == ()
    assert np.isfinite(level.scores).all()
    assert lone not in level.levels  # nobody knows where it stands
    assert level.by_level == 1.0


def test_levels_with_enough_rows_are_compared_by_equality() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=500)

    (level, _), unread = compared_columns({"q": _bins(a, 40, rng), "a": a})

    assert (len(level.levels), len(level.scores), level.by_level, unread) == (40, 0, 1.0, ())


def test_rare_levels_that_stand_for_no_number_cannot_be_read() -> None:
    rng = np.random.default_rng(4)
    means = rng.normal(size=150)
    level = rng.integers(0, 150, 500)
    a = means[level] + 0.6 * rng.normal(size=500)

    _, unread = compared_columns({"q": _texts(level), "a": a})

    assert unread == ("q",)


def test_levels_that_tell_two_numbers_stand_for_neither() -> None:
    rng = np.random.default_rng(5)
    level = rng.integers(0, 150, 500)
    a, b = (rng.normal(size=150)[level] + 0.02 * rng.normal(size=500) for _ in range(2))

    assert compared_columns({"q": _texts(level), "a": a, "b": b})[1] == ("q",)
    assert compared_columns({"q": _texts(level), "a": a})[1] == ()
    assert compared_columns({"q": _texts(level), "a": a, "copy": -a})[1] == ()


def test_levels_that_never_repeat_stand_for_nothing() -> None:
    rng = np.random.default_rng(6)
    a = rng.normal(size=200)

    assert compared_columns({"id": _texts(np.arange(200)), "a": a})[1] == ("id",)
    assert compared_columns({"id": _texts(np.arange(200)), "other": _texts(rng.integers(0, 3, 200))})[1] == ("id",)


def test_few_rows_with_rare_levels_change_nothing_where_there_is_no_scale() -> None:
    rng = np.random.default_rng(7)
    level = np.where(rng.random(500) < 0.95, rng.integers(0, 4, 500), 100 + np.arange(500))

    (column, _), unread = compared_columns({"q": _texts(level), "a": rng.normal(size=500)})

    assert unread == ()
    assert sorted(column.levels) == ["L0", "L1", "L2", "L3"]


def test_steps_between_neighbouring_levels_go_to_the_error() -> None:
    rng = np.random.default_rng(8)
    n, step = 4000, 0.5
    place = np.sort(rng.normal(size=n))
    number = ComparedColumn(feature="a", knots=place, scores=place, levels=(), is_number=True, by_level=0.0)
    level = ComparedColumn(
        feature="q",
        knots=np.empty(0),
        scores=place,
        levels=tuple(map(str, range(n))),
        is_number=False,
        by_level=0.0,
    )
    scores, codes = np.stack([place, place, rng.normal(size=n)]), np.ones((3, n), dtype=np.int64)
    smooth = np.stack([place, np.tanh(place), place])
    rough = smooth + np.array([[0.0], [1.0], [0.0]]) * step * rng.normal(size=n)

    none = uneven((number, level, number), np.array([0, 1, 2]), scores, codes, smooth)
    some = uneven((number, level, number), np.array([0, 1, 2]), scores, codes, rough)

    # Neighbours among 4,000 differ by 1 / 400 in the smooth part; 4,000 steps know their deviation to 2 %.
    np.testing.assert_allclose(none, 0.0, atol=0.01)
    np.testing.assert_allclose(some, [step / 2, step / 2, 0.0], rtol=0.06, atol=0.01)


def test_columns_without_a_scale_leave_nothing_to_the_error() -> None:
    rng = np.random.default_rng(9)
    a = rng.normal(size=100)
    columns, _ = compared_columns({"a": a, "q": _texts(rng.integers(0, 3, 100))})
    scores, codes = map(np.stack, zip(columns[0].compare(a), columns[0].compare(a), strict=True))

    assert (uneven(columns, np.array([0, 1]), scores, codes, rng.normal(size=(2, 100))) == 0).all()
