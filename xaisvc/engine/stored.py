"""Reads explanations back from the record store, as they were answered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from xaisvc.engine.frames import record_of
from xaisvc.engine.permissions import check_record, no_such_record
from xaisvc.errors import NotFoundError, StoreError
from xaisvc.records import EventKind, decode_description
from xaisvc.records.answers import decode_answer, decode_frame, decode_row
from xaisvc.records.fact_dates import decode_fact_dates
from xaisvc.types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xaisvc.records import Event
    from xaisvc.types import AnswerFrame, BundleDescription, Caller, ExplanationRecord

KNOWN_DESCRIPTIONS = 64
KNOWN_FRAMES = 256

_TEXT_KINDS = {Kind.CATEGORY}
_PLACE = re.compile("0|[1-9][0-9]{0,8}")


class RecordSource(Protocol):
    """Where records are read: one store, or all stores of a folder."""

    def get(self, event_id: str) -> Event | None:
        """See `RecordStore.get`."""
        ...

    def get_description(self, schema_digest: str) -> bytes | None:
        """See `RecordStore.get_description`."""
        ...

    def events(
        self, *, kinds: Sequence[EventKind] = (), bundle: str = "", about: str = "", with_parts: bool = True
    ) -> Iterator[Event]:
        """See `RecordStore.events`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored explanation with what is needed to show it.

    Attributes:
        record: The record, as it was answered.
        description: The bundle as it was described then.
        frame: What the record shares with those of the same request.
        method: The method that was asked for.
    """

    record: ExplanationRecord
    description: BundleDescription
    frame: AnswerFrame
    method: str


class StoredExplanations:
    """The explanations in a record store.

    Args:
        source: Where they are read.
    """

    def __init__(self, source: RecordSource) -> None:
        self._source = source
        self._description = lru_cache(maxsize=KNOWN_DESCRIPTIONS)(self._read_description)
        self._frame = lru_cache(maxsize=KNOWN_FRAMES)(decode_frame)

    def bundle_of(self, record_id: str, caller: Caller) -> str:
        """The bundle that a stored explanation belongs to.

        Raises:
            NotFoundError: If there is no such explanation for this caller.
        """
        return self._find(record_id, caller)[0].bundle

    def get(self, record_id: str, caller: Caller) -> Stored:
        """The explanation with this id, exactly as it was answered.

        Raises:
            NotFoundError: If there is none for this caller, or its content is no longer there.
            StoreError: If the store cannot be read.
        """
        return self.read(*self._find(record_id, caller))

    def event_of(self, record_id: str, caller: Caller) -> tuple[Event, int]:
        """The event that holds a stored explanation, and the place of its part in there.

        Raises:
            NotFoundError: If there is no such explanation for this caller.
        """
        return self._find(record_id, caller)

    def read(self, event: Event, place: int) -> Stored:
        """The explanation at a place of an event.

        Raises:
            NotFoundError: If its content is no longer there.
            StoreError: If it cannot be read.
        """
        part = event.parts[place]
        if part is None:
            raise NotFoundError(
                "the content of this explanation is gone: it was erased on request, or its time in the store was over"
            )
        frame = self._frame(event.frame)
        description = self._description(frame.digests.schema)
        texts = {feature.id: feature.kind in _TEXT_KINDS for feature in description.features}
        fact_dates, content = decode_fact_dates(part.content)
        row, answer = decode_row(content, texts)
        record_id = f"{event.id}-{place}"
        record = record_of(
            frame, decode_answer(answer), row, record_id=record_id, created_at=event.at, fact_dates=fact_dates
        )
        return Stored(
            record=record, description=description, frame=frame, method=str(event.head.get("method", frame.method))
        )

    def _find(self, record_id: str, caller: Caller) -> tuple[Event, int]:
        """The event of an explanation, and its place in there."""
        event_id, _, place = record_id.rpartition("-")
        event = self._source.get(event_id) if _PLACE.fullmatch(place) else None
        if event is None or event.kind is not EventKind.EXPLANATIONS or int(place) >= len(event.parts):
            raise no_such_record()
        check_record(caller, bundle=event.bundle, tenant=str(event.head.get("tenant", "")))
        return event, int(place)

    def _read_description(self, schema_digest: str) -> BundleDescription:
        stored = self._source.get_description(schema_digest)
        if stored is None:
            raise StoreError("the description of the bundle behind this explanation is not in the store")
        return decode_description(stored)
