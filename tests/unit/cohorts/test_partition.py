from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.cohorts.worlds import PURPOSES, columns, features
from xaisvc.cohorts.partition import assign, cut_bands, cut_feature
from xaisvc.types.cohort import Cell

if TYPE_CHECKING:
    from xaisvc.types import Feature

AMOUNT, PURPOSE, _, REGION, _ = features()


def purposes(**counts: int) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.array([None if name == "missing" else name for name, n in counts.items() for _ in range(n)], dtype=object)


def test_small_categories_are_told_together() -> None:
    cut = cut_feature(PURPOSE, purposes(car=50, home=30, travel=12, boat=9))
    assert cut is not None

    assert cut.cells == (Cell(values=("car",)), Cell(values=("home",)), Cell(values=("travel", "boat")))
    assert cut.sizes.tolist() == [50, 30, 21]


def test_one_small_category_hides_behind_the_smallest_large_one() -> None:
    cut = cut_feature(PURPOSE, purposes(car=50, home=30, travel=25, boat=1))
    assert cut is not None

    assert cut.cells == (Cell(values=("car",)), Cell(values=("home",)), Cell(values=("travel", "boat")))
    assert cut.sizes.tolist() == [50, 30, 26]


def test_missing_values_are_a_cell_like_any_other() -> None:
    large = cut_feature(PURPOSE, purposes(car=50, home=30, missing=20))
    small = cut_feature(PURPOSE, purposes(car=50, home=30, missing=3))
    assert large is not None
    assert small is not None

    assert large.cells[-1] == Cell(missing=True)
    assert small.cells == (Cell(values=("car",)), Cell(values=("home",), missing=True))


@pytest.mark.parametrize("counts", [{"car": 100}, {"car": 100, "home": 19}, {"car": 10, "home": 11}, {"missing": 40}])
def test_what_cannot_be_cut(counts: dict[str, int]) -> None:
    assert cut_feature(PURPOSE, purposes(**counts)) is None


def test_two_values() -> None:
    cut = cut_feature(REGION, np.repeat([1.0, 0.0], [30, 40]))
    assert cut is not None

    assert cut.cells == (Cell(values=("false",)), Cell(values=("true",)))
    assert cut.codes.tolist() == [1] * 30 + [0] * 40


def test_borders_of_numbers_have_two_digits_and_belong_to_the_upper_cell() -> None:
    numbers = np.arange(1000, 1400, dtype=np.float64) * 1.2345
    cut = cut_feature(AMOUNT, numbers)
    assert cut is not None

    # Quarters are at 1357, 1480 and 1604.
    assert cut.cells == (
        Cell(high=1400.0),
        Cell(low=1400.0, high=1500.0),
        Cell(low=1500.0, high=1600.0),
        Cell(low=1600.0),
    )
    for place, cell in enumerate(cut.cells):
        own = numbers[cut.codes == place]
        assert cell.low is None or own.min() >= cell.low
        assert cell.high is None or own.max() < cell.high


def test_small_neighbours_are_told_together() -> None:
    cut = cut_bands(("a", "b", "c", "d"), np.repeat([0, 1, 2, 3], [30, 5, 16, 40]))
    assert cut is not None

    assert cut.cells == (Cell(values=("a",)), Cell(values=("b", "c")), Cell(values=("d",)))
    assert cut.sizes.tolist() == [30, 21, 40]
    assert cut_bands(("a", "b"), np.repeat([0, 1], [30, 5])) is None


@pytest.mark.parametrize("missing", [0, 3, 25])
def test_missing_numbers(missing: int) -> None:
    rng = np.random.default_rng(0)
    numbers = np.concatenate([rng.normal(size=200), np.full(missing, np.nan)])
    cut = cut_feature(AMOUNT, numbers)
    assert cut is not None

    assert cut.sizes.sum() == 200 + missing
    assert cut.sizes.min() >= 20
    holders = [cell for cell in cut.cells if cell.missing]
    assert len(holders) == (missing > 0)
    if missing == 25:
        assert holders == [Cell(missing=True)]
    if missing == 3:
        assert holders[0].high is None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("feature", features(), ids=lambda one: one.id)
def test_words_of_cells_are_what_is_in_them(feature: Feature, seed: int) -> None:
    values = columns(60 + 60 * seed, seed).features[feature.id]
    cut = cut_feature(feature, values)
    assert cut is not None

    assert assign(cut, values).tolist() == cut.codes.tolist()


def test_other_values_may_belong_to_no_cell() -> None:
    cut = cut_feature(PURPOSE, purposes(car=50, home=30))
    assert cut is not None

    assert assign(cut, np.array(["home", "boat", None, "car"], dtype=object)).tolist() == [1, -1, -1, 0]


def test_every_category_of_a_known_cut_is_in_one_cell() -> None:
    rng = np.random.default_rng(1)
    values = np.array(rng.choice(PURPOSES, 300, p=[0.85, 0.05, 0.05, 0.05]).tolist(), dtype=object)
    cut = cut_feature(PURPOSE, values)
    assert cut is not None

    for place, cell in enumerate(cut.cells):
        assert set(values[cut.codes == place].tolist()) <= set(cell.values)
