"""Builds models, checks CUDA against the CPU, and times every method on both. Runs on the CPU alone and says so.

    python benchmarks/gpu.py --out benchmarks/performance/gpu.json

Needs xaisvc with its own dependencies and nothing else: networks and trees are written here from arrays, not converted.
Rates on the CPU are for two threads, the machine that the other benchmarks run on.
"""  # noqa: INP001 (a script, no package)

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import xaisvc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]
    Measured = dict[str, object]

CPU_THREADS: Final = 2
N_BACKGROUND: Final = 100
MOST_REPEATS: Final = 15
RAW_BATCHES: Final = (4096, 16_384, 65_536, 262_144)
COALITIONS: Final = (512, 2048)
LIME_SAMPLES: Final = 5000
TOLERANCE_OF_SCALE: Final = 1e-3
"""Largest difference of CUDA from the CPU, as a share of the largest attribution: float32 sums in another order leave
1e-5 at these sizes, TF32 products (ten bits) up to 1e-3; a wrong mask or background gives 1e-1."""
CHECKED_ROWS: Final = 16
TABLE_ROWS: Final = (1024, 16_384, 131_072)
TABLE_TOLERANCE_OF_SCALE: Final = 1e-6
"""Both sides add the same float32 entries, 16 or fewer at a time before float64; 2e-7 was seen."""


@dataclass(frozen=True, slots=True)
class Case:
    """One model written here.

    Attributes:
        name: Identifier, with a version.
        model: The ONNX file.
        n_features: Number of features d.
        methods: What explains it: method, budgets, and rows in a call.
    """

    name: str
    model: bytes
    n_features: int
    methods: tuple[tuple[str, tuple[int | None, ...], tuple[int, ...]], ...]


def _file(nodes: Sequence[onnx.NodeProto], weights: dict[str, NDArray[Any]], n_features: int) -> bytes:
    """A graph from `x` (n, d) to `y` (n, 1), float32."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, n_features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_network(n_features: int, widths: Sequence[int], seed: int) -> bytes:
    """A network with random weights: Gemm and Relu for each width, then Gemm and Sigmoid."""
    rng = np.random.default_rng(seed)
    nodes, weights, before = [], {}, "x"
    sizes = [n_features, *widths, 1]
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weights[f"w{i}"] = (rng.normal(size=(fan_in, fan_out)) * np.sqrt(2 / fan_in)).astype(np.float32)
        weights[f"b{i}"] = (0.1 * rng.normal(size=fan_out)).astype(np.float32)
        nodes.append(helper.make_node("Gemm", [before, f"w{i}", f"b{i}"], [f"h{i}"]))
        last = i == len(sizes) - 2
        before = "y" if last else f"r{i}"
        nodes.append(helper.make_node("Sigmoid" if last else "Relu", [f"h{i}"], [before]))
    return _file(nodes, weights, n_features)


def write_trees(n_features: int, n_trees: int, n_leaves: int, max_depth: int, seed: int) -> bytes:
    """Random trees: leaf by leaf, a random leaf is split on a random feature at a normal threshold."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    }
    leaves: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(n_trees):
        split: dict[int, tuple[int, float, int, int]] = {}
        open_leaves, depth = [0], {0: 0}
        while len(open_leaves) < n_leaves:
            able = [leaf for leaf in open_leaves if depth[leaf] < max_depth]
            if not able:
                break
            leaf = able[int(rng.integers(len(able)))]
            left, right = len(depth), len(depth) + 1
            depth[left] = depth[right] = depth[leaf] + 1
            split[leaf] = (int(rng.integers(n_features)), float(np.float32(rng.normal())), left, right)
            open_leaves.remove(leaf)
            open_leaves += [left, right]
        for node in range(len(depth)):
            feature, threshold, left, right = split.get(node, (0, 0.0, 0, 0))
            row = (tree, node, feature, threshold, "BRANCH_LEQ" if node in split else "LEAF", left, right)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
        for leaf in open_leaves:
            for column, value in zip(leaves.values(), (tree, leaf, 0, 0.1 * float(rng.normal())), strict=True):
                column.append(value)
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        post_transform="NONE",
        aggregate_function="SUM",
        **{f"nodes_{name}": values for name, values in columns.items()},
        **{f"target_{name}": values for name, values in leaves.items()},
    )
    return _file([node], {}, n_features)


