"""Turns what a caller hands in into a `Table`, or says which field of which row is wrong."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from xaisvc.bundles.columns import ABSENT, FEW_ROWS, MAX_WHOLE, Problem, check_numbers, parse_column, parse_plain
from xaisvc.bundles.yaml_nodes import did_you_mean
from xaisvc.errors import FieldViolation, InvalidRowsError
from xaisvc.types.schema import Kind
from xaisvc.types.table import Table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from xaisvc.types.schema import BundleDescription, Feature
    from xaisvc.types.table import Column

    Rows: TypeAlias = (
        Table | pd.DataFrame | Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]] | NDArray[np.generic]
    )

MAX_VIOLATIONS = 1000
_ARRAY_KINDS = {Kind.NUMERIC, Kind.INTEGER, Kind.BOOLEAN}
_MATRIX_DIMENSIONS = 2


@dataclass(frozen=True, slots=True)
class _Raw:
    """Rows brought into columns, before their values are looked at.

    Attributes:
        n_rows: Number of rows.
        columns: Feature id to raw values, (n,); only those that were given.
        unknown: Name that is no feature, to the rows that have it.
        table: Whether the columns come from a `Table`, where dates are days already.
    """

    n_rows: int
    columns: Mapping[str, NDArray[np.generic]]
    unknown: Mapping[str, NDArray[np.intp]]
    table: bool = False


def parse_rows(description: BundleDescription, rows: Rows, *, field: str = "rows") -> Table:
    """Reads rows as the bundle's schema wants them.

    Args:
        description: The schema.
        rows: A pandas DataFrame; a mapping of columns; a list of mappings, one per row; a `Table`; or, if no feature is
            a category or date, a 2-D array with its columns in the order of the schema. The order of named columns does
            not matter. A feature that may be missing may be left out.
        field: Name of the argument in error paths.

    Returns:
        n rows in the order of the schema.

    Raises:
        InvalidRowsError: Lists everything that is wrong in the order of the rows, at most 1,000 violations. Paths are
            `rows[3].age` for a value and `rows.age` for a column. Descriptions never repeat a value.
    """
    plain = _plain_matrix(description, rows) if isinstance(rows, np.ndarray) else None
    if plain is not None:
        return plain
    raw = _raw(description, rows, field)
    columns, problems = _parse(description, raw)
    violations = _violations(description, raw, problems, field)
    if violations:
        raise InvalidRowsError(violations)
    return Table(columns)


def _plain_matrix(description: BundleDescription, rows: NDArray[np.generic]) -> Table | None:
    """Few rows of numbers in which nothing can be wrong, read at once; None for what has to be looked at by column."""
    numeric = [feature.id for feature in description.features if feature.kind is Kind.NUMERIC]
    width = len(description.features)
    if len(numeric) < width or rows.dtype.kind not in "fiu" or rows.ndim != _MATRIX_DIMENSIONS:
        return None
    if rows.shape[1] != width or not 0 < len(rows) <= FEW_ROWS:
        return None
    matrix = np.array(rows.T, dtype=np.float64, order="C")
    fine = np.abs(matrix) < MAX_WHOLE  # what rounds to 2^53 may be beyond it
    return Table.of_lines(numeric, matrix) if fine.all() else None


def parse_each(
    description: BundleDescription, rows: Rows, *, field: str = "rows"
) -> tuple[Table, NDArray[np.intp], dict[int, tuple[FieldViolation, ...]]]:
    """Reads rows one by one in effect: a bad row never harms the others.

    Args:
        description: The schema.
        rows: As for `parse_rows`.
        field: Name of the argument in error paths.

    Returns:
        The good rows, their indices among all rows (intp, (n,)), and the violations of each bad row by its index. A
        column that is missing or unknown is a violation of every row that lacks or has it.

    Raises:
        InvalidRowsError: If there are no rows, or `rows` has no form that rows can have.
    """
    raw = _raw(description, rows, field)
    columns, problems = _parse(description, raw)
    found: dict[int, list[FieldViolation]] = {}
    for name, indices in raw.unknown.items():
        violation = _unknown(description, name)
        for i in indices:
            found.setdefault(int(i), []).append(_at(violation, f"{field}[{i}].{name}"))
    for feature in description.features:
        if feature.id not in raw.columns and not feature.allow_missing:
            for i in range(raw.n_rows):
                found.setdefault(i, []).append(_at(_missing(feature), f"{field}[{i}].{feature.id}"))
        for problem in problems.get(feature.id, ()):
            for i in problem.rows:
                path = f"{field}[{i}].{feature.id}"
                found.setdefault(int(i), []).append(FieldViolation(path, problem.reason, problem.description))
    table = Table(columns)
    if not found:
        return table, np.arange(raw.n_rows), {}
    good = np.array([i for i in range(raw.n_rows) if i not in found], dtype=np.intp)
    return table.take(good), good, {i: tuple(found[i]) for i in sorted(found)}


def _raw(description: BundleDescription, rows: Rows, field: str) -> _Raw:
    pandas = sys.modules.get("pandas")  # whoever hands in a frame has loaded pandas
    if isinstance(rows, Table):
        raw = replace(_from_columns(description, rows.columns, field), table=True)
    elif pandas is not None and isinstance(rows, pandas.DataFrame):
        raw = _from_frame(description, cast("pd.DataFrame", rows), field)
    elif isinstance(rows, np.ndarray):
        raw = _from_array(description, rows, field)
    elif isinstance(rows, Mapping):
        raw = _from_columns(description, rows, field)
    elif isinstance(rows, Sequence) and not isinstance(cast("object", rows), str | bytes):
        raw = _from_mappings(description, rows, field)
    else:
        raise _refused(
            field,
            "WRONG_TYPE",
            "must be a pandas DataFrame, a mapping of columns or a list of mappings (one per row)",
        )
    if not raw.n_rows:
        raise _refused(field, "NO_ROWS", "holds no rows; give at least one")
    return raw


def _from_frame(description: BundleDescription, frame: pd.DataFrame, field: str) -> _Raw:
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _refused(f"{field}.{twice[0]}", "DUPLICATE_FIELD", "the frame has two columns of this name; remove one")
    known = set(description.feature_ids)
    columns = {str(name): _frame_column(values) for name, values in frame.items() if str(name) in known}
    everywhere = np.arange(len(frame), dtype=np.intp)
    return _Raw(len(frame), columns, {name: everywhere for name in names if name not in known})


def _frame_column(values: pd.Series) -> NDArray[np.generic]:
    """A column in numpy's own type where it has one; pandas' own types (text, categories, nullable) as objects."""
    plain = isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiubM"
    return np.asarray(values.array, dtype=None if plain else np.object_)


def _from_array(description: BundleDescription, rows: NDArray[np.generic], field: str) -> _Raw:
    others = [feature for feature in description.features if feature.kind not in _ARRAY_KINDS]
    if others:
        raise _refused(
            field,
            "WRONG_TYPE",
            f"an array has no names, and feature '{others[0].id}' is a {others[0].kind}; give a pandas DataFrame or a "
            "mapping of columns",
        )
    if rows.dtype.kind not in "fiub":
        raise _refused(field, "WRONG_TYPE", "the array must hold numbers")
    width = len(description.features)
    if rows.ndim != _MATRIX_DIMENSIONS or rows.shape[1] != width:
        raise _refused(
            field,
            "WRONG_SHAPE",
            f"the array must have shape (n, {width}), one column per feature in the order of the schema, but has "
            f"{rows.shape}" + ("; for one row use row.reshape(1, -1)" if rows.shape == (width,) else ""),
        )
    # Columns of neighbouring numbers: each is read several times.
    columns = np.ascontiguousarray(rows.T) if len(rows) <= FEW_ROWS else rows.T
    return _Raw(len(rows), dict(zip(description.feature_ids, columns, strict=True)), {})


def _from_columns(description: BundleDescription, rows: Mapping[str, object], field: str) -> _Raw:
    known = set(description.feature_ids)
    columns: dict[str, NDArray[np.generic]] = {}
    lengths: dict[str, int] = {}
    for name, values in rows.items():
        if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
            raise _refused(
                f"{field}.{name}",
                "WRONG_TYPE",
                "a mapping holds columns, so this must be a list of values; for one row write [{...}]",
            )
        lengths[str(name)] = len(values)
        if name in known:
            columns[name] = _array(cast("Sequence[object]", values))
            if columns[name].ndim != 1:
                raise _refused(f"{field}.{name}", "WRONG_SHAPE", "a column must be one list of values")
    n_rows = next(iter(lengths.values()), 0)
    for name, length in lengths.items():
        if length != n_rows:
            raise _refused(
                f"{field}.{name}",
                "WRONG_SHAPE",
                f"has {length} values, but the first column has {n_rows}; make them equal",
            )
    everywhere = np.arange(n_rows, dtype=np.intp)
    return _Raw(n_rows, columns, {name: everywhere for name in lengths if name not in known})


def _from_mappings(description: BundleDescription, rows: Sequence[Mapping[str, object]], field: str) -> _Raw:
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise _refused(f"{field}[{i}]", "WRONG_TYPE", "a row must be a mapping from feature to value")
    known = set(description.feature_ids)
    columns = {name: _array([row.get(name, ABSENT) for row in rows]) for name in description.feature_ids}
    names = set().union(*rows) - known
    unknown = {
        str(name): np.array([i for i, row in enumerate(rows) if name in row], dtype=np.intp)
        for name in sorted(names, key=str)
    }
    return _Raw(len(rows), columns, unknown)


def _array(values: Sequence[object] | NDArray[np.generic]) -> NDArray[np.generic]:
    """Values as an array that keeps each as it is; lists become objects, so that `[1, 'a']` stays a 1 and an 'a'."""
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "to_numpy"):
        values = values.to_numpy(dtype=object)
    return np.fromiter(values, dtype=np.object_, count=len(values))


def _parse(description: BundleDescription, raw: _Raw) -> tuple[dict[str, Column], dict[str, list[Problem]]]:
    columns: dict[str, Column] = {}
    problems: dict[str, list[Problem]] = {}
    plain = parse_plain(description.features, raw.columns) if raw.n_rows <= FEW_ROWS else {}
    if len(plain) == len(description.features):
        return plain, problems
    for feature in description.features:
        values = raw.columns.get(feature.id)
        if feature.id in plain:
            columns[feature.id] = plain[feature.id]
            continue
        if values is None:
            columns[feature.id] = _nothing(feature, raw.n_rows)
            continue
        if raw.table and feature.kind is Kind.DATE and values.dtype == np.float64:
            columns[feature.id], found = check_numbers(feature, cast("NDArray[np.float64]", values))
        else:
            columns[feature.id], found = parse_column(feature, values)
        if found:
            problems[feature.id] = found
    return columns, problems


def _nothing(feature: Feature, n_rows: int) -> Column:
    if feature.kind is Kind.CATEGORY:
        return np.full(n_rows, None, dtype=np.object_)
    return np.full(n_rows, np.nan)


def _violations(
    description: BundleDescription, raw: _Raw, problems: Mapping[str, list[Problem]], field: str
) -> list[FieldViolation]:
    """Everything that is wrong: columns first, then values in the order of the rows."""
    if not raw.unknown and not problems and len(raw.columns) == len(description.features):
        return []
    listed = [
        _at(_unknown(description, name), f"{field}.{name}")
        for name, rows in raw.unknown.items()
        if len(rows) == raw.n_rows
    ]
    listed += [
        _at(_missing(feature), f"{field}.{feature.id}")
        for feature in description.features
        if feature.id not in raw.columns and not feature.allow_missing
    ]
    flat = [(name, problem) for name, found in problems.items() for problem in found]
    for name, rows in raw.unknown.items():
        if len(rows) < raw.n_rows:
            violation = _unknown(description, name)
            flat.append((name, Problem(rows, violation.reason, violation.description)))
    if flat:
        which = np.repeat(np.arange(len(flat)), [len(problem.rows) for _, problem in flat])
        rows = np.concatenate([problem.rows for _, problem in flat])
        for i in np.argsort(rows, kind="stable")[:MAX_VIOLATIONS]:
            name, problem = flat[which[i]]
            listed.append(FieldViolation(f"{field}[{rows[i]}].{name}", problem.reason, problem.description))
        more = len(rows) - MAX_VIOLATIONS
        if more > 0:
            listed.append(FieldViolation(field, "TOO_MANY_VIOLATIONS", f"{more:,} more values are wrong"))
    return listed


def _unknown(description: BundleDescription, name: str) -> FieldViolation:
    hint = did_you_mean(name, description.feature_ids) or "remove it"
    return FieldViolation(name, "UNKNOWN_FIELD", f"is no feature of bundle '{description.name}'; {hint}")


def _missing(feature: Feature) -> FieldViolation:
    return FieldViolation(feature.id, "MISSING_FIELD", f"the feature ({feature.kind}) is missing; add it to every row")


def _at(violation: FieldViolation, path: str) -> FieldViolation:
    return FieldViolation(path, violation.reason, violation.description)


def _refused(path: str, reason: str, description: str) -> InvalidRowsError:
    return InvalidRowsError([FieldViolation(path, reason, description)])
