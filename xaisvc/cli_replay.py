"""`xaisvc replay`: computes a recorded explanation again and says whether it agrees."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path  # noqa: TC003  typer reads it from the annotations
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xaisvc.cli_records import ConfigFile, DataDir, MasterKeyFile, check_stores, master_key, record_settings
from xaisvc.errors import InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from xaisvc.engine.replay import Replay

DIFFERS = 1
"""Exit status if a number differs, or a file behind it."""


def replay(  # noqa: PLR0913 - one parameter per option
    record_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the explanation.")],
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--models", "-m", metavar="DIR", help="A bundle or a folder of bundles; by default those of the settings."
        ),
    ] = None,
    *,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    master_key_file: MasterKeyFile = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to run the model.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compute a recorded explanation again from the files it was made with. Exit status 1 if it does not agree."""
    from xaisvc.bundles import load_bundle  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.explainer import Explainer  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.loading import bundle_folders  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.replay import replay as compute  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.stored import StoredExplanations  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.records import RecordFolder, load_subject_keys  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.types import LOCAL  # noqa: PLC0415 - heavy: loaded when used

    settings = record_settings(config, data_dir, master_key_file)
    folders = models or settings.models
    if not folders:
        raise InvalidRequestError.of("--models", "is missing: name the folder of the bundle that gave this explanation")
    check_stores(settings.data_dir)
    _, envelope = load_subject_keys(settings.data_dir, master_key(settings))
    stored = StoredExplanations(RecordFolder(settings.data_dir, envelope)).get(record_id, LOCAL)
    name = stored.record.bundle
    bundles = {bundle.description.name: bundle for bundle in map(load_bundle, bundle_folders(folders))}
    if name not in bundles:
        known = ", ".join(sorted(bundles))
        raise NotFoundError(
            f"the record is of model '{name}', and --models holds {known}; name the folder of its bundle"
        )
    found = compute(stored, Explainer(bundles[name], device))
    typer.echo(json.dumps(_as_json(found), indent=2) if as_json else _as_text(found))
    raise typer.Exit(0 if found.agrees else DIFFERS)


def _as_json(found: Replay) -> dict[str, object]:
    gap = None if math.isnan(found.largest_gap) else found.largest_gap
    return {**dataclasses.asdict(found), "largest_gap": gap}


def _as_text(found: Replay) -> str:
    lines = []
    if not found.computed:
        lines.append(f"{found.record_id}: not computed again, because the files are not those of the record")
    elif found.agrees:
        lines.append(f"{found.record_id}: agrees (largest difference {found.largest_gap:.1e} of the largest number)")
    else:
        lines.append(f"{found.record_id}: does not agree (largest difference {found.largest_gap:.1e})")
    for title, differences in (("changed since", found.pinned), ("numbers that differ", found.numbers)):
        if differences:
            lines.append(f"{title}:")
            lines += [f"  {one.what}: recorded {one.recorded}, now {one.found}" for one in differences]
    return "\n".join(lines)
