"""The commands that measure how good explanations are, on a bundle that comes with the package."""

from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    bounds = tmp_path / "bounds.yaml"
    bounds.write_text("methods:\n  auto:\n    relative_error: {at_most: 0.001}\n", encoding="utf-8")
    assert bench("gate", out, bounds).returncode == 0
    bounds.write_text("methods: {}\nsignal: strong\n", encoding="utf-8")
    kept = bench("gate", out, bounds)
    assert kept.returncode == 1
    assert "the model: signal is none, must be at least strong" in kept.stderr


def test_what_is_wrong_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    done = bench("quality", BUNDLE, "--out", tmp_path / "nowhere" / "a.json")
    assert done.returncode != 0
    assert "make it first" in done.stderr

    done = bench("quality", BUNDLE, "--labels", "outcome")
    assert done.returncode != 0
    assert "labels stand in the file of --data" in done.stderr

    done = bench("quality", BUNDLE, "--data", rows_file(tmp_path / "rows.csv", ["1"] * 3), "--labels", "y")
    assert done.returncode != 0
    assert "has no column 'y'" in done.stderr
