"""Events in memory, for the library and for tests. Nothing outlives the process."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from xaisvc.errors import StoreError
from xaisvc.records.base import Part
from xaisvc.records.commit_queue import CLOSED
from xaisvc.records.entries import check_event, check_given, encode_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xaisvc.records.base import Event, EventKind


class MemoryRecordStore:
    """A record store that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self._descriptions: dict[str, bytes] = {}
        self._lock = Lock()
        self._closed = False

    def append(self, event: Event, descriptions: Mapping[str, bytes] | None = None) -> Future[None]:
        """Adds an event; see `RecordStore.append`."""
        check_given(event)
        check_event(event)
        parts = tuple(Part(content=part.content) for part in event.parts if part is not None)
        kept = replace(event, head=json.loads(encode_head(event)), parts=parts)
        future = Future[None]()
        future.set_running_or_notify_cancel()
        with self._lock:
            self._check_open()
            if event.id in self._events:
                future.set_exception(StoreError(f"event {event.id} exists; what is recorded is never changed"))
                return future
            self._events[event.id] = kept
            self._descriptions = dict(descriptions or {}) | self._descriptions
        future.set_result(None)
        return future

    def get(self, event_id: str) -> Event | None:
        """The event with this id, or None."""
        with self._lock:
            self._check_open()
            return self._events.get(event_id)

    def get_description(self, schema_digest: str) -> bytes | None:
        """The bundle description with this digest, or None."""
        with self._lock:
            self._check_open()
            return self._descriptions.get(schema_digest)

    def events(
        self, *, kinds: Sequence[EventKind] = (), bundle: str = "", about: str = "", with_parts: bool = True
    ) -> Iterator[Event]:
        """Events in their order; see `RecordStore.events`."""
        with self._lock:
            self._check_open()
            found = list(self._events.values())
        for event in found:
            fits = (not kinds or event.kind in kinds, not bundle or event.bundle == bundle)
            if all(fits) and (not about or event.about == about):
                yield event if with_parts else replace(event, parts=(None,) * len(event.parts))

    def close(self) -> None:
        """Refuses further calls."""
        with self._lock:
            self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(CLOSED)
