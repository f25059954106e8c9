from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from xaisvc.structure.copula import (
    CELLS,
    Places,
    Shrinkage,
    cells_of,
    chance_errors,
    choose_shrinkage,
    fit_margins,
    link_threshold,
    placed,
    precision_of,
    scores_of,
    shrunk_covariance,
)
from xaisvc.types import Table


def _texts(*values: str | None) -> np.ndarray:
    return np.array(values, dtype=object)


def test_levels_are_numbered_from_the_most_frequent_one() -> None:
    places = Places.of(Table({"job": _texts("b", "a", "c", "a", None, "c")}))

    assert places.levels == (("a", "c", "b"),)
    np.testing.assert_array_equal(places.values[:, 0], [2.0, 0.0, 1.0, 0.0, np.nan, 1.0])


def test_a_level_that_is_not_known_and_an_infinite_number_count_as_missing() -> None:
    found = placed(Table({"job": _texts("new"), "age": np.array([np.inf])}), (("a",), ()))

    assert np.isnan(found).all()


def test_the_score_of_a_value_that_repeats_lies_in_the_middle_of_its_step() -> None:
    places = Places.of(Table({"x": np.array([0.0, 0.0, 0.0, 1.0])}))

    scores = scores_of(fit_margins(places), places.values)

    # P(below) + P(equal) / 2 is 3/8 for the zeros and 7/8 for the one.
    np.testing.assert_allclose(scores[:, 0], [ndtri(3 / 8)] * 3 + [ndtri(7 / 8)])


def test_scores_of_many_values_are_normal_whatever_the_scale() -> None:
    values = np.exp(np.random.default_rng(0).standard_normal(2000))
    places = Places.of(Table({"x": values}))

    scores = scores_of(fit_margins(places), places.values)[:, 0]

    exact = ndtri((np.argsort(np.argsort(values)) + 0.5) / 2000)
    # Straight lines between 64 knots, 0.11 apart; at both ends a knot lies between few values.
    np.testing.assert_allclose(np.sort(scores)[20:-20], np.sort(exact)[20:-20], atol=0.05)
    np.testing.assert_allclose(scores, exact, atol=0.2)


def test_levels_get_scores_in_the_order_of_what_goes_with_them() -> None:
    rng = np.random.default_rng(0)
    place = rng.integers(3, size=300)
    names = np.array(["middle", "low", "high"], dtype=object)[place]
    places = Places.of(Table({"x": np.array([0.0, -2.0, 2.0])[place] + rng.standard_normal(300), "level": names}))

    scores = scores_of(fit_margins(places), places.values)[:, 1]

    low, middle, high = (scores[names == name][0] for name in ("low", "middle", "high"))
    assert low < middle < high or low > middle > high


def test_missing_has_score_zero_and_a_cell_of_its_own() -> None:
    places = Places.of(Table({"x": np.append(np.arange(99.0), np.nan)}))
    margins = fit_margins(places)
    scores = scores_of(margins, places.values)

    assert scores[-1, 0] == 0.0
    cells = cells_of(margins, places.values, scores)[:, 0]
    assert cells[-1] == CELLS
    assert cells[:-1].max() < CELLS
    assert (np.diff(cells[:-1]) >= 0).all()


def test_columns_without_information_have_score_zero() -> None:
    nothing = {"constant": np.full(60, 3.0), "missing": np.full(60, np.nan), "level": _texts(*["a"] * 60)}
    places = Places.of(Table(nothing))

    scores = scores_of(fit_margins(places), places.values)

    np.testing.assert_array_equal(scores, np.zeros((60, 3)))
    np.testing.assert_array_equal(
        precision_of(scores, np.ones(3, dtype=bool), Shrinkage.plain(3, 0.0)), np.zeros((3, 3))
    )


def test_shrinking_keeps_the_variances() -> None:
    scores = np.random.default_rng(0).standard_normal((50, 3)) @ np.array([[1, 1, 0], [0, 1, 0], [0, 0, 2.0]])
    sample = scores.T @ scores / 50

    found = shrunk_covariance(scores, Shrinkage.plain(3, 0.25).mask(np.arange(3)))

    np.testing.assert_allclose(np.diag(found), np.diag(sample))
    np.testing.assert_allclose(found[0, 1], 0.75 * sample[0, 1])


def test_the_weight_follows_what_the_data_hold() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal((400, 1))

    assert choose_shrinkage(rng.standard_normal((60, 30))).weight >= 0.4
    assert choose_shrinkage(common + 0.3 * rng.standard_normal((400, 4))).weight <= 0.01


def test_covariances_are_kept_within_near_sets_and_none_are_left_between_wide_ones() -> None:
    shrinkage = Shrinkage(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2]), 0.25)

    # The first two columns are near each other, the third is in their wide set, the last in none.
    expected = [[1, 1, 0.75, 0], [1, 1, 0.75, 0], [0.75, 0.75, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(shrinkage.mask(np.arange(4)), expected)
    np.testing.assert_array_equal(shrinkage.mask(np.array([2, 0])), [[1, 0.75], [0.75, 1]])


@pytest.mark.parametrize("common", [0.0, 0.6], ids=["independent", "one factor"])
@pytest.mark.parametrize("q", [80, 150, 300])
def test_copies_stay_copies_in_wide_tables(q: int, common: float) -> None:
    rng = np.random.default_rng(q)
    scores = common * rng.standard_normal((500, 1)) + np.sqrt(1 - common**2) * rng.standard_normal((500, q))
    scores[:, 1] = scores[:, 0]
    scores[:, 3] = scores[:, 2] + 0.1 * rng.standard_normal(500)

    precision = precision_of(scores, np.ones(q, dtype=bool), choose_shrinkage(scores))

    # What two features that are 1 and -1 add, 1/2 z P z: half of 4 / (2 RIDGE) for copies, of 4 / 0.01 for a noise of
    # .1 (a little less where the others say something of it).
    apart = np.array([1.0, -1.0])
    assert 0.5 * apart @ precision[:2, :2] @ apart > 1e5
    assert 0.5 * apart @ precision[2:4, 2:4] @ apart > 100


@pytest.mark.parametrize("q", [8, 80])
def test_few_tables_of_independent_columns_have_a_linked_pair(q: int) -> None:
    rng = np.random.default_rng(q)
    least, above = link_threshold(200, q), np.triu_indices(q, 1)

    found = sum(bool((np.abs(np.corrcoef(rng.standard_normal((200, q)).T))[above] > least).any()) for _ in range(100))

    assert found <= 5  # 1 expected; 6 or more would happen by chance once in 1,900


def test_more_columns_need_more_errors() -> None:
    assert chance_errors(2) == pytest.approx(ndtri(0.995))
    assert chance_errors(300) == pytest.approx(ndtri(1 - 0.005 / 44_850))


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_precision_is_the_inverse_on_the_columns_in_use(weight: float) -> None:
    scores = np.random.default_rng(1).standard_normal((80, 4))
    use = np.array([True, False, True, True])

    found = precision_of(scores, use, Shrinkage.plain(4, weight))

    inverse = np.linalg.inv(shrunk_covariance(scores[:, use], Shrinkage.plain(3, weight).mask(np.arange(3))))
    np.testing.assert_allclose(found[np.ix_(use, use)], inverse, rtol=1e-4)  # the ridge is a millionth
    assert not found[1].any()
    assert not found[:, 1].any()
