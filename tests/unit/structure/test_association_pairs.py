from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from xaisvc.structure.association_levels import Counts
from xaisvc.structure.association_pairs import FEWEST_ROWS, screen
from xaisvc.structure.association_sums import Columns, correlate, linear_tail
from xaisvc.structure.ranks import variables_of
from xaisvc.types.table import Table


def _screened(**columns: np.ndarray):  # noqa: ANN202 - the result's name is the function's
    table = Table(columns)
    return screen(variables_of(table, table.feature_ids), len(columns))


def test_correlations_are_those_of_the_rows_with_both_values() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 80))
    x[rng.random(80) < 0.3] = np.nan
    y[rng.random(80) < 0.2] = np.nan
    table = Table({"x": x, "y": y})
    variables = variables_of(table, ["x", "y"])[:2]
    present = np.stack([variable.present for variable in variables], axis=1).astype(float)
    columns = Columns.of(variables, np.arange(2), [variable.linear for variable in variables], present)

    sums, n = correlate(columns, columns)

    both = ~np.isnan(x) & ~np.isnan(y)
    expected = np.corrcoef(variables[0].linear[both, 0], variables[1].linear[both, 0])[0, 1]
    assert n[0, 1] == both.sum()
    assert sums.r[0, 1] == pytest.approx(expected, abs=1e-12)
    assert sums.r[1, 0] == pytest.approx(expected, abs=1e-12)


def test_two_flags_are_judged_exactly() -> None:
    one, other = np.zeros(300), np.zeros(300)
    one[:6] = 1
    other[3:9] = 1
    table = Table({"one": one, "other": other})
    variables = variables_of(table, table.feature_ids)
    columns = Columns.of(variables, np.arange(2), [v.linear for v in variables], np.ones((300, 2)))

    p = linear_tail(columns, columns, *correlate(columns, columns))

    assert p[0, 1] == p[1, 0] == pytest.approx(2 * stats.hypergeom(300, 6, 6).sf(2), rel=1e-9)
    assert np.isnan(p[0, 0])


def test_a_chi_squared_statistic_comes_out_of_the_indicators() -> None:
    rng = np.random.default_rng(1)
    one = rng.choice(["a", "b", "c"], 400)
    other = np.where(rng.random(400) < 0.2, one, rng.choice(["a", "b", "c", "d"], 400))
    found = _screened(one=one.astype(object), other=other.astype(object))

    table = np.array([[np.sum((one == a) & (other == b)) for b in "abcd"] for a in "abc"])
    expected = stats.chi2_contingency(table, correction=False)

    # The screen takes (n - 1) / n of the statistic; the test has 5 of the 8 parts of the pair's error.
    p = stats.chi2.sf(expected.statistic * 399 / 400, expected.dof) * 8 / 5
    assert found.p_value[0, 1] == pytest.approx(p, rel=1e-6)


def test_agreement_of_many_levels_has_the_moments_of_all_permutations() -> None:
    one, other = np.array([0, 0, 1, 1, 2, 2, 2]), np.array([0, 0, 0, 1, 1, 2, 3])

    def agreeing(order: tuple[int, ...]) -> float:
        shuffled = other[list(order)]
        same = (one[:, None] == one[None, :]) & (shuffled[:, None] == shuffled[None, :])
        return float(same.sum() - 7)

    sums = np.array([agreeing(order) for order in permutations(range(7))])

    mean, variance = Counts.of(one, other).agreement_moments()

    assert mean == pytest.approx(sums.mean(), rel=1e-12)
    assert variance == pytest.approx(sums.var(), rel=1e-12)


def test_tau_is_one_where_a_category_follows_from_another() -> None:
    town = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    shares = dict(zip(("region", "town"), Counts.of(town, town // 2).tau(), strict=True))

    assert shares["region"][0] == pytest.approx(1.0)
    assert shares["town"][0] == pytest.approx(1 - (8 - 4) / 8 / 0.75)  # half of the towns are known from the region


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda x: x.copy(), id="same"),
        pytest.param(lambda x: -x, id="negated"),
        pytest.param(lambda x: np.exp(3 * x), id="exponential"),
        pytest.param(lambda x: 1 / (1 + np.exp(-x)), id="logistic"),
    ],
)
def test_copies_have_effect_exactly_one(change) -> None:  # noqa: ANN001 - functions of an array
    x = np.random.default_rng(2).standard_normal(200)

    found = _screened(x=x, copy=change(x))

    assert found.effect[0, 1] == 1.0
    assert found.p_value[0, 1] < 1e-50


def test_a_renamed_category_and_its_codes_have_effect_exactly_one() -> None:
    rng = np.random.default_rng(3)
    names = rng.choice(["a", "b", "c", "d"], 300).astype(object)
    renamed = np.array([f"level {name}" for name in names], dtype=object)
    codes = np.array([float(ord(name)) for name in names])

    found = _screened(names=names, renamed=renamed, codes=codes)

    assert found.effect.tolist() == np.ones((3, 3)).tolist()


def test_columns_that_do_not_vary_go_with_nothing() -> None:
    x = np.random.default_rng(4).standard_normal(100)

    found = _screened(
        x=x, constant=np.ones(100), nothing=np.full(100, np.nan), none=np.array([None] * 100, dtype=object)
    )

    assert found.effect.tolist() == np.eye(4).tolist()
    assert found.p_value[0, 1] == 1.0
    assert np.isnan(found.p_value[0, 2])


def test_nothing_is_said_about_pairs_with_few_common_rows() -> None:
    x = np.random.default_rng(5).standard_normal(200)
    half = x.copy()
    half[FEWEST_ROWS - 1 :] = np.nan

    found = _screened(x=x, half=half, copy=x)

    assert np.isnan(found.p_value[0, 1]) or not found.p_value[0, 1] < 0.01
    assert found.effect[0, 1] < 0.5
    assert found.effect[0, 2] == 1.0


def test_missingness_goes_with_values_and_with_missingness() -> None:
    rng = np.random.default_rng(6)
    x, y, z = rng.standard_normal((3, 500))
    w = rng.standard_normal(500)
    gone = x > 0.8
    y[gone] = np.nan
    z[gone] = np.nan

    found = _screened(x=x, y=y, z=z, w=w)

    assert found.p_value[0, 1] < 1e-10
    assert found.by_missingness[0, 1]
    assert found.p_value[1, 2] < 1e-10
    assert found.by_missingness[1, 2]
    assert found.p_value[1, 3] > 1e-4
    assert 0.5 < found.effect[1, 2] < 1.0


def test_the_result_is_symmetric_and_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(7)
    columns = {
        "a": rng.standard_normal(200),
        "b": rng.poisson(1, 200).astype(float),
        "c": rng.choice(["u", "v", "w"], 200).astype(object),
        "d": (rng.random(200) < 0.1).astype(float),
    }
    columns["e"] = columns["a"] + np.where(columns["c"] == "u", 1.0, 0.0)
    columns["e"][:30] = np.nan
    order = rng.permutation(200)

    found = _screened(**columns)
    again = _screened(**{name: values[order] for name, values in columns.items()})

    assert (found.effect == found.effect.T).all()
    assert (found.p_value == found.p_value.T).all()
    assert again.effect == pytest.approx(found.effect, abs=1e-9)  # sums in another order
    assert again.p_value == pytest.approx(found.p_value, rel=1e-6)
