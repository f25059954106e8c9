"""`xaisvc records`: verify, export, erase, count and retain what was recorded."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xaisvc.errors import InvalidRequestError, NotFoundError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from xaisvc.config import Settings
    from xaisvc.records import (
        AudienceUsage,
        Event,
        MasterKey,
        RecordFolder,
        SqliteRecordStore,
        StoreKeys,
        VerifyReport,
    )

records_app = typer.Typer(
    help="Verify, export, erase and count what was recorded.", no_args_is_help=True, rich_markup_mode=None
)

_CALLER = "xaisvc records"
_FOR_EVER_MONTHS = 12_000

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings, as for `xaisvc serve`.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Folder of the records, as for `xaisvc serve`.")
]
MasterKeyFile = Annotated[
    Path | None,
    typer.Option("--master-key-file", metavar="FILE", help="The master key; by default that of the settings."),
]
SigningKeyFile = Annotated[
    Path | None, typer.Option("--signing-key-file", metavar="FILE", help="The signing key, if it is elsewhere.")
]
AudiencesDir = Annotated[
    Path | None,
    typer.Option("--audiences-dir", metavar="DIR", help="Folder of audiences of your own, as for `xaisvc serve`."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@records_app.callback()
def _root() -> None:
    pass


@records_app.command("verify")
def verify(  # noqa: PLR0913 - one parameter per option
    *,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    public_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Public key (PEM); signing.pub in the folder by default.")
    ] = None,
    checkpoints: Annotated[
        list[Path] | None, typer.Option("--checkpoints", metavar="FILE", help="Checkpoints kept elsewhere; may repeat.")
    ] = None,
    master_key_file: MasterKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Check that nothing recorded was changed, removed or added. Exit status 1 if something was."""
    from xaisvc.records import SIGNING_PUBLIC, Verifier, load_subject_keys, verify_store  # noqa: PLC0415 - heavy: loaded when used

    settings = record_settings(config, data_dir, master_key_file)
    paths = check_stores(settings.data_dir)
    verifier = Verifier.load(public_key or settings.data_dir / SIGNING_PUBLIC)
    tags, envelope = load_subject_keys(settings.data_dir, master_key(settings))
    reports = [
        verify_store(path, verifier, tags=tags, envelope=envelope, kept=tuple(checkpoints or ())) for path in paths
    ]
    if as_json:
        typer.echo(json.dumps([report.to_json() for report in reports], indent=2))
    else:
        _show_reports(reports)
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


@records_app.command("export")
def export(  # noqa: PLR0913 - one parameter per option
    *,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write; else standard output.")
    ] = None,
    bundle: Annotated[str, typer.Option(help="Only this bundle.")] = "",
    about: Annotated[str, typer.Option(metavar="ID", help="Only this explanation, its views and feedback.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Contents as they are stored, in base64.")] = False,
    master_key_file: MasterKeyFile = None,
) -> None:
    """Write every event as one line of JSON. Contents of erased subjects are null."""
    from xaisvc.engine.readable import ReadableParts  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.records import RecordFolder, export_events, load_subject_keys  # noqa: PLC0415 - heavy: loaded when used

    settings = record_settings(config, data_dir, master_key_file)
    check_stores(settings.data_dir)
    _, envelope = load_subject_keys(settings.data_dir, master_key(settings))
    with ExitStack() as stack:
        folder = stack.enter_context(closing(RecordFolder(settings.data_dir, envelope)))
        events = _events_about(folder, about, bundle) if about else folder.events(bundle=bundle)
        decode = None if raw else ReadableParts(folder)
        if out is None:
            export_events(events, sys.stdout, decode, explanation=about)
            return
        try:
            handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it holds what the store protects
            file = stack.enter_context(os.fdopen(handle, "w", encoding="utf-8"))
            lines = export_events(events, file, decode, explanation=about)
        except StoreError:
            raise
        except OSError as error:
            raise InvalidRequestError.of("--out", f"cannot write '{out}': {error.strerror}") from None
    typer.echo(f"Wrote {out}: {_plural(lines, 'event')}. It holds personal data; keep it as you keep the records.")


