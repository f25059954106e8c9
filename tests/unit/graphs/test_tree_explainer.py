from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from tests.unit.graphs.hand_made import Grove, version_5
from tests.unit.graphs.set_trees import SetTrees
from xaisvc.attribution.tree_plan import TreePlan, make_arrays
from xaisvc.graphs.emit import Constants, Emitter
from xaisvc.graphs.tree_blocks import SUBTREES, lay_out_tables
from xaisvc.graphs.tree_explainer import COLUMNS, TREE_VALUES, emit_trees, tree_graph
from xaisvc.graphs.tree_tests import RankTests, both
from xaisvc.graphs.trees import read_trees
from xaisvc.types import TreeEnsemble, TreeMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

# Both sides add the same float32 entries, here and there before they are handed over to float64: a few roundings of
# 6e-8, each of a number below the sum of 16 entries.
ROUNDING = 1e-6
# A row's entries are added in the same order in any company; only float64 products of matrices may differ.
SAME_ROW = 1e-14

ON_CUDA = {
    "Add", "Cast", "Concat", "ConstantOfShape", "Equal", "Gather", "Less", "MatMul", "Neg", "Reshape", "Scan", "Shape",
    "Split", "Sum", "Transpose", "Unsqueeze",
}  # fmt: skip
"""Operators used that the CUDA provider has kernels for, in the types used here (ONNX Runtime, OperatorKernels.md)."""


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def plan_of(
    trees: TreeEnsemble,
    background: NDArray[Any],
    players: NDArray[np.int64],
    leaf_values: NDArray[np.float64] | None = None,
) -> dict[str, NDArray[np.generic]]:
    values = trees.leaf_value[None] if leaf_values is None else leaf_values
    return make_arrays(
        trees, values, players, background.astype(np.float64), double=background.dtype == np.float64, threads=1
    )


def looked_up(arrays: Arrays, rows: NDArray[Any], n_players: int) -> NDArray[np.float64]:
    """What the compiled look-up gives; (n, k, p)."""
    values = np.zeros((np.asarray(arrays["table"]).shape[0], len(rows), n_players))
    TreePlan(arrays).add(rows.astype(np.float64), values)
    return values.transpose(1, 0, 2)


def by_graph(arrays: Arrays, rows: NDArray[Any], n_players: int, packs: int = 2) -> NDArray[np.float64]:
    tables = lay_out_tables(arrays, double=rows.dtype == np.float64, packs=packs)
    model = tree_graph(tables, rows.shape[1], n_players)
    found = session(model).run([TREE_VALUES], {COLUMNS: rows})[0]
    assert found.dtype == np.float64
    return np.asarray(found)


def agree(found: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    return bool(np.abs(found - expected).max() <= ROUNDING * np.abs(expected).max())


PLAYERS = {
    "features": np.arange(4),
    "groups": np.array([0, 1, 0, 1]),
    "one group, one constant": np.array([0, 0, 0, -1]),
}


@pytest.mark.parametrize("players", PLAYERS.values(), ids=PLAYERS.keys())
@pytest.mark.parametrize("seed", range(4))
def test_random_trees_of_every_mode_with_missing_values(seed: int, players: NDArray[np.int64]) -> None:
    grove = Grove(seed, trees=12, depth=6)
    background, rows = grove.rows(13), grove.rows(60)
    if (players < 0).any():
        background[:, 3], rows[:, 3] = 0.5, 0.5
    n_players = int(players.max()) + 1
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, background, players)
    expected = looked_up(arrays, rows, n_players)

    assert np.abs(expected).max() > 0.1
    assert agree(by_graph(arrays, rows, n_players), expected)


def test_a_wrong_limit_shows() -> None:
    grove = Grove(0, trees=12, depth=6)
    background, rows = grove.rows(13), grove.rows(60)
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, background, np.arange(4))
    moved = {**arrays, "edges": np.asarray(arrays["edges"]) + 0.5}

    assert not agree(by_graph(moved, rows, 4), looked_up(arrays, rows, 4))


@pytest.mark.parametrize("packs", [1, 3, 64])
def test_any_number_of_packs_at_once(packs: int) -> None:
    grove = Grove(5, trees=40, depth=6)
    background, rows = grove.rows(9), grove.rows(20)
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, background, np.arange(4))
    subtrees = np.asarray(arrays["cut_given"]).size

    assert subtrees > 2 * SUBTREES, "one pack would be no test"
    assert agree(by_graph(arrays, rows, 4, packs), looked_up(arrays, rows, 4))


