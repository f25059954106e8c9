"""Reads and writes the tables of a bundle: parquet, or CSV as text that the schema gives its meaning."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from xaisvc.bundles.columns import MAX_WHOLE
from xaisvc.bundles.parquet import read_parquet_frame, to_parquet
from xaisvc.bundles.rows import parse_each, parse_rows
from xaisvc.errors import BundleError, InvalidRequestError, InvalidRowsError
from xaisvc.types.fact_dates import dates_by_row
from xaisvc.types.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from xaisvc.bundles.rows import Rows
    from xaisvc.types.schema import BundleDescription, Feature
    from xaisvc.types.table import Column, Table

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,15})")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?(?<=[\d.])")
_MISSING = {"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>"}
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def read_frame(content: bytes, file: str) -> pd.DataFrame:
    """Reads a parquet or CSV file of a bundle.

    Args:
        content: Bytes of the file.
        file: Its name, which ends in `.parquet` or `.csv`.

    Returns:
        The table; from CSV every cell is text, so that `007` stays `007`.

    Raises:
        BundleError: If the content is no such table.
    """
    try:
        return _frame(content, file)
    except _TableError as error:
        raise BundleError(str(error), file=file) from None


def read_rows(
    description: BundleDescription, source: str | Path | BinaryIO, only: Sequence[int] | None = None
) -> Table:
    """Reads rows of a bundle from a file.

    Args:
        description: The schema.
        source: Path of a `.csv`, `.parquet` or `.json` file, or an open stream of JSON. JSON holds one object (a row)
            or a list of objects.
        only: Indices, from 0, of the rows to read, in the order wanted; what is wrong with others is no matter.

    Raises:
        InvalidRequestError: If the file cannot be read, is no such table, or has no such row.
        InvalidRowsError: If values do not fit the schema.
    """
    name, content = _content(source)
    rows: Rows
    try:
        if name.endswith((".csv", ".parquet")):
            rows = typed_frame(description, _frame(content, name), name)
        else:
            rows = _json_rows(content)
    except _TableError as error:
        raise InvalidRequestError.of("rows", str(error)) from None
    return parse_rows(description, rows) if only is None else _only(description, rows, only)


def _only(description: BundleDescription, rows: Rows, only: Sequence[int]) -> Table:
    table, good, violations = parse_each(description, rows)
    _check_present(only, len(good) + len(violations), "row")
    wrong = [violation for index in only for violation in violations.get(index, ())]
    if wrong:
        raise InvalidRowsError(wrong)
    return table.take(np.searchsorted(good, only))


def _check_present(only: Sequence[int], n_rows: int, field: str) -> None:
    absent = [index for index in only if not 0 <= index < n_rows]
    if absent:
        raise InvalidRequestError.of(field, f"there is no row {absent[0]}; the file has rows 0 to {n_rows - 1}")


def read_dates(source: str | Path, only: Sequence[int] | None = None) -> list[Mapping[str, object]]:
    """Reads from a file what days the facts of rows are from: a row for each, features as columns, empty if not known.

    Args:
        source: Path of a `.csv`, `.parquet` or `.json` file.
        only: Indices, from 0, of the rows wanted; all of them if None.

    Raises:
        InvalidRequestError: If the file cannot be read, is no such table, or has no such row.
    """
    name, content = _content(source)
    try:
        if name.endswith((".csv", ".parquet")):
            frame = _frame(content, name)
            columns = {str(column): [_day_cell(cell) for cell in frame[column]] for column in frame.columns}
            found: list[Mapping[str, object]] = dates_by_row(columns, field="dates")
        else:
            found = dates_by_row(_json_rows(content), field="dates")
    except _TableError as error:
        raise InvalidRequestError.of("dates", str(error)) from None
    _check_present(only or (), len(found), "dates")
    return found if only is None else [found[index] for index in only]


def _day_cell(cell: object) -> object:
    return None if isinstance(cell, str) and cell.strip() in _MISSING else cell


def read_data(source: str | Path) -> pd.DataFrame:
    """Reads a data file that no schema describes yet, to draft one.

    A CSV column becomes numbers only if every cell is a number as people write numbers: a column with `007` is text.

    Args:
        source: Path of a `.csv` or `.parquet` file.

    Raises:
        InvalidRequestError: If the file cannot be read or is no such table.
    """
    name, content = _content(source)
    if not name.endswith((".csv", ".parquet")):
        raise InvalidRequestError.of("data", f"'{name}' must be a .csv or .parquet file")
    try:
        frame = _frame(content, name)
    except _TableError as error:
        raise InvalidRequestError.of("data", str(error)) from None
    return guess_types(frame) if name.endswith(".csv") else frame


def guess_types(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells of a CSV file as numbers, truth values or texts, column by column."""
    typed = frame.copy()
    for column in typed.columns:
        typed[column] = _guessed(typed[column])
    return typed


