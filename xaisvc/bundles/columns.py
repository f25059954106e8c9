"""Reads the raw values of one feature: every kind of value a caller may hand in becomes one clean column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.types.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types.schema import Feature
    from xaisvc.types.table import Column

MAX_WHOLE = 2**53  # beyond it float64 does not hold every whole number
MAX_NUMBER = float(np.finfo(np.float32).max)  # most graphs read float32
FEW_ROWS = 64
"""Up to so many rows a column costs numpy more than its values do, so that columns are looked at together."""
_SHOWN_CATEGORIES = 20
_SECONDS_PER_DAY = 86400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NUMBERS = frozenset({Kind.NUMERIC, Kind.INTEGER, Kind.BOOLEAN})
_WANTED = {
    Kind.NUMERIC: "a number",
    Kind.INTEGER: "a whole number",
    Kind.BOOLEAN: "true or false (or 1 or 0)",
    Kind.CATEGORY: "a category as text",
    Kind.DATE: "a date such as 2026-01-31",
}


class Absent(Enum):
    """Marks a value whose key a row does not have."""

    ABSENT = 0


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with some values of a column.

    Attributes:
        rows: Indices of the rows concerned; intp.
        reason: Stable upper-case code.
        description: What is wrong and what to do; never holds the value.
    """

    rows: NDArray[np.intp]
    reason: str
    description: str


class _Type(IntEnum):
    NUMBER = 0
    INTEGER = 1
    BOOLEAN = 2
    TEXT = 3
    MOMENT = 4
    MISSING = 5
    ABSENT = 6
    OTHER = 7


def parse_column(feature: Feature, values: NDArray[np.generic]) -> tuple[Column, list[Problem]]:
    """Reads the values of one feature.

    Args:
        feature: What the schema says of it.
        values: Raw values of n rows, of any dtype; objects may be mixed and may hold `ABSENT`.

    Returns:
        The column as `Table` holds it, a fresh array of shape (n,), and what is wrong with it. Values with a problem
        are missing in the column.
    """
    if values.dtype.kind in "mM" and feature.kind is not Kind.DATE:
        values = np.fromiter(values, dtype=np.object_, count=len(values))  # as an array of objects they become integers
    if feature.kind is Kind.CATEGORY:
        return _categories(feature, values)
    reader = _Reader(feature, len(values))
    if feature.kind is Kind.DATE:
        numbers = reader.dates(values)
    elif values.dtype.kind in "fiub":
        numbers = reader.numeric_array(values)
    else:
        objects = _as_objects(values)
        numbers = objects.astype(np.float64) if _all_plain(objects) else reader.objects(objects)
    reader.check(numbers)
    numbers[reader.bad] = np.nan
    return numbers, reader.problems


def parse_plain(features: Sequence[Feature], columns: Mapping[str, NDArray[np.generic]]) -> dict[str, Column]:
    """Reads, all at once, the columns of few rows in which nothing can be wrong: the common case, fast.

    Args:
        features: What the schema says.
        columns: Feature id to raw values of the same n rows; features may be left out.

    Returns:
        Feature id to what `parse_column` gives for it, which reports no problem. Only columns of numbers that are
        there, whole where they must be, and smaller than 2^53 in size; the others are left to `parse_column`.
    """
    names: list[str] = []
    given: list[NDArray[np.generic]] = []
    whole: list[bool] = []
    for feature in features:
        kind = feature.kind
        values = columns.get(feature.id) if kind in NUMBERS else None
        if values is not None and (values.dtype.kind in "fiu" or _is_plain(feature, values)):
            names.append(feature.id)
            given.append(values)
            whole.append(kind is not Kind.NUMERIC)
    if not names:
        return {}
    matrix = np.concatenate(given, dtype=np.float64, casting="unsafe").reshape(len(names), -1)
    fine: NDArray[np.bool_] = np.abs(matrix) < MAX_WHOLE  # what rounds to 2^53 may be beyond it
    if any(whole):
        booleans = {feature.id for feature in features if feature.kind is Kind.BOOLEAN}
        truth = [name in booleans for name in names]
        fine[whole] &= matrix[whole] == np.floor(matrix[whole])
        fine[truth] &= (matrix[truth] == 0) | (matrix[truth] == 1)
    if fine.all():
        return dict(zip(names, matrix, strict=True))
    ready = np.logical_and.reduce(fine, axis=1)
    return {name: matrix[i] for i, name in enumerate(names) if ready[i]}


