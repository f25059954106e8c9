from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.counterfactuals.worlds import described, either, feature, rows
from xaisvc.counterfactuals import Axis, make_axes, with_cells
from xaisvc.types import AdditiveModel, LinearTerm, TreeEnsemble, TreeMode, TreeTerm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Table

ROW = rows(x=[3.0], z=[1.0])


def _axis() -> Axis:
    return make_axes(described(feature("x", change=either(0, 6)), feature("z")), rows(x=[0.0, 6.0], z=[0.0, 1.0]))[0]


def _columns(table: Table) -> NDArray[np.float32]:
    """x itself, x rounded down to whole threes, and z."""
    x, z = table.columns["x"], table.columns["z"]
    return np.stack([x, 3 * np.floor(x / 3), z], axis=1).astype(np.float32)


OWNERS = (frozenset({"x"}), frozenset({"x"}), frozenset({"z"}))


def _stumps(*tests: tuple[int, TreeMode, float], members: frozenset[float] = frozenset()) -> TreeEnsemble:
    """One tree of one test each."""
    count = len(tests)
    column, mode, threshold = np.full(3 * count, -1), np.full(3 * count, TreeMode.LEAF), np.zeros(3 * count)
    true_child, false_child = np.zeros(3 * count, np.int32), np.zeros(3 * count, np.int32)
    for i, (at, how, cut) in enumerate(tests):
        column[3 * i], mode[3 * i], threshold[3 * i] = at, how, cut
        true_child[3 * i], false_child[3 * i] = 3 * i + 1, 3 * i + 2
    return TreeEnsemble(
        roots=np.arange(0, 3 * count, 3, dtype=np.int32),
        column=column.astype(np.int32),
        mode=mode.astype(np.int8),
        threshold=threshold.astype(np.float32),
        true_child=true_child,
        false_child=false_child,
        missing_true=np.zeros(3 * count, np.bool_),
        members={3 * i: members for i, (_, how, _) in enumerate(tests) if how >= TreeMode.MEMBER},
        leaf_value=np.arange(3 * count, dtype=np.float64),
    )


def _model(*terms: LinearTerm | TreeTerm) -> AdditiveModel:
    return AdditiveModel(constant=0.0, terms=terms)


def _trees(*tests: tuple[int, TreeMode, float], members: frozenset[float] = frozenset()) -> AdditiveModel:
    return _model(TreeTerm(columns=_columns, owners=OWNERS, trees=_stumps(*tests, members=members)))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (_trees((0, TreeMode.LEQ, 2.0)), [0, 0, 1, 2, 2, 2, 2]),  # 2 itself is kept apart, whatever the test
        (_trees((0, TreeMode.LT, 2.5), (0, TreeMode.GT, 4.5)), [0, 0, 0, 1, 1, 2, 2]),
        (_trees((1, TreeMode.LEQ, 2.0)), [0, 0, 0, 1, 1, 1, 1]),
        (_trees((0, TreeMode.EQ, 5.0)), [0, 0, 0, 0, 0, 1, 2]),
        (_trees((0, TreeMode.MEMBER, 0.0), members=frozenset({1.0, 2.0})), [0, 1, 2, 3, 3, 3, 3]),
        (_trees((0, TreeMode.WHOLE_MEMBER, 0.0), members=frozenset({4.0})), [0, 1, 1, 1, 2, 3, 4]),
        (_trees((2, TreeMode.LEQ, 2.0)), [0] * 7),
        (_model(LinearTerm(columns=_columns, owners=OWNERS, weights=np.array([0.0, 2.0, 1.0]))), [0, 0, 0, 1, 1, 1, 2]),
        (_model(LinearTerm(columns=_columns, owners=OWNERS, weights=np.array([0.1, 0.0, 1.0]))), list(range(7))),
        (_model(), [0] * 7),
        (None, list(range(7))),
    ],
    ids=[
        "leq",
        "two cuts",
        "rounded",
        "eq",
        "member",
        "whole",
        "other feature",
        "steps",
        "line",
        "nothing",
        "not a sum",
    ],
)
def test_values_that_no_test_tells_apart_are_one_cell(model: AdditiveModel | None, expected: list[int]) -> None:
    assert with_cells(_axis(), model, ROW).cells.tolist() == expected


def test_a_column_that_mixes_features_proves_nothing() -> None:
    mixed = (frozenset({"x", "z"}), frozenset({"x"}), frozenset({"z"}))
    term = TreeTerm(columns=_columns, owners=mixed, trees=_stumps((2, TreeMode.LEQ, 0.0)))

    assert with_cells(_axis(), _model(term), ROW).cells.tolist() == list(range(7))


def test_a_feature_without_influence_is_one_cell() -> None:
    assert with_cells(_axis(), None, ROW, is_inert=True).cells.tolist() == [0] * 7
