from __future__ import annotations

import numpy as np
import pytest

from xaisvc.structure.association import study_association
from xaisvc.structure.ranks import variables_of
from xaisvc.structure.redundancy import encode, find_redundancies, judged, others_of_level
from xaisvc.structure.redundancy_linear import RIDGE, left_out, strongest_predictors
from xaisvc.types.association import Redundancy, Route
from xaisvc.types.table import Table


def _found(columns: dict[str, np.ndarray]) -> dict[int, Redundancy]:
    table = Table(columns)
    variables = variables_of(table, table.feature_ids)[: len(columns)]
    raw = [None if values.dtype == object else values for values in columns.values()]
    p_value = np.full((len(columns), len(columns)), 0.5)
    return {one.feature: one for one in find_redundancies(variables, raw, p_value, np.random.default_rng(0))}


def _normal(n: int, f: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, f))


def _named(matrix: np.ndarray) -> dict[str, np.ndarray]:
    return {f"x{j}": np.ascontiguousarray(matrix[:, j]) for j in range(matrix.shape[1])}


def test_left_out_predictions_are_those_of_refitting_without_the_row() -> None:
    columns = _normal(40, 4, 0)
    columns[:, 0] += columns[:, 1]
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    owner = np.array([0, 1, 2, 2])  # the last two belong to one feature

    predicted = left_out(columns, owner, np.ones((3, 3)))

    for feature, own, others in ((0, [0], [1, 2, 3]), (2, [2, 3], [0, 1])):
        for row in (0, 7, 39):
            rest = np.delete(np.arange(40), row)
            design = np.column_stack([np.ones(39), columns[np.ix_(rest, others)]])
            fit, *_ = np.linalg.lstsq(design, columns[np.ix_(rest, own)], rcond=None)
            expected = np.concatenate([[1.0], columns[row, others]]) @ fit

            # The ridge moves a standardised prediction by about its own size.
            assert predicted[row, own] == pytest.approx(expected, abs=10 * RIDGE), feature


def test_features_of_a_wide_table_are_regressed_on_likely_partners_only() -> None:
    matrix = _normal(60, 40, 1)
    matrix[:, 0] = matrix[:, 1] + 0.1 * matrix[:, 2]
    matrix = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    p_value = np.ones((40, 40))
    p_value[0, 1] = p_value[1, 0] = 1e-9

    predicted = left_out(matrix, np.arange(40), p_value)

    assert not predicted[:, 2:].any()
    assert np.corrcoef(predicted[:, 0], matrix[:, 0])[0, 1] > 0.98


def test_forward_selection_finds_the_parts_of_a_sum() -> None:
    matrix = _normal(200, 9, 2)
    matrix[:, 0] = matrix[:, [2, 4, 7]].sum(axis=1) + 0.1 * _normal(200, 1, 3)[:, 0]
    matrix = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)

    assert strongest_predictors(matrix, np.arange(9), 0, 0.99) == (2, 4, 7)


def test_predictions_in_the_wrong_direction_are_no_evidence() -> None:
    truth = _normal(100, 1, 4)

    r_squared, p = judged(truth, -truth, 100)

    assert r_squared == pytest.approx(-3.0)
    assert p == 1.0


def test_a_perfect_prediction_of_two_rare_flags_is_judged_by_how_rare_they_are() -> None:
    flag = np.zeros((60, 1))
    flag[:2] = 1
    truth = (flag - flag.mean()) / flag.std()

    _, p = judged(truth, truth, 60)

    # Two of 60 rows in both, on one of two sides: 2 in 1,770. The formula, for pairs drawn with replacement, says ten
    # times as much, a normal law 1e-300.
    assert 2 / 1770 < p < 20 / 1770


@pytest.mark.parametrize(
    ("make", "sources", "route"),
    [
        pytest.param(lambda x: x[:, 1:5].sum(axis=1), (1, 2, 3, 4), Route.LINEAR, id="sum"),
        pytest.param(lambda x: np.exp(x[:, 1]) / np.exp(x[:, 2]), (1, 2), Route.LINEAR, id="ratio"),
        pytest.param(lambda x: x[:, 1] * x[:, 2], (1, 2), Route.PRODUCT, id="product"),
        pytest.param(lambda x: np.sign(x[:, 1] * x[:, 2]), (1, 2), Route.PRODUCT, id="parity"),
        pytest.param(lambda x: x[:, 1] ** 2 + x[:, 2] ** 2, (1, 2), Route.TREES, id="radius"),
    ],
)
def test_a_feature_that_follows_from_others_is_found_with_its_sources(make, sources, route) -> None:  # noqa: ANN001 - see above
    matrix = _normal(300, 6, 5)
    matrix[:, 0] = make(matrix)

    found = _found(_named(matrix))

    assert found[0].predictors == sources
    assert found[0].route is route
    assert found[0].r_squared > 0.4
    assert found[0].p_value < 1e-6


