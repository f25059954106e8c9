"""Models that cannot be explained are refused with the evidence, and a misread graph is never called exact."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

import xaisvc
from tests.e2e.zoo import cases
from xaisvc.engine import loaded
from xaisvc.engine.authoring import check_bundle_folder
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.guards import why_misread
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.readying import make_ready
from xaisvc.engine.scoring import ScoringModel
from xaisvc.errors import MethodNotApplicableError, ModelOutputError, UnsafeModelError
from xaisvc.graphs import plan_scorer
from xaisvc.runtimes import OrtRuntime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from xaisvc.graphs import AdditiveGraph, NotAdditive

BACKGROUND = pd.DataFrame({"a": np.linspace(0, 1, 40, dtype=np.float32), "b": np.linspace(1, 0, 40, dtype=np.float32)})


def graph_of(nodes: Sequence[onnx.NodeProto], *constants: onnx.TensorProto) -> bytes:
    """From x, a matrix of two columns, to y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


ONES = numpy_helper.from_array(np.ones((2, 1), dtype=np.float32), "ones")
ROW_MIXERS = {
    "mean over the batch": [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[0]),
        helper.make_node("Sub", ["x", "m"], ["d"]),
        helper.make_node("MatMul", ["d", "ones"], ["y"]),
    ],
    "softmax over the batch": [
        helper.make_node("MatMul", ["x", "ones"], ["s"]),
        helper.make_node("Softmax", ["s"], ["y"], axis=-2),
    ],
}


def test_a_rare_change_is_refused_by_what_the_graph_holds(tmp_path: Path) -> None:
    # One row in 5000 is moved, and ONNX Runtime repeats its random numbers: no few answers would show it.
    nodes = [
        helper.make_node("RandomUniformLike", ["x"], ["n"], name="dice"),
        helper.make_node("Less", ["n", "rare"], ["hit"]),
        helper.make_node("Cast", ["hit"], ["moved"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "moved"], ["d"]),
        helper.make_node("MatMul", ["d", "ones"], ["y"]),
    ]
    rare = numpy_helper.from_array(np.asarray(2e-4, dtype=np.float32), "rare")
    xaisvc.create_bundle(model=graph_of(nodes, ONES, rare), background=BACKGROUND, path=tmp_path / "b")
    words = (
        r"the model's answer for a row changes from call to call: its graph holds a RandomUniformLike \('dice'\) whose "
        r"result reaches the output, .*; export the model in inference mode$"
    )

    with pytest.raises(ModelOutputError, match=words):
        Explainer(tmp_path / "b", "cpu").explain(BACKGROUND[:3])
    _, report = check_bundle_folder(tmp_path / "b")
    said = [finding.message for finding in report.findings if finding.level == "error"]
    assert len(said) == 1
    assert re.match(words, said[0])


class Unsteady(ScoringModel):
    """Answers with a little more at each call."""

    calls = 0

    def answers(self, feeds: Mapping[str, NDArray[np.generic]], n: int) -> NDArray[np.float64]:
        self.calls += 1
        return super().answers(feeds, n) + 0.1 * self.calls


@pytest.mark.parametrize("own_rows", [False, True])
def test_a_graph_is_not_blamed_for_a_model_that_varies(tmp_path: Path, own_rows: bool) -> None:  # noqa: FBT001 - a case
    nodes = [helper.make_node("MatMul", ["x", "ones"], ["s"]), helper.make_node("Tanh", ["s"], ["y"])]
    bundle = xaisvc.create_bundle(model=graph_of(nodes, ONES), background=BACKGROUND, path=tmp_path / "b")
    output = bundle.description.outputs[0]
    scorer = plan_scorer(bundle.model, output, output.space)
    runtime = OrtRuntime()
    model = runtime.load(scorer.model, device="cpu")
    steady = ScoringModel(bundle.description, model, scorer)
    unsteady = Unsteady(bundle.description, model, scorer)

    assert make_ready(bundle, output, output.space, steady, runtime, own_rows=own_rows).reason == ""
    with pytest.raises(
        ModelOutputError, match=r"from call to call .*mixed in the same way, got \S+ and then \S+\), so"
    ):
        make_ready(bundle, output, output.space, unsteady, runtime, own_rows=own_rows)


