"""Designs of trees: how often the background reaches each leaf, for every coalition.

For a leaf l of value w_l, let P_l be the players whose columns are tested on the way to it. A row that takes the
players of S from x and all others from a background row z reaches l if x passes the tests of P_l in S and z those of
P_l outside S. So

    v(S) = sum over l of w_l * [x passes the tests of P_l in S] * (share of z that pass those of P_l outside S)

The shares do not depend on the row. They are counted once for a design, and a row costs a product and a comparison for
each leaf and coalition, however many background rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.linear import Matrices, players_of_columns
from xaisvc.attribution.tree_cells import read_cells
from xaisvc.attribution.tree_plan import fixed_outcomes, ranks_of
from xaisvc.attribution.tree_walk import compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution.tree_cells import Cells
    from xaisvc.types import CoalitionDesign, ColumnFunction, Players, Table, TreeEnsemble, TreeTerm

    Matrix = NDArray[np.float32] | NDArray[np.float64]

_MOST_ITEMS = 20_000
"""Branches and leaves of one tree that is taken apart into its leaves."""

MOST_PLAYERS = 12
"""Players on the way to a leaf: each pattern of them is counted for each group of background rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaves:
    """The leaves of a term's trees that some test leads to.

    Attributes:
        constant: Sum of the values of the leaves that every row reaches.
        values: float64, (leaves,).
        nodes: Branches that are tested; int32, (branches,).
        start: Where a leaf's tests begin and the last end; int64, (leaves + 1,).
        branch: Place of each test's branch in `nodes`; int64, (tests,).
        side: Whether the leaf lies on its true side; uint16, all bits or none, (tests,).
        bit: Bit of the test's player; uint16, (tests,).
        set_of: Set of a leaf's players; int64, (leaves,).
        sets: The sets, each in the order of its bits.
    """

    constant: float
    values: NDArray[np.float64]
    nodes: NDArray[np.int32]
    start: NDArray[np.int64]
    branch: NDArray[np.int64]
    side: NDArray[np.uint16]
    bit: NDArray[np.uint16]
    set_of: NDArray[np.int64]
    sets: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCoalitions:
    """What the background makes of one term of trees, for the m coalitions of a design.

    Attributes:
        columns: The preprocessing in front of the trees.
        needed: Columns that they read.
        cells: Their tests.
        leaves: Their leaves.
        worth: Value of a leaf, divided by the number of background rows of a coalition; float64, (leaves,).
        patterns: See `sum_kernel.fill_patterns`.
        counts: See `sum_kernel.count_passing`.
    """

    columns: ColumnFunction
    needed: int
    cells: Cells
    leaves: _Leaves
    worth: NDArray[np.float64]
    patterns: NDArray[np.uint16]
    counts: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]

    @property
    def n_bytes(self) -> int:
        """Size of the arrays that grow with the design."""
        return self.patterns.nbytes + self.counts.nbytes

    def add(self, matrix: Matrix, totals: NDArray[np.float64]) -> None:
        """Adds what the trees make of n rows' coalitions, all but `leaves.constant`.

        Args:
            matrix: What `columns` makes of the rows; (n, c).
            totals: Added to; float64, (n, m).
        """
        from xaisvc.attribution.sum_kernel import add_leaves  # noqa: PLC0415 (heavy: loaded when used)

        failed = _failed(compared(matrix), self.cells, self.leaves)
        add_leaves(failed, self.worth, self.leaves.set_of, self.patterns, self.counts, totals)


def lay_out_coalitions(
    term: TreeTerm, players: Players, background: Table, design: CoalitionDesign, most_bytes: int
) -> TreeCoalitions | None:
    """Counts how often the background reaches each leaf of a term.

    Args:
        term: The trees; no column of theirs is of several players.
        players: The players.
        background: The rows that stand in.
        design: Coalitions, at least one pair; both of each pair are counted, first all of `design.masks`.
        most_bytes: Bound on the size of the counts.

    Returns:
        The counts; None if a tree or a path is too large, or there would be too many.
    """
    from xaisvc.attribution.sum_kernel import count_passing, fill_patterns  # noqa: PLC0415 (heavy: loaded when used)

    owners = players_of_columns(term.owners, players)
    needed = int(term.trees.column.max(initial=-1)) + 1
    matrix = Matrices(background)(term.columns, needed)
    rows = compared(matrix)
    cells = read_cells(term.trees, double=matrix.dtype == np.float64)
    leaves = _read_leaves(term.trees, owners, cells, rows)
    coalitions = 2 * len(design)
    each = len(background) if design.background is None else design.background.shape[1]
    kind = np.min_scalar_type(each)
    if leaves is None or coalitions * (leaves.values.size * kind.itemsize + 2 * len(leaves.sets)) > most_bytes:
        return None
    masks = np.ascontiguousarray(np.concatenate([design.masks, ~design.masks]).T)
    patterns = np.empty((len(leaves.sets), coalitions), dtype=np.uint16)
    bounds, members = _flat(leaves.sets)
    fill_patterns(masks, bounds, members, patterns)
    counts = np.empty((leaves.values.size, coalitions), dtype=kind)
    size = np.diff(bounds)[leaves.set_of]
    failed = np.ascontiguousarray(_failed(rows, cells, leaves))
    picks, first, order = _groups(design, len(background))
    count_passing(failed, size, leaves.set_of, patterns, picks, first, order, counts)
    return TreeCoalitions(
        columns=term.columns,
        needed=needed,
        cells=cells,
        leaves=leaves,
        worth=leaves.values / each,
        patterns=patterns,
        counts=counts,
    )