def test_a_one_hot_set_is_one_matter() -> None:
    rng = np.random.default_rng(6)
    level = rng.integers(0, 4, 300)
    matrix = np.column_stack([*(level == k for k in range(4)), rng.standard_normal(300)]).astype(float)

    found = _found(_named(matrix))

    assert sorted(found) == [0, 1, 2, 3]
    assert all(one.r_squared > 0.99 for one in found.values())
    assert all(set(one.predictors) | {place} == {0, 1, 2, 3} for place, one in found.items())


def test_a_category_can_follow_from_numbers() -> None:
    rng = np.random.default_rng(7)
    a, b, c = rng.standard_normal((3, 400))
    names = np.where(a + b > 0.6, "high", np.where(a + b < -0.6, "low", "middle")).astype(object)

    found = _found({"a": a, "b": b, "c": c, "names": names})

    assert set(found[3].predictors) == {0, 1}
    assert found[3].r_squared > 0.4


def test_the_mean_of_the_other_rows_of_a_level() -> None:
    codes = np.array([1, 0, 1, -1, 1, 2])
    columns = np.array([[3.0], [9.0], [5.0], [7.0], [1.0], [2.0]])

    assert others_of_level(codes, columns).tolist() == [[3.0], [0.0], [2.0], [0.0], [4.0], [0.0]]
    assert not others_of_level(np.full(6, -1), columns).any()


def _studied(columns: dict[str, np.ndarray]) -> dict[int, Redundancy]:
    found = study_association(Table(columns), tuple(columns), np.random.default_rng(0))
    return {one.feature: one for one in found.redundancies}


@pytest.mark.parametrize("cities", [12, 100])
def test_a_region_follows_from_its_many_cities(cities: int) -> None:
    rng = np.random.default_rng(11)
    city = rng.integers(0, cities, 500)
    columns = {
        "city": np.array([f"c{k}" for k in city], dtype=object),
        "region": np.array(["north", "south", "east", "west"], dtype=object)[city % 4],
        **_named(rng.standard_normal((500, 3))),
    }

    found = _studied(columns)

    assert found[1].predictors == (0,)
    assert found[1].route is Route.LINEAR
    assert found[1].r_squared > (0.999 if cities == 12 else 0.9)  # of 100 cities a few have one row
    assert set(found) <= {0, 1}


def test_a_number_follows_from_its_rounded_copy_written_as_text() -> None:
    rng = np.random.default_rng(12)
    a = rng.standard_normal(1500)
    rounded = np.array([f"L{round(100 * value)}" for value in a], dtype=object)

    found = _studied({"a": a, "rounded": rounded, **_named(rng.standard_normal((1500, 3)))})

    assert found[0].predictors == (1,)
    assert found[0].r_squared > 0.6  # far out a level has one row, which says nothing about it


def test_many_levels_alone_make_nothing_redundant() -> None:
    rng = np.random.default_rng(13)
    for levels in (12, 150, 400):
        names = np.array([f"c{k}" for k in range(levels)], dtype=object)
        columns = {"one": names[rng.integers(0, levels, 500)], "other": names[rng.integers(0, levels, 500)]}

        assert _studied(columns | _named(rng.standard_normal((500, 4)))) == {}


def test_independent_features_are_not_redundant() -> None:
    assert _found(_named(_normal(200, 6, 8))) == {}


def test_columns_that_say_nothing_are_left_out() -> None:
    matrix = _normal(100, 3, 9)
    columns = _named(matrix) | {"constant": np.ones(100), "nothing": np.full(100, np.nan)}
    table = Table(columns)

    encoded = encode(variables_of(table, table.feature_ids)[:5], list(columns.values()))

    assert encoded.owner.tolist() == [0, 1, 2]
    assert _found(columns) == {}


def test_few_rows_say_nothing() -> None:
    matrix = _normal(40, 4, 10)
    matrix[:, 0] = matrix[:, 1] + matrix[:, 2]

    assert _found(_named(matrix)) == {}