def _is_plain(feature: Feature, values: NDArray[np.generic]) -> bool:
    """Whether values that are no array of numbers are numbers all the same, so that only their size can be wrong."""
    kind = values.dtype.kind
    if kind == "O":
        return _all_plain(cast("NDArray[np.object_]", values))
    return kind == "b" and feature.kind is Kind.BOOLEAN


def check_numbers(feature: Feature, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[Problem]]:
    """Checks a column that is already float64 with NaN for missing (dates: days since 1970-01-01)."""
    reader = _Reader(feature, len(values))
    numbers = values.astype(np.float64, copy=True)
    reader.check(numbers)
    return numbers, reader.problems


class _Reader:
    """Collects the problems of one column. Each row is reported once."""

    def __init__(self, feature: Feature, n_rows: int) -> None:
        self.feature = feature
        self.problems: list[Problem] = []
        self.bad = np.zeros(n_rows, dtype=bool)

    def report(self, mask: NDArray[np.bool_], reason: str, description: str) -> None:
        mask = mask & ~self.bad
        if mask.any():
            self.problems.append(Problem(np.flatnonzero(mask), reason, description))
            self.bad |= mask

    def wrong_type(self, mask: NDArray[np.bool_], found: str) -> None:
        self.report(mask, "WRONG_TYPE", f"must be {_WANTED[self.feature.kind]}, but is {found}")

    def numeric_array(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        if values.dtype.kind == "b" and self.feature.kind is not Kind.BOOLEAN:
            self.wrong_type(np.ones(len(values), dtype=bool), "true or false")
        if values.dtype.kind in "iu":
            self._too_large((values > MAX_WHOLE) | (values < -MAX_WHOLE))  # type: ignore[operator]  # integers here
        return values.astype(np.float64)

    def objects(self, values: NDArray[np.object_]) -> NDArray[np.float64]:
        """Numbers from mixed objects; NaN where a value is missing or wrong."""
        types = _types(values)
        self.unfit(
            values, types, (_Type.NUMBER, _Type.INTEGER) + ((_Type.BOOLEAN,) * (self.feature.kind is Kind.BOOLEAN))
        )
        whole = types == _Type.INTEGER
        if whole.any():
            large = np.zeros(len(values), dtype=bool)
            large[whole] = [not -MAX_WHOLE <= value <= MAX_WHOLE for value in values[whole]]
            self._too_large(large)
        numbers = np.full(len(values), np.nan)
        good = (types <= _Type.BOOLEAN) & ~self.bad
        numbers[good] = values[good].astype(np.float64)
        return numbers

    def unfit(self, values: NDArray[np.object_], types: NDArray[np.int8], fit: tuple[_Type, ...]) -> None:
        """Reports absent keys and values of a type that the kind cannot have."""
        if not self.feature.allow_missing:
            self.report(types == _Type.ABSENT, "MISSING_FIELD", f"is missing; give {_WANTED[self.feature.kind]}")
        allowed = (*fit, _Type.MISSING, _Type.ABSENT)
        for code in set(types.tolist()):
            if code not in allowed:
                self.wrong_type(types == code, _name(_Type(code), values[types == code][0]))

    def dates(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Days since 1970-01-01, with a fraction for the time of day."""
        if values.dtype.kind == "M":
            return _days(values)
        objects = _as_objects(values)
        types = _types(objects)
        self.unfit(objects, types, (_Type.TEXT, _Type.MOMENT))
        days = np.full(len(objects), np.nan)
        text = types == _Type.TEXT
        if text.any():
            known = {value: _days_of_text(value) for value in set(objects[text])}
            days[text] = [known[value] for value in objects[text]]
            self.wrong_type(text & np.isnan(days), "text of another form")
        moments = types == _Type.MOMENT
        if moments.any():
            days[moments] = [_days_of_moment(value) for value in objects[moments]]
        return days

    def check(self, numbers: NDArray[np.float64]) -> None:
        """Reports missing values and numbers that the kind cannot have."""
        if self.feature.kind in {Kind.NUMERIC, Kind.DATE} and _within(numbers):
            return
        missing = np.isnan(numbers)
        if not self.feature.allow_missing:
            self.report(
                missing, "MISSING_VALUE", f"must not be missing (null or NaN); give {_WANTED[self.feature.kind]}"
            )
        self.report(np.isinf(numbers), "NOT_FINITE", "must be a finite number, but is infinite")
        kind = self.feature.kind
        present = ~missing & ~self.bad
        if kind is Kind.BOOLEAN:
            self.wrong_type(present & (numbers != 0) & (numbers != 1), "another number")
        elif kind is Kind.INTEGER:
            self.report(
                present & (numbers != np.floor(numbers)), "NOT_INTEGER", "must be a whole number, but has decimals"
            )
            self._too_large(present & (np.abs(numbers) > MAX_WHOLE))
        self.report(
            present & (np.abs(numbers) > MAX_NUMBER),
            "OUT_OF_DTYPE_RANGE",
            "is too large for a 32-bit floating-point number",
        )

    def _too_large(self, mask: NDArray[np.bool_]) -> None:
        self.report(mask, "OUT_OF_DTYPE_RANGE", "must lie between -2^53 and 2^53 to be held exactly")


def _within(numbers: NDArray[np.float64]) -> bool:
    """Whether all numbers are there and a float32 can hold them; a NaN makes both comparisons false."""
    return bool(numbers.min(initial=0.0) >= -MAX_NUMBER and numbers.max(initial=0.0) <= MAX_NUMBER)


def _categories(feature: Feature, values: NDArray[np.generic]) -> tuple[Column, list[Problem]]:
    reader = _Reader(feature, len(values))
    objects = _as_objects(values)
    known = dict(zip(feature.categories, feature.categories, strict=True))
    if (column := _all_known(feature, objects, known)) is not None:
        return column, []
    found = [known.get(value) if type(value) is str else None for value in objects]
    column = np.empty(len(found), dtype=np.object_)
    column[:] = found
    rest = np.flatnonzero(np.fromiter((value is None for value in found), dtype=bool, count=len(found)))
    if not len(rest):
        return column, []
    types = np.full(len(objects), _Type.TEXT, dtype=np.int8)
    types[rest] = _types(objects[rest])
    reader.unfit(objects, types, (_Type.TEXT, _Type.INTEGER, _Type.BOOLEAN, _Type.NUMBER))
    missing = (types == _Type.MISSING) | (types == _Type.ABSENT)
    if not feature.allow_missing:
        reader.report(missing, "MISSING_VALUE", f"must not be missing (null or NaN); give one of {_listed(feature)}")
    unknown = np.zeros(len(objects), dtype=bool)
    for i in rest:
        if not missing[i] and not reader.bad[i]:
            column[i] = _category_of(objects[i], known)
            unknown[i] = column[i] is None
    if feature.allow_missing:  # the empty text is how string tensors and CSV files write a missing value
        unknown[[i for i in np.flatnonzero(unknown) if objects[i] == ""]] = False
    reader.report(unknown, "UNKNOWN_CATEGORY", f"is not one of the categories {_listed(feature)}")
    return column, reader.problems


def _all_known(feature: Feature, objects: NDArray[np.object_], known: Mapping[str, str]) -> NDArray[np.object_] | None:
    """The column if every value is a category as text, or missing where that is allowed: the common case, fast."""
    meanings: dict[object, str | None] = {value: value for value in known}
    if feature.allow_missing:
        # The one NaN that numpy and pandas use is found by identity; other NaNs take the slower way.
        meanings |= {None: None, np.nan: None}
        meanings.setdefault("", None)
    try:
        return np.fromiter(map(meanings.__getitem__, objects), dtype=np.object_, count=len(objects))
    except (KeyError, TypeError):  # TypeError: a list or a mapping, which no dictionary can look up
        return None


def _category_of(value: object, known: Mapping[str, str]) -> str | None:
    """The category that a number, truth value or text means: 3, 3.0 and '3' are the category '3'."""
    names = [str(value)]
    if isinstance(value, bool | np.bool_):
        names.append(names[0].lower())
    elif isinstance(value, float | np.floating) and math.isfinite(value) and float(value).is_integer():
        names.append(str(int(value)))
    return next((name for name in names if name in known), None)


def _listed(feature: Feature) -> str:
    shown = ", ".join(f"'{value}'" for value in feature.categories[:_SHOWN_CATEGORIES])
    more = len(feature.categories) - _SHOWN_CATEGORIES
    return shown + (f" and {more} more" if more > 0 else "")


def _all_plain(values: NDArray[np.object_]) -> bool:
    """Whether all values are Python floats, or all are integers that float64 holds exactly: the common case, fast."""
    kinds = set(map(type, values))
    return kinds == {float} or (kinds == {int} and min(values) >= -MAX_WHOLE and max(values) <= MAX_WHOLE)


def _as_objects(values: NDArray[np.generic]) -> NDArray[np.object_]:
    if values.dtype == np.object_:
        return values  # type: ignore[return-value]  # numpy's types do not follow the comparison
    objects: NDArray[np.object_] = values.astype(np.object_)
    return objects


def _types(values: NDArray[np.object_]) -> NDArray[np.int8]:
    codes = {kind: _type_of(kind) for kind in set(map(type, values))}
    types = np.fromiter((codes[type(value)] for value in values), dtype=np.int8, count=len(values))
    floats = types == _Type.NUMBER
    if floats.any():  # a NaN among objects is a missing value, whatever the kind
        nan = np.zeros(len(values), dtype=bool)
        nan[floats] = [_is_nan(value) for value in values[floats]]
        types[nan] = _Type.MISSING
    return types


def _is_nan(value: float | np.floating | Decimal) -> bool:
    return value.is_nan() if isinstance(value, Decimal) else bool(value != value)  # noqa: PLR0124  # only a NaN differs


def _type_of(kind: type) -> _Type:  # noqa: PLR0911  # one line per kind of value
    if kind is type(None) or kind.__name__ in {"NAType", "NaTType"}:  # named, so that pandas need not be loaded
        return _Type.MISSING
    if kind is Absent:
        return _Type.ABSENT
    if issubclass(kind, bool | np.bool_):
        return _Type.BOOLEAN
    if issubclass(kind, np.timedelta64):  # a signed integer to numpy
        return _Type.OTHER
    if issubclass(kind, int | np.integer):
        return _Type.INTEGER
    if issubclass(kind, float | np.floating | Decimal):
        return _Type.NUMBER
    if issubclass(kind, str):
        return _Type.TEXT
    if issubclass(kind, date | np.datetime64):
        return _Type.MOMENT
    return _Type.OTHER


def _name(code: _Type, example: object) -> str:
    names = {
        _Type.NUMBER: "a number",
        _Type.INTEGER: "a number",
        _Type.BOOLEAN: "true or false",
        _Type.TEXT: "text",
        _Type.MOMENT: "a date",
    }
    return names.get(code) or {"list": "a list", "dict": "a mapping", "bytes": "bytes"}.get(
        type(example).__name__, "something else"
    )


def _days(values: NDArray[np.generic]) -> NDArray[np.float64]:
    seconds = values.astype("datetime64[us]")
    days: NDArray[np.float64] = (seconds - np.datetime64(0, "us")) / np.timedelta64(1, "D")
    return days


def _days_of_text(text: str) -> float:
    try:
        return _days_of_moment(datetime.fromisoformat(text))
    except ValueError:
        return math.nan


def _days_of_moment(moment: date | np.datetime64) -> float:
    if isinstance(moment, np.datetime64):
        return float(_days(np.array([moment]))[0])
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)  # a bare time is taken as it stands
    return (moment - _EPOCH).total_seconds() / _SECONDS_PER_DAY
