"""The commands that measure how good explanations are, on a bundle that comes with the package."""

from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

import xaisvc
from xaisvc.bundles import load_bundle
from xaisvc.cli import main
from xaisvc.demo.cases import BUNDLES

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE = BUNDLES / "german-credit-logistic"


@dataclass(frozen=True)
class Done:
    """What a call of the command line left behind."""

    returncode: int
    stdout: str
    stderr: str


def bench(*arguments: str | Path) -> Done:
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["xaisvc", "bench", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    else:
        code = 0
    finally:
        sys.argv = before
    return Done(code, out.getvalue(), err.getvalue())


def rows_file(path: Path, labels: list[str]) -> Path:
    background = load_bundle(BUNDLE).background
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*background.feature_ids, "outcome"])
        for i, label in enumerate(labels):
            values = ("" if value is None else value for value in background.row(i).values())
            writer.writerow([*values, label])
    return path


def test_a_report_is_measured_written_compared_and_gated(tmp_path: Path) -> None:
    data = rows_file(tmp_path / "rows.csv", ["1", "0"] * 40)
    out, page, text = tmp_path / "a.json", tmp_path / "a.html", tmp_path / "a.md"
    few = ("--rows", "6", "--threads", "1", "--methods", "auto")
    done = bench(
        "quality", BUNDLE, "--data", data, "--labels", "outcome", *few, "--out", out, "--html", page, "--markdown", text
    )

    assert done.returncode == 0, done.stderr
    assert "default_risk" in done.stdout
    assert "random" in done.stdout
    assert "signal" in done.stdout.lower()  # labels that alternate have none
    assert "NO SIGNAL" in page.read_text(encoding="utf-8")
    assert "NO SIGNAL" in text.read_text(encoding="utf-8")
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["complete"]
    assert found["signal"]["strength"] == "none"
    assert set(found["digests"]) >= {"model", "background", "schema", "rows", "labels"}
    assert found["machine"]["cpus"] >= 1

    # what is done is not done again
    again = bench("quality", BUNDLE, "--data", data, "--labels", "outcome", *few, "--out", out, "--resume")
    assert again.returncode == 0, again.stderr
    resumed = json.loads(out.read_text(encoding="utf-8"))
    assert resumed["methods"] == found["methods"]

    (tmp_path / "b.json").write_text(json.dumps(resumed), encoding="utf-8")
    compared = bench("compare", out, tmp_path / "b.json")
    assert compared.returncode == 0, compared.stderr
    assert "measures without a clear difference" in compared.stdout
    assert "first report: NO SIGNAL" in compared.stdout

    bounds = tmp_path / "bounds.yaml"
    bounds.write_text("methods:\n  auto:\n    relative_error: {at_most: 0.001}\n", encoding="utf-8")
    assert bench("gate", out, bounds).returncode == 0
    bounds.write_text("methods: {auto: {entropy: {over_random: 0.1}}}\n", encoding="utf-8")
    senseless = bench("quality", BUNDLE, "--thresholds", bounds)
    assert "over_random: has no meaning" in senseless.stderr
    assert "[ 1/" not in senseless.stderr  # before anything was measured
    bounds.write_text("methods:\n  auto:\n    entropy: {at_most: 0.0}\n    entropy: {at_most: 9.0}\n", encoding="utf-8")
    lost = bench("gate", out, bounds)
    assert lost.returncode == 2
    assert "has 'entropy' (line 4) twice; write it once" in " ".join(lost.stderr.split())
    bounds.write_text("methods: {kernal: {entropy: {at_most: 1.0}}}\n", encoding="utf-8")
    assert "the report has no method 'kernal'; it has: auto, reference, random" in bench("gate", out, bounds).stderr
    bounds.write_text("signal: strong\n", encoding="utf-8")
    kept = bench("gate", out, bounds)
    assert kept.returncode == 1
    assert "the model: signal is none, must be at least strong" in kept.stderr


