"""Coalitions evaluated by explainer graphs against the plain way, which shares no code with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

import xaisvc
from xaisvc.attribution.plain_games import PlainGames, project
from xaisvc.bundles import parse_rows
from xaisvc.engine import fused_pairs, games, mixed_model
from xaisvc.engine import layout as layouts
from xaisvc.engine.explainer import Explainer, Surroundings
from xaisvc.engine.fused_pairs import BLOCK_ROWS, FusedMaker, FusedPairs, FusedProjected
from xaisvc.engine.games import GraphGames
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.engine.link_pairs import LinkPairs
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.errors import AbandonedError, ModelOutputError
from xaisvc.graphs import fused_graph
from xaisvc.runtimes import OrtRuntime
from xaisvc.runtimes.ort import RuntimeSettings
from xaisvc.types import CoalitionDesign, Deadline, ErrorTarget, Players, Projection, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xaisvc.graphs import MixingPlan
    from xaisvc.types import Budget, PairValues, Problem, Table

FLOAT, DOUBLE, INT64, STRING, BOOL = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.STRING,
    TensorProto.BOOL,
)
BACKGROUND_ROWS = 20
# Of the largest answer: float32 sums in another order. Seen up to 6e-7, where a logit magnifies them.
TOLERANCE = 2e-6


@dataclass(frozen=True)
class Case:
    """A loaded model with rows to explain and the plain way to evaluate them."""

    loaded: LoadedBundle
    problem: Problem
    rows: Table

    @property
    def games(self) -> GraphGames:
        assert isinstance(self.problem.games, GraphGames)

        return self.problem.games

    @property
    def plain(self) -> PlainGames:
        return PlainGames(self.problem, 16_384, 1)

    def design(self, *, q: int = 9, own_rows: int | None = None) -> CoalitionDesign:
        rng = np.random.default_rng(q)
        p, b = len(self.problem.players), len(self.problem.background)
        background = None if own_rows is None else rng.integers(b, size=(q, own_rows))
        return CoalitionDesign(masks=rng.random((q, p)) < 0.5, background=background)


def model(
    nodes: Sequence[object],
    inputs: Mapping[str, tuple[int, Sequence[int | str | None]]],
    constants: Mapping[str, object],
    *,
    opset: int = 17,
    output: tuple[int, Sequence[int | str | None]] = (FLOAT, [None, 1]),
) -> bytes:
    graph = helper.make_graph(
        list(nodes),
        "hand_made",
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info("y", output[0], list(output[1]))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **more: object) -> object:
    return helper.make_node(op, list(inputs), list(outputs), **more)


def weights(*shape: int, dtype: type = np.float32) -> NDArray[np.generic]:
    return np.random.default_rng(sum(shape)).normal(0, 0.8, shape).astype(dtype)


def numbers(*names: str, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(60, len(names))).astype(np.float32)
    return pd.DataFrame(values, columns=list(names))


def network(*, opset: int = 17, dtype: type = np.float32, batch: int | str | None = None) -> bytes:
    kind = FLOAT if dtype is np.float32 else DOUBLE
    return model(
        [
            node("MatMul", ["x", "w"], ["h"]),
            node("Add", ["h", "c"], ["hc"]),
            node("Tanh", ["hc"], ["t"]),
            node("Gemm", ["t", "v", "zero"], ["y"], transB=1),
        ],
        {"x": (kind, [batch, 4])},
        {
            "w": weights(4, 6, dtype=dtype),
            "c": weights(6, dtype=dtype),
            "v": weights(1, 6, dtype=dtype),
            "zero": np.zeros(1, dtype),
        },
        opset=opset,
        output=(kind, [batch, 1]),
    )


def texts_and_numbers() -> tuple[bytes, pd.DataFrame]:
    """A look-up of text beside two numbers, joined by a network."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["home"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["own", "rent"],
            values_floats=[1.0, -2.0],
            default_float=0.5,
        ),
        node("Concat", ["age", "code", "income"], ["all"], axis=1),
        node("Gemm", ["all", "w", "c"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    inputs = {"age": (FLOAT, [None, 1]), "home": (STRING, [None, 1]), "income": (FLOAT, [None, 1])}
    data = numbers("age", "income").assign(home=np.random.default_rng(1).choice(["own", "rent", "free"], 60))
    return model(nodes, inputs, {"w": weights(3, 5), "c": weights(5), "v": weights(5, 1)}), data


def texts_mixed_as_texts() -> tuple[bytes, pd.DataFrame]:
    """Two texts compared with each other: nothing can be done before they are mixed."""
    nodes = [
        node("Equal", ["a", "b"], ["same"]),
        node("Cast", ["same"], ["number"], to=FLOAT),
        node("Add", ["number", "x"], ["y"]),
    ]
    inputs = {"a": (STRING, [None]), "b": (STRING, [None]), "x": (FLOAT, [None])}
    rng = np.random.default_rng(5)
    data = numbers("x").assign(a=rng.choice(["u", "v"], 60), b=rng.choice(["u", "v"], 60))
    return model(nodes, inputs, {}, opset=19, output=(FLOAT, [None])), data


def flags_and_counts() -> tuple[bytes, pd.DataFrame]:
    """A truth value that chooses between a count and a number."""
    nodes = [
        node("Cast", ["count"], ["amount"], to=FLOAT),
        node("Where", ["flag", "amount", "x"], ["y"]),
    ]
    inputs = {"flag": (BOOL, [None, 1]), "count": (INT64, [None, 1]), "x": (FLOAT, [None, 1])}
    rng = np.random.default_rng(2)
    data = numbers("x").assign(flag=rng.random(60) < 0.5, count=rng.integers(0, 9, 60))
    return model(nodes, inputs, {}), data


def shaped_at_run_time() -> tuple[bytes, pd.DataFrame]:
    """The number of rows is read from the rows, as exporters of deep-learning frameworks write a flatten."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"], axis=0),
        node("Concat", ["n", "minus_one"], ["to"], axis=0),
        node("Reshape", ["x", "to"], ["flat"]),
        node("MatMul", ["flat", "w"], ["h"]),
        node("Sigmoid", ["h"], ["y"]),
    ]
    constants = {"zero": np.array([0]), "minus_one": np.array([-1]), "w": weights(4, 1)}
    return model(nodes, {"x": (FLOAT, [None, 4])}, constants), numbers(*"abcd")


def two_branches() -> tuple[bytes, pd.DataFrame]:
    """One tensor goes into two linear layers, another is mixed as it is, and a nested graph captures a mixed tensor."""
    then = helper.make_graph([node("Add", ["h", "one"], ["t"])], "then", [], [helper.make_empty_tensor_value_info("t")])
    other = helper.make_graph([node("Neg", ["h"], ["e"])], "else", [], [helper.make_empty_tensor_value_info("e")])
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Gemm", ["x", "u", "one"], ["g"], alpha=0.5, beta=2.0),
        node("If", ["yes"], ["chosen"], then_branch=then, else_branch=other),
        node("Mul", ["chosen", "g"], ["hg"]),
        node("Mul", ["z", "total"], ["zs"]),
        node("ReduceSum", ["zs", "axis"], ["sum"], keepdims=1),
        node("ReduceSum", ["hg", "axis"], ["joined"], keepdims=1),
        node("Add", ["sum", "joined"], ["y"]),
        node("ReduceSum", ["z", "axis"], ["total"], keepdims=1),
    ]
    nodes = [*nodes[:4], nodes[8], *nodes[4:8]]
    constants = {
        "w": weights(3, 4),
        "u": weights(3, 4)[::-1].copy(),
        "one": np.ones(1, np.float32),
        "yes": np.array(True),  # noqa: FBT003 - a constant of the graph
        "axis": np.array([1]),
    }
    data = numbers("a", "b", "c", "d", "e")
    return model(nodes, {"x": (FLOAT, [None, 3]), "z": (FLOAT, [None, 2])}, constants), data


def one_feature_alone() -> tuple[bytes, pd.DataFrame]:
    """The answer depends on one column: nothing is left to run on mixed rows."""
    nodes = [node("Gather", ["x", "second"], ["b"], axis=1), node("Exp", ["b"], ["y"])]
    return model(nodes, {"x": (FLOAT, [None, 3])}, {"second": np.array([1])}), numbers(*"abc")


def constant_answer() -> tuple[bytes, pd.DataFrame]:
    nodes = [node("Mul", ["x", "nothing"], ["none"]), node("ReduceMax", ["none"], ["top"], axes=[1], keepdims=1)]
    nodes += [node("Abs", ["top"], ["zero"]), node("Add", ["zero", "c"], ["y"])]
    constants = {"nothing": np.zeros(1, np.float32), "c": np.array([0.1], np.float32)}
    return model(nodes, {"x": (FLOAT, [None, 3])}, constants), numbers(*"abc")


HAND_MADE: dict[str, Callable[[], tuple[bytes, pd.DataFrame]]] = {
    "network": lambda: (network(), numbers(*"abcd")),
    "network of doubles": lambda: (network(dtype=np.float64), numbers(*"abcd")),
    "network in operator set 9": lambda: (network(opset=9), numbers(*"abcd")),
    "network in operator set 12": lambda: (network(opset=12), numbers(*"abcd")),
    "network in operator set 21": lambda: (network(opset=21), numbers(*"abcd")),
    "network with a batch of 3": lambda: (network(batch=3), numbers(*"abcd")),
    "texts and numbers": texts_and_numbers,
    "texts mixed as texts": texts_mixed_as_texts,
    "flags and counts": flags_and_counts,
    "shaped at run time": shaped_at_run_time,
    "two branches": two_branches,
    "one feature alone": one_feature_alone,
    "constant answer": constant_answer,
}


def load(
    made: tuple[bytes, pd.DataFrame],
    folder: Path,
    *,
    threads: int = 1,
    players: Mapping[str, tuple[str, ...]] | None = None,
) -> Case:
    serialized, data = made
    bundle = xaisvc.create_bundle(model=serialized, background=data[:BACKGROUND_ROWS], path=folder / "bundle")
    loaded = LoadedBundle(bundle, OrtRuntime(), "cpu", threads=threads)
    output = bundle.description.outputs[0]
    ids = bundle.description.feature_ids
    members = players or {name: (name,) for name in ids}
    parties = Players(names=tuple(members), members=tuple(members.values()))
    problem = loaded.problem(output, output.tensor_space, parties)
    rows = parse_rows(bundle.description, data[30:35].reset_index(drop=True))
    return Case(loaded, problem, rows)


def nothing() -> None:
    pass


def assert_alike(found: PairValues, expected: PairValues, tolerance: float = TOLERANCE) -> None:
    scale = max(float(np.abs(expected.on).max()), float(np.abs(expected.outputs).max()))
    for one, other in ((found.on, expected.on), (found.off, expected.off), (found.outputs, expected.outputs)):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("name", HAND_MADE)
def test_graphs_give_what_the_plain_way_gives(name: str, own_rows: int | None, tmp_path: Path) -> None:
    case = load(HAND_MADE[name](), tmp_path)
    design = case.design(own_rows=own_rows)

    pairs = case.games.evaluate(design)

    assert pairs.detail.startswith("Coalitions are evaluated inside the model's graph")
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing))
    assert case.games.none == case.plain.none


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("name", ["network", "shaped at run time", "one feature alone"])
def test_a_design_without_coalitions_leaves_the_output(name: str, own_rows: int | None, tmp_path: Path) -> None:
    case = load(HAND_MADE[name](), tmp_path)
    design = case.design(own_rows=own_rows)
    empty = replace(
        design, masks=design.masks[:0], background=None if design.background is None else design.background[:0]
    )

    found = case.games.evaluate(empty)(case.rows, nothing)

    assert found.on.shape == found.off.shape == (5, 0)
    assert (found.outputs == case.games.evaluate(design)(case.rows, nothing).outputs).all()


BUDGETS = [None, ErrorTarget(1e-3), Deadline(0.2)]


def tanh_explainer(p: int, folder: Path) -> tuple[Explainer, pd.DataFrame]:
    """y = sum of tanh(x w), from p features."""
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Tanh", ["h"], ["t"]), node("MatMul", ["t", "v"], ["y"])]
    made = model(nodes, {"x": (FLOAT, [None, p])}, {"w": weights(p, 6), "v": weights(6, 1)})
    data = numbers(*"abcd"[:p])
    xaisvc.create_bundle(model=made, background=data[:BACKGROUND_ROWS], path=folder / "tanh")
    # The clock stands still, so that a deadline leaves time for everything.
    return Explainer(folder / "tanh", "cpu", surroundings=Surroundings(clock=lambda: 0.0)), data[30:35].reset_index(
        drop=True
    )


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("method", ["kernel", "permutation", "exact", "auto"])
def test_one_player_gets_everything(method: str, budget: Budget | None, tmp_path: Path) -> None:
    explainer, rows = tanh_explainer(1, tmp_path)

    found = explainer.explain(rows, method=method, budget=budget)

    # One subtraction in float64; what `auto` chooses for an additive graph adds float32 numbers: 1.2e-8 was seen.
    tolerance = 1e-6 if method == "auto" else 1e-12
    np.testing.assert_allclose(found.values[:, 0], found.outputs - found.base_values, rtol=0, atol=tolerance)
    assert np.ptp(found.values) > 0


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("method", ["kernel", "permutation", "auto"])
def test_four_players_are_enumerated_by_every_method(method: str, budget: Budget | None, tmp_path: Path) -> None:
    explainer, rows = tanh_explainer(4, tmp_path)
    expected = explainer.explain(rows, method="exact")

    found = explainer.explain(rows, method=method, budget=budget)

    # Coalitions in another order: float32 sums in chunks of another size.
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=2e-6)


def test_a_comparison_that_is_off_is_seen(tmp_path: Path) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    expected = case.plain.evaluate(case.design())(case.rows, nothing)
    off = replace(expected, on=expected.on * (1 + 1e-5))

    with pytest.raises(AssertionError):
        assert_alike(off, expected)


@pytest.mark.parametrize("name", ["network", "texts and numbers", "two branches"])
def test_a_first_linear_layer_is_split_and_gives_the_same_as_unsplit(name: str, tmp_path: Path) -> None:
    case = load(HAND_MADE[name](), tmp_path)
    design = case.design()
    split = case.loaded.ready(case.loaded.bundle.description.outputs[0], case.problem.space, own_rows=False).mixed
    assert split is not None
    assert split.plan.layers
    whole = mixed_model.take_apart(
        split.scoring,
        case.problem.background,
        space=case.problem.space,
        sources={feature.id: feature.source for feature in case.loaded.bundle.description.features},
        log_odds=lambda: None,
        runtime=OrtRuntime(),
        splits=False,
    )
    assert not whole.plan.layers
    pairs = [
        GraphPairs(
            problem=case.problem,
            design=design,
            mixed=mixed,
            session=mixed.session(OrtRuntime(), "cpu", own_rows=False),
            layout=mixed.layout(design, case.problem.players),
        )
        for mixed in (split, whole)
    ]

    assert_alike(pairs[0](case.rows, nothing), pairs[1](case.rows, nothing))


def test_equal_answers_have_exactly_that_mean(tmp_path: Path) -> None:
    case = load(constant_answer(), tmp_path)

    found = case.games.evaluate(case.design())(case.rows, nothing)

    expected = float(np.float32(0.1))
    assert (found.on == expected).all()
    assert (found.off == expected).all()
    assert (found.outputs == expected).all()
    assert case.games.none == expected


def test_groups_are_mixed_together(tmp_path: Path) -> None:
    case = load(texts_and_numbers(), tmp_path, players={"person": ("age", "home"), "money": ("income",)})
    design = CoalitionDesign(masks=np.array([[True, False]]))

    found = case.games.evaluate(design)(case.rows, nothing)

    assert_alike(found, case.plain.evaluate(design)(case.rows, nothing))


def test_a_row_gets_the_same_bits_in_any_company_and_number_of_threads(tmp_path: Path) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    other = load(HAND_MADE["network"](), tmp_path / "again", threads=3)
    design = case.design(q=200)

    together = case.games.evaluate(design)(case.rows, nothing)
    alone = other.games.evaluate(design)(case.rows.take([3]), nothing)
    threaded = other.games.evaluate(design)(case.rows, nothing)

    np.testing.assert_array_equal(together.on[3], alone.on[0])
    np.testing.assert_array_equal(together.outputs[3], alone.outputs[0])
    np.testing.assert_array_equal(together.off, threaded.off)


def test_tables_beyond_the_bound_are_not_kept_and_give_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    monkeypatch.setattr(layouts, "PIECE_ROWS", 100)
    monkeypatch.setattr(layouts, "CHUNK_NUMBERS", 6)
    monkeypatch.setattr(layouts, "MOST_PIECE_BYTES", 2**15)
    design = case.design(q=150)
    kept = case.games.evaluate(design)
    monkeypatch.setattr(layouts, "MOST_KEPT_BYTES", 1000)
    unkept = load(HAND_MADE["network"](), tmp_path / "again").games.evaluate(design)
    assert isinstance(kept, GraphPairs)
    assert isinstance(unkept, GraphPairs)

    first = unkept(case.rows, nothing)

    assert len(unkept.layout.chunks.pieces) > 1
    assert unkept.layout.held_bytes == unkept.layout._masks.nbytes
    assert not unkept.layout._kept
    np.testing.assert_array_equal(first.on, unkept(case.rows.take([0, 1, 2, 3, 4]), nothing).on)
    np.testing.assert_array_equal(first.on[:1], unkept(case.rows.take([0]), nothing).on)
    assert_alike(first, kept(case.rows, nothing), tolerance=1e-12)  # the same chunks: at most the last bit
    biggest = max(
        sum(table.nbytes for table in unkept.layout.piece(chunks).tables) for chunks in unkept.layout.chunks.pieces
    )
    assert biggest <= layouts.MOST_PIECE_BYTES


def test_missing_values_of_a_coalition_do_not_leak_through_the_split_layer(tmp_path: Path) -> None:
    """A linear layer of NaN is NaN; behind it a node makes a number of it, so every coalition has an answer."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("IsNaN", ["h"], ["bad"]),
        node("Where", ["bad", "seven", "h"], ["good"]),
        node("Tanh", ["good"], ["t"]),
        node("MatMul", ["t", "v"], ["y"]),
    ]
    constants = {"w": weights(3, 4), "v": weights(4, 1), "seven": np.array([0.7], np.float32)}
    data = numbers(*"abc")
    data.loc[[2, 5, 31], "a"] = np.nan
    data.loc[[3, 32], "b"] = np.nan
    case = load((model(nodes, {"x": (FLOAT, [None, 3])}, constants), data), tmp_path)
    design = case.design()

    found = case.games.evaluate(design)(case.rows, nothing)

    assert np.isnan(case.rows.columns["a"][1])
    assert_alike(found, case.plain.evaluate(design)(case.rows, nothing))


def test_large_models_are_not_held_twice_and_answer_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    design = case.design()
    expected = case.games.evaluate(design)(case.rows, nothing)
    monkeypatch.setattr(mixed_model, "MOST_COPIED_BYTES", 0)
    large = load(HAND_MADE["network"](), tmp_path / "again").games.evaluate(design)
    assert isinstance(large, GraphPairs)

    found = large(case.rows, nothing)

    assert large.session.run({"x": np.zeros((1, 4), np.float32)}, large.layout.whole())[1] is None
    np.testing.assert_array_equal(found.on, expected.on)
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=0, atol=TOLERANCE)


