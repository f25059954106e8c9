from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.counterfactuals.worlds import (
    GOAL,
    decrease,
    described,
    either,
    feature,
    find,
    rows,
    supported,
    supported_where,
)
from xaisvc.counterfactuals import Effort, Goal, Question, make_axes, search
from xaisvc.errors import AbandonedError
from xaisvc.types import Adverse, Change, Direction, Kind, Outcome

if TYPE_CHECKING:
    from xaisvc.types import RowCounterfactuals

UNITS = rows(a=[0.0, 0.0, 0.5, 1.349, 1.349], b=[0.0, 0.0, 0.5, 1.349, 1.349])  # a spread of 1 each


def _regions(row: RowCounterfactuals) -> list[dict[str, object]]:
    return [{one.feature: one.targets or one.region for one in found.changes} for found in row.alternatives]


def _two(a: Change | None = None, b: Change | None = None) -> object:
    return described(feature("a", change=a), feature("b", change=b))


def test_a_region_reaches_from_the_smallest_change_as_far_as_it_is_enough() -> None:
    about = described(feature("a", change=decrease(0, 20)))
    found = find(about, rows(a=[15.0]), lambda c: ((c["a"] > 9) | (c["a"] < 4)).astype(float))

    (row,) = found.rows
    assert row.outcome is Outcome.FOUND
    assert _regions(row) == [{"a": (4.0, 9.0)}]
    (change,) = row.alternatives[0].changes
    assert (change.current, change.nearest, change.farthest, change.values) == (15.0, 9.0, 4.0, 6)
    assert row.alternatives[0].complete
    assert row.alternatives[0].scored == 6
    (tried,) = row.tried
    assert (tried.combinations, tried.scored, tried.complete) == (15, 15, True)
    assert tried.responsiveness == 6 / 15
    assert found.model_rows == 15


def test_the_favourable_decision_needs_no_change() -> None:
    found = find(described(feature("a", change=decrease(0, 9))), rows(a=[5.0]), lambda c: c["a"] / 100)

    assert found.rows[0].outcome is Outcome.NOT_ADVERSE
    assert (found.rows[0].tried, found.rows[0].candidates, found.model_rows) == ((), (), 0)


def test_a_fixed_prediction_says_what_was_searched() -> None:
    found = find(_two(decrease(0, 3), either(-2, 2)), rows(a=[2.0], b=[0.0]), lambda c: np.ones(len(c["a"])))

    (row,) = found.rows
    assert (row.outcome, row.complete, row.alternatives) == (Outcome.NONE_FOUND, True, ())
    assert row.searched == ("a", "b")
    assert [(one.features, one.combinations) for one in row.tried] == [(("a",), 2), (("b",), 4), (("a", "b"), 8)]
    assert found.model_rows == 2 + 4 + 8


@pytest.mark.parametrize("a", [None, decrease(0, 3)])
def test_a_row_without_other_values_says_so(a: Change | None) -> None:
    (row,) = find(_two(a), rows(a=[0.0], b=[0.0]), lambda c: np.ones(len(c["a"]))).rows

    assert (row.outcome, row.searched, row.complete) == (Outcome.NOTHING_TO_TRY, (), True)


def test_fewer_features_come_first_and_then_smaller_changes() -> None:
    about = described(*(feature(name, change=decrease(0, 9)) for name in "abc"))
    needed = {"a": 6.0, "b": 3.0, "c": 20.0}
    table = rows(a=[9.0], b=[9.0], c=[9.0])

    def model(columns: object) -> np.ndarray:
        return (sum((9 - columns[name]) / by for name, by in needed.items()) < 1 - 1e-9).astype(float)

    (row,) = find(about, table, model).rows
    assert [one.features for one in row.alternatives] == [("b",), ("a",)]
    assert row.candidates == row.alternatives  # with a second feature the change would be larger
    assert row.candidates[0].size < row.candidates[1].size


