"""The explainer as a file that runs without xaisvc, and coalitions on graphs for what converters write."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

import xaisvc
from tests.e2e.zoo import cases
from xaisvc.attribution.plain_games import PlainGames
from xaisvc.bundles import load_bundle, parse_rows
from xaisvc.cli import main
from xaisvc.demo.cases import BUNDLES, load_cases
from xaisvc.engine.export import export_explainer
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.score_pairs import ScorePairs
from xaisvc.engine.scoring import ScoringModel
from xaisvc.errors import BundleError, InvalidRequestError, MethodNotApplicableError
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import CoalitionDesign, Players, Space

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xaisvc.types import PairFunction

NAMES = sorted(cases(""))
# Of the output's scale: the plain way runs other batch sizes, and float32 models answer them with other last bits.
TOLERANCE = 1e-6

ALONE = """
import json, sys
import numpy, onnxruntime

path, rows, answers = sys.argv[1:]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
with open(rows) as file:
    read = json.load(file)
kinds = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(string)": "object"}
feeds = {i.name: numpy.array(read[i.name], dtype=kinds[i.type]) for i in session.get_inputs()}
found = session.run(None, feeds)
assert "xaisvc" not in sys.modules
numpy.savez(answers, **{o.name: value for o, value in zip(session.get_outputs(), found)})
"""


def run_alone(model: bytes, feeds: dict[str, NDArray[np.generic]], folder: Path) -> dict[str, NDArray[np.float64]]:
    """What a process that knows onnxruntime and numpy only makes of the file."""
    (folder / "explainer.onnx").write_bytes(model)
    (folder / "rows.json").write_text(json.dumps({name: value.tolist() for name, value in feeds.items()}))
    arguments = [str(folder / "explainer.onnx"), str(folder / "rows.json"), str(folder / "answers.npz")]
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-I", "-c", ALONE, *arguments], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "answers.npz") as read:
        return {name: read[name] for name in read.files}


def feeds_of(explainer: xaisvc.Explainer, space: Space, rows: object) -> dict[str, NDArray[np.generic]]:
    bundle = explainer.bundle
    loaded = LoadedBundle(bundle, OrtRuntime(), "cpu")
    scoring = loaded.scoring(bundle.description.outputs[0], space)
    assert isinstance(scoring, ScoringModel)
    return scoring.feeds(parse_rows(bundle.description, rows))


@pytest.mark.parametrize(
    ("bundle", "method", "budget", "space"),
    [
        ("german-credit-boosting", "kernel", 100, "log_odds"),
        ("german-credit-boosting", "permutation", 800, "probability"),
        ("german-credit-logistic", "kernel", 200, "probability"),
    ],
)
def test_the_file_gives_what_the_library_gives(
    bundle: str, method: str, budget: int, space: str, tmp_path: Path
) -> None:
    explainer = xaisvc.Explainer(BUNDLES / bundle, "cpu")
    rows = [case.row for case in load_cases()]
    made = export_explainer(BUNDLES / bundle, method=method, budget=budget, space=space, seed=7)

    found = run_alone(made.model, feeds_of(explainer, Space(space), rows), tmp_path)

    expected = explainer.explain(rows, method=method, budget=budget, space=space, seed=7)
    scale = max(1.0, float(np.abs(expected.outputs).max()))
    assert not expected.exact
    assert list(found) == ["values", "standard_errors", "base_values", "outputs"]
    np.testing.assert_allclose(found["values"], expected.values, rtol=0, atol=TOLERANCE * scale)
    np.testing.assert_allclose(found["standard_errors"], expected.standard_errors, rtol=0, atol=TOLERANCE * scale)
    np.testing.assert_allclose(found["outputs"], expected.outputs, rtol=0, atol=TOLERANCE * scale)
    np.testing.assert_allclose(found["base_values"], expected.base_values, rtol=0, atol=TOLERANCE * scale)
    assert found["standard_errors"].max() > 0


def test_a_budget_for_all_coalitions_is_exported_as_the_exact_value(tmp_path: Path) -> None:
    case = cases(str(tmp_path))["pipeline-boosting"]()
    xaisvc.create_bundle(model=case.model, background=case.data[:30], path=tmp_path / "bundle")
    explainer = xaisvc.Explainer(tmp_path / "bundle", "cpu")
    rows = case.data[100:104].reset_index(drop=True)

    made = export_explainer(tmp_path / "bundle", method="kernel")
    found = run_alone(made.model, feeds_of(explainer, Space.LOG_ODDS, rows), tmp_path)

    expected = explainer.explain(rows, method="tree")
    scale = float(np.abs(expected.outputs).max())
    np.testing.assert_allclose(found["values"], expected.values, rtol=0, atol=TOLERANCE * scale)
    assert (found["standard_errors"] == 0).all()


def test_metadata_say_what_the_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, path = BUNDLES / "german-credit-boosting", tmp_path / "explainer.onnx"

    code = _command(
        "export-explainer", str(folder), "--out", str(path), "-m", "kernel", "--budget", "60", "--seed", "3"
    )

    assert code == 0
    printed = capsys.readouterr().out
    bundle = load_bundle(folder)
    model = onnx.load(path)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["xaisvc.players"]) == list(bundle.description.feature_ids)
    assert about["xaisvc.model_digest"] == bundle.digests.model
    assert about["xaisvc.background_digest"] == bundle.digests.background
    assert about["xaisvc.schema_digest"] == bundle.digests.schema
    assert about["xaisvc.output"] == bundle.description.outputs[0].id
    assert about["xaisvc.space"] == "log_odds"
    assert (about["xaisvc.method"], about["xaisvc.budget"], about["xaisvc.seed"]) == ("kernel", "60", "3")
    assert about["xaisvc.schema_version"] == "1"
    assert "attributions and base value add up to the answer" in model.doc_string
    assert "from 60 coalitions over" in printed
    assert "Outputs: values, standard_errors, base_values, outputs." in printed
    inputs = [value.name for value in model.graph.input]
    assert inputs == [value.name for value in onnx.load_from_string(bundle.model).graph.input if value.name in inputs]


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "explainer.onnx"
    path.write_text("mine")

    code = _command("export-explainer", str(BUNDLES / "german-credit-logistic"), "--out", str(path))

    assert code == 2
    assert "is there already; say --overwrite to replace it" in capsys.readouterr().err
    assert path.read_text() == "mine"


def test_no_folder_is_made_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "explainer.onnx"

    code = _command("export-explainer", str(BUNDLES / "german-credit-logistic"), "--out", str(path))

    assert code == 2
    assert f"--out: there is no folder '{path.parent}'; make it first" in capsys.readouterr().err
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("bundle", "method"), [("german-credit-boosting", "tree"), ("german-credit-logistic", "linear")]
)
def test_exact_values_are_exported_where_there_are_any(bundle: str, method: str, tmp_path: Path) -> None:
    explainer = xaisvc.Explainer(BUNDLES / bundle, "cpu")
    rows = [case.row for case in load_cases()]
    made = export_explainer(BUNDLES / bundle)

    found = run_alone(made.model, feeds_of(explainer, Space.LOG_ODDS, rows), tmp_path)

    expected = explainer.explain(rows, method=method)
    scale = float(np.abs(expected.values).max())
    assert made.metadata["xaisvc.method"] == method
    assert "xaisvc.budget" not in made.metadata
    assert f"exact SHAP values by method '{method}' over" in onnx.load_from_string(made.model).doc_string
    np.testing.assert_allclose(found["values"], expected.values, rtol=0, atol=TOLERANCE * scale)
    np.testing.assert_allclose(found["outputs"], expected.outputs, rtol=0, atol=TOLERANCE * scale)
    np.testing.assert_allclose(found["base_values"], expected.base_values, rtol=0, atol=TOLERANCE * scale)
    assert (found["standard_errors"] == 0).all()


def test_a_method_that_cannot_be_exported_is_refused() -> None:
    with pytest.raises(
        InvalidRequestError, match="'lime' cannot be exported; choose one of auto, linear, tree, kernel"
    ):
        export_explainer(BUNDLES / "german-credit-boosting", method="lime")
    with pytest.raises(MethodNotApplicableError, match=r"'linear' does not apply here: .*; use 'auto'"):
        export_explainer(BUNDLES / "german-credit-boosting", method="linear")


def test_names_that_the_model_has_already_are_kept_apart(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Tanh", ["values"], ["t"]), helper.make_node("ReduceSum", ["t"], ["outputs"], keepdims=1)],
        "names",
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, [None, 1])],
    )
    graph.node[1].attribute.append(helper.make_attribute("axes", [1]))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8).SerializeToString()
    data = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    frame = pd.DataFrame(data, columns=["a", "b", "c"])
    xaisvc.create_bundle(model=model, background=frame[:20], path=tmp_path / "bundle")

    made = export_explainer(tmp_path / "bundle")

    assert made.inputs == ("values",)
    assert made.outputs["values"] == "explainer_values"
    assert made.outputs["outputs"] == "explainer_outputs"
    found = run_alone(made.model, {"values": data[20:]}, tmp_path)
    expected = np.tanh(data[20:]) - np.tanh(data[:20]).mean(axis=0)
    np.testing.assert_allclose(found["explainer_values"], expected, rtol=0, atol=TOLERANCE)


def test_a_model_without_a_graph_is_refused_with_the_reason(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.ones((3, 1), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"])],
        "old",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=4).SerializeToString()
    data = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    xaisvc.create_bundle(model=model, background=pd.DataFrame(data, columns=["a", "b", "c"]), path=tmp_path / "bundle")

    with pytest.raises(BundleError, match="no explainer graph can be made of this model: it uses operator set 8"):
        export_explainer(tmp_path / "bundle")


@pytest.mark.parametrize("name", NAMES)
def test_graphs_agree_with_the_plain_way_for_every_converter(name: str, tmp_path: Path) -> None:
    case = cases(str(tmp_path))[name]()
    bundle = xaisvc.create_bundle(model=case.model, background=case.data[:30], path=tmp_path / "bundle")
    loaded = LoadedBundle(bundle, OrtRuntime(), "cpu", threads=1)
    ids = bundle.description.feature_ids
    players = Players(names=ids, members=tuple((name,) for name in ids))
    rows = parse_rows(bundle.description, case.data[100:103].reset_index(drop=True))
    rng = np.random.default_rng(len(name))
    masks = rng.random((9, len(ids))) < 0.5
    for output in bundle.description.outputs:
        for space in {output.space, output.tensor_space}:
            problem = loaded.problem(output, space, players)
            assert problem.games is not None
            for background in (None, rng.integers(30, size=(9, 7))):
                design = CoalitionDesign(masks=masks, background=background)
                plain = PlainGames(problem, 16_384, 1).evaluate(design)(rows, lambda: None)
                scale = max(float(np.abs(plain.on).max()), 0.0 if space is Space.RAW else 1.0)
                for pairs in _ways(problem.games.evaluate(design)):
                    found = pairs(rows, lambda: None)

                    np.testing.assert_allclose(found.on, plain.on, rtol=0, atol=TOLERANCE * scale)
                    np.testing.assert_allclose(found.off, plain.off, rtol=0, atol=TOLERANCE * scale)
                    np.testing.assert_allclose(found.outputs, plain.outputs, rtol=0, atol=TOLERANCE * scale)


def _ways(chosen: PairFunction) -> list[PairFunction]:
    """The way chosen for a design, and behind the model's trees as read the model's graph, which is always there."""
    ways = [chosen, chosen.otherwise()] if isinstance(chosen, ScorePairs) else [chosen]
    assert ways[-1].detail.startswith("Coalitions are evaluated inside the model's graph"), ways[-1].detail
    return ways


def _command(*arguments: str) -> int:
    before = sys.argv
    sys.argv = ["xaisvc", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    finally:
        sys.argv = before
    return 0
