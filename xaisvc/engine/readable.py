"""What a record store holds, as JSON that people read: an explanation as its record, feedback as what was said."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from xaisvc.engine.stored import StoredExplanations
from xaisvc.errors import StoreError
from xaisvc.records import EventKind, encode_record

if TYPE_CHECKING:
    from xaisvc.engine.stored import RecordSource
    from xaisvc.records import Event


class ReadableParts:
    """Gives the parts of events as JSON values.

    Args:
        source: Where the descriptions of the bundles are read.
    """

    def __init__(self, source: RecordSource) -> None:
        self._stored = StoredExplanations(source)

    def __call__(self, event: Event, place: int) -> object:
        """One part of an event; None if it was erased or removed.

        A part that this version cannot read, as another one wrote it, comes as its bytes, `{"base64": ...}`: an export
        is worth more with it than broken off.
        """
        part = event.parts[place]
        if part is None:
            return None
        try:
            if event.kind is EventKind.EXPLANATIONS:
                stored = self._stored.read(event, place)
                content: dict[str, Any] = json.loads(encode_record(stored.record))["content"]
                return {
                    **content,
                    "reliability": stored.record.reliability,
                    "caveats": [
                        {"id": caveat.id, **written}
                        for caveat, written in zip(stored.record.caveats, content["caveats"], strict=True)
                    ],
                }
            return json.loads(part.content)
        except (StoreError, ValueError):
            return {"base64": base64.b64encode(part.content).decode()}
