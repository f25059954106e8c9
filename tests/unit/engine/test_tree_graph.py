from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import helper

import xaisvc
from tests.unit.graphs.hand_made import Grove, graph
from xaisvc.attribution import METHODS
from xaisvc.attribution.tree_plan import TreePlan, make_arrays
from xaisvc.bundles import parse_rows
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.tree_export import exact_explainer_graph
from xaisvc.engine.tree_graph import TreeGraphs
from xaisvc.errors import InvalidRequestError, RuntimeUnavailableError
from xaisvc.graphs.trees import read_trees
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import Settings, Space

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xaisvc.types import Device, LoadedModel

# Float32 entries added in float32 a few at a time, here and there in other groups; measured 1e-7.
ROUNDING = 1e-6


class Counting:
    """A runtime that counts the graphs it loads and the rows of their calls."""

    def __init__(self) -> None:
        self.loaded = 0
        self.calls: list[int] = []

    def load(self, model: bytes, *, device: Device = "auto") -> LoadedModel:
        self.loaded += 1
        found = OrtRuntime().load(model, device=device)
        run, calls = found.run, self.calls

        class Watched:
            device, inputs, outputs = found.device, found.inputs, found.outputs

            def run(self, feeds: Any, outputs: Any) -> Any:
                calls.append(len(next(iter(feeds.values()))))
                return run(feeds, outputs)

        return Watched()


def make_plan(seed: int, targets: int = 1) -> tuple[TreePlan, NDArray[np.float64]]:
    grove = Grove(seed, trees=12, depth=5, targets=targets)
    parts = [read_trees(grove.regressor(), target).trees for target in range(targets)]
    background = grove.rows(9).astype(np.float64)
    leaves = np.stack([part.leaf_value for part in parts])
    arrays = make_arrays(parts[0], leaves, np.arange(4), background, double=False, threads=1)
    return TreePlan(arrays), grove.rows(50).astype(np.float64)


def expected_of(plan: TreePlan, rows: NDArray[np.float64], targets: int = 1) -> NDArray[np.float64]:
    values = np.ones((targets, len(rows), 4))
    plan.add(rows, values)
    return values


