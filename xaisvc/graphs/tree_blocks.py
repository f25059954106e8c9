"""The tables of trees laid out for a graph: packs of subtrees of one shape, which one product turns into table rows.

A subtree's code has one bit for each player on the path to it and one for each branch in it (see the tables' own
description in `TreeTables`). Each bit is a sum of comparisons, or, where a player owns several columns, whether such a
sum reaches its largest value; so a code is a constant matrix times comparisons that are 0 or 1. All numbers in these
products are 0, 1 or whole numbers of at most eleven binary digits, and their sums are below 2^24: they are exact in
float32, in whatever order, and on GPUs that round factors to ten digits behind the first (TF32).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from xaisvc.graphs.tree_tests import RankTests, both

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.graphs.tree_tests import Comparison, RankSet

    Arrays = Mapping[str, NDArray[np.generic]]
    Floats = NDArray[np.float32] | NDArray[np.float64]

Number = TypeVar("Number", bound=np.generic)

SUBTREES = 16
"""Subtrees of a pack. Their entries are added in float32, that of packs in float64: rounding stays near that of one
number, and handing over to float64 is a small part of the work."""

_EXACT = 2**11
"""Odd factors below this are exact in TF32 and float16."""

_WIDER = 1.5
"""Packs of one block are padded to the widest of them; one that is wider than the narrowest by more than this factor
begins a new kind of block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """r blocks of u packs of one shape: l comparisons, j joint conditions, s subtrees, entries of e numbers.

    Row w of `rows` is the column w of the plan, row c + w the same times -1, c being the number of columns.

    Attributes:
        rows: Rows that are compared; int64, (r, u, l).
        limits: A comparison is 1 where its row is below; the dtype that the model compares, (r, u, l, 1).
        joint: Comparisons that each joint condition adds up; float32, (r, u, j, l).
        reached: A joint condition is 1 where its sum is above; float32, (r, u, j, 1).
        weights: Bits that the comparisons add to each code; float32, (r, u, s, l).
        joint_weights: Bits that the joint conditions add; float32, (r, u, s, j).
        entries: Row of the table for the code 0, less what the comparisons add to it; int32, (r, u, s, 1).
        players: Player of each number of a pack's entries, -1 for none; int32, (r, u * e).
        lanes: e.
    """

    rows: NDArray[np.int64]
    limits: Floats
    joint: NDArray[np.float32]
    reached: NDArray[np.float32]
    weights: NDArray[np.float32]
    joint_weights: NDArray[np.float32]
    entries: NDArray[np.int32]
    players: NDArray[np.int32]
    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeTables:
    """Everything that a graph needs of a plan for k outputs.

    Attributes:
        columns: Columns of the matrix that the trees test; int64, (c,).
        tables: By the number of lanes: entries of all subtrees with so many, the last one all zeros; float32,
            (k, entries, lanes).
        blocks: How they are looked up.
        outputs: k.
        double: Whether the matrix is float64.
    """

    columns: NDArray[np.int64]
    tables: Mapping[int, NDArray[np.float32]]
    blocks: tuple[Block, ...]
    outputs: int
    double: bool

    @property
    def n_bytes(self) -> int:
        """Size of the tables and of the constants beside them."""
        parts = [getattr(block, name) for block in self.blocks for name in Block.__slots__ if name != "lanes"]
        return sum(array.nbytes for array in (*self.tables.values(), *parts))

    @property
    def bytes_per_row(self) -> int:
        """Bytes that one row takes while the widest block is worked out: nothing is freed that a later step reads."""
        most = 0
        for block in self.blocks:
            _, packs, comparisons = block.rows.shape
            # Values, comparisons as bool and as float32, codes as float32 and twice as int32, two copies of each entry
            # (before and after adding up), and the sums once more as they are and as float64.
            codes = 12 * SUBTREES + 9 * block.joint.shape[2] + (9 + 4 * self.double) * comparisons
            most = max(most, packs * (codes + 4 * block.lanes * (SUBTREES + 6) * self.outputs))
        return most + 16 * self.columns.size


