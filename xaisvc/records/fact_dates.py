"""The days that facts are from as bytes: they stand before the row in an explanation's part, where there are any.

A part without days begins with its row: rows that nobody dated are stored as they always were.
"""

from __future__ import annotations

import json
import struct
from datetime import date
from typing import TYPE_CHECKING

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from xaisvc.types import FactDates

DATES_VERSION_BYTE = 2
"""The first byte of days. That of a row is another, see `answers.ROW_VERSION_BYTE`."""

_HEAD = struct.Struct("<BI")


def encode_fact_dates(dates: FactDates) -> bytes:
    """Days as bytes: a head of fixed size, then JSON of feature id to ISO 8601 day; nothing for no days."""
    if not dates:
        return b""
    days = {name: day.isoformat() for name, day in dates.items()}
    text = json.dumps(days, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return _HEAD.pack(DATES_VERSION_BYTE, len(text)) + text


def decode_fact_dates(stored: bytes) -> tuple[dict[str, date], bytes]:
    """The days at the beginning of these bytes, none if a row stands there, and the bytes after them.

    Raises:
        StoreError: If they are no days of this version.
    """
    text, rest = _split(stored)
    if not text:
        return {}, rest
    try:
        return {name: date.fromisoformat(day) for name, day in json.loads(text).items()}, rest
    except (ValueError, AttributeError, TypeError) as error:
        raise _damaged() from error


def without_fact_dates(stored: bytes) -> bytes:
    """The row and the answer behind it, without the days.

    Raises:
        StoreError: If the bytes end before the days do.
    """
    return _split(stored)[1]


def _split(stored: bytes) -> tuple[bytes, bytes]:
    """The JSON of the days, empty without any, and what follows it."""
    if stored[:1] != bytes([DATES_VERSION_BYTE]):
        return b"", stored
    if len(stored) < _HEAD.size:
        raise _damaged()
    end = _HEAD.size + _HEAD.unpack_from(stored)[1]
    if not _HEAD.size < end <= len(stored):
        raise _damaged()
    return stored[_HEAD.size : end], stored[end:]


def _damaged() -> StoreError:
    return StoreError(
        "stored bytes are no days of facts of this version: the store is damaged or was written by another one"
    )
