"""`xaisvc bench quality`, `compare` and `gate`: how good explanations are, and whether that is good enough."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import yaml
    from rich.console import Console

    from xaisvc.engine.quality.measure import Labelled, Told
    from xaisvc.engine.quality.peers import PeerMethod
    from xaisvc.engine.quality.result import QualityReport
    from xaisvc.types import BundleDescription, Table

REPORT_WIDTH = 120
COMPARISON_WIDTH = 160
"""Characters in a line where the output is no terminal."""


def quality(  # noqa: PLR0913 - one parameter per option
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.")],
    *,
    data: Annotated[
        Path | None, typer.Option("--data", help="CSV or parquet file with rows; the background by default.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Column of the data that says what happened: is there any signal?")
    ] = None,
    time: Annotated[str | None, typer.Option(help="Column of the data that says when.")] = None,
    methods: Annotated[
        str,
        typer.Option(
            "--methods", "-m", help="Names or groups, separated by commas: default, ours, peers, all, auto, kernel, ..."
        ),
    ] = "default",
    output: Annotated[
        str | None,
        typer.Option(help="Id of the output, several with commas, or 'all'; the first by default. Files get its name."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="Function of your own as MODULE:NAME, measured beside the methods; may be given again."),
    ] = None,
    players: Annotated[
        Literal["features", "concepts", "clusters"], typer.Option(help="Who shares the credit.")
    ] = "features",
    budget: Annotated[int | None, typer.Option(min=1, help="Coalitions per row of methods that sample.")] = None,
    n_rows: Annotated[int, typer.Option("--rows", min=2, help="Most rows to explain.")] = 1000,
    minutes: Annotated[float | None, typer.Option(help="Begin nothing after so many; no end by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; all CPUs by default.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to run the model.")] = "cpu",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write everything measured as JSON here.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with charts here.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a summary as Markdown here.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the report at --out.")] = False,
    thresholds: Annotated[
        Path | None, typer.Option("--thresholds", help="YAML or JSON file; exit with 1 if the report does not keep it.")
    ] = None,
) -> None:
    """Measure how good explanations of a bundle are: accuracy, faithfulness, stability, robustness and cost."""
    from xaisvc.bundles import load_bundle  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.measure import QualityRequest, measure_quality  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.terminal import print_report  # noqa: PLC0415 - heavy: loaded when used

    check_places({"--out": out, "--html": html, "--markdown": markdown})
    if minutes is not None and not 0 < minutes < float("inf"):
        raise InvalidRequestError.of("--minutes", f"must be more than 0, got {minutes:g}")
    bounds = None if thresholds is None else _read_bounds(thresholds)
    own = [_outside(name) for name in also or ()]
    bundle = load_bundle(folder)
    outputs = _output_ids(bundle.description, output)
    asked = [(one, *_read_labelled(bundle.description, data, labels, time, one)) for one in outputs]
    end = None if minutes is None else monotonic() + 60.0 * minutes
    breaches = 0
    for number, (one, rows, labelled) in enumerate(asked):
        left = None if end is None else max(end - monotonic(), 1.0) / 60.0 / (len(asked) - number)
        places = _Places(*(path if len(asked) == 1 else _named(path, str(one)) for path in (out, html, markdown)))
        with _progress() as tell:
            report = measure_quality(
                bundle,
                rows,
                QualityRequest(
                    methods=(*_names(methods), *(method.name for method in own)),
                    output=one,
                    budget=budget,
                    n_rows=n_rows,
                    minutes=left,
                    seed=seed,
                    threads=threads,
                    device=device,
                    players=players,
                ),
                labelled=labelled,
                more=own,
                folder=None if places.out is None else places.out.with_suffix(".steps"),
                resume=resume,
                tell=tell,
            )
        print_report(report, _console(REPORT_WIDTH))
        _write_report(report, places)
        if bounds is not None:
            breaches += _breaches(report.to_json(), bounds)
    if bounds is not None:
        _end_gate(breaches)


def check_places(places: Mapping[str, Path | None]) -> None:
    """Refuses files that cannot be written: that is to be known now, not after minutes of measuring."""
    taken: dict[Path, str] = {}
    for option, path in places.items():
        if path is None:
            continue
        if not path.parent.is_dir():
            raise InvalidRequestError.of(option, f"there is no folder '{path.parent}'; make it first")
        if path.is_dir():
            raise InvalidRequestError.of(option, f"'{path}' is a folder; name a file in it")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise InvalidRequestError.of(option, f"cannot write '{path}': permission denied")
        other = taken.setdefault(path.absolute(), option)
        if other != option:
            raise InvalidRequestError.of(option, f"'{path}' is the file of {other} too; name another")


class _Places(NamedTuple):
    """Where a report is written."""

    out: Path | None
    html: Path | None
    markdown: Path | None


def _named(path: Path | None, output: str) -> Path | None:
    """The file of one of several outputs: `report.json` as `report.OUTPUT.json`."""
    return None if path is None else path.with_name(f"{path.stem}.{output}{path.suffix}")


def _output_ids(description: BundleDescription, asked: str | None) -> list[str | None]:
    if asked is None:
        return [None]
    if asked == "all":
        return [one.id for one in description.outputs]
    return list(dict.fromkeys(_names(asked)))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _outside(name: str) -> PeerMethod:
    """A function of the caller's own as a method; modules are also looked for in the current folder."""
    from xaisvc.engine.quality.peers import PeerMethod  # noqa: PLC0415 - heavy: loaded when used

    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        run = getattr(import_module(module), function, None) if module and function else None
    except ModuleNotFoundError as error:
        if error.name != module:
            raise InvalidRequestError.of("--also", f"'{module}' needs '{error.name}', which is not installed") from None
        run = None
    except Exception as error:  # noqa: BLE001 - a module of the caller's own may raise anything
        raise InvalidRequestError.of(
            "--also", f"'{module}' cannot be imported ({type(error).__name__}); run `python -c 'import {module}'`"
        ) from None
    if not callable(run):
        raise InvalidRequestError.of("--also", f"there is no function '{name}'; give it as MODULE:NAME")
    return PeerMethod(name=function, package=module, run=run)


