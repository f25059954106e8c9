from __future__ import annotations

import numpy as np
import pytest

from tests.unit.counterfactuals.worlds import decrease, described, either, feature, rows
from xaisvc.counterfactuals import make_axes
from xaisvc.errors import BundleError
from xaisvc.types import Change, Direction, Kind


def test_only_features_with_a_declared_change_are_axes() -> None:
    about = described(feature("age"), feature("amount", change=decrease(0, 3)), feature("term", change=either(1, 2)))
    background = rows(age=[30.0], amount=[2.0], term=[1.0])

    first, second = make_axes(about, background)
    assert (first.feature, first.place, first.up, first.down) == ("amount", 1, False, True)
    assert (second.feature, second.place, second.up, second.down) == ("term", 2, True, True)
    assert [axis.feature for axis in make_axes(about, background, {"term", "age"})] == ["term"]


@pytest.mark.parametrize(
    ("low", "high", "step", "expected"),
    [
        (0.0, 3.0, 1.0, [0.0, 1.0, 2.0, 3.0]),
        (0.05, 0.3, 0.1, [0.1, 0.2, 0.3]),  # 3 * 0.1 is not 0.3 in binary
        (-0.25, 0.6, 0.25, [-0.25, 0.0, 0.25, 0.5]),
        (550.0, 1000.0, 250.0, [750.0, 1000.0]),
        (1e17, 3e17, 1e17, [1e17, 2e17, 3e17]),
    ],
)
def test_values_are_whole_multiples_of_the_step(low: float, high: float, step: float, expected: list[float]) -> None:
    (axis,) = make_axes(described(feature("x", change=either(low, high, step))), rows(x=[0.0]))

    assert axis.values.tolist() == expected
    assert axis.cells.tolist() == list(range(len(expected)))


def test_open_bounds_are_those_of_the_background() -> None:
    background = rows(x=[2.5, 7.5, np.nan])
    (axis,) = make_axes(described(feature("x", Kind.INTEGER, Change(direction=Direction.INCREASE))), background)

    assert axis.values.tolist() == [3.0, 4.0, 5.0, 6.0, 7.0]


def test_booleans_and_categories_have_their_own_lists() -> None:
    about = described(
        feature("member", Kind.BOOLEAN, Change(direction=Direction.INCREASE)),
        feature("job", Kind.CATEGORY, Change(to=("b", "a")), categories=("a", "b", "c")),
    )
    member, job = make_axes(about, rows(member=[0.0, 1.0], job=["a", "c"]))

    assert (member.values.tolist(), member.up, member.down, member.spread) == ([0.0, 1.0], True, False, 1.0)
    assert (job.targets, job.spread, job.sides) == (("b", "a"), 1.0, 1)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([0.0, 1.0, 2.0, 3.0, 4.0], 2.0 / 1.349),
        ([5.0] * 9 + [15.0], 3.0),  # quartiles are equal: the standard deviation, sqrt(0.09) * 10
        ([5.0, 5.0], 10.0),  # constant: the width of what may be offered
    ],
)
def test_the_spread_is_that_of_the_middle_half(seen: list[float], expected: float) -> None:
    (axis,) = make_axes(described(feature("x", change=either(0, 10))), rows(x=seen))

    assert axis.spread == pytest.approx(expected, rel=1e-12)  # rounding of a few operations


@pytest.mark.parametrize(
    ("change", "seen", "words"),
    [
        (Change(minimum=0.0, maximum=1.0), [0.0], "feature 'x': needs 'step'"),
        (Change(step=1.0), [np.nan], "needs minimum and maximum, because the background holds no value"),
        (Change(step=0.001), [0.0, 1000.0], "allows 1,000,001 values between the bounds"),
    ],
)
def test_a_list_without_end_is_refused(change: Change, seen: list[float], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        make_axes(described(feature("x", change=change)), rows(x=seen))