def test_a_pair_is_offered_beside_a_feature_of_its_own_only_if_it_is_a_smaller_change() -> None:
    table = rows(a=[10.0], b=[10.0])
    about = _two(decrease(0, 10), decrease(0, 10))

    (helps,) = find(about, table, lambda c: ((c["a"] > 2) & (c["b"] > 8)).astype(float) + (c["b"] < 0)).rows
    (both,) = find(about, table, lambda c: ((c["a"] > 2) & ((c["a"] > 9) | (c["b"] > 9))).astype(float)).rows
    assert [one.features for one in helps.alternatives] == [("b",), ("a",)]
    assert [one.features for one in both.alternatives] == [("a",), ("a", "b")]
    assert both.alternatives[1].size < both.alternatives[0].size


def test_two_features_change_over_a_product_of_regions() -> None:
    (row,) = find(
        _two(decrease(0, 10), decrease(0, 10)),
        rows(a=[10.0], b=[10.0]),
        lambda c: ((c["a"] > 6) | (c["b"] > 7)).astype(float),
        background=UNITS,
    ).rows

    assert _regions(row) == [{"a": (0.0, 6.0), "b": (0.0, 7.0)}]
    (found,) = row.alternatives
    assert found.size == pytest.approx(4 + 3, rel=1e-12)  # rounding of a few operations
    assert (found.scored, found.complete) == (7 * 8, True)
    assert row.tried[-1].responsiveness == 56 / 100


def test_one_change_at_most_means_one() -> None:
    (row,) = find(
        _two(decrease(0, 10), decrease(0, 10)),
        rows(a=[10.0], b=[10.0]),
        lambda c: ((c["a"] > 6) | (c["b"] > 7)).astype(float),
        max_changes=1,
    ).rows

    assert row.outcome is Outcome.NONE_FOUND
    assert {len(one.features) for one in row.tried} == {1}


def test_alternatives_with_other_features_go_first() -> None:
    about = described(*(feature(name, change=decrease(8, 10)) for name in "abcd"))
    table = rows(a=[10.0], b=[10.0], c=[10.0], d=[10.0])
    background = rows(**{name: [0.0, 0.0, 0.5 * k, 1.349 * k, 1.349 * k] for k, name in enumerate("abcd", 1)})

    def model(columns: object) -> np.ndarray:
        return (sum((columns[name] < 10).astype(float) for name in "abcd") < 2).astype(float)

    (row,) = find(about, table, model, background=background).rows
    # A spread counts k for the k-th feature, so the last two are the smallest change; then the two that are left.
    assert [one.features for one in row.alternatives] == [("c", "d"), ("a", "b"), ("b", "d")]
    assert [one.size for one in row.candidates] == sorted(one.size for one in row.candidates)
    (fewer,) = find(about, table, model, background=background, limit=1).rows
    assert fewer.alternatives == row.alternatives[:1]


def test_categories_are_offered_together_where_each_is_enough() -> None:
    change = Change(to=("c", "b", "d"))
    about = described(feature("x", Kind.CATEGORY, change, categories=("a", "b", "c", "d")))
    (row,) = find(about, rows(x=["a"]), lambda c: np.array([one not in {"c", "d"} for one in c["x"]], float)).rows

    (found,) = row.alternatives
    assert (found.changes[0].targets, found.changes[0].region, found.size) == (("c", "d"), None, 1.0)
    assert row.tried[0].responsiveness == 2 / 3


def test_a_category_and_a_number_together() -> None:
    about = described(
        feature("x", Kind.CATEGORY, Change(to=("b", "c")), categories=("a", "b", "c")),
        feature("n", change=either(-5, 5)),
    )

    def model(columns: object) -> np.ndarray:
        n, x = columns["n"], columns["x"]
        return np.array(
            [not ((k >= 2 and v == "b") or (k <= -1 and v == "c")) for k, v in zip(n, x, strict=True)], float
        )

    (row,) = find(about, rows(x=["a"], n=[0.0]), model).rows
    assert _regions(row) == [{"x": ("c",), "n": (-5.0, -1.0)}]