def make_cases(*, small: bool) -> list[Case]:
    """The networks and trees of the other benchmarks in size; `small` for a quick look."""
    sizes = (1, 8) if small else (1, 64, 1024)
    # The permutation method needs at least eight orders of all players, 1,584 coalitions for a hundred of them.
    sampled = (("kernel", (256,) if small else COALITIONS, sizes), ("permutation", COALITIONS[-1:], sizes))
    lime = tuple((method, (LIME_SAMPLES,), (1, 256) if not small else (4,)) for method in ("lime", "lime_continuous"))
    exact = (("tree", (None,), (1, 10_000, 100_000) if not small else (1, 100)),)
    n_trees = 20 if small else 500
    return [
        Case("network-30-128-128-v1", write_network(30, (128, 128), 30), 30, sampled + lime),
        Case("network-100-128-128-v1", write_network(100, (128, 128), 100), 100, sampled),
        Case("trees-30-500x31-v1", write_trees(30, n_trees, 31, 12, 1), 30, exact),
        Case("trees-30-300xdepth6-v1", write_trees(30, n_trees * 3 // 5, 64, 6, 2), 30, exact),
        Case("trees-30-100xdepth8-v1", write_trees(30, n_trees // 5, 256, 8, 3), 30, exact),
    ]


def table(n: int, n_features: int, seed: int) -> Matrix:
    """Normal columns that share factors."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, max(3, n_features // 5)))
    loadings = np.random.default_rng(0).normal(size=(factors.shape[1], n_features))
    mixed = factors @ (loadings / np.linalg.norm(loadings, axis=0))
    return (0.8 * mixed + 0.6 * rng.normal(size=(n, n_features))).astype(np.float32)


def repeat(call: Callable[[], object], seconds: float) -> Measured:
    """Wall seconds of a call: once at least, then while another fits."""
    taken: list[float] = []
    while not taken or (len(taken) < MOST_REPEATS and sum(taken) + taken[-1] < seconds):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return {"median_s": statistics.median(taken), "min_s": min(taken), "max_s": max(taken), "repeats": len(taken)}


def has_cuda() -> bool:
    """Whether a session really gets CUDA here; the list of providers alone does not say."""
    import onnxruntime as ort  # noqa: PLC0415 - after the arguments are read

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return False
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    session = ort.InferenceSession(write_network(2, (2,), 0), providers=["CUDAExecutionProvider"])
    return "CUDAExecutionProvider" in session.get_providers()


def raw_rate(case: Case, device: str, seconds: float) -> Measured:
    """Rows per second of the model alone; on CUDA rows and answers stay on the GPU."""
    import onnxruntime as ort  # noqa: PLC0415 - after the arguments are read

    options = ort.SessionOptions()
    options.intra_op_num_threads = CPU_THREADS
    # With the provider's own defaults, as a service would score: the explainer is compared with this bound.
    providers = ["CUDAExecutionProvider"] if device == "cuda" else []
    session = ort.InferenceSession(case.model, options, providers=[*providers, "CPUExecutionProvider"])
    found: dict[str, float] = {}
    for size in RAW_BATCHES:
        rows = ort.OrtValue.ortvalue_from_numpy(table(size, case.n_features, 3), device, 0)
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", rows)
        binding.bind_output("y", device)

        def run(binding: Any = binding) -> None:  # noqa: ANN401 - untyped library
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()

        run()
        found[str(size)] = size / float(str(repeat(run, seconds / len(RAW_BATCHES))["median_s"]))
    return {"rows_per_s": max(found.values()), "by_batch": found}


def measure_method(
    explainer: xaisvc.Explainer, n_features: int, request: tuple[str, int | None, Sequence[int]], seconds: float
) -> list[Measured]:
    """Rates of one method at one budget for several numbers of rows."""
    method, budget, sizes = request
    rows = table(max(sizes), n_features, 4)
    start = time.perf_counter()
    explainer.explain(rows[-1:], method=method, budget=budget)
    ready_s = time.perf_counter() - start
    measured: list[Measured] = []
    per_row = ready_s
    for wanted in sizes:
        n = max(1, min(wanted, int(2 * seconds / max(per_row, 1e-9)))) if measured else wanted
        batch = explainer.explain(rows[:n], method=method, budget=budget)
        timing = repeat(lambda n=n: explainer.explain(rows[:n], method=method, budget=budget), seconds)
        median = float(str(timing["median_s"]))
        per_row = median / n
        measured.append(
            {
                "method": method,
                "budget": budget,
                "rows_wanted": wanted,
                "rows": n,
                "ready_s": ready_s,
                "rows_per_s": n / median,
                "evaluations_per_row": float(batch.model_evaluations.mean()),
                "mean_standard_error": float(batch.standard_errors.mean()),
                "detail": batch.detail,
                **timing,
            }
        )
    return measured


def compare(left: xaisvc.Explainer, right: xaisvc.Explainer, case: Case, method: str, budget: int | None) -> Measured:
    """Attributions of the same rows on two devices."""
    rows = table(CHECKED_ROWS, case.n_features, 4)
    a, b = (explainer.explain(rows, method=method, budget=budget).values for explainer in (left, right))
    scale = float(np.abs(a).max())
    gap = float(np.abs(a - b).max())
    return {"rows": len(rows), "scale": scale, "max_difference": gap, "agrees": gap <= TOLERANCE_OF_SCALE * scale}


def measure_tables(case: Case, device: Literal["cpu", "cuda"], seconds: float) -> list[Measured]:
    """Rates of the tree tables alone, without preprocessing and scoring, and their agreement with the look-up."""
    from xaisvc.attribution.tree_plan import TreePlan, make_arrays  # noqa: PLC0415 - after the arguments are read
    from xaisvc.engine.tree_graph import TreeGraphs  # noqa: PLC0415 - after the arguments are read
    from xaisvc.graphs.trees import read_trees  # noqa: PLC0415 - after the arguments are read
    from xaisvc.runtimes import OrtRuntime  # noqa: PLC0415 - after the arguments are read

    trees = read_trees(onnx.load_from_string(case.model).graph.node[0], 0).trees
    background = table(N_BACKGROUND, case.n_features, 5).astype(np.float64)
    players = np.arange(case.n_features)
    plan = TreePlan(make_arrays(trees, trees.leaf_value[None], players, background, double=False))
    graphs = TreeGraphs(OrtRuntime(), device, least_rows=1)
    measured: list[Measured] = []
    for n in TABLE_ROWS if device == "cuda" else TABLE_ROWS[:1]:
        rows = table(n, case.n_features, 4).astype(np.float64)
        found, expected = np.zeros((1, n, case.n_features)), np.zeros((1, n, case.n_features))
        start = time.perf_counter()
        done = graphs.add(plan.arrays, rows, found, double=False)
        ready_s = time.perf_counter() - start
        plan.add(rows, expected)
        gap = float(np.abs(found - expected).max() / np.abs(expected).max())
        looked_up = repeat(lambda rows=rows, values=expected: plan.add(rows, values), seconds)
        timing = repeat(lambda rows=rows, values=found: graphs.add(plan.arrays, rows, values, double=False), seconds)
        measured.append(
            {
                "rows": n,
                "graph": done,
                "ready_s": ready_s,
                "rows_per_s": n / float(str(timing["median_s"])),
                "one_cpu_thread_rows_per_s": n / float(str(looked_up["median_s"])),
                "difference_of_scale": gap,
                "agrees": gap <= TABLE_TOLERANCE_OF_SCALE,
                **timing,
            }
        )
    return measured


def measure_case(case: Case, folder: Path, devices: Sequence[Literal["cpu", "cuda"]], seconds: float) -> Measured:
    """Everything about one case, on each device, and their agreement."""
    import pandas as pd  # noqa: PLC0415 - after the arguments are read

    (folder / "model.onnx").write_bytes(case.model)
    names = [f"f{i}" for i in range(case.n_features)]
    background = pd.DataFrame(table(N_BACKGROUND, case.n_features, 5), columns=names)
    bundle = xaisvc.create_bundle(
        model=folder / "model.onnx", background=background, path=folder / "bundle", name=case.name, overwrite=True
    )
    found: dict[str, Any] = {"raw": {}, "methods": {}, "agreement": []}
    explainers = {}
    for device in devices:
        sys.stdout.write(f"{case.name} on {device}\n")
        sys.stdout.flush()
        explainers[device] = xaisvc.Explainer(bundle, device=device, threads=CPU_THREADS)
        found["raw"][device] = raw_rate(case, device, seconds)
        found["methods"][device] = []
        for method, budgets, sizes in case.methods:
            for budget in budgets:
                try:
                    measured = measure_method(explainers[device], case.n_features, (method, budget, sizes), seconds)
                except xaisvc.errors.XaisvcError as error:
                    measured = [{"method": method, "budget": budget, "refused": str(error)}]
                found["methods"][device] += measured
        if any(method == "tree" for method, _, _ in case.methods):
            found.setdefault("tree_tables", {})[device] = measure_tables(case, device, seconds)
    if len(devices) > 1:
        for method, budgets, _ in case.methods:
            try:
                agreement = compare(explainers["cpu"], explainers["cuda"], case, method, budgets[0])
            except xaisvc.errors.XaisvcError as error:
                agreement = {"refused": str(error)}
            found["agreement"].append({"method": method, "budget": budgets[0], **agreement})
        found["summary"] = summarize(found)
    return found


def summarize(found: dict[str, Any]) -> list[Measured]:
    """For each measurement on CUDA: how often the two CPU threads, and which share of the model's own bound."""
    lines: list[Measured] = []
    rates = {
        (m["method"], m["budget"], m["rows_wanted"]): m["rows_per_s"] for m in found["methods"]["cpu"] if "rows" in m
    }
    for m in found["methods"]["cuda"]:
        key = (m["method"], m["budget"], m.get("rows_wanted"))
        if key in rates:
            lines.append(
                {
                    "method": m["method"],
                    "budget": m["budget"],
                    "rows": m["rows"],
                    "rows_per_s": m["rows_per_s"],
                    "times_two_cpu_threads": m["rows_per_s"] / rates[key],
                    "share_of_bound": m["rows_per_s"] * m["evaluations_per_row"] / found["raw"]["cuda"]["rows_per_s"],
                }
            )
    return lines


def describe() -> Measured:
    """Processor, GPU and versions."""
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        gpu = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  own words
    except (OSError, subprocess.CalledProcessError):
        gpu = "none"
    names = ("xaisvc", "numpy", "numba", "onnx", "onnxruntime", "onnxruntime-gpu")
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "gpu": gpu,
        "processor": processor,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _command(arguments: argparse.Namespace) -> str:
    """The command that measures the same again; where it put the results is of no use to others."""
    words = ["python benchmarks/gpu.py", f"--seconds {arguments.seconds:g}"]
    words += ["--small"] if arguments.small else []
    words += [f"--only {arguments.only}"] if arguments.only else []
    return " ".join(words)


def main() -> None:
    """Runs the benchmark from the command line; exit status 1 if CUDA and the CPU disagree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="file for the results")
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long one measurement may take")
    parser.add_argument("--small", action="store_true", help="small models and few rows: shows that it works")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    arguments = parser.parse_args()
    cuda = has_cuda()
    sys.stdout.write("CUDA works here\n" if cuda else "there is no CUDA here: only the CPU is measured\n")
    results: dict[str, Any] = {
        "format": 1,
        "date": datetime.now(UTC).date().isoformat(),
        "command": _command(arguments),
        "cuda": cuda,
        "cpu_threads": CPU_THREADS,
        "background_rows": N_BACKGROUND,
        "machine": describe(),
        "cases": {},
    }
    for case in make_cases(small=arguments.small):
        if arguments.only not in case.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            devices: tuple[Literal["cpu", "cuda"], ...] = ("cpu", "cuda") if cuda else ("cpu",)
            results["cases"][case.name] = measure_case(case, Path(folder), devices, arguments.seconds)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")  # what is done stays
    agreements = [line for found in results["cases"].values() for line in found["agreement"]]
    for found in results["cases"].values():
        agreements += [line for lines in found.get("tree_tables", {}).values() for line in lines]
    wrong = [line for line in agreements if line.get("agrees") is False]
    sys.stdout.writelines(f"CUDA and the CPU disagree: {line}\n" for line in wrong)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
