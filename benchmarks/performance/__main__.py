"""Measures speed and accuracy beside other explainers.

    make bench                       # everything: hours; ARGS="--quick" for minutes
    python -m benchmarks.performance run --quick
    python -m benchmarks.performance run --only accuracy-mlp
    python -m benchmarks.performance table    # write the README's section anew from results.json

A run that has a result is not repeated unless told so; each run is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.performance.runs import Run, full_runs, quick_runs, tiny_runs

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DATA_ERROR = 2


def main() -> None:
    """Runs the benchmarks from the command line."""
    arguments = _parse()
    if arguments.verb == "one":
        _one(arguments)
    elif arguments.verb == "table":
        _table(arguments)
    else:
        _run(arguments)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.performance", description=(__doc__ or "").splitlines()[0]
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="measure, merge, and write the results file")
    size = run.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few minutes: shows that it works")
    size.add_argument("--tiny", action="store_true", help="seconds: a model of ten trees, for tests")
    run.add_argument("--only", metavar="TEXT", action="append", help="runs whose id holds this text; may repeat")
    run.add_argument("--skip", metavar="TEXT", action="append", default=[], help="not these; may repeat")
    run.add_argument("--seconds", type=float, default=10.0, help="about how long one measurement may take")
    run.add_argument("--limit", type=float, default=600.0, help="seconds after which a process is ended")
    run.add_argument("--again", action="store_true", help="repeat runs that have a result")
    run.add_argument("--list", action="store_true", help="only list the runs")
    run.add_argument("--side-by-side", type=int, default=1, help="processes at a time; 1 wherever times matter")
    run.add_argument("--out", type=Path, help="results file; results.json here for a full run, else in the work folder")
    one = verbs.add_parser("one", help="one run in this process; the result goes to standard output")
    one.add_argument("run", help="the run as JSON")
    for verb in (run, one):
        verb.add_argument("--work", type=Path, default=ROOT / "out" / "benchmarks", help="folder for everything built")
    table = verbs.add_parser("table", help="write the section of the README from the results file")
    table.add_argument("--results", type=Path, default=HERE / "results.json")
    table.add_argument("--readme", type=Path, default=ROOT / "README.md")
    table.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the README is stale")
    return parser.parse_args()


def _one(arguments: argparse.Namespace) -> None:
    from benchmarks.performance.cases import CASES  # noqa: PLC0415 - heavy: loaded when used
    from benchmarks.performance.measure import measure  # noqa: PLC0415 - heavy: loaded when used
    from benchmarks.performance.subject import Subject  # noqa: PLC0415 - heavy: loaded when used

    run = Run.from_json(json.loads(arguments.run))
    subject = Subject(case=CASES[run.case], work=arguments.work, b=run.b, threads=run.threads)
    sys.stdout.write("\n" + json.dumps(measure(run, subject)) + "\n")


def _run(arguments: argparse.Namespace) -> None:
    from benchmarks.performance.runner import Place, build_cases, execute, merge  # noqa: PLC0415 - heavy: loaded when used

    name = "quick" if arguments.quick else "tiny" if arguments.tiny else "full"
    make = {"quick": quick_runs, "tiny": tiny_runs, "full": full_runs}[name]
    runs = list(make(arguments.seconds))
    chosen = [
        run
        for run in runs
        if (not arguments.only or any(text in run.id for text in arguments.only))
        and not any(text in run.id for text in arguments.skip)
    ]
    if not chosen:
        sys.stderr.write("no run has such an id; --list shows them all\n")
        raise SystemExit(DATA_ERROR)
    if arguments.list:
        sys.stdout.writelines(f"{run.id}\n" for run in chosen)
        return
    place = Place(work=arguments.work, name=name, limit_s=arguments.limit)
    build_cases(chosen, place, _echo)
    n_failed = execute(chosen, place, _echo, again=arguments.again, side_by_side=arguments.side_by_side)
    out = arguments.out or (HERE / "results.json" if name == "full" else arguments.work / f"{name}.json")
    command = _command(arguments)
    date = datetime.now(UTC).date().isoformat()
    out.write_text(json.dumps(merge(runs, place, command, date), indent=1) + "\n", encoding="utf-8")
    _echo(f"wrote {out}; {n_failed} of {len(chosen)} runs gave no result")


def _command(arguments: argparse.Namespace) -> str:
    """The command that measures the same again; where it put things is of no use to others."""
    words = ["python -m benchmarks.performance run"]
    words += [f"--{size}" for size in ("quick", "tiny", "again") if getattr(arguments, size)]
    words += [f"--{name} {text}" for name in ("only", "skip") for text in getattr(arguments, name) or ()]
    words += [f"--seconds {arguments.seconds:g}", f"--limit {arguments.limit:g}"]
    if arguments.side_by_side != 1:
        words.append(f"--side-by-side {arguments.side_by_side}")
    return " ".join(words)


def _table(arguments: argparse.Namespace) -> None:
    from benchmarks.performance.table import render, replace_section  # noqa: PLC0415 - only this verb needs it

    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    before = arguments.readme.read_text(encoding="utf-8")
    after = replace_section(before, render(results))
    if arguments.check and after != before:
        sys.stderr.write("the README's tables are not those of the results file: run `... table` and commit both\n")
        raise SystemExit(1)
    if not arguments.check:
        arguments.readme.write_text(after, encoding="utf-8")


def _echo(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
