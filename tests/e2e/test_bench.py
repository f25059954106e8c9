"""Measuring: the command for a bundle of one's own, and the benchmark beside other explainers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.performance.peers import TOOLS
from benchmarks.performance.runs import Run, full_runs, quick_runs
from xaisvc.attribution.kernel import KernelMethod
from xaisvc.cli import main
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.speed import SpeedRequest, measure_speed
from xaisvc.errors import InvalidRequestError

ROOT = Path(__file__).parents[2]
BUNDLE = BUNDLES / "german-credit-logistic"
GENEROUS_S = (
    "60"  # fifteen repeats of a few milliseconds end long before; a busy machine must not make a method too slow
)


@dataclass(frozen=True)
class Done:
    """What a call of the command line left behind."""

    returncode: int
    stdout: str
    stderr: str


def bench_speed(*arguments: str | Path) -> Done:
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["xaisvc", "bench", "speed", *map(str, arguments)]
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


def test_the_command_prints_a_table_and_writes_everything(tmp_path: Path) -> None:
    done = bench_speed(
        BUNDLE, "--methods", "linear, tree,kernel", "--budget", "64", "--rows", "5", "--threads", "1",
        "--seconds-per-method", GENEROUS_S, "--out", tmp_path / "speed.json",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "the model alone: " in done.stdout
    assert "1 thread on cpu; 100 background rows, 5 different rows to explain" in done.stdout
    assert "tree: not applicable. method: 'tree' does not apply here" in done.stdout
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["budget"] == 64
    assert set(found["digests"]) == {"model", "background", "schema"}
    assert found["versions"]["xaisvc"]
    assert found["machine"]["cpus"] >= 1
    linear, tree, kernel = found["methods"]
    assert (linear["method"], linear["outcome"], linear["exact"]) == ("linear", "measured", True)
    assert linear["mean_standard_error"] == 0
    assert (tree["outcome"], tree["rows_per_s"]) == ("not applicable", None)
    assert (kernel["outcome"], kernel["exact"]) == ("measured", False)
    assert kernel["mean_standard_error"] > 0
    assert 32 * 100 <= kernel["evaluations_per_row"] <= 66 * 100  # pairs of coalitions, each over 100 background rows
    assert kernel["n_rows"] <= 5
    assert kernel["rows_per_s_low"] <= kernel["rows_per_s"] <= kernel["rows_per_s_high"]
    assert kernel["peak_memory_mib"] > 50  # numpy and the runtime alone take more


def test_rows_come_from_a_file_and_count_once(tmp_path: Path) -> None:
    import pandas as pd

    rows = pd.read_parquet(BUNDLE / "background.parquet").iloc[[0, 1, 0, 2, 1]]
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    done = bench_speed(
        BUNDLE, "--data", tmp_path / "rows.parquet", "--methods", "linear", "--seconds-per-method", GENEROUS_S
    )

    assert done.returncode == 0, done.stderr
    assert "3 different rows to explain" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--methods", "linear,shapely"], "methods: unknown method 'shapely'; use some of: linear, tree"),
        (["--methods", ","], "--methods: names no method; separate names by commas, or leave it out"),
        (["--seconds-per-method", "0"], "seconds_per_method: must be positive, got 0.0"),
        (["--out", "nowhere/at/all.json"], "--out: there is no folder 'nowhere/at'; make it first"),
        (["--out", "."], "--out: '.' is a folder; name a file in it"),
        (["--data", "nothing.csv"], "nothing.csv"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], words: str) -> None:
    done = bench_speed(BUNDLE, *arguments)

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_no_bundle_is_named(tmp_path: Path) -> None:
    done = bench_speed(tmp_path)

    assert done.returncode == 2
    assert "bundle.yaml" in done.stderr


def test_a_file_without_rows_is_named(tmp_path: Path) -> None:
    import pandas as pd

    pd.read_parquet(BUNDLE / "background.parquet").iloc[:0].to_parquet(tmp_path / "none.parquet", index=False)
    done = bench_speed(BUNDLE, "--data", tmp_path / "none.parquet")

    assert done.returncode == 2
    assert "no rows" in done.stderr


def test_a_budget_that_is_too_small_is_refused_for_that_method_alone() -> None:
    request = SpeedRequest(
        methods=("kernel", "linear"), budget=2, n_rows=2, threads=1, seconds_per_method=float(GENEROUS_S)
    )
    kernel, linear = measure_speed(BUNDLE, None, request).methods

    assert kernel.outcome == "refused"
    assert "2 coalitions per row are fewer than" in kernel.why
    assert linear.outcome == "measured"


def test_a_method_that_breaks_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(KernelMethod, "attribute", breaks)
    done = bench_speed(
        BUNDLE, "--methods", "kernel,linear", "--rows", "2", "--threads", "1", "--seconds-per-method", GENEROUS_S,
        "--out", tmp_path / "speed.json",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "kernel: failed. it broke off with an error of xaisvc's own (ZeroDivisionError); please" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "secret" not in done.stdout + done.stderr
    kernel, linear = json.loads((tmp_path / "speed.json").read_text())["methods"]
    assert (kernel["outcome"], linear["outcome"]) == ("failed", "measured")


def test_a_method_that_does_not_answer_in_time_is_given_up() -> None:
    ticks = iter(range(10_000_000))
    request = SpeedRequest(methods=("kernel",), budget=2048, n_rows=2, threads=1, seconds_per_method=1.0)
    # A clock that moves one second whenever it is looked at: nothing is ever in time.
    (kernel,) = measure_speed(BUNDLE, None, request, clock=lambda: float(next(ticks))).methods

    assert kernel.outcome == "too slow"
    assert kernel.rows_per_s is None


def test_threads_must_be_positive() -> None:
    with pytest.raises(InvalidRequestError, match="threads: must be positive, got 0"):
        measure_speed(BUNDLE, None, SpeedRequest(threads=0))


@pytest.mark.slow
@pytest.mark.timeout(400)  # seven processes that each load what they need; they share the machine with other tests
def test_the_benchmark_runs_merges_and_resumes(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "benchmarks.performance", "run", "--tiny", "--seconds", "0.05", "--work", str(tmp_path),
        "--skip", "cold", "--skip", "speed-tiny-v1-shap",
        "--out", str(tmp_path / "results.json"),
    ]  # fmt: skip
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  own words
    assert first.returncode == 0, first.stderr
    assert "0 of 5 runs gave no result" in first.stdout, first.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert {"date", "command", "commit", "machine", "versions", "cases"} < set(results)
    assert results["command"] == (
        "python -m benchmarks.performance run --tiny --skip cold --skip speed-tiny-v1-shap --seconds 0.05 --limit 600"
    )
    found = {outcome["id"]: outcome["result"] for outcome in results["runs"]}
    tree = found["speed-tiny-v1-xaisvc-tree-b20-t1"]["measured"]
    assert [line["rows"] for line in tree] == [1, 4]
    # Exact against exact: float64 sums in another order.
    assert max(line["max_difference_of_scale"] for line in tree) < 1e-6
    # All 30 coalitions of five features: nothing is left to sampling but float32 scores of the model.
    target = found["accuracy-tiny-v1-b20-t1"]["tools"]["xaisvc-target"]["measured"][-1]
    assert target["nmse"] < 1e-6
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  own words

    assert "5 runs, 5 of them done before" in second.stdout


def test_the_gpu_script_measures_the_cpu_where_there_is_no_gpu(tmp_path: Path) -> None:
    command = [
        sys.executable, "benchmarks/gpu.py", "--small", "--seconds", "0.01", "--only", "trees-30-100", "--out",
        str(tmp_path / "gpu.json"),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  own words

    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "gpu.json").read_text())
    assert f"{'CUDA works here' if results['cuda'] else 'there is no CUDA here'}" in done.stdout
    (case,) = results["cases"].values()
    assert case["raw"]["cpu"]["rows_per_s"] > 0
    assert [line["method"] for line in case["methods"]["cpu"]] == ["tree", "tree"]
    assert all(line["rows_per_s"] > 0 for line in case["methods"]["cpu"])
    assert all(line["agrees"] for line in case["agreement"])


def test_every_run_has_a_name_of_its_own_and_survives_json() -> None:
    for runs in (list(full_runs(10.0)), list(quick_runs(10.0))):
        assert len({run.id for run in runs}) == len(runs)
        assert all(Run.from_json(json.loads(json.dumps(run.to_json()))) == run for run in runs)


def test_every_tool_of_a_run_exists_and_belongs_to_a_pinned_package() -> None:
    pinned = (ROOT / "requirements" / "bench.txt").read_text()
    tools = {run.tool for runs in (full_runs(1.0), quick_runs(1.0)) for run in runs} - {""}

    assert tools <= set(TOOLS)
    assert [tool for tool in TOOLS.values() if tool.package != "xaisvc" and f"\n{tool.package}==" not in pinned] == []
