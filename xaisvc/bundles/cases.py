"""Closed cases of both outcomes, beside the background rows: what a reader compares a new case with."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.bundles.parquet import read_parquet_table, to_parquet
from xaisvc.bundles.rows import parse_rows
from xaisvc.bundles.tabular import rows_error, typed_frame, write_parquet
from xaisvc.bundles.yaml_nodes import did_you_mean
from xaisvc.errors import BundleError, InvalidRowsError
from xaisvc.types.outcomes import ClosedCases

if TYPE_CHECKING:
    import pandas as pd

    from xaisvc.types.schema import BundleDescription

OUTCOME = "case:outcome"
CLOSED = "case:closed"
REFERENCE = "case:reference"
FINDING = "case:finding"
CONFIRMED = "confirmed"
CLEARED = "cleared"
MAX_CASES = 50_000

_COLUMNS = (OUTCOME, CLOSED, REFERENCE, FINDING)
_NEEDED = {
    OUTCOME: f"{CONFIRMED} or {CLEARED} for each case",
    CLOSED: "the day on which each case was closed",
}
_LONGEST_TEXT = 200
_EPOCH = date(1970, 1, 1)


def parse_cases(description: BundleDescription, frame: pd.DataFrame, file: str, digest: str = "") -> ClosedCases:
    """Reads closed cases.

    Args:
        description: The schema.
        frame: One row per case: a column per feature with what the model was given, `case:outcome` (confirmed or
            cleared), `case:closed` (a day), and if wanted `case:reference` and `case:finding` (short texts), the latter
            in another of the bundle's languages as `case:finding:nl`. Other columns are refused, so that nothing
            personal gets in by oversight.
        file: Name used in errors.
        digest: SHA-256 of the file.

    Raises:
        BundleError: If a column is missing or unknown, a value does not fit, or all cases have the same outcome.
    """
    _check_columns(description, frame, file)
    if len(frame) > MAX_CASES:
        raise BundleError(f"there are {len(frame):,} cases; keep the newest {MAX_CASES:,} at most", file=file)
    outcomes = frame[OUTCOME].to_numpy(dtype=object)
    for row, outcome in enumerate(outcomes):
        if not isinstance(outcome, str) or outcome not in {CONFIRMED, CLEARED}:
            raise _at(row, OUTCOME, f"is {_shown(outcome)}; write {CONFIRMED} or {CLEARED}", file)
    confirmed = outcomes == CONFIRMED
    if confirmed.all() or not confirmed.any():
        have = "empty" if not len(frame) else f"all {CONFIRMED}" if confirmed.all() else f"all {CLEARED}"
        raise BundleError(
            f"the cases are {have}; give closed cases of both outcomes, because examples of one outcome alone agree "
            "with whatever a reader thinks already",
            file=file,
            field=OUTCOME,
        )
    closed = frame[CLOSED].to_numpy(dtype=object)
    references = _texts(frame, REFERENCE, file)
    _check_unique(references, file)
    try:
        rows = parse_rows(description, typed_frame(description, frame.drop(columns=_extra(description, frame)), file))
    except InvalidRowsError as error:
        raise rows_error(error, file) from None
    return ClosedCases(
        rows=rows,
        confirmed=np.asarray(confirmed, dtype=np.bool_),
        closed=np.array([_day(row, value, file) for row, value in enumerate(closed)], dtype=np.int64),
        references=references,
        findings=_texts(frame, FINDING, file),
        digest=digest,
        findings_in={
            language: _texts(frame, name, file)
            for language, name in _translations(description).items()
            if name in frame.columns
        },
    )


def write_cases(description: BundleDescription, cases: ClosedCases) -> bytes:
    """Closed cases as a parquet file, zstd-compressed."""
    import pyarrow as pa  # noqa: PLC0415 - heavy: loaded when used

    table = read_parquet_table(write_parquet(description, cases.rows))
    outcomes = [CONFIRMED if confirmed else CLEARED for confirmed in cases.confirmed]
    columns = {OUTCOME: pa.array(outcomes), CLOSED: pa.array(cases.closed.astype("datetime64[D]"))}
    columns |= {
        name: pa.array([text or None for text in texts], type=pa.string())
        for name, texts in (
            (REFERENCE, cases.references),
            (FINDING, cases.findings),
            *((f"{FINDING}:{language}", texts) for language, texts in cases.findings_in.items()),
        )
        if any(texts)
    }
    for name, values in columns.items():
        table = table.append_column(name, values)
    return to_parquet(table)


def as_cases(description: BundleDescription, cases: pd.DataFrame | ClosedCases, file: str) -> ClosedCases:
    """Closed cases from a frame, as `parse_cases` reads them, or as they are."""
    return replace(cases, digest="") if isinstance(cases, ClosedCases) else parse_cases(description, cases, file)


def _extra(description: BundleDescription, frame: pd.DataFrame) -> list[str]:
    return [name for name in (*_COLUMNS, *_translations(description).values()) if name in frame.columns]


def _translations(description: BundleDescription) -> dict[str, str]:
    """Language to the column that findings stand in, for all but the bundle's first language."""
    return {language: f"{FINDING}:{language}" for language in description.languages[1:]}


def _check_columns(description: BundleDescription, frame: pd.DataFrame, file: str) -> None:
    names = [str(name) for name in frame.columns]
    known = (*_COLUMNS, *_translations(description).values())
    for name in known:
        if name in description.feature_ids:
            raise BundleError(
                f"'{name}' is a feature of the model and a column about the case too; rename the feature", file=file
            )
    for name, what in _NEEDED.items():
        if name not in names:
            raise BundleError(f"there is no column '{name}'; add it with {what}", file=file, field=name)
    for name in names:
        if name not in description.feature_ids and name not in known:
            hint = did_you_mean(name, known)
            raise BundleError(
                f"the column is neither a feature nor one of {', '.join(known)}; "
                + (hint or "remove it: closed cases hold nothing else, above all no names and account numbers"),
                file=file,
                field=name,
            )


def _texts(frame: pd.DataFrame, name: str, file: str) -> tuple[str, ...]:
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    if name not in frame.columns:
        return ("",) * len(frame)
    found = []
    for row, value in enumerate(frame[name].to_numpy(dtype=object)):
        text = "" if pd.isna(value) else str(value).strip()
        if len(text) > _LONGEST_TEXT or not text.isprintable():
            raise _at(row, name, f"must be a text of at most {_LONGEST_TEXT} characters that can be printed", file)
        found.append(text)
    return tuple(found)


def _check_unique(references: tuple[str, ...], file: str) -> None:
    first: dict[str, int] = {}
    for row, reference in enumerate(references):
        if reference and reference in first:
            raise _at(
                row,
                REFERENCE,
                f"{_shown(reference)} stands in row {first[reference]} too; give each case once, for example with the "
                "payment that opened it",
                file,
            )
        first[reference] = row


def _day(row: int, value: object, file: str) -> int:
    found: date | None = None
    if isinstance(value, datetime):  # a pandas timestamp too
        found = None if value != value else value.date()  # noqa: PLR0124 - only "not a time" differs from itself
    elif isinstance(value, date):
        found = value
    elif isinstance(value, str):
        try:
            found = date.fromisoformat(value.strip())
        except ValueError:
            found = None
    if found is None:
        raise _at(row, CLOSED, f"is {_shown(value)}; write a day such as 2026-03-31", file)
    return (found - _EPOCH).days


def _at(row: int, name: str, message: str, file: str) -> BundleError:
    return BundleError(message, file=file, field=f"row[{row}].{name}")


def _shown(value: object) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(value)[:40])
    return f"'{text}'"