def linked_sum() -> tuple[bytes, pd.DataFrame]:
    """A logistic function of a look-up of text and scaled numbers."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["home"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["own", "rent"],
            values_floats=[1.0, -2.0],
            default_float=0.5,
        ),
        node("Concat", ["age", "code", "income"], ["all"], axis=1),
        node("MatMul", ["all", "w"], ["h"]),
        node("Add", ["h", "c"], ["s"]),
        node("Sigmoid", ["s"], ["y"]),
    ]
    inputs = {"age": (FLOAT, [None, 1]), "home": (STRING, [None, 1]), "income": (FLOAT, [None, 1])}
    data = numbers("age", "income").assign(home=np.random.default_rng(1).choice(["own", "rent", "free"], 60))
    return model(
        nodes, inputs, {"w": np.array([[0.5], [0.7], [4.0]], np.float32), "c": np.array([0.3], np.float32)}
    ), data


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("kept", [True, False])
def test_the_link_of_a_sum_is_taken_of_sums(
    own_rows: int | None,
    kept: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = load(linked_sum(), tmp_path, players={"person": ("age", "home"), "money": ("income",)}, threads=2)
    design = CoalitionDesign(
        masks=np.array([[True, False], [False, True]]),
        background=None if own_rows is None else np.arange(2 * own_rows).reshape(2, own_rows) % 13,
    )
    if not kept:
        monkeypatch.setattr(layouts, "MOST_KEPT_BYTES", 0)

    pairs = case.games.evaluate(design)

    assert isinstance(pairs, LinkPairs if kept else GraphPairs)
    assert pairs.detail.endswith("inside the model's graph, the link taken of sums of weighted columns.")
    found = pairs(case.rows, nothing)
    assert case.problem.space is Space.PROBABILITY
    assert_alike(found, case.plain.evaluate(design)(case.rows, nothing))
    np.testing.assert_array_equal(found.on[3], pairs(case.rows.take([3]), nothing).on[0])
    np.testing.assert_array_equal(found.outputs[3], pairs(case.rows.take([3]), nothing).outputs[0])


def test_an_infinite_part_of_a_link_stays_out_of_other_coalitions(tmp_path: Path) -> None:
    case = load(linked_sum(), tmp_path)
    far = replace(case.rows, columns={**case.rows.columns, "income": np.array([3e38, -3e38, 0.0, 1e30, -1e30])})
    design = CoalitionDesign(masks=np.array([[True, False, False], [False, True, True], [True, True, False]]))

    found = case.games.evaluate(design)(far, nothing)

    # The weight of the income is 4, and the largest float32 3.4e38: its part of the first two rows is infinite.
    assert (found.outputs[:2] == [1.0, 0.0]).all()
    assert_alike(found, case.plain.evaluate(design)(far, nothing))


def test_work_stops_between_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "PIECE_ROWS", 100)
    monkeypatch.setattr(layouts, "CHUNK_NUMBERS", 6)
    monkeypatch.setattr(layouts, "MOST_PIECE_BYTES", 2**15)
    case = load(HAND_MADE["network"](), tmp_path)
    pairs = case.games.evaluate(case.design(q=150))
    calls = []

    def check() -> None:
        calls.append(None)
        if len(calls) == 3:
            msg = "nobody waits"
            raise AbandonedError(msg)

    with pytest.raises(AbandonedError):
        pairs(case.rows.take([0]), check)

    assert len(calls) == 3


def log_of_a() -> tuple[bytes, pd.DataFrame]:
    """y = log(a) * b: not finite for a row with a <= 0."""
    nodes = [node("Log", ["a"], ["log"]), node("Mul", ["log", "b"], ["y"])]
    data = numbers("a", "b").abs() + 0.5
    return model(nodes, {"a": (FLOAT, [None, 1]), "b": (FLOAT, [None, 1])}, {}), data.astype(np.float32)


def test_answers_that_are_not_finite_are_refused_as_the_plain_way_refuses_them(tmp_path: Path) -> None:
    case = load(log_of_a(), tmp_path)
    bad = replace(case.rows, columns={**case.rows.columns, "a": np.array([1.0, 1.0, -1.0, 1.0, 1.0])})
    design = CoalitionDesign(masks=np.array([[True, False], [False, True]]))
    pairs = case.games.evaluate(design)
    assert isinstance(pairs, GraphPairs)

    with pytest.raises(ModelOutputError) as plain:
        case.plain.evaluate(design)(bad, nothing)
    with pytest.raises(ModelOutputError) as fast:
        pairs(bad, nothing)

    assert str(fast.value) == str(plain.value)


def test_a_graph_that_does_not_agree_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = mixed_model.row_graph

    def wrong(plan: MixingPlan, background: Mapping[str, NDArray[np.generic]], **more: bool) -> bytes:
        layers = tuple(replace(layer, weights=layer.weights * np.float32(1.001)) for layer in plan.layers)
        return right(replace(plan, layers=layers), background, **more)

    monkeypatch.setattr(mixed_model, "row_graph", wrong)
    case = load(HAND_MADE["network"](), tmp_path)
    design = case.design()

    pairs = case.games.evaluate(design)

    assert "evaluated in plain batches, because the graph made for them differs from the model's own" in pairs.detail
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing), tolerance=0)


def test_a_model_with_its_batch_size_inside_falls_back_and_says_so(tmp_path: Path) -> None:
    nodes = [
        node("Reshape", ["x", "shape"], ["three"]),
        node("MatMul", ["three", "w"], ["h"]),
        node("Reshape", ["h", "back"], ["y"]),
    ]
    constants = {"shape": np.array([2, 1, 4]), "back": np.array([2, 1]), "w": weights(4, 1)}
    made = model(nodes, {"x": (FLOAT, [2, 4])}, constants, output=(FLOAT, [2, 1]))
    case = load((made, numbers(*"abcd")), tmp_path)
    design = case.design()

    pairs = case.games.evaluate(design)

    assert pairs.detail == (
        "Coalitions are evaluated in plain batches, because the graph made for them does not run on mixed rows."
    )
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing), tolerance=0)


def test_a_model_of_an_operator_set_without_where_falls_back_and_says_so(tmp_path: Path) -> None:
    case = load((network(opset=8), numbers(*"abcd")), tmp_path)

    pairs = case.games.evaluate(case.design())

    assert pairs.detail == (
        "Coalitions are evaluated in plain batches, because it uses operator set 8, and mixing rows needs 9 or newer."
    )


def test_more_background_rows_than_a_pass_takes_fall_back_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    monkeypatch.setattr(games, "MOST_BACKGROUND_ROWS", BACKGROUND_ROWS - 1)

    everybody = case.games.evaluate(case.design())
    a_few = case.games.evaluate(case.design(own_rows=7))

    assert everybody.detail == (
        "Coalitions are evaluated in plain batches, because 20 background rows of a coalition are more than one pass "
        "of a graph takes."
    )
    assert isinstance(a_few, GraphPairs)


def random_projection(p: int, q: int) -> Projection:
    rng = np.random.default_rng(p)
    weights_ = rng.normal(size=(p, q))
    return Projection(
        weights=weights_ - weights_.mean(axis=0),
        share=np.full(p, 1 / p),
        spread=rng.normal(size=(3, p, q)),
        spread_share=rng.normal(size=(3, p)),
        scale=rng.random(p),
        energy=rng.normal(size=(2, q)),
        energy_share=rng.normal(size=2),
    )


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("name", ["network", "texts and numbers", "texts mixed as texts", "two branches"])
@pytest.mark.parametrize("io_binding", [False, True])
def test_many_rows_together_give_what_rows_alone_give(
    name: str,
    own_rows: int | None,
    io_binding: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    """What runs on a GPU, on the CPU provider: all rows of a block in one pass, the last block filled up."""
    case = load(HAND_MADE[name](), tmp_path)
    design = case.design(own_rows=own_rows)
    rows = case.rows.take(np.arange(BLOCK_ROWS + 3) % len(case.rows))
    mixed = case.loaded.ready(
        case.loaded.bundle.description.outputs[0], case.problem.space, own_rows=own_rows is not None
    ).mixed
    assert mixed is not None
    maker = FusedMaker(OrtRuntime(RuntimeSettings(io_binding=io_binding)), "cpu", lambda: mixed)
    projection = random_projection(len(case.problem.players), len(design))
    none = case.games.none

    pairs = maker.pairs(mixed, design, case.problem, b"design")(rows, nothing)
    projected = maker.projected(mixed, design, case.problem, b"design", projection, none)(rows, nothing)

    expected = case.games.evaluate(design)(rows, nothing)
    assert_alike(pairs, expected)
    by_hand = project(projection, expected, none)
    scale = max(1.0, float(np.abs(by_hand.values).max()))
    np.testing.assert_allclose(projected.values, by_hand.values, rtol=0, atol=TOLERANCE * scale)
    np.testing.assert_allclose(projected.standard_errors, by_hand.standard_errors, rtol=0, atol=10 * TOLERANCE * scale)
    np.testing.assert_array_equal(projected.outputs, pairs.outputs)


@pytest.mark.parametrize("table_bytes", [fused_pairs.MOST_TABLE_BYTES, 0])
def test_on_a_gpu_designs_are_part_of_the_graph(
    table_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_pairs, "MOST_TABLE_BYTES", table_bytes)
    case = load(HAND_MADE["network"](), tmp_path)
    design = case.design()
    by_row = case.games.evaluate(design)(case.rows, nothing)
    there = LoadedBundle(case.loaded.bundle, OrtRuntime(), "cpu")
    there.device = "cuda"  # what it would say there; its graphs run on the CPU provider here
    output = there.bundle.description.outputs[0]
    games_there = there.problem(output, case.problem.space, case.problem.players).games
    assert games_there is not None
    projection = random_projection(4, len(design))

    pairs = games_there.evaluate(design)
    projected = games_there.attribute(design, projection)

    assert isinstance(pairs, FusedPairs)
    assert isinstance(projected, FusedProjected)
    assert pairs.detail.startswith("Coalitions are evaluated inside the model's graph")
    assert_alike(pairs(case.rows, nothing), by_row)
    expected = project(projection, by_row, case.games.none)
    found = projected(case.rows, nothing)
    scale = float(np.abs(expected.values).max())
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=TOLERANCE * scale)
    assert [info.name for info in pairs.model.inputs] == ["x"]


def test_a_projection_on_the_host_is_the_formula(tmp_path: Path) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    design = case.design()
    projection = random_projection(4, len(design))

    found = case.games.attribute(design, projection)(case.rows, nothing)

    expected = project(projection, case.plain.evaluate(design)(case.rows, nothing), case.plain.none)
    scale = float(np.abs(expected.values).max())
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=TOLERANCE * scale)


@pytest.mark.parametrize("rows", ["together", "one by one"])
def test_the_answers_behind_the_means_come_out_of_the_same_run(rows: str, tmp_path: Path) -> None:
    case = load(HAND_MADE["texts and numbers"](), tmp_path)
    design = case.design()
    mixed = case.loaded.ready(case.loaded.bundle.description.outputs[0], case.problem.space, own_rows=False).mixed
    assert mixed is not None
    layout = mixed.layout(design, case.problem.players)
    graph = fused_graph(
        mixed.plan,
        mixed.background,
        layout.whole(),
        n_pairs=len(design),
        rows="one by one" if rows == "one by one" else "together",
        answers=True,
    )
    loaded = OrtRuntime().load(graph.SerializeToString(), device="cpu")

    found = loaded.run(mixed.scoring.feeds(case.rows), ["on", "off", "answers"])

    answers = np.asarray(found["answers"], dtype=np.float64)
    assert answers.shape == (len(case.rows), 2 * len(design), BACKGROUND_ROWS)
    both = np.concatenate([found["on"], found["off"]], axis=1)
    np.testing.assert_allclose(answers.mean(axis=2), both, rtol=0, atol=1e-12)  # float64 sums in another order
    plain = case.plain.evaluate(design)(case.rows, nothing)
    np.testing.assert_allclose(found["on"], plain.on, rtol=0, atol=TOLERANCE * np.abs(plain.on).max())


def test_a_design_is_laid_out_once(tmp_path: Path) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    first, again, other = (case.games.evaluate(design) for design in (case.design(), case.design(), case.design(q=8)))
    assert isinstance(first, GraphPairs)
    assert isinstance(again, GraphPairs)
    assert isinstance(other, GraphPairs)

    assert first.layout is again.layout
    assert first.layout is not other.layout
    assert case.problem.space is Space.RAW
