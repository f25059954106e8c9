"""The days that facts are from, where a caller says them. They belong to the record and decide no answer."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    import pandas as pd

    DatesGiven: TypeAlias = Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]] | pd.DataFrame

FactDates: TypeAlias = Mapping[str, date]
"""Feature id to the day that the row's value is from; features whose day nobody said are not in it."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MISSING = frozenset({"NAType", "NaTType"})  # pandas' own, named so that it need not be loaded


def day_of(value: object) -> date | None:
    """A day as callers write it; None for every kind of missing value.

    Args:
        value: ISO 8601 text such as `2026-03-03`, a date, or a moment, of which the day is taken as it stands.

    Raises:
        ValueError: If it is something else.
    """
    if isinstance(value, str):
        return _day_of_text(value)
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()  # None for not-a-time
    if value is None or type(value).__name__ in _MISSING:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, float) and np.isnan(value):
        return None
    raise ValueError("not a day")


@lru_cache(maxsize=4096)
def _day_of_text(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise ValueError("not a day")
    return date.fromisoformat(text)


def dates_by_row(given: object, *, field: str = "fact_dates") -> list[Mapping[str, object]]:
    """Days as callers give them beside rows, row by row; what they say of a day is not looked at.

    Args:
        given: `DatesGiven`: a list of mappings, one per row; a mapping of columns; or a DataFrame.
        field: Name of the argument in errors.

    Raises:
        InvalidRequestError: If they have another form, or columns of different lengths.
    """
    pandas = sys.modules.get("pandas")  # whoever hands in a frame has loaded pandas
    if pandas is not None and isinstance(given, pandas.DataFrame):
        given = {str(name): given[name].tolist() for name in given.columns}
    if isinstance(given, Mapping):
        return _from_columns(given, field)
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise InvalidRequestError.of(
            field, "must be a list of mappings, a mapping of columns or a DataFrame", "WRONG_TYPE"
        )
    for i, days in enumerate(given):
        if not isinstance(days, Mapping):
            raise InvalidRequestError.of(f"{field}[{i}]", "must be a mapping of feature id to day", "WRONG_TYPE")
    return list(given)


def _from_columns(columns: Mapping[str, object], field: str) -> list[Mapping[str, object]]:
    if any(isinstance(days, str | bytes) or not hasattr(days, "__len__") for days in columns.values()):
        raise InvalidRequestError.of(
            field, "a mapping holds columns, so each needs a list of days; for one row write [{...}]", "WRONG_TYPE"
        )
    lists = cast("list[Sequence[object]]", list(columns.values()))
    if len(set(map(len, lists))) > 1:
        raise InvalidRequestError.of(field, "columns of different lengths; each needs one day, or None, per row")
    return [dict(zip(columns, days, strict=True)) for days in zip(*lists, strict=True)]
