"""Events made ready to be written, in the caller's thread: what can be wrong with an event is known before it waits."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from xaisvc.errors import StoreError
from xaisvc.records.base import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.records.base import Event
    from xaisvc.records.subject_keys import SubjectTags

MOST_ID_CHARACTERS: Final = 200

_HEAD = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event that waits to be written.

    Attributes:
        event: The event.
        head: Its facts as JSON with sorted keys.
        contents: Content of each part.
        tags: What each part's subject is called in the store; empty for none.
        frame_digest: SHA-256 of the frame; empty for none.
        descriptions: Schema digest to encoded bundle description.
        size: Bytes it holds, about.
    """

    event: Event
    head: str
    contents: tuple[bytes, ...]
    tags: tuple[bytes, ...]
    frame_digest: bytes
    descriptions: Mapping[str, bytes]
    size: int


def make_entry(event: Event, descriptions: Mapping[str, bytes] | None, tags: SubjectTags) -> Entry:
    """Makes an event ready.

    Raises:
        StoreError: If its id, time, head or parts cannot be stored; the message says what is wrong.
    """
    check_event(event)
    head = encode_head(event)
    parts = [part for part in event.parts if part is not None]
    contents = tuple(part.content for part in parts)
    return Entry(
        event=event,
        head=head,
        contents=contents,
        tags=tuple(tags.tag(part.subject) if part.subject else b"" for part in parts),
        frame_digest=_digest(event.frame) if event.frame else b"",
        descriptions=descriptions or {},
        size=len(head) + len(event.frame) + sum(map(len, contents)) + 64 * len(contents) + 512,
    )


@lru_cache(maxsize=64)
def _digest(frame: bytes) -> bytes:
    """SHA-256 of a frame; many events share a few of them."""
    return hashlib.sha256(frame).digest()


def check_given(event: Event) -> None:
    """Refuses an event of a kind that only a store writes, because `verify` believes it.

    Raises:
        StoreError: If it is one.
    """
    if event.kind in (EventKind.ERASURE, EventKind.REMOVAL):
        raise StoreError(f"event {event.id}: only the store itself says that something was made unreadable")


def check_event(event: Event) -> None:
    """Refuses an event that no store could keep.

    Raises:
        StoreError: Says what is wrong with it.
    """
    if not 0 < len(event.id) <= MOST_ID_CHARACTERS:
        raise StoreError(f"an event's id has 1 to {MOST_ID_CHARACTERS} characters; this one has {len(event.id)}")
    if not _TIME.fullmatch(event.at):
        raise StoreError(f"event {event.id}: at must be UTC with milliseconds, for example 2026-01-31T09:30:00.000Z")
    if any(part is None for part in event.parts):
        raise StoreError(f"event {event.id}: a part without content can be read, not appended")


def encode_head(event: Event) -> str:
    """An event's facts as JSON: equal facts give equal text.

    Raises:
        StoreError: If they hold something that JSON has no form for.
    """
    try:
        text = _HEAD.encode(dict(event.head))
        f"{text}{event.id}{event.bundle}{event.caller}{event.about}".encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"event {event.id!a}: holds text that is no Unicode (half of a surrogate pair)") from error
    except (TypeError, ValueError) as error:
        raise StoreError(f"event {event.id}: the head holds something that JSON has no form for") from error
    return text
