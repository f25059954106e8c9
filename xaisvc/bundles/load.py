"""Loads a bundle from its folder, and notices later whether the folder is still the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.bundles.bands import BANDS, parse_bands
from xaisvc.bundles.bundle import Bundle, Reference
from xaisvc.bundles.cases import parse_cases
from xaisvc.bundles.files import current_mark, is_marked, list_files, open_folder, read_file
from xaisvc.bundles.label_files import language_of
from xaisvc.bundles.lock import LOCK, MAX_LOCK_BYTES, check_lock, parse_lock
from xaisvc.bundles.manifest import MANIFEST, parse_manifest
from xaisvc.bundles.protected import parse_protected
from xaisvc.bundles.rows import parse_rows
from xaisvc.bundles.safety import DEFAULT_LIMITS, ModelLimits, check_model
from xaisvc.bundles.tabular import read_frame, rows_error, typed_frame
from xaisvc.errors import BundleChangedError, BundleError, InvalidRowsError
from xaisvc.types.record import Digests

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from xaisvc.bundles.files import PinnedFile
    from xaisvc.types.outcomes import ClosedCases
    from xaisvc.types.schema import BundleDescription
    from xaisvc.types.table import Column, Table

MODEL = "model.onnx"
LABELS = "labels"
BACKGROUND = "background"
REFERENCE = "reference"
PROTECTED = "protected"
CASES = "cases"
PREDICTION = "prediction:"
MAX_MANIFEST_BYTES = 4 * 2**20
MAX_TABLE_BYTES = 512 * 2**20

_REMEDIES = {
    MANIFEST: "write it, or let `xaisvc bundle init` make a draft",
    MODEL: "copy the ONNX file into the bundle under this name",
    BACKGROUND: "add background.parquet or background.csv with 100 to 1,000 typical rows, one column per feature",
}


def load_bundle(path: str | Path, *, limits: ModelLimits = DEFAULT_LIMITS, check_locked: bool = True) -> Bundle:
    """Reads a bundle, every file once, checks it and pins it.

    Args:
        path: The folder.
        limits: What the model may be at most.
        check_locked: Whether a bundle that has a lock (`SHA256SUMS`) must be as it was locked.

    Returns:
        The bundle. Nothing of it is read from disk again, except by `check_unchanged`.

    Raises:
        UnsafeModelError: If the model breaks a safety rule.
        BundleError: If a file is missing, is a link, or says something wrong; the message names file, line and field.
            If a file is not as the lock has it.
    """
    root = Path(path).absolute()
    with open_folder(root) as folder:
        manifest, manifest_pin = _required(folder, MANIFEST, MAX_MANIFEST_BYTES)
        labels = {
            language_of(name): _required(folder, f"{LABELS}/{name}", MAX_MANIFEST_BYTES)
            for name in list_files(folder, LABELS)
        }
        model, model_pin = _required(folder, MODEL, limits.size_bytes)
        found = _table(folder, BACKGROUND)
        if found is None:
            raise BundleError(f"the file is missing; {_REMEDIES[BACKGROUND]}", file=f"{BACKGROUND}.parquet")
        background, background_pin = found
        reference = _table(folder, REFERENCE)
        protected = _table(folder, PROTECTED)
        cases = _table(folder, CASES)
        bands = _optional(folder, BANDS, MAX_MANIFEST_BYTES)
        lock = _optional(folder, LOCK, MAX_LOCK_BYTES) if check_locked else None
    beside = [found[1] for found in (protected, cases, bands) if found]
    schema_pins = (manifest_pin, *(pin for _, pin in labels.values()), *beside)
    if lock is not None:  # before anything is made of what was read
        check_lock(parse_lock(lock[0]), (*schema_pins, model_pin, background_pin, *(reference or ())[1:]))
    description = parse_manifest(manifest, labels={language: content for language, (content, _) in labels.items()})
    check_model(model, limits=limits)
    rows = _rows(description, read_frame(background, background_pin.name), background_pin.name)
    return Bundle(
        path=root,
        description=description,
        model=model,
        background=rows,
        reference=parse_reference(description, read_frame(reference[0], reference[1].name), reference[1].name)
        if reference
        else None,
        digests=Digests(model=model_pin.sha256, background=background_pin.sha256, schema=schema_digest(schema_pins)),
        files=(*schema_pins, model_pin, background_pin),
        protected={} if protected is None else _protected(description, *protected, len(rows)),
        cases=None if cases is None else _cases(description, *cases),
        bands={} if bands is None else parse_bands(description, bands[0], model_pin.sha256),
    )


def check_unchanged(bundle: Bundle) -> None:
    """Compares the files of a loaded bundle with what was pinned; see `BundleWatch.check`."""
    BundleWatch(bundle).check()


class BundleWatch:
    """Notices that the files of a loaded bundle are no longer those that were pinned.

    Args:
        bundle: The bundle. It keeps its own bytes, whatever becomes of its files.
    """

    def __init__(self, bundle: Bundle) -> None:
        root = os.fspath(bundle.path)
        self._bundle = bundle
        self._marks = [(f"{root}/{pin.name}", pin.mark) for pin in bundle.files]
        self._folder = f"{root}/{LABELS}"
        self._labels = {
            pin.name.removeprefix(f"{LABELS}/") for pin in bundle.files if pin.name.startswith(f"{LABELS}/")
        }

    def check(self) -> None:
        """Compares the files with what was pinned.

        A file that the file system shows untouched (same file, size and times) is not read again; any other is hashed.
        Call it before answers are given, so that a changed file is noticed.

        Raises:
            BundleChangedError: Names the first file that differs, is gone or was added.
        """
        if self._is_untouched():
            return
        try:
            with open_folder(self._bundle.path) as folder:
                for pin in self._bundle.files:
                    _check_file(folder, pin)
                for name in list_files(folder, LABELS):
                    if name not in self._labels:
                        raise _changed(f"{LABELS}/{name}", "was added")
        except BundleChangedError:
            raise
        except BundleError as error:
            raise _changed(error.file, "can no longer be read as it was") from None

    def _is_untouched(self) -> bool:
        """Whether the file system shows every file as it was and no label file more: nearly always, and soon known."""
        try:
            for path, mark in self._marks:
                if not is_marked(path, mark):
                    return False
            # Asked first, because where there is no such folder an error costs more than the question.
            if not self._labels and not os.access(self._folder, os.F_OK, follow_symlinks=False):
                return True
            return self._labels.issuperset(os.listdir(self._folder))  # noqa: PTH208 - a third of the time
        except OSError:
            return False


def schema_digest(pins: tuple[PinnedFile, ...]) -> str:
    """SHA-256 over name and digest of each file: `bundle.yaml`, labels and what lies beside them, in order of name."""
    lines = [f"{pin.sha256} {pin.name}\n" for pin in sorted(pins, key=lambda pin: pin.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check_file(folder: int, pin: PinnedFile) -> None:
    try:
        if current_mark(folder, pin.name) == pin.mark:
            return
        _, now = read_file(folder, pin.name, max_bytes=max(pin.mark[2], 1))
    except FileNotFoundError:
        raise _changed(pin.name, "is gone") from None
    if now.sha256 != pin.sha256:
        raise _changed(pin.name, "has another content")


def _changed(file: str, what: str) -> BundleChangedError:
    return BundleChangedError(
        f"the file {what} since the bundle was loaded; put it back, or load the bundle again under a new version",
        file=file,
    )


def _required(folder: int, name: str, max_bytes: int) -> tuple[bytes, PinnedFile]:
    try:
        return read_file(folder, name, max_bytes=max_bytes)
    except FileNotFoundError:
        raise BundleError(f"the file is missing; {_REMEDIES.get(name, 'put it back')}", file=name) from None


def _table(folder: int, stem: str) -> tuple[bytes, PinnedFile] | None:
    found = []
    for name in (f"{stem}.parquet", f"{stem}.csv"):
        try:
            found.append(read_file(folder, name, max_bytes=MAX_TABLE_BYTES))
        except FileNotFoundError:
            continue
    if len(found) > 1:
        raise BundleError(f"{stem}.parquet and {stem}.csv are both there; remove one", file=found[1][1].name)
    return found[0] if found else None


def _protected(description: BundleDescription, content: bytes, pin: PinnedFile, n_rows: int) -> Mapping[str, Column]:
    return parse_protected(description, read_frame(content, pin.name), n_rows, pin.name)


def _cases(description: BundleDescription, content: bytes, pin: PinnedFile) -> ClosedCases:
    return parse_cases(description, read_frame(content, pin.name), pin.name, pin.sha256)


def _optional(folder: int, name: str, max_bytes: int) -> tuple[bytes, PinnedFile] | None:
    try:
        return read_file(folder, name, max_bytes=max_bytes)
    except FileNotFoundError:
        return None


def _rows(description: BundleDescription, frame: pd.DataFrame, file: str) -> Table:
    try:
        return parse_rows(description, typed_frame(description, frame, file))
    except InvalidRowsError as error:
        raise rows_error(error, file) from None


def parse_reference(description: BundleDescription, frame: pd.DataFrame, file: str) -> Reference:
    """Reads rows with expected predictions.

    Args:
        description: The schema.
        frame: One column per feature, and `prediction:<output id>` for at least one output.
        file: Name used in errors.

    Raises:
        BundleError: If a column or a value does not fit.
    """
    columns = {str(name): i for i, name in enumerate(frame.columns) if str(name).startswith(PREDICTION)}
    outputs = {f"{PREDICTION}{output.id}": output.id for output in description.outputs}
    for name in columns:
        if name not in outputs:
            known = ", ".join(outputs.values())
            raise BundleError(f"column '{name}' names no output; outputs: {known}", file=file, field=name)
    if not columns:
        raise BundleError(
            f"there is no column with expected predictions; add '{next(iter(outputs))}' in the unit of the tensor",
            file=file,
        )
    rows = _rows(description, frame.drop(columns=list(columns)), file)
    return Reference(
        rows=rows,
        predictions={outputs[name]: _predictions(frame.iloc[:, i], name, file) for name, i in columns.items()},
    )


def _predictions(values: pd.Series, name: str, file: str) -> NDArray[np.float64]:
    try:
        numbers: NDArray[np.float64] = values.to_numpy(dtype=object).astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if not np.isfinite(numbers).all():
        raise BundleError("every expected prediction must be a finite number", file=file, field=name)
    return numbers