def test_booleans_and_dates_change_too_and_missing_values_do_not() -> None:
    about = described(
        feature("member", Kind.BOOLEAN, Change(direction=Direction.INCREASE)),
        feature("day", Kind.DATE, Change(minimum=20000.0, maximum=20009.0)),
        feature("job", Kind.CATEGORY, Change(to=("b",)), categories=("a", "b")),
    )
    table = rows(member=[0.0, 1.0, np.nan], day=[20003.0, 20008.0, np.nan], job=["a", "a", None])
    found = find(about, table, lambda c: 1.0 - 0.6 * ((c["member"] == 1) & (c["day"] > 20004)))

    first, second, third = found.rows
    assert _regions(first) == [{"member": (1.0, 1.0), "day": (20005.0, 20009.0)}]
    assert second.outcome is Outcome.NOT_ADVERSE
    assert (third.outcome, third.searched) == (Outcome.NOTHING_TO_TRY, ())


def test_a_change_out_of_the_background_is_not_offered_and_counted() -> None:
    about = described(feature("a", change=decrease(0, 9)))
    support = supported_where(lambda columns: columns["a"] > 1)
    (row,) = find(about, rows(a=[9.0]), lambda c: (c["a"] > 4).astype(float), support=support).rows

    assert _regions(row) == [{"a": (2.0, 4.0)}]
    assert (row.tried[0].responsiveness, row.tried[0].unsupported) == (3 / 9, 2 / 9)


def test_the_lower_side_can_be_adverse() -> None:
    goal = Goal(threshold=600.0, adverse=Adverse.LOWER, margin=0.5)
    (row,) = find(
        described(feature("a", change=either(0, 20))), rows(a=[8.0]), lambda c: 500 + 10 * c["a"], goal=goal
    ).rows

    assert _regions(row) == [{"a": (11.0, 20.0)}]
    assert (row.alternatives[0].prediction, row.alternatives[0].weakest) == (610.0, 610.0)


def test_the_nearer_side_is_offered() -> None:
    about = described(feature("a", change=either(0, 20)))
    (row,) = find(about, rows(a=[8.0]), lambda c: ((c["a"] > 2) & (c["a"] < 11)).astype(float)).rows

    assert _regions(row) == [{"a": (11.0, 20.0)}]


def test_of_two_features_only_what_is_nearer_than_enough_is_tried() -> None:
    def model(columns: object) -> np.ndarray:
        return ((columns["a"] > 2) & (columns["a"] < 11)).astype(float)

    (row,) = find(_two(either(0, 20), decrease(0, 4)), rows(a=[8.0], b=[4.0]), model).rows
    # 11 is enough, three steps up: 9 and 10 are nearer, and 7 and 6 on the other side, though only 2 is enough there.
    assert [(one.features, one.combinations) for one in row.tried] == [(("a",), 20), (("b",), 4), (("a", "b"), 4 * 4)]


def test_a_value_that_stands_for_others_does_not_stand_for_where_they_lie() -> None:
    about, table = described(feature("a", change=decrease(0, 9))), rows(a=[12.0])
    (axis,) = make_axes(about, table)
    question = Question(
        axes=(replace(axis, cells=np.repeat([0, 1], 5)),),
        goal=GOAL,
        score=lambda asked: (asked.columns["a"] > 4).astype(float),
        support=supported_where(lambda columns: (columns["a"] <= 2) | (columns["a"] > 9)),
    )

    found = search(table, np.array([1.0]), question)
    assert found.rows[0].outcome is Outcome.NONE_FOUND
    assert not found.rows[0].complete  # 4 stands for 0 to 4 and is not supported; whether 2 is was not asked
    assert found.model_rows == 2


def test_a_model_without_an_answer_is_no_change() -> None:
    about = described(feature("a", change=decrease(0, 9)))
    (row,) = find(about, rows(a=[9.0]), lambda c: np.where(c["a"] < 3, np.nan, np.where(c["a"] < 6, 0.0, 1.0))).rows

    assert _regions(row) == [{"a": (3.0, 5.0)}]


FEW = Effort(single=8, pair=16, pairs=16, floor=16)