def test_a_function_of_ones_own_stands_beside_the_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_methods.py").write_text(
        "import numpy as np\n"
        "def to_the_mean(model, rows, budget, seed):\n"
        "    gap = model(rows) - model(model.background).mean()\n"
        "    return np.repeat(gap[:, None] / rows.shape[1], rows.shape[1], axis=1)\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    few = ("--rows", "4", "--threads", "1", "--methods", "auto", "--also", "my_methods:to_the_mean")
    done = bench("quality", BUNDLE, *few, "--output", "all", "--out", "a.json")

    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    own = next(one for one in found["methods"] if one["name"] == "to_the_mean")
    assert own["outcome"] == "measured"
    assert own["measures"]["effective_factors"]["value"] == pytest.approx(16.0)

    assert (
        "there is no function 'my_methods:nothing'" in bench("quality", BUNDLE, "--also", "my_methods:nothing").stderr
    )
    (tmp_path / "others.py").write_text("def explain(rows):\n    return rows\n", encoding="utf-8")
    refused = bench("quality", BUNDLE, "--also", "others:explain")
    assert refused.returncode == 2
    assert "others:explain: takes (rows), but is called with four" in " ".join(refused.stderr.split())
    assert "[ 1/" not in refused.stderr
    assert "there is no function 'nowhere:f'" in bench("quality", BUNDLE, "--also", "nowhere:f").stderr


def test_no_number_of_many_methods_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"a_function_with_a_long_name_{place}" for place in range(5)]
    body = "(model, rows, budget, seed):\n    return rows[:, ::-1] * 0 + model(rows)[:, None] * 12345.678\n"
    (tmp_path / "many.py").write_text("".join(f"def {name}{body}" for name in names), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    also = [word for name in names for word in ("--also", f"many:{name}")]
    done = bench("quality", BUNDLE, "--rows", "4", "--threads", "1", "--methods", "auto", *also)

    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout
    assert all(name in done.stdout for name in names)
    assert done.stdout.count(" insertion ") > 1  # one piece does not fit
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_several_outputs_are_several_reports(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.array([[1, 2], [3, 4], [5, -1]], dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    rows = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    xaisvc.create_bundle(model=model, background=pd.DataFrame(rows, columns=list("abc")), path=tmp_path / "two")
    few = ("--rows", "4", "--threads", "1", "--methods", "auto")
    done = bench("quality", tmp_path / "two", *few, "--output", "all", "--out", tmp_path / "a.json")

    assert done.returncode == 0, done.stderr
    found = [json.loads((tmp_path / f"a.score_{k}.json").read_text(encoding="utf-8")) for k in range(2)]
    assert [one["output"] for one in found] == ["score_0", "score_1"]
    assert not (tmp_path / "a.json").exists()
    compared = bench("compare", tmp_path / "a.score_0.json", tmp_path / "a.score_1.json")
    assert "the reports differ in: output" in compared.stdout


def test_what_is_wrong_is_said_before_anything_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = bench("quality", BUNDLE, "--out", tmp_path / "nowhere" / "a.json")
    assert done.returncode != 0
    assert "make it first" in done.stderr

    done = bench("quality", BUNDLE, "--labels", "outcome")
    assert done.returncode != 0
    assert "labels stand in the file of --data" in done.stderr

    done = bench("quality", BUNDLE, "--data", rows_file(tmp_path / "rows.csv", ["1"] * 3), "--labels", "y")
    assert done.returncode != 0
    features = ", ".join(load_bundle(BUNDLE).description.feature_ids)
    assert f"has no column 'y'; it has: {features}, outcome" in " ".join(done.stderr.split())

    for arguments, words in (
        (("--out", tmp_path), f"--out: '{tmp_path}' is a folder; name a file in it"),
        (("--out", tmp_path / "a", "--html", tmp_path / "a"), "is the file of --out too; name another"),
        (("--minutes", "0"), "--minutes: must be more than 0, got 0"),
        (("--time", "month"), "--time: says when labels are from; name their column with --labels"),
    ):
        done = bench("quality", BUNDLE, *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert "[ 1/" not in done.stderr

    (tmp_path / "unfinished.py").write_text("def explain(:", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    done = bench("quality", BUNDLE, "--also", "unfinished:explain")
    assert done.returncode == 2
    assert "--also: 'unfinished' cannot be imported (SyntaxError); run `python -c 'import unfinished'`" in done.stderr

    data = rows_file(tmp_path / "rows.csv", ["1"] * 60)
    done = bench("quality", BUNDLE, "--data", data, "--labels", "outcome")
    assert done.returncode == 2
    assert "60 of 60 labels are what output" in done.stderr
    assert "every label is 1, so that nothing tells whether the model has any signal" in done.stderr

    data = rows_file(tmp_path / "rows.csv", ["1"] * 3)
    lines = data.read_text(encoding="utf-8").splitlines()
    data.write_text("\n".join([f"{lines[0]},branch", *(f"{line},7" for line in lines[1:])]), encoding="utf-8")
    done = bench("quality", BUNDLE, "--data", data, "--labels", "outcome", "--methods", "anchors")
    assert "not used, since the bundle has no such features: branch" in done.stderr
    assert "unknown method 'anchors'" in done.stderr
