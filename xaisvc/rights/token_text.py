"""Tokens as JSON and back. Every field is checked: a file that does not fit is refused as a whole."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from xaisvc.errors import StoreError
from xaisvc.rights.tokens import MOST_NAMES, MOST_ROWS_PER_MINUTE, NAME, PUBLIC_ID, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VERSION = 1
_TIME_FORM = "%Y-%m-%dT%H:%M:%SZ"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FIELDS = (
    "id", "name", "tenant", "bundles", "audiences", "methods", "rows_per_minute", "sha256", "created", "expires",
    "revoked",
)  # fmt: skip


class _UnfitError(ValueError):
    """A field does not fit; the message names it and never holds its value."""


def tokens_to_text(tokens: Iterable[Token]) -> bytes:
    """The file's content, one token a line in the order of creation."""
    lines = ",\n".join(
        json.dumps({**public_fields(token), "sha256": token.digest.hex()}, ensure_ascii=True, sort_keys=True)
        for token in tokens
    )
    return f'{{"version": {VERSION}, "tokens": [\n{lines}\n]}}\n'.encode()


def public_fields(token: Token) -> dict[str, object]:
    """Everything about a token but what belongs to its secret, ready for JSON."""
    return {
        "id": token.id,
        "name": token.name,
        "tenant": token.tenant,
        "bundles": _sorted(token.bundles),
        "audiences": _sorted(token.audiences),
        "methods": _sorted(token.methods),
        "rows_per_minute": token.rows_per_minute,
        "created": time_text(token.created),
        "expires": time_text(token.expires),
        "revoked": None if token.revoked is None else time_text(token.revoked),
    }


def time_text(time: datetime) -> str:
    """ISO 8601 in UTC with seconds and `Z`."""
    return time.astimezone(UTC).strftime(_TIME_FORM)


def tokens_from_text(content: bytes, file: str) -> tuple[Token, ...]:
    """Reads what `tokens_to_text` wrote.

    Args:
        content: The file's content.
        file: The file's name, for messages.

    Raises:
        StoreError: If anything does not fit; says where, and never repeats a value.
    """
    try:
        return _tokens(json.loads(content, object_pairs_hook=_object))
    except _UnfitError as error:
        raise _damaged(file, str(error)) from None
    except (ValueError, RecursionError):  # the library's text would repeat parts of the file
        raise _damaged(file, "it is no JSON, perhaps cut off") from None


def _tokens(top: object) -> tuple[Token, ...]:
    fields = _fields(top, ("version", "tokens"), "")
    if fields["version"] != VERSION or isinstance(fields["version"], bool):
        raise _UnfitError(f"version: is not {VERSION}, the one that this xaisvc writes")
    entries = fields["tokens"]
    if not isinstance(entries, list):
        raise _UnfitError("tokens: is no list")
    tokens = tuple(_token(entry, f"tokens[{place}]") for place, entry in enumerate(entries))
    if len({token.id for token in tokens}) < len(tokens):
        raise _UnfitError("tokens: two have the same id")
    return tokens


def _damaged(file: str, what: str) -> StoreError:
    return StoreError(
        f"{file} is damaged: {what}; put a good copy back, or remove it and make new tokens with `xaisvc token create`"
    )


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _UnfitError("a name stands twice in one object")
    return found


def _fields(value: object, names: tuple[str, ...], where: str) -> Mapping[str, object]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise _UnfitError(f"{where or 'the file'}: must be an object with exactly the fields {', '.join(names)}")
    return cast("dict[str, object]", value)


def _token(value: object, where: str) -> Token:
    fields = _fields(value, _FIELDS, where)
    return Token(
        id=_text(fields, "id", where, PUBLIC_ID),
        name=_text(fields, "name", where, NAME),
        tenant="" if fields["tenant"] == "" else _text(fields, "tenant", where, NAME),
        bundles=_names(fields, "bundles", where),
        audiences=_names(fields, "audiences", where),
        methods=_names(fields, "methods", where),
        rows_per_minute=_rows(fields, where),
        digest=bytes.fromhex(_text(fields, "sha256", where, _DIGEST)),
        created=_time(fields, "created", where),
        expires=_time(fields, "expires", where),
        revoked=None if fields["revoked"] is None else _time(fields, "revoked", where),
    )


def _text(fields: Mapping[str, object], name: str, where: str, form: re.Pattern[str]) -> str:
    value = fields[name]
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _UnfitError(f"{where}.{name}: does not have the form of this field")
    return value


def _names(fields: Mapping[str, object], name: str, where: str) -> frozenset[str] | None:
    value = fields[name]
    if value is None:
        return None
    if (
        not isinstance(value, list)
        or len(value) > MOST_NAMES
        or not all(isinstance(entry, str) and NAME.fullmatch(entry) for entry in value)
    ):
        raise _UnfitError(f"{where}.{name}: must be null for all, or a list of names")
    return frozenset(value)


def _rows(fields: Mapping[str, object], where: str) -> int | None:
    value = fields["rows_per_minute"]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ROWS_PER_MINUTE:
        raise _UnfitError(f"{where}.rows_per_minute: must be null for no bound, or a whole number from 1")
    return value


def _time(fields: Mapping[str, object], name: str, where: str) -> datetime:
    text = _text(fields, name, where, _TIME)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise _UnfitError(f"{where}.{name}: is no time that exists") from None


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
