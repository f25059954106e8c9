"""Records and bundle descriptions as JSON: one form for each value, every float exactly as it was.

The envelope names the format and its version, so that a later reader knows what it has before it interprets anything.
Equal values give equal bytes: keys are sorted, floats are written with the fewest digits that give them back.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from xaisvc.errors import StoreError
from xaisvc.types import BundleDescription, ExplanationRecord

if TYPE_CHECKING:
    from datetime import date

    from pydantic import TypeAdapter

_T = TypeVar("_T")

RECORD_FORMAT = "xaisvc.record/v2"
DESCRIPTION_FORMAT = "xaisvc.description/v1"


def encode_record(record: ExplanationRecord) -> bytes:
    """A record as bytes.

    Raises:
        StoreError: If it holds a number that is not finite, which no reader could use.
    """
    return encode_json(RECORD_FORMAT, _record_adapter(), record)


def decode_record(stored: bytes) -> ExplanationRecord:
    """The record in these bytes.

    Raises:
        StoreError: If they are no record of a known version.
    """
    return decode_json(RECORD_FORMAT, _record_adapter(), stored)


def encode_description(description: BundleDescription) -> bytes:
    """A bundle description as bytes.

    Raises:
        StoreError: If it holds a number that is not finite.
    """
    return encode_json(DESCRIPTION_FORMAT, _description_adapter(), description)


def decode_description(stored: bytes) -> BundleDescription:
    """The bundle description in these bytes.

    Raises:
        StoreError: If they are no description of a known version.
    """
    return decode_json(DESCRIPTION_FORMAT, _description_adapter(), stored)


@cache
def _record_adapter() -> TypeAdapter[ExplanationRecord]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - heavy: loaded when used

    return TypeAdapter(ExplanationRecord)


@cache
def _description_adapter() -> TypeAdapter[BundleDescription]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - heavy: loaded when used

    return TypeAdapter(BundleDescription)


def encode_json(name: str, adapter: TypeAdapter[_T], value: _T) -> bytes:
    """A value in an envelope that names its format.

    Raises:
        StoreError: If it holds a number that is not finite.
    """
    envelope = {"format": name, "content": adapter.dump_python(value)}
    try:
        text = json.dumps(
            envelope, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_day
        )
    except ValueError as error:
        raise StoreError(f"{name}: a number that is not finite cannot be recorded") from error
    return text.encode()


def _day(value: date) -> str:
    """A day as JSON has it, and as it is read again."""
    return value.isoformat()


def decode_json(name: str, adapter: TypeAdapter[_T], stored: bytes) -> _T:
    """The value in an envelope of this format.

    Raises:
        StoreError: If the bytes are something else.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - heavy: loaded when used

    try:
        envelope = json.loads(stored)
        found, content = envelope["format"], json.dumps(envelope["content"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"stored bytes are not {name}: the store is damaged or was written by something else"
        ) from error
    if found != name:
        raise StoreError(f"stored bytes are '{found}', expected {name}; read them with the version that wrote them")
    try:
        return adapter.validate_json(content, strict=True)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise StoreError(f"stored bytes are not {name}: field '{where}' does not fit") from error
