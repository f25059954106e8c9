"""Which values of a feature the graph proves to have the same answer: those that no tree test tells apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import LinearTerm, Table, TreeMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.counterfactuals.axes import Axis
    from xaisvc.types import AdditiveModel, TreeEnsemble


def with_cells(axis: Axis, model: AdditiveModel | None, row: Table, *, is_inert: bool = False) -> Axis:
    """The axis with the values joined that the model cannot tell apart.

    Two neighbouring values are one cell if every column that the feature alone owns lies on the same side of every
    threshold that a tree compares it with, and is the same number wherever a linear term weighs it. The rest of the row
    does not matter then.

    Args:
        axis: The axis; a category has no neighbours and stays as it is.
        model: The output read as a sum of trees and linear terms; None if it is not one.
        row: Any one row of the bundle: it fills the other features while the columns are computed.
        is_inert: Whether the graph proves that the feature has no influence at all: then all values are one cell.

    Returns:
        The axis; each value its own cell where nothing is proven.
    """
    if is_inert:
        return replace(axis, cells=np.zeros(len(axis.values), dtype=np.intp))
    if model is None or not len(axis.values):
        return axis
    rows = _with_values(row, axis)
    differs = np.zeros(max(len(axis.values) - 1, 0), dtype=np.bool_)
    for term in model.terms:
        owned = [c for c, owners in enumerate(term.owners) if axis.feature in owners]
        if any(len(term.owners[c]) > 1 for c in owned):
            return axis
        if not owned:
            continue
        columns = _compared(term.columns(rows))
        for c in owned:
            column = columns[:, c]
            if isinstance(term, LinearTerm):
                if term.weights[c] != 0.0:
                    differs |= _changes(column)
            else:
                cuts = _cuts(term.trees, c)
                differs |= _changes(np.searchsorted(cuts, column, side="left"))
                differs |= _changes(np.searchsorted(cuts, column, side="right"))
    return replace(axis, cells=np.concatenate([[0], np.cumsum(differs)]).astype(np.intp))


def _with_values(row: Table, axis: Axis) -> Table:
    count = len(axis.values)
    rows = row.take(np.zeros(count, dtype=np.intp))
    return Table({**rows.columns, axis.feature: axis.values.copy()})


def _compared(matrix: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """As trees compare them: double stays double, all else is rounded to float32 first."""
    exact = matrix if matrix.dtype == np.float64 else matrix.astype(np.float32)
    return exact.astype(np.float64)


def _cuts(trees: TreeEnsemble, column: int) -> NDArray[np.float64]:
    """All numbers that some test compares a column with, ascending."""
    nodes = np.flatnonzero((trees.mode != TreeMode.LEAF) & (trees.column == column))
    found = [trees.threshold[nodes].astype(np.float64)]
    for node in nodes:
        if trees.mode[node] in {TreeMode.MEMBER, TreeMode.WHOLE_MEMBER}:
            members = np.array(sorted(trees.members[int(node)]))
            found.append(members)
            if trees.mode[node] == TreeMode.WHOLE_MEMBER:  # 2 stands for [2, 3), -2 for (-3, -2] and 0 for (-1, 1)
                found += [members[members >= 0] + 1, members[members <= 0] - 1]
    return np.unique(np.concatenate(found))


def _changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    return np.asarray(values[1:] != values[:-1])
