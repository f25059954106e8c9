from __future__ import annotations

import numpy as np
import pytest

from xaisvc.errors import InvalidInputError
from xaisvc.structure.units import study_units
from xaisvc.types import Table
from xaisvc.types.units import CONVERSIONS, off_grid


def test_features_without_a_unit_are_not_judged() -> None:
    rng = np.random.default_rng(0)
    table = Table(
        {
            "amount": np.exp(rng.standard_normal(200)),
            "flag": (rng.random(200) < 0.5).astype(float),
            "constant": np.full(200, 2.0),
            "missing": np.full(200, np.nan),
            "mostly_zero": np.where(rng.random(200) < 0.9, 0.0, np.exp(rng.standard_normal(200))),
            "job": np.array(["a", "b"] * 100, dtype=object),
        }
    )

    units = study_units(table)

    assert units.judged.tolist() == [True, False, False, False, False, False]
    assert np.isinf(units.ceilings[1:]).all()


def test_zeros_are_left_out_where_nothing_is_negative() -> None:
    rng = np.random.default_rng(0)
    amount = np.where(rng.random(400) < 0.4, 0.0, np.exp(3 + 0.5 * rng.standard_normal(400)))

    units = study_units(Table({"amount": amount}))

    assert units.judged[0]
    assert units.counts[0] == (amount > 0).sum()
    assert 0 < units.floors[0] <= amount[amount > 0].min()


def test_bounds_of_logarithms_scale_with_the_unit() -> None:
    amount = np.exp(np.random.default_rng(0).standard_normal(300))

    one, other = study_units(Table({"a": amount})), study_units(Table({"a": 1000 * amount}))

    np.testing.assert_allclose(other.floors, 1000 * one.floors)
    np.testing.assert_allclose(other.ceilings, 1000 * one.ceilings)


@pytest.mark.parametrize(
    ("step", "grid"), [(1.0, 1.0), (0.5, 0.5), (0.1, 0.1), (0.05, 0.05), (0.01, 0.01), (np.pi, 0.0)]
)
def test_the_grid_is_the_coarsest_that_holds_all_values(step: float, grid: float) -> None:
    values = np.random.default_rng(0).integers(1, 1000, 300) * step

    assert study_units(Table({"x": values})).grids[0] == grid


def test_float32_values_lie_on_the_grid_of_what_they_stand_for() -> None:
    cents = np.array([0.1, 12.34, 9999.99], dtype=np.float32).astype(np.float64)

    assert not off_grid(cents, 0.01).any()
    assert off_grid(np.array([0.123, 500.5]), 0.1).tolist() == [True, False]


def test_conversions_come_in_pairs_that_undo_each_other() -> None:
    for conversion in CONVERSIONS:
        assert any(
            other.factor * conversion.factor == pytest.approx(1)
            and other.factor * conversion.offset + other.offset == pytest.approx(0)
            for other in CONVERSIONS
        ), conversion.name


def test_no_rows_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="no rows"):
        study_units(Table({"x": np.zeros(0)}))
