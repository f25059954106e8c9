"""`xaisvc bench`: what explanations cost on this machine, how good they are, and how often caveats are right."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xaisvc.cli_quality import check_places, compare, gate, quality
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from types import ModuleType

    from rich.table import Table as Grid

    from xaisvc.engine.speed import MethodSpeed, SpeedReport

bench_app = typer.Typer(
    help="Measure what explanations cost here, how good they are, and how often caveats are right.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@bench_app.callback()
def _root() -> None:
    pass


@bench_app.command("speed")
def speed(  # noqa: PLR0913 - one parameter per option
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.")],
    *,
    data: Annotated[
        Path | None, typer.Option("--data", help="CSV, parquet or JSON file with rows; the background by default.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option("--methods", "-m", help="Names, separated by commas; every method by default.")
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Coalitions per row (samples for LIME).")] = None,
    n_rows: Annotated[int, typer.Option("--rows", min=1, help="Most rows to explain in one call.")] = 1000,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; all CPUs by default.")] = None,
    seconds_per_method: Annotated[float, typer.Option(help="About how long one method may take.")] = 10.0,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to run the model.")] = "cpu",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write everything measured as JSON here.")] = None,
) -> None:
    """Measure a bundle: the bare model, then each method's rows per second, evaluations, errors and memory."""
    from xaisvc.bundles import load_bundle, read_rows  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.speed import SpeedRequest, measure_speed  # noqa: PLC0415 - heavy: loaded when used

    names = None if methods is None else tuple(name.strip() for name in methods.split(",") if name.strip())
    if names is not None and not names:
        raise InvalidRequestError.of("--methods", "names no method; separate names by commas, or leave it out")
    check_places({"--out": out})
    bundle = load_bundle(folder)
    table = None if data is None else read_rows(bundle.description, data)
    request = SpeedRequest(
        methods=names,
        budget=budget,
        n_rows=n_rows,
        threads=threads,
        seconds_per_method=seconds_per_method,
        device=device,
    )
    report = measure_speed(bundle, table, request, tell=lambda what: typer.echo(f"measuring {what} ...", err=True))
    _show(report)
    if out is not None:
        date = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        content = json.dumps({"date": date, **report.to_json()}, indent=2) + "\n"
        try:
            out.write_text(content, encoding="utf-8")
        except OSError as error:
            raise InvalidRequestError.of("--out", f"cannot write '{out}': {error.strerror}") from None
        typer.echo(f"Wrote {out}", err=True)


bench_app.command("quality")(quality)
bench_app.command("compare")(compare)
bench_app.command("gate")(gate)


@bench_app.command("caveats")
def caveats(  # noqa: PLR0913 - one parameter per option
    *,
    suite: Annotated[
        Literal["public", "held-out"], typer.Option(help="Which seeds: thresholds were chosen on public ones only.")
    ] = "public",
    only: Annotated[str | None, typer.Option(help="Names of studies, separated by commas; all by default.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds of each study; as many as its targets need by default.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Background rows.")] = 500,
    thresholds: Annotated[
        Path | None, typer.Option(help="YAML or JSON file with your own thresholds, scored beside the defaults.")
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Also ask other packages about the same cases.")] = False,
    peer_python: Annotated[
        list[Path] | None, typer.Option(help="Interpreter in which such packages are installed; may repeat.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Begin nothing that would end later; `inf` for all.")] = 10.0,
    again: Annotated[bool, typer.Option("--again", help="Repeat what was measured with other code.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show figures without a target too.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write results as JSON here; a file that is there goes on.")
    ] = None,
) -> None:
    """Measure on cases with known truth how often caveats are there when they should be, and only then."""
    command = caveat_bench()
    command.bench_caveats(
        command.Options(
            suite=suite,
            only=only,
            seeds=seeds,
            rows=rows,
            thresholds=thresholds,
            peers=peers,
            pythons=tuple(peer_python or ()),
            minutes=None if minutes == float("inf") else minutes,
            out=out,
            again=again,
            every=every,
        )
    )


SUITES = Path(__file__).parent / "_suites"
"""Where an installed package carries the suite that a checkout has beside it."""


def caveat_bench() -> ModuleType:
    """The suite's command: from a checkout if it runs there, else as the package carries it.

    Raises:
        InvalidRequestError: If the suite is neither here nor there.
    """
    name = "benchmarks.caveats"
    if not _has(name) and (SUITES / "benchmarks").is_dir():
        sys.modules.pop("benchmarks", None)  # another package of that name, which has no such part
        sys.path.insert(0, str(SUITES))
    if not _has(name):
        raise InvalidRequestError.of(
            "caveats",
            "the suite of cases is not part of this installation; install xaisvc from its wheel, or run the command in "
            "a checkout of its source",
        )
    return import_module(f"{name}.command")


def _has(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _show(report: SpeedReport) -> None:
    from rich.console import Console  # noqa: PLC0415 - heavy: loaded when used

    console = Console(highlight=False, width=None if typer.get_text_stream("stdout").isatty() else 120)
    console.print(f"{report.bundle}, model {report.digests['model'][:12]}", markup=False)
    console.print(
        f"{report.machine['processor']}, {_plural(report.threads, 'thread')} on {report.device}; "
        f"{report.background_rows:,} background rows, {_plural(report.rows, 'different row')} to explain",
        markup=False,
    )
    console.print(
        f"the model alone: {number(report.model.rows_per_s)} rows/s, {report.model.batch_rows} rows in a call",
        markup=False,
    )
    console.print(_grid(report))
    for method in report.methods:
        if method.outcome != "measured":
            console.print(f"{method.method}: {method.outcome}. {method.why}", markup=False)


def _grid(report: SpeedReport) -> Grid:
    from rich.box import SIMPLE  # noqa: PLC0415 - heavy: loaded when used
    from rich.table import Table  # noqa: PLC0415 - heavy: loaded when used

    grid = Table(box=SIMPLE, pad_edge=False)
    grid.add_column("method", no_wrap=True)
    for title in ("rows/s", "one row", "evaluations", "std. error", "of bound", "ready in", "memory", "rows"):
        grid.add_column(title, justify="right", no_wrap=True)
    for method in report.methods:
        if method.outcome == "measured":
            grid.add_row(*_cells(method))
    return grid


def _cells(method: MethodSpeed) -> tuple[str, ...]:
    error = "exact" if method.exact else number(method.mean_standard_error)
    bound = "" if method.share_of_bound is None else f"{100 * method.share_of_bound:.0f} %"
    return (
        method.method,
        number(method.rows_per_s),
        duration(method.one_row_s),
        number(method.evaluations_per_row),
        error,
        bound,
        duration(method.preparation_s),
        f"{method.peak_memory_mib or 0:,.0f} MiB",
        f"{method.n_rows:,}",
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def number(value: float | None) -> str:
    """A number with three significant digits.

    >>> number(23456.7), number(41.04), number(0.00123), number(0.0), number(None)
    ('23,500', '41', '0.00123', '0', '')
    """
    if value is None:
        return ""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"  # noqa: PLR2004 - three digits are the integer's


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it.

    >>> duration(0.00063), duration(0.0421), duration(3.4), duration(125.0)
    ('0.63 ms', '42.1 ms', '3.4 s', '125 s')
    """
    if seconds is None:
        return ""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
