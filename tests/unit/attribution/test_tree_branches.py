"""How a branch decides, against Python's own comparisons."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.unit.attribution.tree_problems import random_trees, rows_of
from xaisvc.attribution.additive import _holds as second_reading
from xaisvc.attribution.tree_branches import ask, ask_all, branches_of
from xaisvc.types import TreeEnsemble, TreeMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

COMPARE: dict[TreeMode, Callable[[float, float], bool]] = {
    TreeMode.LEQ: operator.le,
    TreeMode.LT: operator.lt,
    TreeMode.GTE: operator.ge,
    TreeMode.GT: operator.gt,
    TreeMode.EQ: operator.eq,
    TreeMode.NEQ: operator.ne,
}
LIMITS = [0.0, -0.0, 0.1, float(np.float32(0.1)), np.inf, -np.inf, np.nan, 5e-324, 1e300]
VALUES = np.array([*LIMITS, *np.nextafter(LIMITS, np.inf), *np.nextafter(LIMITS, -np.inf)])


def asked(values: NDArray[np.float64], mode: TreeMode, limit: float, missing: bool, members: Any) -> list[bool]:  # noqa: FBT001 (a field of a node)
    found = np.zeros(values.size, dtype=np.bool_)
    ask(values, np.int8(mode), limit, missing, np.array(members, dtype=np.float64), found)
    return found.tolist()


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("mode", COMPARE)
def test_numbers_are_compared_as_python_compares_them(mode: TreeMode, limit: float, missing: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    expected = [missing if np.isnan(value) else COMPARE[mode](value, limit) for value in VALUES.tolist()]

    assert expected == asked(VALUES, mode, limit, missing, [])


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize(
    "members", [[], [0.0], [-0.0], [0.1], [-np.inf, 0.0, 0.1, np.inf], list(range(-20, 40)), [5e-324, 1e300]]
)
def test_sets_hold_their_members(members: list[float], missing: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    values = np.concatenate([VALUES, np.arange(-25, 45) / 2])
    expected = [missing if np.isnan(value) else value in members for value in values.tolist()]

    assert expected == asked(values, TreeMode.MEMBER, 0.0, missing, members)


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize("members", [[0.0], [-2.0, -1.0, 3.0], [-(2.0**31) + 2, 2.0**31 - 2], list(range(-20, 40))])
def test_whole_sets_hold_numbers_without_their_decimals(members: list[float], missing: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    values = np.concatenate([VALUES, np.arange(-25, 45) / 2, [0.999, 3.999, 4.0, -2.999, -3.0, 2.0**31 - 1.5]])
    found = asked(values, TreeMode.WHOLE_MEMBER, 0.0, missing, members)

    def whole(value: float) -> float:
        return value if math.isinf(value) else float(int(value))

    assert found == [missing if math.isnan(value) else whole(value) in members for value in values.tolist()]
    assert found != asked(values, TreeMode.MEMBER, 0.0, missing, members)


def one_set(members: frozenset[float]) -> TreeEnsemble:
    return TreeEnsemble(
        roots=np.array([0], dtype=np.int32),
        column=np.array([0, -1, -1], dtype=np.int32),
        mode=np.array([TreeMode.MEMBER, 0, 0], dtype=np.int8),
        threshold=np.zeros(3, dtype=np.float32),
        true_child=np.array([1, 0, 0], dtype=np.int32),
        false_child=np.array([2, 0, 0], dtype=np.int32),
        missing_true=np.zeros(3, dtype=np.bool_),
        members={0: members},
        leaf_value=np.array([0.0, 1.0, 2.0]),
    )


def test_nothing_is_a_missing_member() -> None:
    branches = branches_of(one_set(frozenset({3.0, np.nan, -2.0, 0.5})))
    found = np.zeros((3, 5), dtype=np.bool_)

    ask_all(np.array([[np.nan, -2.0, 0.5, 3.0, 1.0]]), branches, found)

    assert branches.members.tolist() == [-2.0, 0.5, 3.0]
    assert found.tolist() == [[False, True, True, True, False], [False] * 5, [False] * 5]


@pytest.mark.parametrize("seed", range(5))
def test_all_branches_are_asked(seed: int) -> None:
    trees = random_trees(seed, depth=5)
    rows = rows_of(seed, 20).astype(np.float64)
    found = np.zeros((trees.mode.size, 20), dtype=np.bool_)

    ask_all(np.ascontiguousarray(rows.T), branches_of(trees), found)

    nodes = np.repeat(np.flatnonzero(trees.mode != TreeMode.LEAF)[None], 20, axis=0)
    expected = second_reading(trees, nodes, rows[np.arange(20)[:, None], trees.column[nodes]], set(TreeMode))
    assert np.isnan(rows).any()
    np.testing.assert_array_equal(found[nodes[0]].T, expected)
    assert not found[trees.mode == TreeMode.LEAF].any()
