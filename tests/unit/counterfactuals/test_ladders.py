from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.counterfactuals.worlds import decrease, described, either, feature, rows
from xaisvc.counterfactuals import Axis, make_axes
from xaisvc.counterfactuals.ladders import make_ladders
from xaisvc.types import Change, Kind


def _axis(change: Change, cells: list[int] | None = None) -> Axis:
    (axis,) = make_axes(described(feature("x", change=change)), rows(x=[0.0, 0.0, 1.0, 2.698, 2.698]))
    return axis if cells is None else replace(axis, cells=np.array(cells))


def test_values_go_away_from_the_rows_own() -> None:
    up, down = make_ladders(_axis(either(0, 5)), 3.0)

    assert (up.values.tolist(), down.values.tolist()) == ([4.0, 5.0], [2.0, 1.0, 0.0])
    assert down.costs.tolist() == (np.array([1.0, 2.0, 3.0]) / down.axis.spread).tolist()


@pytest.mark.parametrize(("own", "expected"), [(2.5, [2.0, 1.0]), (9.0, [3.0, 2.0, 1.0]), (1.0, None), (0.0, None)])
def test_the_own_value_need_not_be_on_the_list(own: float, expected: list[float] | None) -> None:
    found = make_ladders(_axis(decrease(1, 3)), own)

    assert [ladder.values.tolist() for ladder in found] == ([] if expected is None else [expected])


def test_values_of_one_cell_are_one_rung_that_its_nearest_value_stands_for() -> None:
    (down,) = make_ladders(_axis(decrease(0, 5), [0, 0, 1, 1, 1, 2]), 4.0)

    assert down.values.tolist() == [3.0, 2.0, 1.0, 0.0]
    assert (down.starts.tolist(), down.sizes.tolist()) == ([0, 2], [2, 2])
    assert down.values[down.starts].tolist() == [3.0, 1.0]


def test_a_category_is_offered_all_targets_but_its_own() -> None:
    change = Change(to=("c", "a"))
    (axis,) = make_axes(described(feature("x", Kind.CATEGORY, change, categories=("a", "b", "c"))), rows(x=["a"]))

    assert [ladder.values.tolist() for ladder in make_ladders(axis, "b")] == [["c", "a"]]
    assert [ladder.values.tolist() for ladder in make_ladders(axis, "a")] == [["c"]]
    assert make_ladders(replace(axis, targets=("a",)), "a") == ()


@pytest.mark.parametrize("own", [None, float("nan")])
def test_a_missing_value_is_not_changed(own: float | None) -> None:
    assert make_ladders(_axis(either(0, 5)), own) == ()


def test_below_keeps_what_is_nearer() -> None:
    (down,) = make_ladders(_axis(decrease(0, 5), [0, 0, 1, 1, 1, 2]), 5.0)
    third = down.costs[1]

    assert down.below(np.inf) is down
    assert down.below(third).values.tolist() == [4.0, 3.0, 2.0]
    assert len(down.below(0.0)) == 0
