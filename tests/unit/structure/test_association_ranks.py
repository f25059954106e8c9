from __future__ import annotations

import numpy as np
import pytest

from xaisvc.structure.ranks import MOST_COARSE, N_SHAPES, mid_ranks, variables_of
from xaisvc.types.table import Table


def test_equal_values_share_their_mean_rank() -> None:
    assert mid_ranks(np.array([1, 3, 1])).tolist() == [1.0, 3.0, 5.0]


def test_kinds_follow_from_the_values() -> None:
    n = 60
    rng = np.random.default_rng(0)
    table = Table(
        {
            "number": rng.standard_normal(n),
            "two numbers": np.arange(n) % 2 * 7.0,
            "two categories": np.array(["a", "b"] * 30, dtype=object),
            "three categories": np.array(["a", "b", "c"] * 20, dtype=object),
            "one number": np.ones(n),
            "nothing": np.full(n, np.nan),
            "no category": np.array([None] * n, dtype=object),
        }
    )

    kinds = [variable.kind for variable in variables_of(table, table.feature_ids)]

    assert kinds == ["ordered", "flag", "flag", "levels", "constant", "constant", "constant"]


def test_missingness_becomes_a_flag_only_where_it_varies_enough() -> None:
    some, few = np.arange(40.0), np.arange(40.0)
    some[:10] = np.nan
    few[:2] = np.nan
    table = Table({"some": some, "few": few, "whole": np.arange(40.0)})

    found = variables_of(table, table.feature_ids)[3:]

    assert [(variable.feature, variable.missingness, variable.kind) for variable in found] == [(0, True, "flag")]
    assert found[0].linear[:, 0].tolist() == [1.0] * 10 + [0.0] * 30


@pytest.mark.parametrize("ties", [False, True])
def test_cosines_are_orthonormal_over_the_rows(ties: bool) -> None:  # noqa: FBT001 - a parameter of the test
    rng = np.random.default_rng(1)
    values = rng.poisson(3, 300).astype(float) if ties else rng.standard_normal(300)
    values[:20] = np.nan

    variable = variables_of(Table({"x": values}), ["x"])[0]

    k = variable.n_shapes
    shapes = variable.shapes[:, :k]
    assert k == (5 if ties else N_SHAPES)  # six values of the poisson column have 17 rows or more
    assert shapes.T @ shapes / 280 == pytest.approx(np.eye(k), abs=1e-9)  # rounding of 280 products
    assert shapes.sum(axis=0) == pytest.approx(np.zeros(k), abs=1e-9)
    assert not variable.shapes[:20].any()
    assert not variable.linear[:20].any()


def test_rare_values_do_not_stand_alone_in_the_cosines() -> None:
    values = np.zeros(400)
    values[:6] = [1, 2, 3, 4, 5, 6]

    variable = variables_of(Table({"x": values}), ["x"])[0]

    assert variable.n_shapes == 0
    assert variable.mode == pytest.approx(394 / 400)
    assert variable.excess > 10


def test_ranks_do_not_see_monotone_changes() -> None:
    x = np.random.default_rng(2).standard_normal(100)
    table = Table({"x": x, "exp": np.exp(5 * x), "down": -x})

    x_, exp, down = variables_of(table, table.feature_ids)

    assert (x_.linear == exp.linear).all()
    assert down.linear == pytest.approx(-x_.linear, abs=1e-12)  # the same quantiles, counted from the other end


def test_levels_are_kept_while_they_are_filled() -> None:
    rng = np.random.default_rng(3)
    common = rng.choice(["a", "b", "c"], 400).tolist()
    rare = ["once", "twice", "twice", "thrice", "thrice", "thrice"]
    values = np.array(common + rare, dtype=object)

    variable = variables_of(Table({"x": values}), ["x"])[0]

    assert variable.n_levels == 6
    assert variable.fine.shape[1] == 4  # without "once" and "twice"
    assert variable.fine.sum(axis=0).min() == 3
    assert variable.coarse.shape[1] == 3  # the rare ones are too few for a group of their own
    assert (variable.coarse.sum(axis=1) == 1).all()


def test_a_thousand_levels_stay_bounded() -> None:
    values = np.array([f"{k}" for k in np.random.default_rng(4).integers(0, 1000, 5000)], dtype=object)

    variable = variables_of(Table({"x": values}), ["x"])[0]

    assert variable.fine.shape[1] <= 40
    assert variable.coarse.shape[1] <= MOST_COARSE + 1