class _TableError(ValueError):
    """Content that is no table; the text is ours."""


def _content(source: str | Path | BinaryIO) -> tuple[str, bytes]:
    if not isinstance(source, str | Path):
        return "", source.read()
    path = Path(source)
    try:
        if path.exists() and not path.is_file():
            raise InvalidRequestError.of("file", f"'{path}' is no regular file; check the path")
        return path.name, path.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "unknown reason"
        raise InvalidRequestError.of("file", f"'{path}' cannot be read ({reason}); check the path") from None


def _frame(content: bytes, name: str) -> pd.DataFrame:
    return _parquet(content) if name.endswith(".parquet") else _csv(content)


def _csv(content: bytes) -> pd.DataFrame:
    """Every cell as text. pandas would guess types, and would take a line that is too long for one with an index."""
    import pandas as pd  # noqa: PLC0415  # heavy: loaded when used

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _TableError("the file is not UTF-8; save it as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    cells: list[list[str]] = []
    try:
        for row in reader:
            if row and cells and len(row) != len(cells[0]):
                raise _TableError(
                    f"line {reader.line_num} has {len(row)} values, but the header has {len(cells[0])}; separate "
                    "values by "
                    "commas, and put a value that holds a comma in quotes"
                )
            if row:
                cells.append(row)
    except csv.Error:
        raise _TableError(f"line {reader.line_num} is not valid CSV; check its quotes") from None
    if not cells:
        raise _TableError("the file is empty; it needs a header line with the names of the columns")
    if len(cells[0]) == 1 and ";" in cells[0][0]:
        raise _TableError("the values are separated by semicolons; save the file with commas")
    twice = next((name for i, name in enumerate(cells[0]) if name in cells[0][:i]), None)
    if twice is not None:
        raise _TableError(f"two columns are named {twice!r}; every column needs a name of its own")
    return pd.DataFrame(cells[1:], columns=cells[0], dtype=object)


def _parquet(content: bytes) -> pd.DataFrame:
    import pyarrow as pa  # noqa: PLC0415  # heavy: loaded when used

    try:
        return read_parquet_frame(content)
    except (pa.ArrowException, OSError, ValueError, TypeError):
        raise _TableError("the file is no parquet table or is damaged; write it again") from None


def _json_rows(content: bytes) -> list[Mapping[str, object]]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise _TableError("this is not valid JSON; give one object per row, or a list of objects") from None
    rows = [found] if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise _TableError("the JSON must be one object (a row) or a list of objects")
    return rows


def _guessed(cells: pd.Series) -> pd.Series:
    """A column of text as numbers or truth values if every cell that is not empty is one."""
    import pandas as pd  # noqa: PLC0415  # heavy: loaded when used

    texts = cells.to_numpy(dtype=object)
    present = [text for text in set(texts) if text.strip() not in _MISSING]
    if present and all(_NUMBER.fullmatch(text.strip()) for text in present):
        numbers = pd.Series([np.nan if text.strip() in _MISSING else float(text) for text in texts], index=cells.index)
        whole = all(_WHOLE.fullmatch(text.strip()) and abs(int(text)) <= MAX_WHOLE for text in present)
        return numbers.astype("int64") if whole and not numbers.isna().any() else numbers
    if present and all(text.strip() in _TRUTH for text in present):
        return pd.Series([_TRUTH.get(text.strip()) for text in texts], index=cells.index)
    return pd.Series([None if text == "" else text for text in texts], index=cells.index, dtype=object)


def typed_frame(description: BundleDescription, frame: pd.DataFrame, file: str) -> pd.DataFrame:
    """Gives the text cells of a CSV file the type that the schema wants; a parquet table has its types already."""
    if not file.endswith(".csv"):
        return frame
    import pandas as pd  # noqa: PLC0415  # heavy: loaded when used

    features = {feature.id: feature for feature in description.features}
    return pd.DataFrame(
        {
            name: _typed(features[name], frame[name].to_numpy(dtype=object)) if name in features else frame[name]
            for name in frame.columns
        }
    )


def write_parquet(
    description: BundleDescription, rows: Table, extra: Mapping[str, NDArray[np.float64]] | None = None
) -> bytes:
    """Rows as a parquet file with the types that a person would expect of each kind, zstd-compressed.

    Args:
        description: The schema.
        rows: The rows.
        extra: Further columns of numbers.
    """
    import pyarrow as pa  # noqa: PLC0415  # heavy: loaded when used

    columns = {feature.id: _arrow(feature, rows.columns[feature.id]) for feature in description.features}
    columns.update({name: pa.array(values, type=pa.float64()) for name, values in (extra or {}).items()})
    return to_parquet(pa.table(columns))


def _arrow(feature: Feature, values: Column) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415  # heavy: loaded when used

    if feature.kind is Kind.CATEGORY:
        return pa.array(values, type=pa.string())
    numbers = pa.array(values, type=pa.float64(), from_pandas=True)  # NaN becomes null
    if feature.kind is Kind.INTEGER:
        return numbers.cast(pa.int64())
    if feature.kind is Kind.BOOLEAN:
        return numbers.cast(pa.bool_())
    if feature.kind is Kind.DATE:
        micros = np.where(np.isnan(values.astype(np.float64)), 0, values).astype(np.float64) * 86_400_000_000
        whole = np.mod(micros, 86_400_000_000) == 0
        stamps = pa.array(np.rint(micros).astype(np.int64), mask=np.isnan(values.astype(np.float64)))
        stamps = stamps.cast(pa.timestamp("us"))
        return stamps.cast(pa.date32()) if whole.all() else stamps
    return numbers


def rows_error(error: InvalidRowsError, file: str) -> BundleError:
    """The same violations as an error of a bundle's file."""
    text = str(error).replace("rows[", "row[").replace("; rows.", "; ").removeprefix("rows.")
    return BundleError(text, file=file)


def _typed(feature: Feature, texts: NDArray[np.object_]) -> NDArray[np.object_]:
    """Text cells as the objects they mean; what has no meaning stays text and is refused by name later."""
    if feature.kind is Kind.CATEGORY:
        known = set(feature.categories)
        meaning: dict[object, object] = {
            text: None if text not in known and text in _MISSING else text for text in set(texts)
        }
    else:
        meaning = {text: _meaning(feature.kind, text) for text in set(texts)}
    return np.fromiter((meaning[text] for text in texts), dtype=np.object_, count=len(texts))


def _meaning(kind: Kind, text: str) -> object:
    text = text.strip()
    if text in _MISSING:
        return None
    if kind is Kind.DATE:
        return text
    if kind is Kind.BOOLEAN and text in _TRUTH:
        return _TRUTH[text]
    try:
        return int(text) if kind is Kind.INTEGER and text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        return text
