from __future__ import annotations

import numpy as np
import pytest

from tests.unit.counterfactuals.worlds import described, either, feature, rows, supported
from xaisvc.counterfactuals import Goal, make_axes
from xaisvc.counterfactuals.judging import Judge, Trials
from xaisvc.types import Adverse, Change, Kind, Table
from xaisvc.types.support import RowSupport

BACKGROUND = rows(a=[0.0, 5.0, 10.0], b=["u", "v", "u"])
AXES = make_axes(
    described(
        feature("a", change=either(-100, 100)),
        feature("b", Kind.CATEGORY, Change(to=("u", "v", "w", "x")), categories=("u", "v", "w", "x")),
    ),
    BACKGROUND,
)
FREE = Goal(threshold=0.5, adverse=Adverse.HIGHER, margin=1e-9)


def _support(table: Table) -> RowSupport:
    """`a` lies within [0, 10], `w` and `x` are unknown, and the sum of `a` and 100 for `v` must not be above 105."""
    a, b = table.columns["a"], table.columns["b"]
    total = a + 100 * (b == "v")
    return RowSupport(
        out_of_range=np.stack([(a < 0) | (a > 10), np.zeros(len(a), np.bool_)], axis=1),
        unknown=np.stack([np.zeros(len(a), np.bool_), np.asarray((b == "w") | (b == "x"))], axis=1),
        surprise=total,
        discord=total.astype(np.float64),
        implausible=np.asarray(total > 105),
    )


def _good(own: float, text: str, **changes: list) -> list[bool]:
    originals = rows(a=[own], b=[text])
    judge = Judge(originals, AXES, FREE, lambda table: np.zeros(len(table)), _support)
    trials = Trials()
    columns = {name: np.array(values, np.object_ if name == "b" else np.float64) for name, values in changes.items()}
    trials.add(0, columns)
    return judge(trials).good.tolist()


def test_no_value_may_leave_the_range() -> None:
    assert _good(5.0, "u", a=[0.0, 10.0, -1.0, 11.0]) == [True, True, False, False]


def test_a_value_out_of_range_may_come_nearer_and_not_go_further() -> None:
    assert _good(20.0, "u", a=[30.0, 15.0, 11.0, 10.0, -5.0, -30.0]) == [False, True, True, True, True, False]


def test_no_value_may_become_unknown_and_one_that_is_may_stay() -> None:
    assert _good(5.0, "u", b=["v", "w"]) == [True, False]
    assert _good(5.0, "w", a=[6.0], b=["w"]) == [True]
    assert _good(5.0, "w", b=["u", "x"]) == [True, False]


def test_values_must_go_together_unless_they_did_so_even_less_before() -> None:
    assert _good(5.0, "u", a=[4.0, 6.0], b=["v", "v"]) == [True, False]
    assert _good(9.0, "v", a=[8.0, 9.5, 10.0]) == [True, False, False]


def test_what_does_not_change_the_decision_is_not_good() -> None:
    judge = Judge(rows(a=[5.0], b=["u"]), AXES, FREE, lambda table: table.columns["a"] / 10, supported)
    trials = Trials()
    trials.add(0, {"a": np.array([4.0, 5.0, 6.0])})

    found = judge(trials)
    assert found.predictions.tolist() == [0.4, 0.5, 0.6]
    assert found.reached.tolist() == found.good.tolist() == [True, False, False]
    assert judge.model_rows == 3


def test_trials_are_copies_of_their_rows_with_changes() -> None:
    originals = rows(a=[1.0, 2.0], b=["u", "v"])
    trials = Trials()
    first = trials.add(1, {"a": np.array([7.0, 8.0])})
    second = trials.add(0, {"a": np.array([9.0]), "b": np.array(["w"], np.object_)})
    table, origins = trials.table(originals)

    assert (first, second, len(trials)) == (slice(0, 2), slice(2, 3), 3)
    assert origins.tolist() == [1, 1, 0]
    assert table.columns["a"].tolist() == [7.0, 8.0, 9.0]
    assert table.columns["b"].tolist() == ["v", "v", "w"]
    assert originals.columns["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("adverse", "is_adverse", "is_reached", "weakest"),
    [
        (Adverse.HIGHER, [False, False, True, True], [True, False, False, False], 0.6),
        (Adverse.LOWER, [True, True, True, False], [False, False, False, True], 0.4),
    ],
)
def test_the_threshold_is_adverse_and_what_is_next_to_it_is_nothing(
    adverse: Adverse, is_adverse: list[bool], is_reached: list[bool], weakest: float
) -> None:
    goal = Goal(threshold=0.5, adverse=adverse, margin=0.01)
    predictions = np.array([0.4, 0.495, 0.5, 0.6])

    assert goal.is_adverse(predictions).tolist() == is_adverse
    assert goal.is_reached(predictions).tolist() == is_reached
    assert goal.weakest(predictions) == weakest
    assert not goal.is_reached(np.array([np.nan])).any()
