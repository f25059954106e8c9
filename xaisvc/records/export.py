"""Writes events as JSON lines, for whoever must read them without xaisvc."""

from __future__ import annotations

import base64
import json
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from xaisvc.records.base import Event


def export_events(
    events: Iterable[Event], out: IO[str], decode: Callable[[Event], Sequence[object]] | None = None
) -> int:
    """Writes one JSON object a line and gives the number of lines.

    Args:
        events: What to write.
        out: Where to.
        decode: Gives a JSON value for each part of an event, from its frame and its parts; None for a part that cannot
            be read any more. Without a decoder, frame and parts are written as base64.
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
        if decode is not None:
            line["parts"] = list(decode(event))
        else:
            line["frame"] = _text(event.frame)
            line["parts"] = [None if part is None else _text(part.content) for part in event.parts]
        out.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        lines += 1
    return lines


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
