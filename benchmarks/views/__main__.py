"""Measures how fast views are made, and writes `results.json` beside this file.

    python -m benchmarks.views [--records 200] [--seconds 20] [--out FILE]

Two questions. What does one view cost: for every audience of each demonstration bundle and every language, the time to
build it from a record (with what is shown beside it at hand) and to write it as HTML, in ms of processor time, the
median over the records, templates compiled and catalogues read. And how many views does a batch give a minute: as many
processes as there are cores, each making HTML of the same mix of audiences, languages and records, with what is shown
beside the records computed anew for each audience and batch, in views per minute of wall time over all processes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.performance.machine import commit, describe_machine, describe_versions
from benchmarks.views.work import readers, work, worlds

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS: Final = Path(__file__).parent / "results.json"
MOST_PROCESSES: Final = 2
VERSIONS: Final = ("jinja2", "babel", "numpy", "onnxruntime")
MS: Final = 1e3
_PATIENCE_S: Final = 120.0
"""To load two models in each process, and to end the last round, on a machine that is busy."""


def main() -> None:
    """Reads the command and does it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.views", description=__doc__)
    parser.add_argument("--records", type=int, default=200, help="records of each bundle")
    parser.add_argument("--seconds", type=float, default=20.0, help="least time that batches are made for")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    chosen = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    found = {
        "machine": describe_machine(),
        "versions": describe_versions() | {name: _version(name) for name in VERSIONS},
        "commit": commit(Path(__file__).parents[2]),
        "records": chosen.records,
        "single_ms": _singles(chosen.records),
        "batch": _batches(min(MOST_PROCESSES, cores), chosen.records, chosen.seconds),
    }
    chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    slowest = max(one["build"] + one["html"] for one in found["single_ms"])
    batch = found["batch"]
    print(f"slowest single view: {slowest:.2f} ms")  # noqa: T201 - a script
    print(f"batch: {batch['views_per_minute']:.0f} views a minute on {batch['processes']} cores")  # noqa: T201 - a script


def _version(name: str) -> str:
    from importlib import metadata  # noqa: PLC0415 - used here only

    return metadata.version(name)


def _singles(records: int) -> list[dict[str, Any]]:
    from xaisvc.engine.reader_rights import reader_rights  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.types.supplements import Supplement  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.views import build_view, load_audiences, needed, render_view  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.views.selection import visible_features  # noqa: PLC0415 - heavy: loaded when used

    known = load_audiences()
    found = []
    for explainer, made in worlds(records):
        description = explainer.bundle.description
        for audience, language in readers(explainer):
            visible = tuple(feature.id for feature in visible_features(description, audience))
            needs = needed(description, audience)
            began = time.process_time()
            beside = explainer.supplier.supply(made, needs, visible=visible)
            if Supplement.READERS in needs:
                others = {name: one for name, one in known.items() if name != audience.id}
                beside = [
                    replace(one, readers=reader_rights(record, description, others))
                    for one, record in zip(beside, made, strict=True)
                ]
            supply = (time.process_time() - began) * MS / len(made)
            render_view(build_view(made[0], description, audience, language, beside[0]), "html")  # compiles templates
            builds, pages, sizes = [], [], []
            for record, supplements in zip(made, beside, strict=True):
                view, took = _timed(partial(build_view, record, description, audience, language, supplements))
                builds.append(took)
                page, took = _timed(partial(render_view, view, "html"))
                pages.append(took)
                sizes.append(len(page.encode()))
            found.append(
                {
                    "bundle": description.name,
                    "audience": audience.id,
                    "language": language,
                    "supply": round(supply, 3),
                    "build": round(statistics.median(builds), 3),
                    "html": round(statistics.median(pages), 3),
                    "html_bytes": round(statistics.median(sizes)),
                }
            )
    return found


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    found = work()
    return found, (time.process_time() - began) * MS


def _batches(processes: int, records: int, seconds: float) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    barrier, counts = context.Barrier(processes), context.Queue()
    running = [context.Process(target=work, args=(barrier, counts, records, seconds)) for _ in range(processes)]
    for process in running:
        process.start()
    done = [counts.get(timeout=seconds + _PATIENCE_S) for _ in running]
    for process in running:
        process.join()
    views, cpu = sum(one[0] for one in done), sum(one[2] for one in done)
    return {
        "processes": processes,
        "views": views,
        "seconds": round(max(one[1] for one in done), 2),
        "cpu_ms_per_view": round(cpu * MS / views, 3),
        "views_per_minute": round(sum(one[0] / one[1] for one in done) * 60),
    }


if __name__ == "__main__":
    main()
