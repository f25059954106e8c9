"""The command line. Each command loads what it needs when it runs, so that `xaisvc --help` is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xaisvc.cli_audience import audience_app
from xaisvc.cli_bench import bench_app
from xaisvc.cli_cohort import cohort
from xaisvc.cli_health import health
from xaisvc.cli_records import AudiencesDir, record_settings, records_app
from xaisvc.cli_replay import replay
from xaisvc.cli_token import token_app
from xaisvc.errors import InvalidRequestError, XaisvcError

if TYPE_CHECKING:
    from xaisvc.types import Budget

app = typer.Typer(
    name="xaisvc",
    help="Explains the decisions of ONNX models: attributions, caveats and one view per audience.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to load than everything else together
)
bundle_app = typer.Typer(help="Make, check and show bundles.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(bundle_app, name="bundle")
app.add_typer(audience_app, name="audience")
app.add_typer(bench_app, name="bench")
app.add_typer(records_app, name="records")
app.add_typer(token_app, name="token")
app.command("cohort")(cohort)
app.command("replay")(replay)
app.command("health")(health)

_STOPPED = 130
"""Exit status after Ctrl-C, as shells have it; typer ends with it without a word."""

DeviceName = Literal["auto", "cpu", "cuda"]
BundleArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the bundle.")]


def _print_version(value: bool) -> None:  # noqa: FBT001 - typer hands the flag over by position
    if value:
        from xaisvc import __version__  # noqa: PLC0415 - heavy: loaded when used

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@bundle_app.command("init")
def bundle_init(  # noqa: PLR0913 - one parameter per option
    model: Annotated[Path, typer.Argument(help="The ONNX file.")],
    background: Annotated[Path, typer.Option("--background", "-b", help="CSV or parquet: rows that stand in.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; the folder's name by default.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="CSV or parquet with a column prediction:<output id> per output.")
    ] = None,
    protected: Annotated[
        Path | None, typer.Option(help="CSV or parquet: attributes the model is not given, for the background rows.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
) -> None:
    """Write a complete, editable draft of a bundle from a model and data."""
    from xaisvc.bundles import describe_bundle  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.authoring import create_bundle  # noqa: PLC0415 - heavy: loaded when used

    bundle = create_bundle(
        model=model,
        background=background,
        path=out,
        name=name,
        reference=reference,
        protected=protected,
        overwrite=overwrite,
    )
    typer.echo(describe_bundle(bundle))
    typer.echo(
        f"\nWrote {out}. Next: edit {out / 'bundle.yaml'} (purpose, owner, labels, sensitivity, threshold), "
        f"then run: xaisvc bundle check {out}"
    )


@bundle_app.command("check")
def bundle_check(
    folder: BundleArgument,
    device: Annotated[DeviceName, typer.Option(help="Where to run the model.")] = "cpu",
) -> None:
    """Verify that the graph loads, scores the background, fits its schema, and agrees with the reference."""
    from xaisvc.engine.authoring import check_bundle_folder  # noqa: PLC0415 - heavy: loaded when used

    _, report = check_bundle_folder(folder, device=device)
    typer.echo(report.to_text())
    if not report.ok:
        raise typer.Exit(1)


@bundle_app.command("lock")
def bundle_lock(folder: BundleArgument) -> None:
    """Write the digests of a bundle's files, which are compared whenever it is loaded."""
    from xaisvc.bundles import lock_bundle  # noqa: PLC0415 - heavy: loaded when used

    typer.echo(f"Wrote {lock_bundle(folder)}: the bundle is loaded only with every file as it is now")