def _groups(
    design: CoalitionDesign, n_background: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Coalitions by the background rows that they share.

    Returns:
        Rows of each group, (groups, d); where its coalitions begin among all and the last end, (groups + 1,); the
        coalitions, (m,).
    """
    coalitions = 2 * len(design)
    if design.background is None:
        return np.arange(n_background)[None], np.array([0, coalitions]), np.arange(coalitions)
    picks, group = np.unique(design.background, axis=0, return_inverse=True)
    of_coalition = np.concatenate([group.ravel(), group.ravel()])
    first = np.concatenate([[0], np.cumsum(np.bincount(of_coalition, minlength=len(picks)))])
    return picks, first.astype(np.int64), np.argsort(of_coalition, kind="stable").astype(np.int64)


def _read_leaves(
    trees: TreeEnsemble, owners: NDArray[np.int64], cells: Cells, background: NDArray[np.float64]
) -> _Leaves | None:
    """The leaves of all trees with their tests; None if a tree or a path is too large, or a column has too many edges.

    Args:
        trees: The trees.
        owners: Player of each column, -1 for one that is the same in every row; int64, (c,).
        cells: The tests of all branches.
        background: Column matrix of the background; float64, (b, c).
    """
    from xaisvc.attribution.sum_kernel import list_conditions  # noqa: PLC0415 (heavy: loaded when used)
    from xaisvc.attribution.tree_paths import TOO_LARGE, count_items, lay_out  # noqa: PLC0415 (heavy: loaded when used)

    if cells.too_many.any():
        return None
    fixed = fixed_outcomes(trees, owners, _ranked(background, cells), _tests(cells))
    shape = (trees.column, trees.mode, trees.true_child, trees.false_child, owners, fixed)
    constant, ends = 0.0, [np.zeros(1, dtype=np.int64)]
    tests, ends_of = [np.empty((3, 0), dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for root in trees.roots.tolist():
        size = count_items(root, *shape, _MOST_ITEMS)
        if size == TOO_LARGE:
            return None
        laid = lay_out(root, *shape, size)
        if size == 1:
            constant += float(trees.leaf_value[laid[0, 0]])
            continue
        if laid[7].max() > MOST_PLAYERS:
            return None
        start, found, nodes = list_conditions(laid, owners[np.maximum(trees.column[laid[0]], 0)])
        ends.append(start[1:] + ends[-1][-1])
        tests.append(found)
        ends_of.append(nodes)
    bounds = np.concatenate(ends)
    node, side, player = np.concatenate(tests, axis=1)
    leaf_nodes = np.concatenate(ends_of)
    nodes, branch = np.unique(node, return_inverse=True)
    sets, set_of, bit = _sets(bounds, player)
    return _Leaves(
        constant=constant,
        values=trees.leaf_value[leaf_nodes].astype(np.float64),
        nodes=nodes.astype(np.int32),
        start=bounds,
        branch=branch.ravel().astype(np.int64),
        side=np.where(side == 1, 0xFFFF, 0).astype(np.uint16),
        bit=bit,
        set_of=set_of,
        sets=sets,
    )


def _sets(
    bounds: NDArray[np.int64], player: NDArray[np.int64]
) -> tuple[tuple[tuple[int, ...], ...], NDArray[np.int64], NDArray[np.uint16]]:
    """The sets of players on the ways to the leaves, the set of each leaf, and the bit of each test in its set."""
    sets: dict[tuple[int, ...], int] = {}
    set_of = np.empty(bounds.size - 1, dtype=np.int64)
    bit = np.empty(player.size, dtype=np.uint16)
    for leaf, (start, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        own = player[start:end].tolist()
        members = tuple(sorted(set(own)))
        set_of[leaf] = sets.setdefault(members, len(sets))
        bit[start:end] = [1 << members.index(one) for one in own]
    return tuple(sets), set_of, bit


def _flat(sets: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each set begins and the last ends, and the members of all."""
    bounds = np.cumsum([0, *map(len, sets)], dtype=np.int64)
    return bounds, np.array([member for members in sets for member in members], dtype=np.int64)


def _failed(rows: NDArray[np.float64], cells: Cells, leaves: _Leaves) -> NDArray[np.uint16]:
    """The players whose values keep n rows from each leaf, as bits; uint16, (leaves, n)."""
    from xaisvc.attribution.sum_kernel import find_failed  # noqa: PLC0415 (heavy: loaded when used)
    from xaisvc.attribution.tree_lookup import test_nodes  # noqa: PLC0415 (heavy: loaded when used)

    ranks = _ranked(rows, cells)
    held = np.empty((leaves.nodes.size, ranks.shape[1]), dtype=np.uint16)
    test_nodes(ranks, *_tests(cells), leaves.nodes, held)
    failed = np.empty((leaves.values.size, len(rows)), dtype=np.uint16)
    find_failed(held, leaves.start, leaves.branch, leaves.side, leaves.bit, failed)
    return failed


def _ranked(rows: NDArray[np.float64], cells: Cells) -> NDArray[np.uint16]:
    return ranks_of(rows, cells.columns, cells.start, cells.edges)


def _tests(cells: Cells) -> tuple[NDArray[np.generic], ...]:
    """The tests as `tree_lookup.test_nodes` takes them."""
    return (cells.place, cells.first, cells.span, cells.table, cells.holds)