def test_with_little_effort_the_smallest_change_is_still_found_where_the_answer_goes_one_way() -> None:
    about = described(feature("a", change=decrease(0, 1000)))
    (row,) = find(about, rows(a=[1000.0]), lambda c: (c["a"] > 617).astype(float), effort=FEW).rows

    assert _regions(row) == [{"a": (0.0, 617.0)}]
    assert not row.alternatives[0].complete
    assert not row.complete
    assert row.tried[0].scored == 8


def test_with_little_effort_a_region_is_cut_to_what_was_asked() -> None:
    about = described(feature("a", change=decrease(0, 1000)))
    (row,) = find(about, rows(a=[1000.0]), lambda c: ((c["a"] > 617) | (c["a"] < 300)).astype(float), effort=FEW).rows

    ((low, high),) = (region["a"] for region in _regions(row))
    assert high == 617.0
    assert 300.0 <= low < 617.0


def test_with_little_effort_two_features_are_narrowed_down_one_after_the_other() -> None:
    (row,) = find(
        _two(decrease(0, 100), decrease(0, 100)),
        rows(a=[100.0], b=[100.0]),
        lambda c: ((c["a"] > 61) | (c["b"] > 47)).astype(float),
        effort=FEW,
    ).rows

    assert _regions(row) == [{"a": (0.0, 61.0), "b": (0.0, 47.0)}]
    assert not row.complete


def test_with_little_effort_a_change_is_narrowed_down_to_what_is_supported() -> None:
    about = described(feature("a", change=decrease(0, 1000)))
    support = supported_where(lambda columns: (columns["a"] <= 450) | (columns["a"] > 900))
    (row,) = find(about, rows(a=[1000.0]), lambda c: (c["a"] > 617).astype(float), support=support, effort=FEW).rows

    assert _regions(row) == [{"a": (0.0, 450.0)}]


def test_what_is_not_confirmed_is_not_offered() -> None:
    asked = []

    def model(columns: object) -> np.ndarray:
        asked.append(len(columns["a"]))
        return np.full(len(columns["a"]), float(len(asked) != 2))

    about = described(feature("a", change=decrease(0, 1000)))
    (row,) = find(about, rows(a=[1000.0]), model, effort=Effort(single=2, pair=4, pairs=4, floor=4)).rows
    assert len(asked) == 3  # the row, what is tried, and what is offered
    assert row.outcome is Outcome.NONE_FOUND


def test_work_is_bounded_by_the_bundle_and_not_by_the_row() -> None:
    about = described(*(feature(name, change=either(0, 1000)) for name in "abcdef"))
    table = rows(**{name: [500.0] for name in "abcdef"})
    effort = Effort(single=10, pair=100, pairs=3000, floor=9)

    found = find(about, table, lambda c: np.ones(len(c["a"])), effort=effort)
    directions, pairs = 12, 66 - 6
    assert effort.per_pair(make_axes(about, table)) == 3000 // pairs
    assert found.model_rows <= directions * 10 + pairs * 50 == effort.per_row(make_axes(about, table), 2)
    assert found.rows[0].outcome is Outcome.NONE_FOUND
    assert not found.rows[0].complete


def test_many_rows_are_searched_in_blocks() -> None:
    about = described(feature("a", change=decrease(0, 1000)))
    values = np.arange(1500.0) % 997
    calls = []

    def model(columns: object) -> np.ndarray:
        calls.append(len(columns["a"]))
        return (columns["a"] > 400).astype(float)

    found = find(about, rows(a=values.tolist()), model, effort=Effort(single=300))
    assert max(calls[1:]) <= 2**17
    assert len(calls) > 2
    for row, value in zip(found.rows, values, strict=True):
        assert row.outcome is (Outcome.FOUND if value > 400 else Outcome.NOT_ADVERSE)
        assert _regions(row) == ([{"a": (0.0, 400.0)}] if value > 400 else [])


def test_nobody_waiting_ends_the_search() -> None:
    about, table = described(feature("a", change=decrease(0, 9))), rows(a=[9.0])

    def gone() -> None:
        raise AbandonedError

    question = Question(axes=make_axes(about, table), goal=GOAL, score=lambda t: t.columns["a"], support=supported)
    with pytest.raises(AbandonedError):
        search(table, np.array([1.0]), question, gone)
