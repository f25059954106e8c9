"""What `xaisvc bench caveats` does."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.caveats.own_thresholds import read_thresholds
from benchmarks.caveats.provenance import machine, versions
from benchmarks.caveats.results import Results, read, write
from benchmarks.caveats.runner import open_tasks, run, tasks
from benchmarks.caveats.studies import Settings, studies
from benchmarks.caveats.terminal import show, watching
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.caveats.studies import Study

SUITES = ("public", "held-out")
LEAST_ROWS, MOST_ROWS = 50, 5000
HELD_OUT_SEEDS = 9000
"""Seeds from 1000 on, at most; `association` shifts some by multiples of 100,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller asked for.

    Attributes:
        suite: `public` or `held-out`.
        only: Names of studies, separated by commas; None for all.
        seeds: Seeds of each study; None for what each wants.
        rows: Background rows.
        thresholds: File with the caller's own thresholds; None without.
        peers: Whether to ask other packages too.
        pythons: Interpreters in which they may be installed.
        minutes: When to stop; None for when all is done.
        out: Results file; None to keep nothing.
        again: Whether to repeat what was measured with other code.
        every: Whether to show figures without a target too.
    """

    suite: str = "public"
    only: str | None = None
    seeds: int | None = None
    rows: int = 500
    thresholds: Path | None = None
    peers: bool = False
    pythons: Sequence[Path] = ()
    minutes: float | None = 10.0
    out: Path | None = None
    again: bool = False
    every: bool = False


def bench_caveats(options: Options) -> Results:
    """Measures, shows what was found, and returns it.

    Raises:
        InvalidRequestError: If an option is not what it should be.
    """
    chosen, settings = check(options)
    results = _begin(options, settings)
    every = tasks(chosen, options.suite, options.seeds)
    todo = open_tasks(every, results, again=options.again)
    results.runs.append(
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "machine": machine(),
            "versions": versions(),
            "asked": {
                "suite": options.suite,
                "only": options.only,
                "seeds": options.seeds,
                "rows": options.rows,
                "minutes": options.minutes,
                "cells": len(every),
                "done before": len(every) - len(todo),
            },
        }
    )

    def save() -> None:
        if options.out is not None:
            write(results, options.out)

    done = Counter(name for name, _, _ in results.cells)
    with watching(todo, done) as watcher:
        seconds = None if options.minutes is None else 60.0 * options.minutes
        left = run(todo, settings, results, save=save, watcher=watcher, seconds=seconds)
    if options.peers:
        from benchmarks.caveats.peers import ask_peers  # noqa: PLC0415 - only where they are asked

        results.peers = ask_peers(options.pythons, settings, tell=lambda text: sys.stderr.write(f"{text}\n"))
        save()
    show(results, chosen, every=options.every)
    if left:
        more = "the same --out" if options.out is not None else "--out, or give it longer with --minutes"
        sys.stderr.write(f"{left} of {len(every)} cells were left for another time; go on with {more}\n")
    if options.out is not None:
        sys.stderr.write(f"Wrote {options.out}\n")
    return results


def check(options: Options) -> tuple[list[Study], Settings]:
    """The studies and settings that the options mean.

    Raises:
        InvalidRequestError: If an option is not what it should be.
    """
    if options.suite not in SUITES:
        raise InvalidRequestError.of("--suite", f"there is no suite '{options.suite}'; there are {', '.join(SUITES)}")
    if not LEAST_ROWS <= options.rows <= MOST_ROWS:
        raise InvalidRequestError.of("--rows", f"{options.rows} background rows; give {LEAST_ROWS} to {MOST_ROWS}")
    most = 1000 if options.suite == "public" else HELD_OUT_SEEDS
    if options.seeds is not None and not 1 <= options.seeds <= most:
        raise InvalidRequestError.of("--seeds", f"{options.seeds} seeds; the {options.suite} suite has 1 to {most}")
    if options.minutes is not None and not options.minutes > 0:
        raise InvalidRequestError.of("--minutes", f"{options.minutes:g} minutes; give more than 0")
    if options.out is not None and not options.out.parent.is_dir():
        raise InvalidRequestError.of("--out", f"there is no folder '{options.out.parent}'; make it first")
    _check_pythons(options)
    yours = None if options.thresholds is None else read_thresholds(options.thresholds)
    return _chosen(options.only), Settings(rows=options.rows, yours=yours)


def _check_pythons(options: Options) -> None:
    """Refuses interpreters that are not there, or not asked: their packages would be reported as not installed."""
    option = "--peer-python"
    if options.pythons and not options.peers:
        raise InvalidRequestError.of(option, "says where other packages are; give --peers too, so that they are asked")
    for path in options.pythons:
        if not path.is_file() or not os.access(path, os.X_OK):
            raise InvalidRequestError.of(
                option, f"'{path}' is no program; give the interpreter of an environment, for example .venv/bin/python"
            )


def _chosen(only: str | None) -> list[Study]:
    every = studies()
    names = [study.name for study in every]
    if only is None:
        chosen = list(every)
    else:
        wanted = [name.strip() for name in only.split(",") if name.strip()]
        unknown = [name for name in wanted if name not in names]
        if unknown or not wanted:
            what = f"there is no study '{unknown[0]}'" if unknown else "names no study"
            raise InvalidRequestError.of("--only", f"{what}; there are {', '.join(names)}")
        chosen = [study for study in every if study.name in wanted]
    able = [study for study in chosen if all(find_spec(name) for name in study.needs)]
    for study in chosen:
        if study not in able:
            missing = ", ".join(name for name in study.needs if not find_spec(name))
            told = f"'{study.name}' needs {missing}: pip install 'xaisvc[bench]'"
            if only is not None:
                raise InvalidRequestError.of("--only", told)
            sys.stderr.write(f"left out: {told}\n")
    return able


def _begin(options: Options, settings: Settings) -> Results:
    """Results of the file that is there, if it is of the same suite, rows and thresholds; else new ones."""
    own = None if settings.yours is None else asdict(settings.yours)
    if options.out is None or not options.out.exists():
        return Results(suite=options.suite, rows=options.rows, thresholds=own)
    found = read(options.out)
    for name, here, there in (
        ("--suite", options.suite, found.suite),
        ("--rows", options.rows, found.rows),
        ("--thresholds", own, found.thresholds),
    ):
        if here != there:
            told = "other thresholds" if name == "--thresholds" else f"{name} {there}"
            raise InvalidRequestError.of(
                "--out", f"'{options.out}' holds results with {told}; give the same, or another file"
            )
    return found