def _write_report(report: QualityReport, places: _Places) -> None:
    from xaisvc.engine.quality.html import render_html  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.markdown import markdown as summary  # noqa: PLC0415 - heavy: loaded when used

    if places.out is not None:
        _write("--out", places.out, json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n")
    if places.html is not None:
        _write("--html", places.html, render_html(report))
    if places.markdown is not None:
        _write("--markdown", places.markdown, summary(report))


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="A quality report.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Another.")],
    *,
    every: Annotated[bool, typer.Option("--all", help="Show what does not differ clearly too.")] = False,
) -> None:
    """Show how two quality reports differ, with intervals; times only where they were taken alike."""
    from xaisvc.engine.quality.compare import compare as compared  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.compare import read_report  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.terminal import print_comparison  # noqa: PLC0415 - heavy: loaded when used

    print_comparison(compared(read_report(first), read_report(second)), _console(COMPARISON_WIDTH), every=every)


def gate(
    report: Annotated[Path, typer.Argument(metavar="REPORT.json", help="A quality report.")],
    thresholds: Annotated[Path, typer.Argument(metavar="THRESHOLDS", help="YAML or JSON file with bounds.")],
) -> None:
    """Exit with 1 if a quality report does not keep the thresholds of a file."""
    from xaisvc.engine.quality.compare import read_report  # noqa: PLC0415 - heavy: loaded when used

    _end_gate(_breaches(read_report(report), _read_bounds(thresholds)))


def _read_bounds(path: Path) -> dict[str, object]:
    import yaml  # noqa: PLC0415 - heavy: loaded when used

    from xaisvc.engine.quality.thresholds import NOTHING, check_thresholds  # noqa: PLC0415 - heavy: loaded when used

    try:
        text = path.read_text(encoding="utf-8")
        found, twice = yaml.safe_load(text), _written_twice(yaml.compose(text, Loader=yaml.SafeLoader))
    except OSError as error:
        raise InvalidRequestError.of("thresholds", f"cannot read '{path}': {error.strerror}") from None
    except (yaml.YAMLError, ValueError):
        raise InvalidRequestError.of("thresholds", f"'{path}' is no YAML or JSON") from None
    if not isinstance(found, dict):
        raise InvalidRequestError.of("thresholds", f"'{path}' {NOTHING}")
    if twice:  # YAML takes the last one, and a bound would be gone
        raise InvalidRequestError.of("thresholds", f"'{path}' has {twice} twice; write it once")
    check_thresholds({"methods": []}, found)  # what makes no sense is said now, not after minutes of measuring
    return found