def test_several_outputs_share_their_codes() -> None:
    grove = Grove(7, trees=9, depth=5, targets=3)
    background, rows = grove.rows(11), grove.rows(30)
    parts = [read_trees(grove.regressor(), target).trees for target in range(3)]
    arrays = plan_of(parts[0], background, np.arange(4), np.stack([part.leaf_value for part in parts]))
    expected = looked_up(arrays, rows, 4)

    assert expected.shape == (30, 3, 4)
    assert agree(by_graph(arrays, rows, 4), expected)


def test_double_models_compare_doubles() -> None:
    grove = Grove(3, trees=6, depth=5)
    trees = read_trees(grove.regressor(double=True), 0).trees
    background = grove.rows(9).astype(np.float64)
    rows = np.nextafter(grove.rows(40).astype(np.float64), [[np.inf, -np.inf, 0, 9]])
    arrays = plan_of(trees, background, np.arange(4))

    assert trees.threshold.dtype == np.float64
    assert agree(by_graph(arrays, rows, 4), looked_up(arrays, rows, 4))


def test_sets_of_values() -> None:
    trees = read_trees(version_5(), 0).trees
    rows = np.array([[x, y] for x in (1, 2, 4, 5, np.nan) for y in (0.5, 0.6, np.nan)], dtype=np.float32)
    arrays = plan_of(trees, rows[::2].copy(), np.arange(2))

    assert agree(by_graph(arrays, rows, 2), looked_up(arrays, rows, 2))


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_sets_of_every_kind(seed: int, double: bool) -> None:  # noqa: FBT001 - pytest gives it
    grove = SetTrees(seed, trees=6, double=double)
    rows = grove.rows(40)
    arrays = plan_of(read_trees(grove.node(), 0).trees, rows[:9].copy(), np.arange(3))

    assert agree(by_graph(arrays, rows, 3), looked_up(arrays, rows, 3))


def single_tests(mode: TreeMode, thresholds: list[float], *, missing: bool) -> TreeEnsemble:
    """One tree of one branch for each threshold; the true leaf is worth its number."""
    count = len(thresholds)
    node = np.arange(3 * count)
    branch = node % 3 == 0
    return TreeEnsemble(
        roots=node[branch].astype(np.int32),
        column=np.where(branch, 0, -1).astype(np.int32),
        mode=np.where(branch, mode, 0).astype(np.int8),
        threshold=np.repeat(np.array(thresholds, dtype=np.float32), 3),
        true_child=np.where(branch, node + 1, 0).astype(np.int32),
        false_child=np.where(branch, node + 2, 0).astype(np.int32),
        missing_true=branch & missing,
        members={int(i): SETS[mode] for i in node[branch]} if mode in SETS else {},
        leaf_value=np.where(node % 3 == 1, 1.0 + node // 3, 0.0),
    )


SETS = {
    TreeMode.MEMBER: frozenset({0.0, np.inf, -1.5}),
    TreeMode.WHOLE_MEMBER: frozenset({0.0, -1.0, 2.0**31 - 128}),
}


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize("mode", [mode for mode in TreeMode if mode is not TreeMode.LEAF])
def test_the_ends_of_the_number_line(mode: TreeMode, missing: bool) -> None:  # noqa: FBT001 - pytest gives it
    largest, least = float(np.finfo(np.float32).max), float(np.finfo(np.float32).smallest_subnormal)
    thresholds = [0.0, -0.0, 1.0, -1.5, least, -least, largest, -largest, np.inf, -np.inf, np.nan]
    values = [*thresholds, float(np.nextafter(np.float32(1), np.float32(2))), 2 * least]
    rows = np.array(values, dtype=np.float32)[:, None]
    arrays = plan_of(single_tests(mode, thresholds, missing=missing), rows[[0, 2, 8, 10]], np.zeros(1, dtype=np.int64))

    assert agree(by_graph(arrays, rows, 1), looked_up(arrays, rows, 1))


def test_more_players_than_an_entry_holds() -> None:
    grove = Grove(11, trees=60, depth=5, width=80)
    background, rows = grove.rows(7), grove.rows(25)
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, background, np.arange(80))

    assert np.asarray(arrays["unit_lanes"]).size > 1
    assert np.unique(np.asarray(arrays["unit_lanes"])).size > 1, "one width of entries would be no test"
    assert agree(by_graph(arrays, rows, 80), looked_up(arrays, rows, 80))


