"""Writes a bundle to disk, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xaisvc.bundles.bands import BANDS, parse_bands, write_bands
from xaisvc.bundles.bundle import Reference
from xaisvc.bundles.cases import as_cases, write_cases
from xaisvc.bundles.files import open_folder, read_file
from xaisvc.bundles.load import (
    BACKGROUND,
    CASES,
    MAX_TABLE_BYTES,
    MODEL,
    PREDICTION,
    PROTECTED,
    REFERENCE,
    check_unchanged,
    load_bundle,
    parse_reference,
)
from xaisvc.bundles.lock import LOCK, lock_text
from xaisvc.bundles.manifest import MANIFEST, parse_manifest
from xaisvc.bundles.manifest_text import write_manifest
from xaisvc.bundles.protected import parse_protected, write_protected
from xaisvc.bundles.rows import parse_rows
from xaisvc.bundles.safety import check_model
from xaisvc.bundles.tabular import rows_error, write_parquet
from xaisvc.errors import BundleError, InvalidRowsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from xaisvc.bundles.files import PinnedFile
    from xaisvc.types.outcomes import ClosedCases, OutcomeBands
    from xaisvc.types.schema import BundleDescription
    from xaisvc.types.table import Table


def write_bundle(  # noqa: PLR0913 - the parts of a bundle, all by name
    path: str | Path,
    *,
    description: BundleDescription,
    model: bytes,
    background: pd.DataFrame | Table,
    reference: pd.DataFrame | Reference | None = None,
    protected: pd.DataFrame | None = None,
    cases: pd.DataFrame | ClosedCases | None = None,
    bands: Iterable[OutcomeBands] = (),
    overwrite: bool = False,
) -> Path:
    """Writes a bundle's folder.

    Everything is checked first and written to a folder beside the target, which is then renamed: nobody ever sees half
    a bundle.

    Args:
        path: Folder to write. Its parents are made if needed.
        description: Becomes `bundle.yaml`, with comments.
        model: Content of the ONNX file.
        background: Rows that stand in for absent features.
        reference: Rows with expected predictions; a DataFrame has a column `prediction:<output id>` per output.
        protected: One column per protected attribute that the model is not given, for the rows of the background.
        cases: Closed cases of both outcomes; a DataFrame has the columns that `cases.parse_cases` names.
        bands: What became of past cases, band by band, counted with this model.
        overwrite: Whether a bundle that is already there is replaced. Any other folder is never touched.

    Returns:
        The folder.

    Raises:
        BundleError: If the folder is taken, or a part does not fit the others.
        UnsafeModelError: If the model breaks a safety rule.
    """
    target = Path(path).absolute()
    _check_target(target, overwrite=overwrite)
    manifest = write_manifest(description)
    described = parse_manifest(manifest.encode())
    check_model(model)
    rows = _rows(described, background)
    files = {
        MANIFEST: manifest.encode(),
        MODEL: model,
        f"{BACKGROUND}.parquet": write_parquet(described, rows),
    }
    if protected is not None:
        attributes = parse_protected(described, protected, len(rows), PROTECTED)
        files[f"{PROTECTED}.parquet"] = write_protected(attributes)
    if reference is not None:
        known = reference if isinstance(reference, Reference) else parse_reference(described, reference, "reference")
        extra = {f"{PREDICTION}{output}": values for output, values in known.predictions.items()}
        files[f"{REFERENCE}.parquet"] = write_parquet(described, known.rows, extra)
    if cases is not None:
        files[f"{CASES}.parquet"] = write_cases(described, as_cases(described, cases, CASES))
    counted = tuple(bands)
    if counted:
        digest = hashlib.sha256(model).hexdigest()
        files[BANDS] = write_bands(described, counted, digest).encode()
        parse_bands(described, files[BANDS], digest)
    try:
        _replace(target, files)
    except OSError as error:
        raise BundleError(f"the bundle cannot be written to '{target}' ({_reason(error)})") from None
    return target


def lock_bundle(path: str | Path) -> Path:
    """Writes the lock of a bundle: from now on it is loaded only with every file as it is now.

    Args:
        path: Folder of the bundle. A lock that is there is replaced.

    Returns:
        The file.

    Raises:
        UnsafeModelError: If the model breaks a safety rule.
        BundleError: If the bundle cannot be loaded, changed meanwhile, or the lock cannot be written.
    """
    bundle = load_bundle(path, check_locked=False)
    pins = list(bundle.files)
    if bundle.reference is not None:
        with open_folder(bundle.path) as folder:
            pins.append(_reference_pin(folder))
    check_unchanged(bundle)
    target = bundle.path / LOCK
    fresh = bundle.path / f".{LOCK}.{secrets.token_hex(4)}.new"
    try:
        fresh.write_text(lock_text(pins), encoding="utf-8")
        fresh.replace(target)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise BundleError(f"the lock cannot be written ({_reason(error)})", file=LOCK) from None
    load_bundle(path)
    return target


def _reference_pin(folder: int) -> PinnedFile:
    for name in (f"{REFERENCE}.parquet", f"{REFERENCE}.csv"):
        with suppress(FileNotFoundError):
            return read_file(folder, name, max_bytes=MAX_TABLE_BYTES)[1]
    raise BundleError("the file is gone; put it back", file=f"{REFERENCE}.parquet")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "unknown reason"


def _check_target(target: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return
    if target.is_symlink() or not (target / MANIFEST).is_file():
        raise BundleError(f"'{target}' is there and is no bundle; choose another folder")
    if not overwrite:
        raise BundleError(f"there is a bundle at '{target}' already; choose another folder, or overwrite it on purpose")


def _rows(description: BundleDescription, rows: pd.DataFrame | Table) -> Table:
    try:
        return parse_rows(description, rows)
    except InvalidRowsError as error:
        raise rows_error(error, BACKGROUND) from None


def _replace(target: Path, files: dict[str, bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    fresh = target.parent / f".{target.name}.{mark}.new"
    old = target.parent / f".{target.name}.{mark}.old"
    fresh.mkdir()
    try:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if target.exists():
            target.rename(old)
        try:
            fresh.rename(target)
        except OSError:
            with suppress(OSError):
                old.rename(target)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