@bundle_app.command("show")
def bundle_show(
    folder: BundleArgument,
    *,
    brief: Annotated[
        bool, typer.Option("--brief", help="Only what the bundle says, not what was found by studying it.")
    ] = False,
    device: Annotated[DeviceName, typer.Option(help="Where to run the model.")] = "cpu",
) -> None:
    """Print a readable summary of a bundle, and what studying its background and its model has found.

    Studies take seconds to minutes the first time; they are kept in the cache folder and serve explanations too.
    """
    from xaisvc.bundles import describe_bundle, load_bundle  # noqa: PLC0415 - heavy: loaded when used

    bundle = load_bundle(folder)
    typer.echo(describe_bundle(bundle))
    if brief:
        return
    from xaisvc.engine.explainer import Explainer  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.studies_text import describe_studies  # noqa: PLC0415 - heavy: loaded when used

    explainer = Explainer(bundle, device)
    found = [(output, explainer.studies(output.id)) for output in bundle.description.outputs]
    typer.echo("\n" + describe_studies(found))


@app.command("explain")
def explain(  # noqa: PLR0913 - one parameter per option
    folder: BundleArgument,
    rows: Annotated[
        Path, typer.Argument(help="CSV, parquet or JSON file with rows; - reads JSON from standard input.")
    ],
    *,
    row: Annotated[list[int] | None, typer.Option("--row", "-r", help="Only this row, from 0; may repeat.")] = None,
    dates: Annotated[
        Path | None, typer.Option(metavar="FILE", help="As ROWS, with the day that each value is from in its place.")
    ] = None,
    audience: Annotated[str, typer.Option("--audience", "-a", help="Who reads it.")] = "data_scientist",
    audiences_dir: AudiencesDir = None,
    form: Annotated[str, typer.Option("--format", "-f", help="text, markdown, html or json; pdf with --out.")] = "text",
    language: Annotated[str, typer.Option(help="Language of the view.")] = "en",
    method: Annotated[str, typer.Option("--method", "-m", help="auto, tree, linear, exact, kernel, …")] = "auto",
    compare: Annotated[
        str | None, typer.Option(metavar="METHOD", help="Say too where this method disagrees, for example lime.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="Id of the output; the bundle's first by default.")] = None,
    space: Annotated[str | None, typer.Option(help="probability, log_odds or raw.")] = None,
    players: Annotated[str, typer.Option(help="features, concepts or clusters.")] = "features",
    budget: Annotated[int | None, typer.Option(help="Coalitions per row (samples for LIME).")] = None,
    error_target: Annotated[float | None, typer.Option(help="Sample until standard errors are below this.")] = None,
    deadline: Annotated[float | None, typer.Option(help="Best answer after this many seconds.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of sampling methods.")] = 0,
    device: Annotated[DeviceName, typer.Option(help="Where to run the model.")] = "auto",
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write one file per row here.")] = None,
    judged: Annotated[bool, typer.Option("--judged", help="You judged the facts yourself: show the rating.")] = False,
) -> None:
    """Explain rows of a file to one audience."""
    from xaisvc.bundles import load_bundle, read_rows  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.cli_dates import dated, read_days  # noqa: PLC0415 - loaded when used
    from xaisvc.cli_progress import progress_bar  # noqa: PLC0415 - loaded when used
    from xaisvc.engine.explainer import Explainer  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.viewing import check_concerned, find_audience  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.views import render_view  # noqa: PLC0415 - heavy: loaded when used

    own = record_settings(audiences_dir=audiences_dir).audiences_dir
    reader = find_audience(audience, own)  # a typing error should not cost a computation
    if form == "pdf" and out is None:
        raise InvalidRequestError.of("--format", "a PDF cannot be printed; say with --out where to write it")
    bundle = load_bundle(folder)
    check_concerned(bundle.description, reader)
    table = read_rows(bundle.description, sys.stdin.buffer if str(rows) == "-" else rows, row or None)
    days = read_days(bundle.description, dates, row or None, len(table))
    explainer, allowed = Explainer(bundle, device), _budget(budget, error_target, deadline)
    with progress_bar(len(table), prints_views=out is None) as bar:
        if compare is None:
            batches = explainer.explain_batches(
                table,
                method=method,
                output=output,
                players=players,
                budget=allowed,
                seed=seed,
                space=space,
                progress=bar.explained,
            )
        else:
            both = explainer.explain_methods(
                table, [method, compare], output=output, players=players, budget=allowed, seed=seed, space=space
            )
            batches = iter((both[method],))
        for place, explanation in enumerate(explanation for batch in dated(batches, days) for explanation in batch):
            view = explanation.view(audience, language, judged=judged, folder=own)
            content = view.to_pdf() if form == "pdf" else render_view(view.document, form).encode()
            if out is None:
                typer.echo(content.decode())
            else:
                number = row[place] if row else place
                suffix = {"text": "txt", "markdown": "md"}.get(form, form)
                typer.echo(_write(out / f"row-{number}-{audience}.{suffix}", content))
            bar.written(place + 1)
    for caveat in explainer.batch_caveats(table):
        typer.echo(f"All rows together: {caveat.message}", err=True)
    typer.echo("Nothing was recorded: only `xaisvc serve` keeps explanations under their ids.", err=True)


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InvalidRequestError.of("--out", f"cannot write '{path}': {error.strerror}") from None
    return path


def _budget(coalitions: int | None, error_target: float | None, deadline_s: float | None) -> Budget | None:
    from xaisvc.types import Deadline, ErrorTarget  # noqa: PLC0415 - heavy: loaded when used

    given = [value for value in (coalitions, error_target, deadline_s) if value is not None]
    if len(given) > 1:
        raise InvalidRequestError.of("budget", "give one of --budget, --error-target and --deadline")
    if error_target is not None:
        return ErrorTarget(error_target)
    return Deadline(deadline_s) if deadline_s is not None else coalitions


@app.command("export-explainer")
def export_explainer(  # noqa: PLR0913 - one parameter per option
    folder: BundleArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The .onnx file to write.")],
    *,
    method: Annotated[
        str,
        typer.Option("--method", "-m", help="linear, tree, kernel or permutation; auto takes an exact one if it can."),
    ] = "auto",
    output: Annotated[str | None, typer.Option(help="Id of the output; the bundle's first by default.")] = None,
    space: Annotated[
        str | None, typer.Option(help="probability, log_odds or raw; the output's own by default.")
    ] = None,
    players: Annotated[str, typer.Option(help="features, concepts or clusters.")] = "features",
    budget: Annotated[int | None, typer.Option(help="Coalitions per row; the method's default if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the coalitions.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Write the explainer of an output as one ONNX file that runs without xaisvc.

    The file holds the model and what its method needs: for trees the tables of their exact values, for linear models
    weights and means, for all others the background rows, the coalitions of a sampled SHAP method and its solve. It
    reads n rows as the model does and gives four double tensors:

    values (n, players), standard_errors (n, players), outputs (n) and base_values (n).

    Players, digests, seed and the rest are in its metadata. Anything that runs ONNX runs it:

        session = onnxruntime.InferenceSession("explainer.onnx")

        values, errors, base, answers = session.run(None, {"x": rows})

    With a sampled method the background rows are in the file: protect it as you protect them.
    """
    from xaisvc.engine.export import export_explainer as export  # noqa: PLC0415 - heavy: loaded when used

    if out.exists() and not overwrite:
        raise InvalidRequestError.of("--out", f"'{out}' is there already; say --overwrite to replace it")
    if not out.parent.is_dir():  # known now, not after the work
        raise InvalidRequestError.of("--out", f"there is no folder '{out.parent}'; make it first")
    made = export(folder, output=output, space=space, players=players, method=method, budget=budget, seed=seed)
    try:
        out.write_bytes(made.model)
    except OSError as error:
        raise InvalidRequestError.of("--out", f"cannot write '{out}': {error.strerror}") from None
    about = made.metadata
    coalitions = about.get("xaisvc.budget")
    how = f"{about['xaisvc.method']} SHAP" if coalitions else f"exact SHAP values by method '{about['xaisvc.method']}'"
    typer.echo(
        f"Wrote {out} ({len(made.model):,} bytes): {how} of '{about['xaisvc.output']}' in {about['xaisvc.space']}"
        f"{f' from {coalitions} coalitions' if coalitions else ''} over {about['xaisvc.background_rows']} "
        f"background rows.\nInputs: {', '.join(made.inputs)}. Outputs: {', '.join(made.outputs.values())}."
    )


@app.command("serve")
def serve(  # noqa: PLR0913 - one parameter per option
    models: Annotated[
        list[Path] | None, typer.Option("--models", "-m", metavar="DIR", help="A bundle or a folder of bundles.")
    ] = None,
    *,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for any; 8765 by default.")] = None,
    port_file: Annotated[Path | None, typer.Option(help="Write the bound port to this file.")] = None,
    processes: Annotated[int | None, typer.Option(help="Server processes that share the port.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for the records.")] = None,
    device: Annotated[DeviceName | None, typer.Option(help="Where to run the models.")] = None,
    max_rows: Annotated[int | None, typer.Option(help="Most rows in one request.")] = None,
    workers: Annotated[int | None, typer.Option(help="Batches that a process computes at the same time.")] = None,
    cache: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="memory:, sqlite:, or the address of a Redis.")
    ] = None,
    reload_seconds: Annotated[
        float | None, typer.Option(help="How often to look for new versions of bundles; 0 for on SIGHUP only.")
    ] = None,
    require_tokens: Annotated[bool | None, typer.Option(help="Do not start without tokens.")] = None,
    tls_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ask clients for a certificate of this authority (PEM).")
    ] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port for Prometheus; process i has this + i.")] = None,
    audiences_dir: AudiencesDir = None,
    reflection: Annotated[bool | None, typer.Option(help="Let clients such as grpcurl ask for the protocol.")] = None,
    grace_seconds: Annotated[float | None, typer.Option(help="How long a shutdown waits for calls.")] = None,
    log_format: Annotated[Literal["json", "console"] | None, typer.Option(help="Form of the log.")] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Least level that is logged.")
    ] = None,
) -> None:
    """Serve explanations over gRPC. Settings: flags, then XAISVC_* variables, then the file, then defaults."""
    from xaisvc.config import load_settings  # noqa: PLC0415 - heavy: loaded when used

    flags = {
        "models": models,
        "host": host,
        "port": port,
        "port_file": port_file,
        "processes": processes,
        "data_dir": data_dir,
        "device": device,
        "max_rows": max_rows,
        "workers": workers,
        "cache": cache,
        "reload_seconds": reload_seconds,
        "require_tokens": require_tokens,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "metrics_port": metrics_port,
        "audiences_dir": audiences_dir,
        "reflection": reflection,
        "grace_seconds": grace_seconds,
        "log_format": log_format,
        "log_level": log_level,
    }
    # Requests are what runs at the same time here. Threads of the linear algebra would only get in their way: a solve
    # that takes one of them a second takes five when two wait for each other on busy CPUs.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    settings = load_settings(config, {name: value for name, value in flags.items() if value is not None})
    if settings.processes > 1:
        from xaisvc.server.processes import supervise  # noqa: PLC0415 - heavy: loaded when used

        raise typer.Exit(supervise(settings))
    from xaisvc.server.app import run  # noqa: PLC0415 - heavy: loaded when used

    raise typer.Exit(run(settings))


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")] = Path("out/demo"),
    *,
    keep_serving: Annotated[bool, typer.Option("--serve", help="Leave the service running.")] = False,
) -> None:
    """Start the service, explain real credit applicants to all five audiences, and write the pages."""
    from xaisvc.demo import run_demo  # noqa: PLC0415 - heavy: loaded when used

    raise typer.Exit(run_demo(out, serve=keep_serving, echo=typer.echo))


def main() -> None:
    """Runs the command line. Errors made on purpose are printed without a traceback; exit status 2, 130 if stopped."""
    try:
        app()
    except SystemExit as end:
        if end.code == _STOPPED:
            typer.echo("stopped", err=True)
        raise
    except XaisvcError as error:
        typer.echo(f"xaisvc: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
