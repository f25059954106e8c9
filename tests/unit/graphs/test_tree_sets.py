"""Tests of sets, routed as ONNX Runtime routes them; it is the judge of every one of these readings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from tests.unit.graphs.hand_made import run, version_5, walk
from tests.unit.graphs.set_trees import VALUES, SetTrees, set_model
from xaisvc.errors import UnsafeModelError
from xaisvc.graphs.forest import UnreadTreesError
from xaisvc.graphs.trees import check_trees_of, read_trees
from xaisvc.types import TreeMode

if TYPE_CHECKING:
    from collections.abc import Sequence

# A sum of at most four leaves of float32, each near 1: 6e-8 of it. A wrong turn exchanges a leaf.
ROUNDING = 1e-6
NUMBERS = np.array(
    [*VALUES, -1.5, -0.0, 0.999, 1.99999, 32.5, 63, 64, 64.5, 65, 99.9, 100, 100.5, 2**24, 2**31 - 128, 2**31, np.nan]
)


def rows_of(numbers: Sequence[float], *, double: bool = False) -> np.ndarray:
    """One row for each number of the set's column; the other column decides nothing then."""
    return np.array([[number, 0.0] for number in numbers], dtype=np.float64 if double else np.float32)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(
    ("members", "mode"),
    [
        ([1], TreeMode.MEMBER),
        ([0], TreeMode.MEMBER),
        ([-0.0, 2], TreeMode.MEMBER),
        ([2.5], TreeMode.MEMBER),
        ([4, 1, 4], TreeMode.MEMBER),
        ([0, 4.5, 30], TreeMode.MEMBER),
        (range(30), TreeMode.MEMBER),
        ([4] * 31, TreeMode.WHOLE_MEMBER),
        (range(31), TreeMode.WHOLE_MEMBER),
        ([31], TreeMode.WHOLE_MEMBER),
        ([1, 31], TreeMode.WHOLE_MEMBER),
        ([0, 100], TreeMode.WHOLE_MEMBER),
        ([33, 64, 65], TreeMode.WHOLE_MEMBER),
        ([-1], TreeMode.WHOLE_MEMBER),
        ([2, -1, -4], TreeMode.WHOLE_MEMBER),
        ([2**24, 2**31 - 128, -(2**31) + 128], TreeMode.WHOLE_MEMBER),
    ],
)
def test_a_set_holds_what_onnx_runtime_finds_in_it(members: Sequence[float], mode: TreeMode, double: bool) -> None:  # noqa: FBT001 - a parameter
    x = rows_of(NUMBERS, double=double)
    node = version_5(member=True, members=[float(member) for member in members], double=double)
    found = read_trees(node, 0)

    assert found.trees.mode[0] == mode
    assert walk(found, x) == pytest.approx(run(set_model([node], 2, double=double), x, "Y")[:, 0], abs=ROUNDING)


def test_decimals_are_cut_off_for_some_sets_only() -> None:
    """What the two modes are for: the sum of the tests above would not tell them apart if no set did."""
    x = rows_of([1.5, 31.5])

    assert run(set_model([version_5(member=True, members=[1.0, 30.0])], 2), x, "Y")[:, 0].tolist() == [0.5, 0.5]
    assert run(set_model([version_5(member=True, members=[1.0, 31.0])], 2), x, "Y")[:, 0].tolist() == [1.5, 1.5]


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), double=st.booleans(), missing=st.booleans())
def test_random_trees_are_routed_as_onnx_runtime_routes_them(seed: int, double: bool, missing: bool) -> None:  # noqa: FBT001 - parameters
    trees = SetTrees(seed, double=double)
    node = trees.node(missing=missing)
    x = trees.rows(80)

    expected = run(set_model([node], trees.width, double=double), x, "Y")[:, 0]

    assert walk(read_trees(node, 0), x) == pytest.approx(expected, abs=ROUNDING)


def test_the_random_trees_hold_sets_of_both_kinds_below_one_another() -> None:
    trees = read_trees(SetTrees(3, trees=8).node(), 0).trees
    of_set = np.isin(trees.mode, [TreeMode.MEMBER, TreeMode.WHOLE_MEMBER])

    assert {TreeMode.MEMBER, TreeMode.WHOLE_MEMBER} <= set(trees.mode.tolist())
    assert (of_set & of_set[trees.true_child]).any()
    assert (of_set & of_set[trees.false_child]).any()


def listed(values: Sequence[float]) -> NodeProto:
    """The node with one set, its list of sets as given."""
    node = version_5(member=True)
    kept = [attribute for attribute in node.attribute if attribute.name != "membership_values"]
    del node.attribute[:]
    node.attribute.extend(kept)
    tensor = helper.make_tensor("b", TensorProto.FLOAT, [len(values)], values)
    node.attribute.append(helper.make_attribute("membership_values", tensor))
    return node


@pytest.mark.parametrize("values", [[1.0, 4.0], [1.0, 4.0, np.nan], [1.0, 4.0, np.nan, 2.0, np.nan], [4, 1, np.nan, 7]])
def test_the_last_set_needs_no_end_and_sets_too_many_mean_nothing(values: list[float]) -> None:
    node, x = listed(values), rows_of(NUMBERS)
    found = read_trees(node, 0)

    assert found.trees.members == {0: frozenset({1.0, 4.0})}
    assert walk(found, x) == pytest.approx(run(set_model([node], 2), x, "Y")[:, 0], abs=ROUNDING)


@pytest.mark.parametrize("values", [[], [np.nan], [np.nan, 1.0, np.nan]])
def test_an_empty_set_is_refused_before_onnx_runtime_sees_it(values: list[float]) -> None:
    # ONNX Runtime 1.24 to 1.27 end the process.
    for reading in (check_trees_of, lambda node: read_trees(node, 0)):
        with pytest.raises(UnsafeModelError, match="fewer sets than BRANCH_MEMBER nodes, or an empty one"):
            reading(listed(values))


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("members", [[1.0, 100.5], [-1.5], [-(2.0**31)], [2.0**31], [1e10, 5.0], [np.inf, 1.0]])
def test_what_whole_numbers_of_32_bits_do_not_hold_is_not_read(members: list[float], double: bool) -> None:  # noqa: FBT001 - a parameter
    node = version_5(member=True, members=members, double=double)

    check_trees_of(node)
    with pytest.raises(UnreadTreesError, match="whole numbers of 32 bits, and one of its members has decimals or lies"):
        read_trees(node, 0)


def test_onnx_runtime_refuses_decimals_and_takes_what_is_missing_for_the_first_whole_number() -> None:
    """What the refusals above rest on; the readings can come back once this fails."""
    for members in ([1.0, 100.5], [2.0**31]):
        with pytest.raises((Fail, RuntimeException)):
            run(set_model([version_5(member=True, members=members)], 2), rows_of([1.0]), "Y")
    first = set_model([version_5(member=True, members=[-(2.0**31)])], 2)

    assert run(first, rows_of([np.nan, 1e10, 1.0]), "Y")[:, 0].tolist() == [1.5, 1.5, 0.5]