def lay_out_tables(arrays: Arrays, *, double: bool, packs: int) -> TreeTables:
    """Lays out the tables of a plan.

    Args:
        arrays: Arrays of a plan. `columns` (c,): tested columns. `start`, `edges`, `place`, `first`, `span`,
            `table_of`, `holds`: the tests, see `RankTests`. `tree_branch`, `branch_node`: a tree's branches.
            `tree_step`, and `step_` with `depth`, `branch`, `side`, `bit`, `cut`: items at or above the roots of
            subtrees in preorder, with the branch and side that lead there, the bit of that branch's player, and the
            subtree or -1. `cut_given`, `cut_first`, `cut_inner`: players on the path to a subtree, its first branch
            and number of branches. `cut_table`, `cut_unit`: where its entries begin and which lanes they have.
            `unit_lanes`, `unit_player`, `player_of_lane`: lanes of a unit and their players. `cut_deep`, `deep_lane`:
            where the lanes of a deep leaf begin, or -1, and these lanes. `table` (k, size): the entries; the code of
            one is the pattern of the path's players with a bit for each branch above it, 1 where its test holds.
        double: Whether the model compares float64 numbers.
        packs: Packs that are worked out at once.
    """
    entries, tables = _entries(arrays)
    found = _read_packs(arrays, RankTests(arrays, double=double), entries)
    columns = np.asarray(arrays["columns"], dtype=np.int64)
    kinds: list[list[_Pack]] = []
    for pack in sorted(found, key=lambda pack: (pack.lanes, bool(pack.joints), pack.width)):
        if not kinds or not _fits(kinds[-1], pack, packs):
            kinds.append([])
        kinds[-1].append(pack)
    blocks = [_block(kind, packs, columns.size, tables[kind[0].lanes].shape[1] - 1, double=double) for kind in kinds]
    table = np.asarray(arrays["table"])
    return TreeTables(columns=columns, tables=tables, blocks=tuple(blocks), outputs=len(table), double=double)


class _Pack:
    """Some subtrees whose entries have the same lanes, as columns of the products.

    Attributes:
        lanes: Numbers in an entry.
        players: Player of each of them, in order.
        comparisons: Line of each comparison; copies of a comparison are counted from 0.
        joints: Line of each joint condition: the sum that is needed, and comparisons with their signs.
        weights: For each subtree, what each comparison adds to its code.
        joint_weights: For each subtree, what each joint condition adds.
        entries: First entry of each subtree, with the constants of its code.
    """

    def __init__(self, lanes: int, players: list[int]) -> None:
        self.lanes = lanes
        self.players = players
        self.comparisons: dict[tuple[Comparison, int], int] = {}
        self.joints: dict[tuple[int, tuple[tuple[int, int], ...]], int] = {}
        self.weights: list[dict[int, int]] = []
        self.joint_weights: list[dict[int, int]] = []
        self.entries: list[int] = []

    @property
    def width(self) -> int:
        """Number of comparisons."""
        return len(self.comparisons)

    def add(self, tests: RankTests, bits: Sequence[Mapping[int, RankSet]], entry: int) -> None:
        """Adds a subtree: for each bit, the ranks of each column that make it 1 together."""
        own: dict[int, int] = {}
        joint_own: dict[int, int] = {}
        for bit, columns in enumerate(bits):
            parts = [tests.weighted(column, ranks) for column, ranks in columns.items()]
            if len(parts) == 1:
                constant, comparisons = parts[0]
                entry += constant << bit
                for comparison, sign in comparisons.items():
                    self._weigh(comparison, sign * (1 << bit), own)
                continue
            lines = tuple(
                sorted((self._line(comparison, 0), sign) for _, part in parts for comparison, sign in part.items())
            )
            needed = len(parts) - sum(constant for constant, _ in parts)
            joint = self.joints.setdefault((needed, lines), len(self.joints))
            joint_own[joint] = joint_own.get(joint, 0) + (1 << bit)
        self.weights.append(own)
        self.joint_weights.append(joint_own)
        self.entries.append(entry)

    def _line(self, comparison: Comparison, copy: int) -> int:
        return self.comparisons.setdefault((comparison, copy), len(self.comparisons))

    def _weigh(self, comparison: Comparison, weight: int, own: dict[int, int]) -> None:
        """Adds a weight to a comparison; to a copy of it where the sum would have too many digits."""
        copy = 0
        while True:
            line = self._line(comparison, copy)
            total = own.get(line, 0) + weight
            if abs(total) < _EXACT or abs(total) // (total & -total) < _EXACT:
                own[line] = total
                return
            copy += 1


