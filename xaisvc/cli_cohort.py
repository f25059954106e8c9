"""`xaisvc cohort`: what many recorded explanations say together, for whoever answers for the model."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003  typer reads it from the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from xaisvc.cli_records import (
    AudiencesDir,
    ConfigFile,
    DataDir,
    MasterKeyFile,
    SigningKeyFile,
    check_stores,
    master_key,
    record_settings,
)
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from xaisvc.config import Settings
    from xaisvc.engine.cohort_request import CohortRequest
    from xaisvc.engine.commands import RenderedView
    from xaisvc.engine.viewing import ExplanationView
    from xaisvc.types import Caller

_CALLER = "xaisvc cohort"


def cohort(  # noqa: PLR0913 - one parameter per option
    model: Annotated[str, typer.Argument(help="Name of the bundle whose explanations were recorded.")],
    *,
    since: Annotated[str, typer.Option(metavar="DATE", help="From this day on, for example 2026-10-01.")] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="Before this day; before today by default.")] = "",
    against_since: Annotated[str, typer.Option(metavar="DATE", help="Compare with the days from this one on ...")] = "",
    against_until: Annotated[str, typer.Option(metavar="DATE", help="... and before this one.")] = "",
    ids: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead of days: ids of explanations, one a line.")
    ] = None,
    against_ids: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with these.")] = None,
    segment_by: Annotated[
        list[str] | None, typer.Option("--segment-by", "-s", metavar="ID", help="A feature, or band; may repeat.")
    ] = None,
    output: Annotated[str, typer.Option(help="Id of the output; by default that of most of the explanations.")] = "",
    audience: Annotated[str, typer.Option("--audience", "-a", help="Who reads it.")] = "business_manager",
    form: Annotated[str, typer.Option("--format", "-f", help="text, markdown, html or json; pdf with --out.")] = "text",
    language: Annotated[str, typer.Option(help="Language of the view.")] = "en",
    audiences_dir: AudiencesDir = None,
    tenant: Annotated[str | None, typer.Option(help="Only what was explained for this tenant.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it to this file.")] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    master_key_file: MasterKeyFile = None,
    signing_key_file: SigningKeyFile = None,
) -> None:
    """Write what many recorded explanations of a model say together; the service may go on meanwhile.

    Days are in UTC, and a day counts when it is over. No number is about fewer than 20 persons. Unlike the service, the
    command line does not remember what it told before: whoever may read the record folder can read each explanation.
    That the view was made is recorded.
    """
    from xaisvc.engine.cohort_request import CohortRequest, CohortSelection  # noqa: PLC0415 - loaded when used
    from xaisvc.engine.cohort_views import CohortViews  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.records import RecordFolder, load_subject_keys  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.types import LOCAL, Caller  # noqa: PLC0415 - heavy: loaded when used

    if form == "pdf" and out is None:
        raise InvalidRequestError.of("--format", "a PDF cannot be printed; say with --out where to write it")
    compared = bool(against_since or against_until or against_ids)
    request = CohortRequest(
        model=model,
        selection=CohortSelection(ids=_ids("--ids", ids), since=since, until=until),
        against=CohortSelection(ids=_ids("--against-ids", against_ids), since=against_since, until=against_until)
        if compared
        else None,
        output=output,
        segment_by=tuple(segment_by or ()),
        audience=audience,
    )
    settings = record_settings(config, data_dir, master_key_file, audiences_dir)
    check_stores(settings.data_dir)
    _, envelope = load_subject_keys(settings.data_dir, master_key(settings))
    caller = LOCAL if tenant is None else Caller(id=_CALLER, tenant=tenant)
    with closing(RecordFolder(settings.data_dir, envelope)) as source:
        views = CohortViews(source, settings.audiences_dir, lambda: datetime.now(UTC), recall=False)
        found = views.view(request, language, caller)
    content = _content(found, form)
    _record(settings, signing_key_file, request, found, form, caller)
    if out is None:
        sys.stdout.write(content.decode())
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content)
    except OSError as error:
        raise InvalidRequestError.of("--out", f"cannot write '{out}': {error.strerror}") from None
    typer.echo(out)


def _ids(option: str, path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InvalidRequestError.of(option, f"cannot read '{path}'; it holds one id a line") from None
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise InvalidRequestError.of(option, f"'{path}' holds no id")
    return found


def _content(view: ExplanationView, form: str) -> bytes:
    from xaisvc.views import render_view  # noqa: PLC0415 - heavy: loaded when used

    return view.to_pdf() if form == "pdf" else render_view(view.document, form).encode()


def _record(  # noqa: PLR0913, PLR0917 - what was made, of what, for whom, and where that is kept
    settings: Settings,
    signing_key_file: Path | None,
    request: CohortRequest,
    view: ExplanationView,
    form: str,
    caller: Caller,
) -> None:
    """Stores that the view was made, in the first store of the folder, beside the service that may have it."""
    from xaisvc.engine.recorded import Records  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.surroundings import Surroundings  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.records import SqliteRecordStore, StoreKeys  # noqa: PLC0415 - heavy: loaded when used

    path = check_stores(settings.data_dir)[0]
    keys = StoreKeys.load(settings.data_dir, master=master_key(settings), signing_key=signing_key_file)
    with ExitStack() as stack:
        store = stack.enter_context(closing(SqliteRecordStore(path, keys=keys, beside_service=True)))
        Records(store, Surroundings()).add_cohort_view(request, _rendered(view, form), caller, "").result()


def _rendered(view: ExplanationView, form: str) -> RenderedView:
    """The view as records keep it. Bytes of a PDF are not made twice alike, so the page that it shows is kept."""
    from xaisvc.engine.commands import RenderedView  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.views import media_type, render_view  # noqa: PLC0415 - heavy: loaded when used

    document = view.document
    return RenderedView(
        audience=document.audience,
        format=form,
        language=document.language,
        media_type=media_type(form),
        content=render_view(document, "html" if form == "pdf" else form),
        status=document.status,
    )