def close(found: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    return bool(np.abs(found - expected).max() <= ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize("targets", [1, 3])
def test_adds_what_the_compiled_look_up_adds(targets: int) -> None:
    plan, rows = make_plan(1, targets)
    values = np.ones((targets, 50, 4))
    done = TreeGraphs(OrtRuntime(), "cpu", least_rows=1).add(plan.arrays, rows, values, double=False)

    assert done
    assert not np.array_equal(values, np.ones_like(values))
    assert close(values, expected_of(plan, rows, targets))


def test_few_rows_are_left_to_the_caller() -> None:
    plan, rows = make_plan(1)
    runtime = Counting()
    values = np.zeros((1, 50, 4))

    assert not TreeGraphs(runtime, "cpu", least_rows=51).add(plan.arrays, rows, values, double=False)
    assert runtime.loaded == 0
    assert not values.any()


def test_many_rows_go_in_pieces_that_fit_into_memory() -> None:
    plan, rows = make_plan(2)
    runtime = Counting()
    whole = TreeGraphs(runtime, "cpu", least_rows=1)
    values = np.ones((1, 50, 4))
    whole.add(plan.arrays, rows, values, double=False)

    assert runtime.calls == [50]
    small = TreeGraphs(runtime, "cpu", least_rows=1, packs=1, call_bytes=20_000)
    runtime.calls.clear()
    values = np.ones((1, 50, 4))
    small.add(plan.arrays, rows, values, double=False)

    assert sum(runtime.calls) == 50
    assert len(runtime.calls) > 2
    assert close(values, expected_of(plan, rows))


def test_graphs_are_kept_within_a_bound() -> None:
    runtime = Counting()
    (first, rows), (second, _) = make_plan(3), make_plan(4)
    kept = TreeGraphs(runtime, "cpu", least_rows=1)
    for plan in (first, second, first, second):
        kept.add(plan.arrays, rows, np.zeros((1, 50, 4)), double=False)

    assert runtime.loaded == 2
    forgetting = TreeGraphs(runtime, "cpu", least_rows=1, kept_bytes=1)
    for plan in (first, first, second, first):
        forgetting.add(plan.arrays, rows, np.zeros((1, 50, 4)), double=False)

    assert runtime.loaded == 2 + 3


def test_threads_share_one_graph() -> None:
    plan, rows = make_plan(5)
    runtime = Counting()
    graphs = TreeGraphs(runtime, "cpu", least_rows=1)
    values = np.ones((1, 50, 4))
    with ThreadPoolExecutor(4) as pool:
        parts = [slice(i, i + 10) for i in range(0, 50, 10)]
        list(pool.map(lambda part: graphs.add(plan.arrays, rows[part], values[:, part], double=False), parts))

    assert runtime.loaded == 1
    assert close(values, expected_of(plan, rows))


def test_tables_beyond_the_size_of_a_graph_are_left_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaisvc.engine.tree_graph.MOST_GRAPH_BYTES", 100)
    plan, rows = make_plan(6)

    assert not TreeGraphs(OrtRuntime(), "cpu", least_rows=1).add(plan.arrays, rows, np.zeros((1, 50, 4)), double=False)


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_cuda_that_is_not_there_is_an_error() -> None:
    plan, rows = make_plan(6)
    with pytest.raises(RuntimeUnavailableError):
        TreeGraphs(OrtRuntime(), "cuda", least_rows=1).add(plan.arrays, rows, np.zeros((1, 50, 4)), double=False)


def mixed_model(grove: Grove) -> bytes:
    """Scaled and imputed columns, trees over them, and a linear part beside the trees."""
    nodes = [
        helper.make_node(
            "Imputer",
            ["X"],
            ["full"],
            domain="ai.onnx.ml",
            imputed_value_floats=[0.5],
            replaced_value_float=float("nan"),
        ),
        helper.make_node("Scaler", ["X"], ["Z"], domain="ai.onnx.ml", offset=[0.25] * 4, scale=[2.0] * 4),
        grove.regressor(),
        helper.make_node("MatMul", ["full", "w"], ["linear"]),
        helper.make_node("Add", ["Y", "linear"], ["values"]),
    ]
    nodes[2].input[0] = "Z"
    weights = np.array([[0.5], [0.0], [-1.0], [2.0]], dtype=np.float32)
    model = onnx.load_from_string(graph(nodes, {"X": (onnx.TensorProto.FLOAT, [None, 4])}, ["values"], {"w": weights}))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("values", onnx.TensorProto.FLOAT, [None, 1]))
    return bytes(model.SerializeToString())


def make_loaded(folder: Path, seed: int = 1) -> tuple[LoadedBundle, Grove, pd.DataFrame]:
    grove = Grove(seed, trees=12, depth=5)
    names = [f"f{i}" for i in range(4)]
    background = pd.DataFrame(grove.rows(20), columns=names)
    bundle = xaisvc.create_bundle(model=mixed_model(grove), background=background, path=folder / "bundle")
    return LoadedBundle(bundle, OrtRuntime(), "cpu", threads=1), grove, background


@pytest.mark.parametrize("players", ["features", {"left": ["f0", "f1"], "right": ["f2", "f3"]}])
def test_the_exported_graph_explains_raw_rows_as_the_engine_does(tmp_path: Path, players: Any) -> None:
    loaded, grove, background = make_loaded(tmp_path)
    output = loaded.bundle.description.output(None)
    parties = loaded.players(players)
    model = exact_explainer_graph(loaded, output, Space.RAW, parties)
    onnx.checker.check_model(model, full_check=True)
    rows = pd.DataFrame(grove.rows(30), columns=background.columns)
    batch = xaisvc.Explainer(loaded.bundle, "cpu").explain(rows, method="tree", players=players)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    values, errors, bases, outputs = session.run(None, {"X": rows.to_numpy(dtype=np.float32)})

    # The model has an output `values` of its own.
    assert names == ["explainer_values", "standard_errors", "base_values", "outputs"]
    assert close(values, batch.values)
    assert not errors.any()
    assert errors.shape == values.shape
    assert bases == pytest.approx(batch.base_values, rel=1e-12)  # the same float64 means
    assert outputs == pytest.approx(batch.outputs, rel=1e-12)  # the same node
    assert np.abs(bases + values.sum(axis=1) - outputs).max() < 1e-5


def test_trees_without_tables_are_not_exported(tmp_path: Path) -> None:
    loaded, _, _ = make_loaded(tmp_path)
    output = loaded.bundle.description.output(None)
    parties = loaded.players("features")
    with pytest.raises(InvalidRequestError, match=r"tables of \d+ of 12 trees would be too large for a file"):
        exact_explainer_graph(loaded, output, Space.RAW, parties, most_bytes=2000)


def test_a_file_beyond_the_size_of_a_graph_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, _, _ = make_loaded(tmp_path)
    output = loaded.bundle.description.output(None)
    parties = loaded.players("features")
    monkeypatch.setattr("xaisvc.engine.tree_export.MOST_GRAPH_BYTES", 100)
    with pytest.raises(InvalidRequestError, match=r"tables of 12 trees with .* GB would be too large for a file"):
        exact_explainer_graph(loaded, output, Space.RAW, parties)


@pytest.mark.parametrize("players", ["features", {"left": ["f0", "f1"], "right": ["f2", "f3"]}])
def test_an_explainer_on_a_device_looks_up_its_trees_there(tmp_path: Path, players: Any) -> None:
    loaded, grove, background = make_loaded(tmp_path)
    bundle, runtime = loaded.bundle, Counting()
    parties = loaded.players(players)
    problem = loaded.problem(bundle.description.output(None), Space.RAW, parties)
    rows = parse_rows(bundle.description, pd.DataFrame(grove.rows(100), columns=background.columns))
    settings = Settings(budget=None, seed=0, row_seeds=(bytes(32),) * 100, clock=lambda: 0.0)

    on_device = replace(problem, look_up=TreeGraphs(runtime, "cpu"))
    found = METHODS["tree"].attribute(on_device, rows, settings)

    expected = METHODS["tree"].attribute(problem, rows, settings)
    assert runtime.calls == [100]
    assert close(found.values, expected.values)
    assert (found.base_values == expected.base_values).all()
