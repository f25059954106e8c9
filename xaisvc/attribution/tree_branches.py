"""How a branch decides: its test of a value, written once for all compiled code that asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xaisvc.compiled import compiled
from xaisvc.types import TreeMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import TreeEnsemble

# Compiled code takes whole numbers, no enum.
LEAF, _LEQ, _LT, _GTE, _GT, _EQ, _NEQ, _WHOLE = (
    int(TreeMode.LEAF),
    int(TreeMode.LEQ),
    int(TreeMode.LT),
    int(TreeMode.GTE),
    int(TreeMode.GT),
    int(TreeMode.EQ),
    int(TreeMode.NEQ),
    int(TreeMode.WHOLE_MEMBER),
)


class Branches(NamedTuple):
    """What all nodes of some trees test, t in all, as compiled code takes it.

    Attributes:
        column: Column that a node tests, -1 for a leaf; int32, (t,).
        mode: One of `TreeMode`; int8, (t,).
        threshold: Right-hand side; float64, (t,).
        missing_true: Whether the test holds for NaN; bool, (t,).
        start: First entry in `members` of a test of a set; int64, (t,).
        end: One past its last entry; int64, (t,).
        members: The sets of all these tests, each in rising order; float64.
    """

    column: NDArray[np.int32]
    mode: NDArray[np.int8]
    threshold: NDArray[np.float64]
    missing_true: NDArray[np.bool_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    members: NDArray[np.float64]


def branches_of(trees: TreeEnsemble) -> Branches:
    """What all nodes of `trees` test."""
    start, end = np.zeros(trees.mode.size, dtype=np.int64), np.zeros(trees.mode.size, dtype=np.int64)
    members: list[float] = []
    for node, values in trees.members.items():
        start[node] = len(members)
        members.extend(sorted(value for value in values if value == value))  # noqa: PLR0124 (nothing equals NaN)
        end[node] = len(members)
    return Branches(
        column=trees.column,
        mode=trees.mode,
        threshold=trees.threshold.astype(np.float64),
        missing_true=trees.missing_true,
        start=start,
        end=end,
        members=np.array(members, dtype=np.float64),
    )


@compiled()
def ask(values, kind, limit, missing, members, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0913, PLR0917 (compiled)
    """Whether a branch's test holds for each of n values.

    Args:
        values: As ONNX Runtime compares them (see `tree_walk.compared`); float64, (n,).
        kind: `Branches.mode` of the branch.
        limit: Its `threshold`.
        missing: Its `missing_true`.
        members: Its part of `members`.
        found: Written to; bool, (n,).
    """
    for i in range(values.size):
        value = values[i]
        if np.isnan(value):
            found[i] = missing
        elif kind == _LEQ:
            found[i] = value <= limit
        elif kind == _LT:
            found[i] = value < limit
        elif kind == _GTE:
            found[i] = value >= limit
        elif kind == _GT:
            found[i] = value > limit
        elif kind == _EQ:
            found[i] = value == limit
        elif kind == _NEQ:
            found[i] = value != limit
        else:
            wanted = np.trunc(value) if kind == _WHOLE else value
            low, high = 0, members.size
            while low < high:
                middle = (low + high) // 2
                if members[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            found[i] = low < members.size and members[low] == wanted


@compiled()
def ask_all(values, branches, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Whether every branch's test holds for each of n rows.

    Args:
        values: Column matrix, columns first, as ONNX Runtime compares it; float64, (c, n).
        branches: See `Branches`.
        found: Written to, but for leaves; bool, (t, n).
    """
    column, mode, threshold, missing_true, start, end, members = branches
    for node in range(mode.size):
        if mode[node] != LEAF:
            own = members[start[node] : end[node]]
            ask(values[column[node]], mode[node], threshold[node], missing_true[node], own, found[node])
