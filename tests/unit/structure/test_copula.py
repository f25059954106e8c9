from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from xaisvc.structure.copula import (
    CELLS,
    Places,
    cells_of,
    choose_weight,
    fit_margins,
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
    np.testing.assert_array_equal(precision_of(scores, np.ones(3, dtype=bool), 0.0), np.zeros((3, 3)))


def test_shrinking_keeps_the_variances() -> None:
    scores = np.random.default_rng(0).standard_normal((50, 3)) @ np.array([[1, 1, 0], [0, 1, 0], [0, 0, 2.0]])
    sample = scores.T @ scores / 50

    found = shrunk_covariance(scores, 0.25)

    np.testing.assert_allclose(np.diag(found), np.diag(sample))
    np.testing.assert_allclose(found[0, 1], 0.75 * sample[0, 1])


def test_the_weight_follows_what_the_data_hold() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal((400, 1))

    assert choose_weight(rng.standard_normal((60, 30))) >= 0.4
    assert choose_weight(common + 0.3 * rng.standard_normal((400, 4))) <= 0.01


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_precision_is_the_inverse_on_the_columns_in_use(weight: float) -> None:
    scores = np.random.default_rng(1).standard_normal((80, 4))
    use = np.array([True, False, True, True])

    found = precision_of(scores, use, weight)

    inverse = np.linalg.inv(shrunk_covariance(scores[:, use], weight))
    np.testing.assert_allclose(found[np.ix_(use, use)], inverse, rtol=1e-4)  # the ridge is a millionth
    assert not found[1].any()
    assert not found[:, 1].any()
