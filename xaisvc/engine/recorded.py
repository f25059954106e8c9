"""Writes explanations into the record store, and reads them back as they were answered."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xaisvc.engine.frames import record_of
from xaisvc.engine.permissions import check_record, no_such_record
from xaisvc.errors import NotFoundError, StoreError
from xaisvc.records import Event, EventKind, Part, decode_description
from xaisvc.records.answers import decode_answer, decode_frame, decode_row, encode_rows
from xaisvc.types import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from xaisvc.engine.commands import RenderedView
    from xaisvc.engine.models import Framed, ServedModel
    from xaisvc.engine.surroundings import Surroundings
    from xaisvc.records import RecordStore
    from xaisvc.types import AnswerFrame, BundleDescription, Caller, ExplanationRecord, Table

_TEXT_KINDS = {Kind.CATEGORY}
_PLACE = re.compile("0|[1-9][0-9]{0,8}")
KNOWN_DESCRIPTIONS = 64
KNOWN_FRAMES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The explanations of one request or of one part of it, ready to be stored.

    Attributes:
        id: Id of the event; explanation i has the id `<id>-<i>`.
        created_at: Time of the answers, ISO 8601 in UTC.
        framed: What all answers share.
        rows: The explained rows.
        answers: One encoded answer for each row.
        subjects: Who each row is about; empty if not said.
        method: The method that was asked for.
    """

    id: str
    created_at: str
    framed: Framed
    rows: Table
    answers: Sequence[bytes]
    subjects: Sequence[str]
    method: str

    @property
    def ids(self) -> list[str]:
        """Id of each explanation."""
        return [f"{self.id}-{i}" for i in range(len(self.answers))]


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


class Records:
    """The explanations of a service in its record store.

    Args:
        store: Keeps them.
        surroundings: Clock and identifiers.
    """

    def __init__(self, store: RecordStore, surroundings: Surroundings) -> None:
        self._store = store
        self._surroundings = surroundings
        self._description = lru_cache(maxsize=KNOWN_DESCRIPTIONS)(self._read_description)
        self._frame = lru_cache(maxsize=KNOWN_FRAMES)(decode_frame)

    def new_block(
        self, framed: Framed, rows: Table, answers: Sequence[bytes], *, subjects: Sequence[str] = (), method: str
    ) -> Block:
        """Gives answers an id and a time."""
        return Block(
            id=self._surroundings.new_id(),
            created_at=self.now(),
            framed=framed,
            rows=rows,
            answers=answers,
            subjects=subjects,
            method=method,
        )

    def now(self) -> str:
        """The time of day, ISO 8601 in UTC with milliseconds."""
        return self._surroundings.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def add(
        self, block: Block, model: ServedModel, caller: Caller, views: Sequence[tuple[int, RenderedView]] = ()
    ) -> Future[None]:
        """Stores a block; the future is done when it is durable.

        Args:
            block: The explanations.
            model: The version of the model that gave them.
            caller: Who asked.
            views: Place of an explanation in the block, and a view that was rendered of it.
        """
        rows = encode_rows(block.rows)
        subjects = block.subjects or ("",) * len(rows)
        event = Event(
            id=block.id,
            kind=EventKind.EXPLANATIONS,
            at=block.created_at,
            bundle=model.name,
            caller=caller.id,
            head={
                "tenant": caller.tenant,
                "method": block.method,
                "views": [{"part": i, **view_facts(view)} for i, view in views],
            },
            frame=block.framed.encoded,
            parts=[
                Part(content=row + answer, subject=subject)
                for row, answer, subject in zip(rows, block.answers, subjects, strict=True)
            ],
        )
        return self._store.append(event, {block.framed.frame.digests.schema: model.encoded_description})

    def add_view(self, record: ExplanationRecord, view: RenderedView, caller: Caller, reader: str) -> Future[None]:
        """Stores that a view was rendered."""
        return self._store.append(
            Event(
                id=self._surroundings.new_id(),
                kind=EventKind.VIEW,
                at=self.now(),
                bundle=record.bundle,
                caller=caller.id,
                about=record.id,
                head={**view_facts(view), "reader": reader_digest(reader, caller)},
            )
        )

    def record(self, block: Block, place: int) -> ExplanationRecord:
        """The record of one explanation of a block."""
        return record_of(
            block.framed.frame,
            decode_answer(block.answers[place]),
            block.rows.row(place),
            record_id=f"{block.id}-{place}",
            created_at=block.created_at,
        )

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
        event, place = self._find(record_id, caller)
        part = event.parts[place]
        if part is None:
            raise NotFoundError(
                "the content of this explanation is gone: it was erased on request, or its time in the store was over"
            )
        frame = self._frame(event.frame)
        description = self._description(frame.digests.schema)
        texts = {feature.id: feature.kind in _TEXT_KINDS for feature in description.features}
        row, answer = decode_row(part.content, texts)
        record = record_of(frame, decode_answer(answer), row, record_id=record_id, created_at=event.at)
        return Stored(
            record=record, description=description, frame=frame, method=str(event.head.get("method", frame.method))
        )

    def _find(self, record_id: str, caller: Caller) -> tuple[Event, int]:
        """The event of an explanation, and its place in there."""
        event_id, _, place = record_id.rpartition("-")
        event = self._store.get(event_id) if _PLACE.fullmatch(place) else None
        if event is None or event.kind is not EventKind.EXPLANATIONS or int(place) >= len(event.parts):
            raise no_such_record()
        check_record(caller, bundle=event.bundle, tenant=str(event.head.get("tenant", "")))
        return event, int(place)

    def _read_description(self, schema_digest: str) -> BundleDescription:
        stored = self._store.get_description(schema_digest)
        if stored is None:
            raise StoreError("the description of the bundle behind this explanation is not in the store")
        return decode_description(stored)


def view_facts(view: RenderedView) -> Mapping[str, str]:
    """What a record keeps of a view: what it was and the digest of its content, not the content."""
    return {
        "audience": view.audience,
        "format": view.format,
        "language": view.language,
        "status": view.status,
        "sha256": hashlib.sha256(view.content.encode()).hexdigest(),
    }


def reader_digest(reader: str, caller: Caller) -> str:
    """A reader's pseudonym as records keep it: enough to count with, not the pseudonym itself; empty for none."""
    if not reader:
        return ""
    return hashlib.sha256(f"xaisvc reader\n{caller.tenant}\n{reader}".encode()).hexdigest()[:32]