def _read_packs(arrays: Arrays, tests: RankTests, entries: NDArray[np.int64]) -> list[_Pack]:
    """Goes over the items above the subtrees and collects the conditions that lead to each."""
    nodes, tree_branch, tree_step = (arrays[name].tolist() for name in ("branch_node", "tree_branch", "tree_step"))
    names = ("depth", "branch", "side", "bit", "cut")
    depths, branches, sides, places, cuts = (arrays[f"step_{name}"].tolist() for name in names)
    given, first, inner, unit_of = (arrays[f"cut_{name}"].tolist() for name in ("given", "first", "inner", "unit"))
    lanes, unit_player = arrays["unit_lanes"].tolist(), arrays["unit_player"].tolist()
    players = arrays["player_of_lane"].tolist()
    start = entries.tolist()
    packs: list[_Pack] = []
    for tree, low in enumerate(tree_branch[:-1]):
        path: list[dict[tuple[int, int], RankSet]] = [{}]
        for step in range(tree_step[tree], tree_step[tree + 1]):
            depth = depths[step]
            if depth:
                node = nodes[low + branches[step]]
                ranks = tests.holds(node) if sides[step] else tests.fails(node)
                here = dict(path[depth - 1])
                key = (places[step], tests.column(node))
                here[key] = both(here[key], ranks) if key in here else ranks
                del path[depth:]
                path.append(here)
            cut = cuts[step]
            if cut < 0 or not given[cut] + inner[cut]:
                continue  # not the root of a subtree, or of one that gives nobody anything
            bits: list[dict[int, RankSet]] = [{} for _ in range(given[cut])]
            for (bit, column), ranks in path[depth].items():
                bits[bit][column] = ranks
            for branch in range(first[cut], first[cut] + inner[cut]):
                node = nodes[low + branch]
                bits.append({tests.column(node): tests.holds(node)})
            unit = unit_of[cut]
            members = players[unit_player[unit] : unit_player[unit + 1]]
            if not packs or len(packs[-1].entries) == SUBTREES or packs[-1].players != members:
                packs.append(_Pack(lanes[unit], members))
            packs[-1].add(tests, bits, start[cut])
    return packs


def entries_bytes(arrays: Arrays) -> int:
    """Size of the tables that a graph gathers from; larger than the plan's own where it has deep leaves."""
    _, _, lanes, sizes = _subtrees(arrays)
    return 4 * len(np.asarray(arrays["table"])) * int((lanes * sizes).sum())


