"""Reads the days that facts are from, as callers say them, and says which of them cannot be."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from xaisvc.bundles.yaml_nodes import did_you_mean
from xaisvc.errors import FieldViolation, InvalidRequestError, InvalidRowsError
from xaisvc.types.fact_dates import dates_by_row, day_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from xaisvc.types import BundleDescription, FactDates
    from xaisvc.types.fact_dates import DatesGiven

FIELD = "fact_dates"

_FURTHEST_EAST = timedelta(hours=14)
"""Where a day begins first on earth, before it does so in UTC."""


def latest_day(now: datetime) -> date:
    """The last day that has begun somewhere on earth: of a value that is known, no later day can be true."""
    return (now.astimezone(UTC) + _FURTHEST_EAST).date()


def read_fact_dates(
    description: BundleDescription, given: Sequence[Mapping[str, object]], count: int, latest: date
) -> tuple[tuple[FactDates, ...], dict[int, tuple[FieldViolation, ...]]]:
    """Reads the days that facts are from.

    Args:
        description: The schema.
        given: For each row feature id to day, see `day_of`; or nothing at all.
        count: Number of rows.
        latest: The last day that can be true.

    Returns:
        The days of each row, none if none were given; and what is wrong, by the index of the row.

    Raises:
        InvalidRequestError: If they are given for another number of rows.
    """
    if not given:
        return (), {}
    if len(given) != count:
        raise InvalidRequestError.of(FIELD, f"{len(given)} for {count} rows; give one for each row, or none")
    known = frozenset(description.feature_ids)
    found: list[FactDates] = []
    wrong: dict[int, tuple[FieldViolation, ...]] = {}
    for i, days in enumerate(given):
        own: dict[str, date] = {}
        violations: list[FieldViolation] = []
        for name, value in days.items():
            day = _read(description, known, str(name), value, latest)
            if isinstance(day, FieldViolation):
                violations.append(FieldViolation(f"{FIELD}[{i}].{day.field}", day.reason, day.description))
            elif day is not None:
                own[str(name)] = day
        found.append(own)
        if violations:
            wrong[i] = tuple(violations)
    return tuple(found), wrong


def checked_fact_dates(
    description: BundleDescription, given: DatesGiven, count: int, latest: date
) -> tuple[FactDates, ...]:
    """The days that facts are from; see `read_fact_dates`.

    Raises:
        InvalidRowsError: If a feature is not known, or a day is none or had not begun; names every field.
        InvalidRequestError: If they are for another number of rows, or have another form.
    """
    found, wrong = read_fact_dates(description, dates_by_row(given), count, latest)
    if wrong:
        raise InvalidRowsError([violation for own in wrong.values() for violation in own])
    return found


def _read(
    description: BundleDescription, known: frozenset[str], name: str, value: object, latest: date
) -> date | FieldViolation | None:
    """One day, None for one that is not known, or what is wrong with it."""
    if name not in known:
        hint = did_you_mean(name, description.feature_ids) or "remove it"
        return FieldViolation(name, "UNKNOWN_FIELD", f"is no feature of bundle '{description.name}'; {hint}")
    try:
        day = day_of(value)
    except ValueError:
        return FieldViolation(
            name, "WRONG_TYPE", "must be the day that the value is from, such as 2026-01-31; leave it out if unknown"
        )
    if day is not None and day > latest:
        return FieldViolation(
            name, "IN_THE_FUTURE", "has not begun anywhere yet; give the day that the value is from, or leave it out"
        )
    return day
