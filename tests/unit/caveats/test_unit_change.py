from __future__ import annotations

import numpy as np
import pytest

from xaisvc.caveats.unit_change import _Fit, _Scale, _scores, unit_change
from xaisvc.structure.units import study_units
from xaisvc.types import Table
from xaisvc.types.units import CONVERSIONS, ChangeKind, Units


def _rows(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "seconds": np.exp(5 + 0.6 * rng.standard_normal(n)),
        "celsius": 14 + 6 * rng.standard_normal(n),
        "age": np.round(np.clip(45 + 12 * rng.standard_normal(n), 18, 90)),
        "balance": 1000 * rng.standard_normal(n),
        "job": np.array(["a", "b"], dtype=object)[rng.integers(2, size=n)],
    }


@pytest.fixture(scope="module")
def units() -> Units:
    return study_units(Table(_rows(500, 0)))


def test_clean_rows_say_nothing(units: Units) -> None:
    found = unit_change(units, Table(_rows(64, 1)))

    assert found.batch == ()
    assert not found.suspicious.any()
    assert (found.row_conversions == -1).all()


@pytest.mark.parametrize(
    ("feature", "factor", "offset"),
    [
        ("seconds", 1000.0, 0.0),
        ("seconds", 1 / 60, 0.0),
        ("celsius", 1.8, 32.0),
        ("age", 12.0, 0.0),
        ("balance", 1000.0, 0.0),
    ],
)
def test_a_batch_in_another_unit_is_named(units: Units, feature: str, factor: float, offset: float) -> None:
    rows = _rows(32, 2)
    rows[feature] = factor * rows[feature] + offset

    [change] = unit_change(units, Table(rows)).batch

    assert (change.feature, change.kind) == (feature, ChangeKind.UNIT)
    assert change.conversion is not None
    assert change.conversion.factor == pytest.approx(factor)
    assert change.conversion.offset == pytest.approx(offset)


def test_the_ratio_comes_with_its_error(units: Units) -> None:
    rows = _rows(32, 2)
    rows["seconds"] = 1000 * rows["seconds"]

    [change] = unit_change(units, Table(rows)).batch

    # The median of 32 logarithms with spread 0.6.
    assert change.ratio_error == pytest.approx(1.2533 * 0.6 / np.sqrt(32), rel=0.3)
    assert change.ratio == pytest.approx(1000, rel=4 * change.ratio_error)


def test_a_shift_that_is_no_unit_is_called_a_shift(units: Units) -> None:
    rows = _rows(64, 2)
    rows["age"] = rows["age"] + 21

    [change] = unit_change(units, Table(rows)).batch

    assert (change.feature, change.kind, change.conversion) == ("age", ChangeKind.SHIFT, None)


def test_swapped_columns_are_told_from_units(units: Units) -> None:
    rows = _rows(32, 2)
    rows["age"], rows["seconds"] = rows["seconds"], rows["age"]

    found = {change.feature: change for change in unit_change(units, Table(rows)).batch}

    assert found["age"].kind is ChangeKind.SWAPPED
    assert found["age"].swapped_with == "seconds"
    assert found["seconds"].swapped_with == "age"


def test_leaving_the_grid_gives_a_small_factor_away() -> None:
    rows = _rows(16, 2)
    wide = study_units(
        Table({**_rows(500, 0), "age": np.round(np.exp(4 + np.random.default_rng(0).standard_normal(500)))})
    )
    rows["age"] = 1.609344 * np.round(np.exp(4 + np.random.default_rng(1).standard_normal(16)))

    [change] = unit_change(wide, Table(rows)).batch

    assert change.conversion is not None
    assert change.conversion.factor == pytest.approx(1.609344)
    assert change.off_grid > 0.9


def test_the_background_itself_is_not_shifted_even_where_values_repeat() -> None:
    rng = np.random.default_rng(0)
    often = np.where(rng.random(500) < 0.4, 0.0, rng.standard_normal(500))
    whole = Table({"often_zero": often, "whole": np.round(2 * rng.standard_normal(500))})
    units = study_units(whole)

    assert units.judged.all()
    assert unit_change(units, whole).batch == ()


def test_fifteen_rows_are_no_batch(units: Units) -> None:
    rows = _rows(15, 2)
    rows["seconds"] = 1000 * rows["seconds"]

    found = unit_change(units, Table(rows))

    assert found.batch == ()
    assert found.suspicious[:, 0].all()


def test_a_single_value_names_a_factor_that_brings_it_back(units: Units) -> None:
    rows = _rows(1, 3)
    rows["seconds"] = np.array([1000 * np.exp(5.0)])

    found = unit_change(units, Table(rows))

    assert found.suspicious.tolist() == [[True, False, False, False, False]]
    assert CONVERSIONS[found.row_conversions[0, 0]].factor == pytest.approx(1000)


def test_a_value_that_no_unit_explains_is_suspicious_all_the_same(units: Units) -> None:
    rows = _rows(1, 3)
    rows["celsius"] = np.array([1e30])

    found = unit_change(units, Table(rows))

    assert found.suspicious[0, 1]
    assert found.row_conversions[0, 1] == -1


def test_missing_and_zero_values_are_left_out(units: Units) -> None:
    rows = _rows(40, 4)
    rows["seconds"] = np.where(np.arange(40) < 20, np.nan, rows["seconds"])
    rows["age"] = np.zeros(40)

    found = unit_change(units, Table(rows))

    assert found.batch == ()
    assert not found.suspicious.any()


def test_what_is_ruled_out_never_fits() -> None:
    rng = np.random.default_rng(0)
    fitting = 0
    for trial in range(600):
        quantiles = np.sort(rng.normal(size=101) * rng.choice([1, 5, 1000]))
        quantiles = np.round(quantiles) if trial % 3 == 0 else quantiles  # values that repeat
        scale = _Scale(
            quantiles,
            scores=_scores(101),
            probabilities=np.linspace(0.001, 0.999, 101),
            positive=False,
            count=float(rng.integers(100, 5000)),
            grid=0.0,
        )
        values = np.interp(rng.normal(size=rng.integers(16, 400)) * rng.choice([1, 1.05, 1.2]), scale.scores, quantiles)
        values *= rng.choice([1, 1, 1.05, -1])

        fit = _Fit.of(scale, values)
        ruled_out = _Fit.ruled_out(scale, np.sort(values))

        assert ruled_out == _Fit.ruled_out(scale, np.sort(values)[::-1])
        assert ruled_out != fit.fits
        fitting += fit.fits
    assert 50 < fitting < 550
