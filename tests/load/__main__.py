"""Puts a real service under load and faults, on this machine alone.

    python -m tests.load all --out benchmarks/service/results.json     # everything; about twenty minutes
    python -m tests.load hits_unary --seconds 10
    python -m tests.load kills --count 200

Exit status 1 if something was wrong, lost or refused that must not be; speed is reported and never judged.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.load.reports import Report

SCENARIOS = (
    "hits_unary",
    "hits_streamed",
    "misses_streamed",
    "batching",
    "overload",
    "redis_faults",
    "kills",
    "malformed",
    "cancel",
    "slow_clients",
    "soak",
)


def main() -> None:
    """Runs scenarios from the command line."""
    arguments = _parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the services that were started, as Ctrl-C does
    os.environ["XAISVC_CACHE_DIR"] = ""  # leaves no plans behind and finds none
    chosen = SCENARIOS if arguments.scenario == "all" else (arguments.scenario,)
    right = True
    for name in chosen:
        began_s = time.monotonic()
        report = _run(name, arguments)
        took_s = time.monotonic() - began_s
        _show(report, took_s)
        right = right and report.right
        if arguments.out is not None:
            _keep(arguments.out, report, took_s)
    raise SystemExit(0 if right else 1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenario", choices=("all", *SCENARIOS))
    parser.add_argument("--seconds", type=float, help="how long the load lasts; each scenario's own time by default")
    parser.add_argument("--count", type=int, help="how many trials; each scenario's own number by default")
    parser.add_argument("--out", type=Path, metavar="FILE", help="results file that the results are merged into")
    parser.add_argument("--serve", default="", metavar="FLAGS", help="more words for `xaisvc serve`")
    return parser.parse_args()


def _run(name: str, arguments: argparse.Namespace) -> Report:
    run = importlib.import_module(f"tests.load.scenarios.{name}").run
    given = {"seconds": arguments.seconds, "count": arguments.count, "flags": tuple(arguments.serve.split())}
    known = inspect.signature(run).parameters
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        found: Report = run(Path(folder), **{key: value for key, value in given.items() if value and key in known})
    return found


def _show(report: Report, took_s: float) -> None:
    sys.stdout.write(f"\n{report.scenario} ({took_s:.0f} s): {report.what}\n")
    for name, holds in report.checks.items():
        sys.stdout.write(f"  {'ok ' if holds else 'BAD'} {name}\n")
    for figure in report.figures:
        sign = ">=" if figure.at_least else "<="
        wanted = "" if figure.target is None else f"  ({'meets' if figure.met else 'MISSES'} {sign} {figure.target:g})"
        sys.stdout.write(f"      {figure.name}: {figure.value:g} {figure.unit}{wanted}\n")
    for detail in report.details[:10]:
        sys.stdout.write(f"  !   {detail}\n")
    sys.stdout.flush()


def _keep(out: Path, report: Report, took_s: float) -> None:
    from benchmarks.service.results import merge

    merge(out, report.scenario, {**report.to_json(), "took_s": round(took_s, 1)})


if __name__ == "__main__":
    main()