def _events_about(folder: RecordFolder, explanation: str, bundle: str) -> Iterator[Event]:
    """The event that holds an explanation, and those about it.

    Raises:
        NotFoundError: If there is no such explanation.
    """
    from xaisvc.engine.stored import StoredExplanations  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.types import LOCAL  # noqa: PLC0415 - heavy: loaded when used

    own, _ = StoredExplanations(folder).event_of(explanation, LOCAL)
    events = chain([own], folder.events(about=explanation))
    return (event for event in events if not bundle or event.bundle == bundle)


@records_app.command("erase")
def erase(  # noqa: PLR0913 - one parameter per option
    subject: Annotated[str, typer.Argument(help="Who to erase, as named when the explanations were asked for.")],
    *,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    master_key_file: MasterKeyFile = None,
    signing_key_file: SigningKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Make everything recorded about one subject unreadable for good. The service may go on meanwhile."""
    settings = record_settings(config, data_dir, master_key_file)
    erased = 0
    with ExitStack() as stack:
        stores = list(_open_stores(stack, settings, signing_key_file))
        explanations = [explanation for store in stores for explanation in store.explanations_of(subject)]
        for store in stores:
            erased += store.erase(subject, caller=_CALLER)
            # What readers wrote about an explanation has that explanation as its subject.
            told = store.with_feedback(explanations)
            erased += sum(store.erase(explanation, caller=_CALLER) for explanation in told)
    if as_json:
        typer.echo(json.dumps({"events": erased}))
    elif erased:
        typer.echo(f"Erased: {_plural(erased, 'event')} held something about this subject. Copies of the records that")
        typer.echo("you made before are not reached: erase there too, or destroy them.")
    else:
        typer.echo(
            "Nothing is recorded about this subject; check that it is written as it was when it was asked about."
        )


@records_app.command("usage")
def usage_command(  # noqa: PLR0913 - one parameter per option
    *,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    bundle: Annotated[str, typer.Option(help="Only this bundle.")] = "",
    since: Annotated[str, typer.Option(metavar="DATE", help="From this day on, for example 2026-01-31.")] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="Before this day.")] = "",
    as_json: AsJson = False,
) -> None:
    """Count per audience how often explanations were opened, by how many, and what became of them."""
    from xaisvc.records import USAGE_KINDS, RecordFolder, usage  # noqa: PLC0415 - heavy: loaded when used

    settings = record_settings(config, data_dir, None)
    check_stores(settings.data_dir)
    with closing(RecordFolder(settings.data_dir)) as folder:
        events = folder.events(kinds=USAGE_KINDS, bundle=bundle, with_parts=False)
        found = usage(events, since=_day("--since", since), until=_day("--until", until))
    if as_json:
        typer.echo(json.dumps([one.to_json() for one in found], indent=2))
    elif found:
        _show_usage(found)
    else:
        typer.echo("No view was rendered and no feedback was given in this time.")


@records_app.command("retain")
def retain(  # noqa: PLR0913 - one parameter per option
    *,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    months: Annotated[int | None, typer.Option(min=1, help="Months to keep; by default those of the settings.")] = None,
    bundle_months: Annotated[
        list[str] | None, typer.Option("--bundle", metavar="NAME=MONTHS", help="For one bundle; may repeat.")
    ] = None,
    master_key_file: MasterKeyFile = None,
    signing_key_file: SigningKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove the contents of events that are older than they must be kept. The chain stays."""
    settings = record_settings(config, data_dir, master_key_file)
    kept = {name: count or _FOR_EVER_MONTHS for name, count in settings.retention.items()}
    by_bundle = kept | dict(_bundle_months(text) for text in bundle_months or ())
    default_months = months or settings.retention_months or _FOR_EVER_MONTHS
    removed: dict[str, int] = {}
    with ExitStack() as stack:
        for store in _open_stores(stack, settings, signing_key_file):
            found = store.retain(by_bundle, default_months=default_months, caller=_CALLER)
            for name, count in found.items():
                removed[name] = removed.get(name, 0) + count
    if as_json:
        typer.echo(json.dumps({"removed": removed}))
        return
    for name, count in sorted(removed.items()):
        typer.echo(f"{name or 'no bundle'}: removed the contents of {_plural(count, 'event')}")
    if not removed:
        typer.echo("Nothing is older than it must be kept.")


def check_stores(data_dir: Path) -> list[Path]:
    """The record stores of a folder.

    Raises:
        NotFoundError: If there are none.
    """
    from xaisvc.records import store_paths  # noqa: PLC0415 - heavy: loaded when used

    paths = store_paths(data_dir)
    if not paths:
        raise NotFoundError(f"no records in '{data_dir}'; name their folder with --data-dir, as for `xaisvc serve`")
    return paths


def _open_stores(stack: ExitStack, settings: Settings, signing_key_file: Path | None) -> list[SqliteRecordStore]:
    """Every store of the folder, opened beside the service that may have it."""
    from xaisvc.records import SqliteRecordStore, StoreKeys  # noqa: PLC0415 - heavy: loaded when used

    paths = check_stores(settings.data_dir)
    keys: StoreKeys = StoreKeys.load(settings.data_dir, master=master_key(settings), signing_key=signing_key_file)
    return [stack.enter_context(closing(SqliteRecordStore(path, keys=keys, beside_service=True))) for path in paths]


def record_settings(
    config: Path | None = None,
    data_dir: Path | None = None,
    master_key_file: Path | None = None,
    audiences_dir: Path | None = None,
) -> Settings:
    """The settings as the service has them: flags, then XAISVC_* variables, then the file, then defaults.

    Raises:
        InvalidInputError: If a name is not known or a value does not fit.
    """
    from xaisvc.config import load_settings  # noqa: PLC0415 - loaded when used

    given = {"data_dir": data_dir, "master_key_file": master_key_file, "audiences_dir": audiences_dir}
    return load_settings(config, {name: value for name, value in given.items() if value is not None})


def master_key(settings: Settings) -> MasterKey | None:
    """The master key that the settings name; None if there is none.

    Raises:
        StoreError: If what is there is no master key.
    """
    from xaisvc.records import MasterKey  # noqa: PLC0415 - heavy: loaded when used

    if settings.master_key_file is not None:
        return MasterKey.from_file(settings.master_key_file)
    return MasterKey.from_text(settings.master_key) if settings.master_key else None


def _day(option: str, text: str) -> str:
    if not text:
        return ""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidRequestError.of(option, f"'{text}' is no day; write it as 2026-01-31") from None
    return day.date().isoformat()


def _bundle_months(text: str) -> tuple[str, int]:
    name, _, months = text.rpartition("=")
    if not name or not months.isdecimal() or int(months) < 1:
        raise InvalidRequestError.of("--bundle", f"'{text}' is not NAME=MONTHS, for example credit=84")
    return name, int(months)


def _show_reports(reports: Sequence[VerifyReport]) -> None:
    console = _console()
    for report in reports:
        verdict = "nothing was changed" if report.ok else f"{_plural(len(report.problems), 'problem')} found"
        console.print(f"{report.file}: {verdict}", markup=False, style="green" if report.ok else "bold red")
        gone = (
            f", {report.erased:,} erased, {report.removed:,} removed by age" if report.erased + report.removed else ""
        )
        console.print(
            f"  {_plural(report.events, 'event')}, {_plural(report.parts, 'part')} as recorded{gone}; "
            f"{_plural(report.checkpoints, 'signed checkpoint')}",
            markup=False,
        )
        if not report.keys_checked:
            console.print("  keys of subjects not checked: give the master key to check them too", markup=False)
        for problem in report.problems:
            console.print(f"  {problem.to_text()}", markup=False, soft_wrap=True)


def _show_usage(found: Sequence[AudienceUsage]) -> None:
    from rich.box import SIMPLE  # noqa: PLC0415 - heavy: loaded when used
    from rich.table import Table  # noqa: PLC0415 - heavy: loaded when used

    grid = Table(box=SIMPLE, pad_edge=False)
    grid.add_column("audience", no_wrap=True)
    for title in ("opens", "readers", "repeat", "agree", "override", "not used", "changed"):
        grid.add_column(title, justify="right", no_wrap=True)
    grid.add_column("outcomes")
    for one in found:
        numbers = (
            one.opens,
            one.readers,
            one.repeat_readers,
            one.agreements,
            one.overrides,
            one.not_used,
            one.changed_judgements,
        )
        outcomes = ", ".join(f"{name} {count:,}" for name, count in one.outcomes.items())
        grid.add_row(one.audience or "not said", *(f"{number:,}" for number in numbers), outcomes)
    console = _console()
    console.print(grid)
    console.print("repeat: readers who came back on another day. changed: the final judgement is not the first.")


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - heavy: loaded when used

    return Console(highlight=False, width=None if typer.get_text_stream("stdout").isatty() else 120)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
