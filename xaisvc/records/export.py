"""Writes events as JSON lines, for whoever must read them without xaisvc."""

from __future__ import annotations

import base64
import json
from typing import IO, TYPE_CHECKING

from xaisvc.records.base import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xaisvc.records.base import Event


def export_events(
    events: Iterable[Event],
    out: IO[str],
    decode: Callable[[Event, int], object] | None = None,
    *,
    explanation: str = "",
) -> int:
    """Writes one JSON object a line and gives the number of lines.

    Args:
        events: What to write.
        out: Where to.
        decode: Gives a JSON value for the part at a place of an event; None for one that cannot be read any more.
            Without a decoder, frame and parts are written as base64.
        explanation: Id of an explanation that is written alone: of the event that holds it, its part and no other,
            since the others are about other people; `places` then says which it is. All parts if empty.
    """
    lines = 0
    for event in events:
        line: dict[str, object] = {
            "id": event.id,
            "kind": str(event.kind),
            "at": event.at,
            "bundle": event.bundle,
            "caller": event.caller,
            "about": event.about,
            "head": dict(event.head),
        }
        places = list(range(len(event.parts)))
        if explanation and event.kind is EventKind.EXPLANATIONS:
            places = [i for i in places if explanation == f"{event.id}-{i}"]
            line["places"] = places  # of the rows of one request
        if decode is None:
            line["frame"] = _text(event.frame)
        line["parts"] = [decode(event, i) if decode is not None else _raw(event, i) for i in places]
        out.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        lines += 1
    return lines


def _raw(event: Event, place: int) -> str | None:
    part = event.parts[place]
    return None if part is None else _text(part.content)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
