"""The tables of a tree term: made once for a background and its players, looked up for every row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.tree_cells import read_cells
from xaisvc.attribution.tree_layout import (
    chunk_trees,
    deep_leaves,
    joined,
    lanes_for,
    lay_out_all,
    steps_of,
    table_bytes,
    unite,
)
from xaisvc.attribution.tree_steady import are_steady, centred

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from xaisvc.types import TreeEnsemble

    Arrays = Mapping[str, NDArray[np.generic]]

Number = TypeVar("Number", bound=np.generic)

DEFAULT_BYTES = 384 * 2**20
"""Largest size of the tables of one term."""

_LOOK_UP = (
    "place", "first", "span", "table_of", "holds",
    "chunk_tree", "tree_branch", "tree_step", "branch_node", "sizes",
    "step_depth", "step_branch", "step_side", "step_bit", "step_fresh", "step_cut",
    "cut_given", "cut_first", "cut_inner", "cut_table", "cut_unit",
    "cut_deep", "deep_lane", "unit_lanes", "unit_player", "player_of_lane", "table",
)  # fmt: skip
"""Arrays that the look-up reads, in the order of its arguments."""


@dataclass(frozen=True)
class TreePlan:
    """Tables of the trees of one term, for the k outputs that its leaves have values for.

    Attributes:
        arrays: Everything that the look-up reads, read-only; see `make_arrays`.
    """

    arrays: Arrays

    @property
    def walked(self) -> NDArray[np.int32]:
        """Roots of the trees that have no tables."""
        return np.asarray(self.arrays["walked"], dtype=np.int32)

    @cached_property
    def trees(self) -> int:
        """Number of trees that have tables."""
        return int(self.arrays["tree_step"].size) - 1

    def base(self, output: int) -> float:
        """Mean of the trees with tables over the background."""
        return float(np.asarray(self.arrays["base"], dtype=np.float64)[output])

    @property
    def n_bytes(self) -> int:
        """Size of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def is_whole(self) -> bool:
        """Whether all arrays that a look-up needs are there."""
        return not {"table", "base", "walked", *_LOOK_UP} - self.arrays.keys()

    @property
    def too_large(self) -> bool:
        """Whether nothing was made, because the tables of all outputs together are too large."""
        return "table" not in self.arrays

    def add(self, matrix: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Adds attributions.

        Args:
            matrix: Column matrix of n rows as the model compares it; float64, (n, c).
            values: Added to; float64, (k, n, p).
        """
        if not self.trees or not len(matrix):
            return
        look_up_few, look_up, few_rows = self._look_ups
        # One type of array means one compiled function: a read-only matrix would have its own compiled anew.
        matrix = matrix if matrix.flags.writeable else matrix.copy()
        if len(matrix) <= few_rows:
            look_up_few(matrix, *self._few, values)
            return
        ranks = ranks_of(matrix, self.arrays["columns"], self.arrays["start"], self.arrays["edges"])
        look_up(ranks, len(matrix), *self._all, values)

    @cached_property
    def _look_ups(self) -> tuple[Callable[..., None], Callable[..., None], int]:
        """The look-up for a few rows, the one for any number of them, and how many are a few."""
        from xaisvc.attribution.tree_few import FEW_ROWS, look_up_few  # noqa: PLC0415 (heavy: loaded when used)
        from xaisvc.attribution.tree_lookup import look_up  # noqa: PLC0415 (heavy: loaded when used)

        return look_up_few, look_up, FEW_ROWS

    @cached_property
    def _few(self) -> tuple[NDArray[np.generic], ...]:
        from xaisvc.attribution.tree_few import few_arguments  # noqa: PLC0415 (heavy: loaded when used)

        return few_arguments(self.arrays)

    @cached_property
    def _all(self) -> tuple[NDArray[np.generic], ...]:
        return tuple(self.arrays[name] for name in _LOOK_UP)


def make_arrays(  # noqa: PLR0913 (what a plan is made of)
    trees: TreeEnsemble,
    leaf_values: NDArray[np.float64],
    players: NDArray[np.int64],
    background: NDArray[np.float64],
    *,
    double: bool,
    threads: int = 1,
    most_bytes: int = DEFAULT_BYTES,
) -> dict[str, NDArray[np.generic]]:
    """Makes the tables of a tree term.

    Args:
        trees: The trees.
        leaf_values: Value of each leaf in each output, 0 for branches; float64, (k, t).
        players: Player of each column, -1 for one that is the same in every row; int64, (c,).
        background: Column matrix of the background as the model compares it; float64, (b, c).
        double: Whether it compares float64 numbers.
        threads: Threads that trees are spread over.
        most_bytes: Bound on the size of the tables; trees beyond it get none. None of them does if float32 cannot hold
            what they say.

    Returns:
        The arrays of a `TreePlan`, read-only; only `walked` if the tables of k > 1 outputs are too large together. How
        the trees are cut does not depend on k.
    """
    from xaisvc.attribution.tree_kernel import weight_tables  # noqa: PLC0415 (heavy: loaded when used)
    from xaisvc.attribution.tree_lookup import test_nodes  # noqa: PLC0415 (heavy: loaded when used)
    from xaisvc.attribution.tree_tables import fill_tree  # noqa: PLC0415 (heavy: loaded when used)

    cells = read_cells(trees, double=double)
    test: Callable[..., None] = test_nodes
    tests = (cells.place, cells.first, cells.span, cells.table, cells.holds)
    ranks = ranks_of(background, cells.columns, cells.start, cells.edges)
    fixed = fixed_outcomes(trees, players, ranks, tests)
    widest = lanes_for(np.unique(players[players >= 0]).size)
    laid, walked = lay_out_all(trees, players, fixed, cells, most_bytes, widest)
    if len(leaf_values) > 1 and len(leaf_values) * table_bytes(laid, widest) > most_bytes:
        return {"walked": np.array(walked, dtype=np.int32)}
    if most_bytes and not are_steady(trees, leaf_values, [tree.leaves for tree in laid], background, cells):
        return make_arrays(trees, leaf_values, players, background, double=double, threads=threads, most_bytes=0)
    units = unite(trees, players, laid)
    gain, loss = weight_tables()
    first_cut = np.cumsum([0, *(tree.cuts.size for tree in laid)])

    lanes_of_cut = units.lanes[units.of_cut]
    sizes = [tree.sizes(lanes_of_cut[first_cut[i] : first_cut[i + 1]]) for i, tree in enumerate(laid)]
    table_at = np.concatenate([[0], np.cumsum(joined(sizes, np.int64))])
    table = _aligned(len(leaf_values) * table_at[-1], np.float32).reshape(len(leaf_values), -1)

    def fill(place: int) -> NDArray[np.int64]:
        tree = laid[place]
        branches = tree.branches
        held = np.empty((branches.size, ranks.shape[1]), dtype=np.uint16)
        test(ranks, *tests, branches, held)
        held = np.ascontiguousarray(held[:, : len(background)])
        weights = np.ascontiguousarray(centred(leaf_values[:, tree.leaves])) / len(background)
        here = slice(first_cut[place], first_cut[place + 1])
        lane_of = np.full((tree.cuts.size, int(players.max(initial=0)) + 1), -1, dtype=np.int64)
        for row, unit in zip(lane_of, units.of_cut[here].tolist(), strict=True):
            members = units.players[unit]
            row[members] = np.arange(members.size)
        lanes = lanes_of_cut[here]
        player_at = players[trees.column[branches]]
        return fill_tree(  # type: ignore[no-any-return]
            tree.items, tree.cuts, tree.inner, tree.deep, held, gain, loss, weights, lane_of, lanes, player_at,
            table, table_at[:-1][here],
        )  # fmt: skip

    filled = in_threads(fill, range(len(laid)), threads)
    base = np.zeros(len(leaf_values))
    for tree, reached in zip(laid, filled, strict=True):
        # No matrix product: its bits would depend on the number of outputs.
        base += (leaf_values[:, tree.leaves] * reached).sum(axis=1) / len(background)
    arrays: dict[str, NDArray[np.generic]] = {
        "columns": cells.columns,
        "start": cells.start,
        "edges": cells.edges,
        "place": cells.place,
        "first": cells.first,
        "span": cells.span,
        "table_of": cells.table,
        "holds": cells.holds,
        "walked": np.array(walked, dtype=np.int32),
        "base": base,
        "cut_table": table_at[:-1],
        "table": table,
        "cut_unit": units.of_cut,
        "unit_lanes": units.lanes,
        "unit_player": np.cumsum([0, *(members.size for members in units.players)]),
        "player_of_lane": joined(units.players, np.int64),
        **steps_of(laid),
        **deep_leaves(laid, players[trees.column], units),
        "chunk_tree": chunk_trees(np.diff(table_at[first_cut]) * 4 * len(leaf_values), units.first_tree),
    }
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _aligned(size: int, dtype: type[Number]) -> NDArray[Number]:
    """Zeros that begin where a line of the processor's cache begins, so that no register is filled from two lines."""
    buffer = np.zeros(size * np.dtype(dtype).itemsize + 63, dtype=np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size * np.dtype(dtype).itemsize].view(dtype)


def ranks_of(
    matrix: NDArray[np.float64], columns: NDArray[np.generic], start: NDArray[np.generic], edges: NDArray[np.generic]
) -> NDArray[np.uint16]:
    """Ranks of n rows' values; uint16, (u, n rounded up to whole vectors), the rest 0."""
    from xaisvc.attribution.tree_lookup import rank_rows  # noqa: PLC0415 (heavy: loaded when used)
    from xaisvc.attribution.tree_vectors import ROWS_AT_ONCE  # noqa: PLC0415 (heavy: loaded when used)

    # One type of array means one compiled function: a read-only matrix would have its own compiled anew.
    matrix = matrix if matrix.flags.writeable else matrix.copy()
    padded = -(-len(matrix) // ROWS_AT_ONCE) * ROWS_AT_ONCE
    ranks = _aligned(columns.size * padded, np.uint16).reshape(columns.size, padded)
    rank_rows(matrix, columns, start, edges, ranks)
    return ranks


def fixed_outcomes(
    trees: TreeEnsemble,
    players: NDArray[np.int64],
    ranks: NDArray[np.uint16],
    tests: tuple[NDArray[np.generic], ...],
) -> NDArray[np.bool_]:
    """Outcome of each branch on a column that is the same in every row."""
    from xaisvc.attribution.tree_lookup import test_nodes  # noqa: PLC0415 (heavy: loaded when used)

    test: Callable[..., None] = test_nodes
    fixed = np.zeros(trees.mode.size, dtype=np.bool_)
    nodes = np.flatnonzero((trees.column >= 0) & (players[trees.column] < 0)).astype(np.int32)
    held = np.empty((nodes.size, ranks.shape[1]), dtype=np.uint16)
    test(ranks, *tests, nodes, held)
    fixed[nodes] = held[:, 0] > 0
    return fixed