def _subtrees(arrays: Arrays) -> tuple[list[int], list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Of each subtree: players on the path, where its table begins, lanes, and number of codes."""
    lanes = np.asarray(arrays["unit_lanes"], dtype=np.int64)[np.asarray(arrays["cut_unit"], dtype=np.int64)]
    bits = np.asarray(arrays["cut_given"], dtype=np.int64) + np.asarray(arrays["cut_inner"], dtype=np.int64)
    return arrays["cut_given"].tolist(), arrays["cut_table"].tolist(), lanes, np.left_shift(1, bits)


def _entries(arrays: Arrays) -> tuple[NDArray[np.int64], dict[int, NDArray[np.float32]]]:
    """The first entry of each subtree among those with as many lanes, and these entries."""
    table = np.asarray(arrays["table"], dtype=np.float32)
    given, at, lanes, sizes = _subtrees(arrays)
    deep, deep_lane = arrays["cut_deep"].tolist(), np.asarray(arrays["deep_lane"], dtype=np.int64)
    first = np.zeros(lanes.size, dtype=np.int64)
    tables: dict[int, NDArray[np.float32]] = {}
    for width in np.unique(lanes).tolist():
        own = np.flatnonzero(lanes == width)
        ends = np.cumsum(sizes[own])
        first[own] = ends - sizes[own]
        whole = np.zeros((len(table), int(ends[-1]) + 1, width), dtype=np.float32)
        for cut in own.tolist():
            place = whole[:, first[cut] : first[cut] + sizes[cut]]
            if deep[cut] < 0:
                place[:] = table[:, at[cut] : at[cut] + place[0].size].reshape(place.shape)
            else:
                _spread_leaf(table[:, at[cut] :], deep_lane[deep[cut] : deep[cut] + given[cut]], place)
        tables[width] = whole
    return first, tables


def _spread_leaf(table: NDArray[np.float32], lane: NDArray[np.int64], entries: NDArray[np.float32]) -> None:
    """Writes the entries of a deep leaf, of which the plan keeps three numbers for each pattern of its players.

    A player that passes gains the first number of the pattern less the second of the pattern without it; one that does
    not loses the third. First and third stand side by side, the second ones after them.

    Args:
        table: From the leaf's numbers on; (k, at least 3 * 2^players).
        lane: Lane of each player; int64, (players,).
        entries: Written to, zeros before; (k, 2^players, lanes).
    """
    size = 1 << lane.size
    patterns = np.arange(size)
    gained, lost = table[:, : 2 * size : 2], table[:, 1 : 2 * size : 2]
    without = table[:, 2 * size : 3 * size]
    for bit, place in enumerate(lane.tolist()):
        passes = (patterns >> bit & 1).astype(np.bool_)
        entries[:, :, place] = np.where(passes, gained - without[:, patterns & ~(1 << bit)], -lost)


def _fits(kind: Sequence[_Pack], pack: _Pack, packs: int) -> bool:
    first = kind[0]
    if pack.lanes != first.lanes or bool(pack.joints) != bool(first.joints):
        return False
    return len(kind) < packs or pack.width <= _WIDER * max(first.width, 4)


def _block(kind: Sequence[_Pack], packs: int, n_columns: int, nothing: int, *, double: bool) -> Block:
    """Puts packs of one kind into arrays; places that no pack fills add entry `nothing`."""
    at_once = min(packs, len(kind))
    runs = -(-len(kind) // at_once)
    size, lanes = runs * at_once, kind[0].lanes
    width = max(1, *(pack.width for pack in kind))
    joints = max(len(pack.joints) for pack in kind)
    rows = np.zeros((size, width), dtype=np.int64)
    limits = np.full((size, width, 1), np.nan)
    joint = np.zeros((size, joints, width), dtype=np.float32)
    reached = np.zeros((size, joints, 1), dtype=np.float32)
    weights = np.zeros((size, SUBTREES, width), dtype=np.float32)
    joint_weights = np.zeros((size, SUBTREES, joints), dtype=np.float32)
    entries = np.full((size, SUBTREES, 1), nothing, dtype=np.int32)
    players = np.full((size, lanes), -1, dtype=np.int32)
    for i, pack in enumerate(kind):
        rows[i, : pack.width] = [column + n_columns * negative for (negative, column, _), _ in pack.comparisons]
        limits[i, : pack.width, 0] = [limit for (_, _, limit), _ in pack.comparisons]
        for (needed, lines), place in pack.joints.items():
            reached[i, place] = needed - 0.5
            for line, sign in lines:
                joint[i, place, line] += sign
        for wanted, own in ((weights, pack.weights), (joint_weights, pack.joint_weights)):
            for slot, parts in enumerate(own):
                for line, weight in parts.items():
                    wanted[i, slot, line] = weight
        entries[i, : len(pack.entries), 0] = pack.entries
        players[i, : len(pack.players)] = pack.players

    def blocked(array: NDArray[Number]) -> NDArray[Number]:
        return array.reshape(runs, at_once, *array.shape[1:])

    return Block(
        rows=blocked(rows),
        limits=blocked(limits) if double else blocked(limits.astype(np.float32)),
        joint=blocked(joint),
        reached=blocked(reached),
        weights=blocked(weights),
        joint_weights=blocked(joint_weights),
        entries=blocked(entries),
        players=players.reshape(runs, -1),
        lanes=lanes,
    )