def _written_twice(node: yaml.Node | None) -> str:
    """The first key that a mapping has twice, with its line; empty if there is none."""
    import yaml  # noqa: PLC0415 - heavy: loaded when used

    if isinstance(node, yaml.SequenceNode):
        return next((found for item in node.value if (found := _written_twice(item))), "")
    if not isinstance(node, yaml.MappingNode):
        return ""
    seen = set()
    for key, value in node.value:
        if key.value in seen:
            return f"'{key.value}' (line {key.start_mark.line + 1})"
        seen.add(key.value)
        if found := _written_twice(value):
            return found
    return ""


def _breaches(report: Mapping[str, object], bounds: Mapping[str, object]) -> int:
    """Says which thresholds a report does not keep, and how many they are."""
    from xaisvc.engine.quality.thresholds import check_thresholds  # noqa: PLC0415 - heavy: loaded when used

    breaches = check_thresholds(report, bounds)
    for one in breaches:
        typer.echo(str(one), err=True)
    return len(breaches)


def _end_gate(breaches: int) -> None:
    if breaches:
        raise typer.Exit(1)
    typer.echo("all thresholds are kept", err=True)


def _read_labelled(
    description: BundleDescription, data: Path | None, labels: str | None, time: str | None, output: str | None
) -> tuple[Table | None, Labelled | None]:
    """The rows of a file, and what is known of them beside their features."""
    from xaisvc.bundles import parse_rows, read_data  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.measure import Labelled  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.signal import read_labels, read_times  # noqa: PLC0415 - heavy: loaded when used

    if time is not None and labels is None:
        raise InvalidRequestError.of("--time", "says when labels are from; name their column with --labels")
    if data is None:
        if labels is not None:
            raise InvalidRequestError.of("--labels", "labels stand in the file of --data, which was not given")
        return None, None
    frame = read_data(data)
    for option, name in (("--labels", labels), ("--time", time)):
        if name is not None and name not in frame.columns:
            raise InvalidRequestError.of(option, f"'{data}' has no column '{name}'; it has: {', '.join(frame.columns)}")
    beside = [name for name in (labels, time) if name is not None and name not in description.feature_ids]
    known = {*description.feature_ids, *beside}
    unknown = [name for name in frame.columns if name not in known]
    if unknown:
        typer.echo(f"not used, since the bundle has no such features: {', '.join(unknown)}", err=True)
    rows = parse_rows(description, frame.drop(columns=[*beside, *unknown]))
    if labels is None:
        return rows, None
    target = description.output(output)
    found = read_labels(frame[labels], target)
    if target.target is not None:
        ones = f"{int((found == 1).sum()):,} of {len(found):,} labels"
        typer.echo(f"{ones} are what output '{target.id}' is the probability of", err=True)
    return rows, Labelled(labels=found, times=None if time is None else read_times(frame[time]))


@contextmanager
def _progress() -> Iterator[Callable[[Told], None]]:
    """A bar on standard error if somebody watches, else a line for each step."""
    if not sys.stderr.isatty():
        yield lambda told: typer.echo(f"[{told.done + 1:>2}/{told.steps}] {told.what} ...", err=True)
        return
    from rich.console import Console  # noqa: PLC0415 - heavy: loaded when used
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - heavy: loaded when used

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("loading", total=None)
        yield lambda told: shown.update(task, completed=told.done, total=told.steps, description=told.what)


def _console(width: int) -> Console:
    """Where tables go: the terminal in its width, a file in one that every reader has."""
    from rich.console import Console  # noqa: PLC0415 - heavy: loaded when used

    return Console(highlight=False, width=None if typer.get_text_stream("stdout").isatty() else width)


def _write(option: str, path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequestError.of(option, f"cannot write '{path}': {error.strerror}") from None
    typer.echo(f"Wrote {path}", err=True)
