"""Starts one process for each run, keeps each result in a file of its own, and merges them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.performance.cases import CASES, build, folder_of
from benchmarks.performance.machine import commit, describe_machine, describe_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.performance.runs import Run

ROOT = Path(__file__).parents[2]
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
TAIL = 400
"""Characters of a failed process's last words that are kept."""
BYTECODE = "bytecode"
"""Folder of Python's own bytecode, which is no part of what xaisvc keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs leave their files.

    Attributes:
        work: Built cases, caches and single results.
        name: Keeps the results of full, quick and tiny runs apart.
        limit_s: Seconds after which a process is ended and its run counts as too slow.
    """

    work: Path
    name: str = "full"
    limit_s: float = 600.0

    def result(self, run: Run) -> Path:
        """The result of one run."""
        return self.work / f"runs-{self.name}" / f"{run.id}.json"

    def cache(self, run: Run) -> Path:
        """Where the process may keep what it prepares; empty at first, so that preparation is seen."""
        return self.work / "caches" / run.id


def build_cases(runs: Sequence[Run], place: Place, echo: Callable[[str], None]) -> None:
    """Builds what the runs need and is not there yet."""
    for name in dict.fromkeys(run.case for run in runs):
        backgrounds = tuple(sorted({run.b for run in runs if run.case == name}))
        case = CASES[name]
        if not all((folder_of(case, place.work) / f"b{b}" / "bundle.yaml").exists() for b in backgrounds):
            echo(f"building {case.name}: {case.title}")
            build(case, place.work, backgrounds)


def execute(
    runs: Sequence[Run], place: Place, echo: Callable[[str], None], *, again: bool = False, side_by_side: int = 1
) -> int:
    """Runs what has no result yet; a result of the same run is kept. Returns how many runs failed.

    Args:
        runs: What to run, in order. `truth` comes before what compares with it.
        place: Where the files go.
        echo: Told about every run.
        again: Run even what has a result.
        side_by_side: Processes at a time. More than one for errors only: times would disturb each other.
    """
    todo = [run for run in runs if again or not _is_done(run, place)]
    echo(f"{len(runs)} runs, {len(runs) - len(todo)} of them done before")
    truths = [run for run in todo if run.job == "truth"]
    others = [run for run in todo if run.job != "truth"]
    n_failed = 0
    with ThreadPoolExecutor(side_by_side) as pool:
        for stage in (truths, others):
            for index, (run, outcome) in enumerate(zip(stage, pool.map(lambda r: _run(r, place), stage), strict=True)):
                n_failed += outcome["status"] != "done"
                words = outcome.get("why", "") if outcome["status"] != "done" else f"{outcome['process_s']:.1f} s"
                echo(f"[{index + 1}/{len(stage)}] {run.id}: {outcome['status']} {words}")
    return n_failed


def merge(runs: Sequence[Run], place: Place, command: str, date: str) -> dict[str, object]:
    """All results of these very runs in one, with machine, versions, commit, date and command."""
    kept = [json.loads(place.result(run).read_text(encoding="utf-8")) for run in runs if place.result(run).exists()]
    planned = {run.id: run.to_json() for run in runs}
    found = [outcome for outcome in kept if outcome["run"] == planned[outcome["id"]]]  # none of other settings
    return {
        "format": 1,
        "date": date,
        "command": command,
        "commit": commit(ROOT),
        "machine": describe_machine(),
        "versions": describe_versions(),
        "cases": {case.name: case.title for case in dict.fromkeys(CASES[run.case] for run in runs)},
        "runs": found,
    }


def _is_done(run: Run, place: Place) -> bool:
    path = place.result(run)
    if not path.exists():
        return False
    kept = json.loads(path.read_text(encoding="utf-8"))
    return bool(kept["status"] == "done" and kept["run"] == run.to_json())


def _run(run: Run, place: Place) -> dict[str, Any]:
    """One process, or for a cold start two: the first fills the cache that the second starts with."""
    cache = place.cache(run)
    shutil.rmtree(cache, ignore_errors=True)
    if run.job == "cold":
        first = _process(run, place, cache)
        outcome = first if first["status"] != "done" else _process(run, place, cache)
        if outcome["status"] == "done":
            files = (path for path in cache.rglob("*") if path.is_file() and cache / BYTECODE not in path.parents)
            kept = sum(path.stat().st_size for path in files)
            outcome["result"] = {"empty": first["result"], "stored": outcome["result"], "stored_mib": kept / 2**20}
    else:
        outcome = _process(run, place, cache)
    shutil.rmtree(cache, ignore_errors=True)
    path = place.result(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(outcome, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    return outcome


def _process(run: Run, place: Place, cache: Path) -> dict[str, Any]:
    cache.mkdir(parents=True, exist_ok=True)
    environment: dict[str, str] = {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(run.threads)),
        "XDG_CACHE_HOME": str(cache.resolve()),
        "XAISVC_CACHE_DIR": str((cache / "xaisvc").resolve()),
        "PYTHONWARNINGS": "ignore",
    }
    if run.job == "cold":  # compiled code as well: elsewhere it is found where an earlier process left it
        environment["NUMBA_CACHE_DIR"] = str((cache / "numba").resolve())
        # Python's bytecode too, which installers write, whatever this machine is told about it.
        environment["PYTHONPYCACHEPREFIX"] = str((cache / BYTECODE).resolve())
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [
        sys.executable,
        "-m",
        "benchmarks.performance",
        "one",
        json.dumps(run.to_json()),
        "--work",
        str(place.work),
    ]
    start = time.monotonic()
    outcome: dict[str, Any] = {"run": run.to_json(), "id": run.id, "commit": commit(ROOT)}
    try:
        done = subprocess.run(  # noqa: S603  own words
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=place.limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return {**outcome, "status": "too slow", "why": f"ended after {place.limit_s:g} s"}
    outcome["process_s"] = time.monotonic() - start
    if done.returncode != 0:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        last = lines[-1] if lines else f"exit status {done.returncode}"
        status = "not installed" if last.startswith("ModuleNotFoundError") else "failed"
        return {**outcome, "status": status, "why": last[-TAIL:]}
    return {**outcome, "status": "done", "result": json.loads(done.stdout.splitlines()[-1])}