def test_deep_leaves_get_entries_of_their_own() -> None:
    # A comb: x0 <= 0 and x1 <= 0 and ... to a leaf with fourteen players on its path.
    size, teeth = 29, 14
    node = np.arange(size)
    branch = node < teeth
    trees = TreeEnsemble(
        roots=np.array([0], dtype=np.int32),
        column=np.where(branch, node, -1).astype(np.int32),
        mode=np.where(branch, TreeMode.LEQ, 0).astype(np.int8),
        threshold=np.zeros(size, dtype=np.float32),
        true_child=np.where(branch, node + 1, 0).astype(np.int32),
        false_child=np.where(branch, node + 1 + teeth, 0).astype(np.int32),
        missing_true=np.zeros(size, dtype=bool),
        members={},
        leaf_value=np.where(branch, 0.0, 1.0 + node),
    )
    rng = np.random.default_rng(0)
    background, rows = (rng.normal(loc=-0.5, size=(count, teeth)).astype(np.float32) for count in (20, 200))
    leaf_values = np.stack([trees.leaf_value, trees.leaf_value**2])
    arrays = plan_of(trees, background, np.arange(teeth), leaf_values)

    assert (np.asarray(arrays["cut_deep"]) >= 0).any(), "without a deep leaf nothing is tested"
    assert agree(by_graph(arrays, rows, teeth), looked_up(arrays, rows, teeth))


def test_a_row_alone_gives_what_it_gives_in_a_batch() -> None:
    grove = Grove(2, trees=30, depth=6)
    background, rows = grove.rows(13), grove.rows(50)
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, background, np.arange(4))
    model = session(tree_graph(lay_out_tables(arrays, double=False, packs=2), 4, 4))
    together = model.run([TREE_VALUES], {COLUMNS: rows})[0]
    alone = np.concatenate([model.run([TREE_VALUES], {COLUMNS: rows[i : i + 1]})[0] for i in range(50)])

    assert np.abs(together - alone).max() <= SAME_ROW * np.abs(together).max()


def test_trees_of_one_leaf_give_nobody_anything() -> None:
    trees = single_tests(TreeMode.LEQ, [1.0], missing=False)
    leaf = TreeEnsemble(
        **{**{name: getattr(trees, name) for name in TreeEnsemble.__slots__}, "roots": np.array([1], np.int32)}
    )
    rows = np.zeros((3, 1), dtype=np.float32)
    arrays = plan_of(leaf, rows, np.zeros(1, dtype=np.int64))

    assert by_graph(arrays, rows, 1).tolist() == [[[0.0]], [[0.0]], [[0.0]]]


def test_the_graph_uses_operators_of_the_main_domain_that_cuda_has() -> None:
    grove = Grove(1, trees=12, depth=6)
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, grove.rows(9), np.array([0, 1, 0, 1]))
    model = onnx.load_from_string(tree_graph(lay_out_tables(arrays, double=False, packs=2), 4, 2))
    onnx.checker.check_model(model, full_check=True)
    bodies = [
        attribute.g
        for node in model.graph.node
        for attribute in node.attribute
        if node.op_type == "Scan" and attribute.HasField("g")
    ]
    nodes = [*model.graph.node, *(node for body in bodies for node in body.node)]

    assert {node.domain for node in nodes} == {""}
    assert len(bodies) > 0
    assert {node.op_type for node in nodes} <= ON_CUDA
    assert [entry.domain for entry in model.opset_import] == [""]


