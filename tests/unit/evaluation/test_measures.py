from __future__ import annotations

import numpy as np
import pytest

from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import RowScores, difference, draw_weights, measure, measure_by


def test_the_mean_of_what_has_a_meaning() -> None:
    scores = RowScores(np.array([1.0, np.nan, 3.0]))

    assert scores.value() == 2.0
    assert scores.usable.tolist() == [True, False, True]


def test_a_ratio_of_sums_and_not_a_mean_of_ratios() -> None:
    above, below = np.array([1.0, 3.0]), np.array([1.0, 15.0])

    assert RowScores(above, below).value() == 4 / 16
    assert RowScores(above, below, "root").value() == 0.5
    assert RowScores(above, below, "one_minus").value() == 0.75


def test_nothing_to_measure() -> None:
    assert measure(RowScores(np.array([np.nan])), np.random.default_rng(0)) is None
    assert measure(RowScores(np.array([1.0]), np.array([0.0])), np.random.default_rng(0)) is None


def test_no_resamples_and_no_rows_are_refused() -> None:
    rng, scores = np.random.default_rng(0), RowScores(np.arange(3.0))

    for draw in (
        lambda: measure(scores, rng, resamples=0),
        lambda: difference(scores, scores, rng, resamples=-1),
        lambda: draw_weights(3, rng, resamples=0),
    ):
        with pytest.raises(
            InvalidRequestError, match=r"resamples: .* leave no interval; ask for at least 1, and for 1,000"
        ):
            draw()
    with pytest.raises(InvalidRequestError, match="n_rows: nothing can be drawn from 0 rows"):
        draw_weights(0, rng)


def test_the_interval_has_the_width_that_theory_gives() -> None:
    rng = np.random.default_rng(5)
    found = measure(RowScores(rng.normal(size=400)), rng, resamples=4000)

    assert found is not None
    assert found.n_rows == 400
    # 2 * 1.96 / sqrt(400) = 0.196; the sample's own spread varies by 3.5 %, the quantiles of 4,000 draws by 3 %
    assert found.high - found.low == pytest.approx(0.196, rel=0.2)
    assert found.low < found.value < found.high


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(200):
        found = measure(RowScores(rng.exponential(size=100)), rng, resamples=300)
        assert found is not None
        held += found.low <= 1.0 <= found.high

    # 95 % of 200 with a standard error of 1.5 %; the percentile bootstrap of skewed rows holds about 93 %
    assert 0.88 <= held / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = RowScores(np.arange(30.0), np.arange(30.0) + 1)

    assert measure(scores, np.random.default_rng(1)) == measure(scores, np.random.default_rng(1))
    assert measure(scores, np.random.default_rng(1)) != measure(scores, np.random.default_rng(2))


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=300) * 100
    found = difference(RowScores(rows + 1.0), RowScores(rows), rng)

    assert found is not None
    # each row differs by exactly 1, so nothing is left open but rounding
    assert (found.low, found.value, found.high) == pytest.approx((1.0, 1.0, 1.0), abs=1e-9)


def test_a_difference_uses_rows_that_both_have() -> None:
    one, other = RowScores(np.array([1.0, np.nan, 5.0])), RowScores(np.array([0.0, 7.0, 2.0]))
    found = difference(one, other, np.random.default_rng(0))

    assert found is not None
    assert found.n_rows == 2
    assert found.value == 2.0
    assert difference(one, RowScores(np.array([np.nan, 1.0, np.nan])), np.random.default_rng(0)) is None


def test_shared_resamples_give_the_interval_of_drawn_ones() -> None:
    rng = np.random.default_rng(9)
    scores = RowScores(rng.normal(size=40), rng.random(40))
    weights = draw_weights(40, np.random.default_rng(3))

    assert (weights.sum(axis=1) == 40).all()
    ours, theirs = measure_by(scores, weights), measure(scores, np.random.default_rng(3))
    assert ours is not None
    assert theirs is not None
    # the same sums, added up in another order
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_shared_resamples_leave_out_rows_without_a_meaning() -> None:
    weights = draw_weights(3, np.random.default_rng(3), resamples=200)
    found = measure_by(RowScores(np.array([1.0, np.nan, 1.0])), weights)

    assert found is not None
    assert (found.value, found.low, found.high, found.n_rows) == (1.0, 1.0, 1.0, 2)
    assert measure_by(RowScores(np.array([np.nan] * 3)), weights) is None


def test_columns_are_refused_where_rows_belong() -> None:
    values = np.arange(6.0).reshape(3, 2)

    # numpy would take every output from every row's sum, and the mean of nine numbers would look like a gap
    with pytest.raises(InvalidRequestError, match=r"scores: .* shape \(3, 3\) .* flat arrays, \(n,\) and not \(n, 1\)"):
        RowScores(np.abs(values.sum(axis=1) - values.sum(axis=1, keepdims=True)))


def test_arrays_for_other_rows_are_refused() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"scores: .* gave 3 numbers and denominators of the shape \(1,\); .* same rows"
    ):
        RowScores(np.ones(3), np.ones(1))


def test_one_row_leaves_an_interval_without_width() -> None:
    found = measure(RowScores(np.array([0.25])), np.random.default_rng(0))

    assert found is not None
    assert (found.low, found.value, found.high, found.n_rows) == (0.25, 0.25, 0.25, 1)


def test_few_rows_make_intervals_too_narrow() -> None:
    rng = np.random.default_rng(11)
    weights = draw_weights(8, rng, resamples=400)
    held = 0
    for _ in range(1000):
        found = measure_by(RowScores(rng.normal(size=8)), weights)
        assert found is not None
        held += found.low <= 0.0 <= found.high

    # 88 % as the docs say, with a standard error of 1 %; the 95 % on the label are seven of these away
    assert 0.85 <= held / 1000 <= 0.92