@pytest.mark.parametrize("name", ROW_MIXERS)
def test_a_model_that_mixes_rows_is_refused(name: str, tmp_path: Path) -> None:
    xaisvc.create_bundle(model=graph_of(ROW_MIXERS[name], ONES), background=BACKGROUND, path=tmp_path / "b")

    with pytest.raises(ModelOutputError, match="changes with the rows around it or from call to call"):
        Explainer(tmp_path / "b", "cpu").explain(BACKGROUND[:3])


def test_a_tree_that_never_ends_is_refused_before_it_runs(tmp_path: Path) -> None:
    # Node 1 of the second tree leads back to its own root: a runtime would walk it for ever.
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0, 1, 1, 1],
        nodes_nodeids=[0, 0, 1, 2],
        nodes_featureids=[0, 0, 1, 0],
        nodes_modes=["LEAF", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
        nodes_values=[0.0, 0.5, 0.5, 0.0],
        nodes_truenodeids=[0, 1, 0, 0],
        nodes_falsenodeids=[0, 2, 2, 0],
        target_treeids=[0, 1],
        target_nodeids=[0, 2],
        target_ids=[0, 0],
        target_weights=[1.0, 2.0],
    )
    graph = helper.make_graph(
        [ensemble],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()

    with pytest.raises(UnsafeModelError, match="tree 1"):
        xaisvc.create_bundle(model=content, background=BACKGROUND, path=tmp_path / "b")


def test_an_output_that_nothing_reaches_is_explained_by_zeros(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["half"], ["y"])]
    half = numpy_helper.from_array(np.full((1, 1), 0.5, dtype=np.float32), "half")
    xaisvc.create_bundle(model=graph_of(nodes, half), background=BACKGROUND, path=tmp_path / "b")
    batch = Explainer(tmp_path / "b", "cpu").explain(BACKGROUND[:3])

    assert batch.outputs.tolist() == [0.5, 0.5, 0.5]
    assert not batch.values.any()


@pytest.mark.parametrize(
    "name", ["lightgbm-missing", "catboost-multiclass", "pipeline-boosting", "pipeline-logistic", "xgboost-regression"]
)
def test_the_second_reading_agrees_with_the_graph_and_notices_a_changed_leaf(name: str, tmp_path: Path) -> None:
    case = cases(str(tmp_path))[name]()
    bundle = xaisvc.create_bundle(model=case.model, background=case.data[:30], path=tmp_path / "bundle")
    description = bundle.description
    house = LoadedBundle(bundle, OrtRuntime(), "cpu")
    output = description.outputs[0]
    space = output.space
    found = house.additive(output, space).model
    assert found is not None
    scoring, rows = house.scoring(output, space), bundle.background
    moved = replace(found, constant=found.constant + 1e-3 * max(1.0, float(np.abs(scoring(rows)).max())))

    assert why_misread(scoring, found, rows) == ""
    assert "differs from the graph's own answers" in why_misread(scoring, moved, rows)


def test_a_misread_graph_is_not_explained_as_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases(str(tmp_path))["random-forest-regression"]()
    xaisvc.create_bundle(model=case.model, background=case.data[:30], path=tmp_path / "bundle")
    read = loaded.read_additive

    def misread(*arguments: object, finite: frozenset[str]) -> AdditiveGraph | NotAdditive:
        graph = read(*arguments, finite=finite)  # type: ignore[arg-type]
        terms = tuple(
            replace(term, trees=replace(term.trees, threshold=term.trees.threshold + np.float32(0.2)))
            for term in graph.terms  # type: ignore[union-attr]
        )
        return replace(graph, terms=terms)  # type: ignore[type-var]

    monkeypatch.setattr(loaded, "read_additive", misread)
    explainer = Explainer(tmp_path / "bundle", "cpu")
    rows = case.data[100:102].reset_index(drop=True)

    assert explainer.explain(rows).method == "exact"  # by enumeration of the graph itself
    with pytest.raises(MethodNotApplicableError, match="differs from the graph's own answers"):
        explainer.explain(rows, method="tree")