@pytest.mark.parametrize("opset", [9, 11, 13, 18, 21])
def test_older_and_newer_operator_sets(opset: int) -> None:
    grove = Grove(4, trees=12, depth=5)
    background, rows = grove.rows(9), grove.rows(20)
    players = np.array([0, 1, 0, 1])
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, background, players)
    emitter = Emitter(opset, Constants())
    (values,) = emit_trees(emitter, "X", lay_out_tables(arrays, double=False, packs=2), 2)
    graph = helper.make_graph(
        emitter.nodes,
        "trees",
        [helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info(values, onnx.TensorProto.DOUBLE, [None, 2])],
        emitter.constants.tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    found = session(model.SerializeToString()).run(None, {"X": rows})[0]

    assert agree(found[:, None], looked_up(arrays, rows, 2))


def test_factors_of_products_are_exact_in_ten_binary_digits() -> None:
    grove = Grove(6, trees=20, depth=9)
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, grove.rows(9), np.array([0, 1, 0, 1]))
    tables = lay_out_tables(arrays, double=False, packs=4)
    for block in tables.blocks:
        for factor in (block.weights, block.joint, block.joint_weights):
            half = factor.astype(np.float16)  # as many digits as TF32

            assert np.array_equal(half.astype(np.float32), factor)


def test_a_comparison_with_too_many_digits_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    grove = Grove(6, trees=20, depth=9)
    background, rows = grove.rows(9), grove.rows(20)
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, background, np.arange(4))

    def most_digits() -> int:
        weights = [
            np.abs(block.weights).astype(np.int64) for block in lay_out_tables(arrays, double=False, packs=4).blocks
        ]
        return max(int((w // np.maximum(w & -w, 1)).max()) for w in weights)

    assert most_digits() > 1, "without a comparison that gives two bits nothing is split"
    monkeypatch.setattr("xaisvc.graphs.tree_blocks._EXACT", 2)
    assert most_digits() == 1
    assert agree(by_graph(arrays, rows, 4), looked_up(arrays, rows, 4))


def test_bytes_of_a_row_bound_what_a_step_holds() -> None:
    grove = Grove(1, trees=30, depth=6)
    arrays = plan_of(read_trees(grove.regressor(), 0).trees, grove.rows(9), np.arange(4))
    small, large = (lay_out_tables(arrays, double=False, packs=packs).bytes_per_row for packs in (1, 4))

    assert small < large <= 4 * small + 16 * 4
    # Entries alone: 16 of 8 numbers of 4 bytes.
    assert small > SUBTREES * 8 * 4


class TestRankTests:
    @pytest.fixture
    def arrays(self) -> Arrays:
        """Edges 1, 2 and 3, and four tests of ranks: two intervals, one around the end, one listed."""
        return {
            "start": np.array([0, 3]),
            "edges": np.array([1.0, 2.0, 3.0]),
            "place": np.zeros(4, dtype=np.int32),
            "first": np.array([0, 2, 3, 0], dtype=np.uint16),
            "span": np.array([1, 0, 65532, 0], dtype=np.uint16),
            "table_of": np.array([-1, -1, -1, 0]),
            "holds": np.array([1, 0, 1, 0, 1], dtype=np.uint8),
        }

    def test_intervals_of_ranks(self, arrays: Arrays) -> None:
        tests = RankTests(arrays, double=True)

        assert tests.holds(0) == (False, ((0, 2),))
        assert tests.holds(1) == (False, ((2, 3),))
        assert tests.holds(2) == (True, ((3, 4),))
        assert tests.holds(3) == (True, ((1, 2), (3, 4)))
        assert tests.fails(0) == (True, ((2, 4),))
        assert tests.fails(3) == (False, ((0, 1), (2, 3)))

    def test_both_hold(self, arrays: Arrays) -> None:
        tests = RankTests(arrays, double=True)

        assert both(tests.holds(2), tests.holds(3)) == (True, ((3, 4),))
        assert both(tests.holds(0), tests.holds(3)) == (False, ((1, 2),))

    @pytest.mark.parametrize("missing", [True, False])
    @pytest.mark.parametrize("ranks", [(), ((0, 1),), ((1, 3),), ((3, 4),), ((0, 1), (2, 4)), ((0, 4),)])
    def test_sums_of_comparisons(self, arrays: Arrays, ranks: tuple[tuple[int, int], ...], missing: bool) -> None:  # noqa: FBT001 - pytest gives it
        constant, parts = RankTests(arrays, double=True).weighted(0, (missing, ranks))
        for value in (-np.inf, 0.0, 1.0, 1.5, 2.0, 3.0, np.inf, np.nan):
            rank = sum(edge <= value for edge in (1, 2, 3))
            inside = missing if np.isnan(value) else any(low <= rank < high for low, high in ranks)
            found = constant + sum(
                w * ((-value if negative else value) < limit) for (negative, _, limit), w in parts.items()
            )

            assert found == inside
