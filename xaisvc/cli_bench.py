"""`xaisvc bench`: what explanations cost on this machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from rich.table import Table as Grid

    from xaisvc.engine.speed import MethodSpeed, SpeedReport

bench_app = typer.Typer(help="Measure what explanations cost here.", no_args_is_help=True, rich_markup_mode=None)


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
    if out is not None and not out.parent.is_dir():  # known now, not after a minute of measuring
        raise InvalidRequestError.of("--out", f"there is no folder '{out.parent}'; make it first")
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
