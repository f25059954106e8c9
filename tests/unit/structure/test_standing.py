"""Where values lie among those of a background, against counting."""

from __future__ import annotations

import numpy as np
import pytest

from xaisvc.structure.standing import Standings, far_outside
from xaisvc.types import Table
from xaisvc.types.supplements import FactStanding

BACKGROUND = Table(
    {
        "amount": np.array([1.0, 2.0, 2.0, 5.0, np.nan]),
        "place": np.array(["home", "home", "far", None, "home"], dtype=object),
    }
)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("amount", 2.0, FactStanding(rows=4, below=1, equal=2)),
        ("amount", 0.5, FactStanding(rows=4, below=0, equal=0)),
        ("amount", 9.0, FactStanding(rows=4, below=4, equal=0)),
        ("amount", None, FactStanding(rows=4, below=0, equal=0, missing=True)),
        ("place", "far", FactStanding(rows=4, below=0, equal=1)),
        ("place", "moon", FactStanding(rows=4, below=0, equal=0)),
        ("place", None, FactStanding(rows=4, below=0, equal=0, missing=True)),
    ],
)
def test_a_value_stands_where_counting_puts_it(name: str, value: float | str | None, expected: FactStanding) -> None:
    assert Standings(BACKGROUND).of({name: value}) == {name: expected}


def test_what_the_background_lacks_stands_nowhere() -> None:
    assert Standings(BACKGROUND).of({"other": 1.0}) == {}


def test_random_numbers_stand_where_counting_puts_them() -> None:
    rng = np.random.default_rng(7)
    known = rng.integers(0, 20, 200).astype(np.float64)
    standings = Standings(Table({"n": known}))
    for value in (-1.0, *range(21)):
        found = standings.of({"n": float(value)})["n"]

        assert (found.below, found.equal) == (int((known < value).sum()), int((known == value).sum()))
        assert found.is_outside == (value < known.min() or value > known.max())


@pytest.mark.parametrize(
    ("standing", "rarity", "outside"),
    [
        (FactStanding(rows=100, below=97, equal=1), 0.03, False),
        (FactStanding(rows=100, below=1, equal=2), 0.03, False),
        (FactStanding(rows=100, below=100, equal=0), 0.0, True),
        (FactStanding(rows=100, below=0, equal=0), 0.0, True),
        (FactStanding(rows=100, below=0, equal=0, missing=True), 0.0, False),
        (FactStanding(rows=0, below=0, equal=0), 1.0, False),
    ],
)
def test_rare_is_what_few_rows_come_up_to(standing: FactStanding, rarity: float, outside: bool) -> None:  # noqa: FBT001 - a case of the table
    assert standing.rarity == pytest.approx(rarity)  # a division
    assert standing.is_outside is outside


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"amount": 9.0, "place": "home"}, ()),  # beyond 5, by no more than the width of 4
        ({"amount": 9.1, "place": "home"}, ("amount",)),
        ({"amount": -3.0, "place": None}, ()),
        ({"amount": -3.1, "place": "moon"}, ("amount", "place")),
        ({"amount": None}, ()),
    ],
)
def test_far_is_further_than_the_range_is_wide(row: dict[str, float | str | None], expected: tuple[str, ...]) -> None:
    assert far_outside(BACKGROUND, row) == expected
    assert far_outside(Table({"amount": np.array([np.nan])}), row) == ()
