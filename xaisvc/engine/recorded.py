"""Writes explanations into the record store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.engine.frames import record_of
from xaisvc.records import Event, EventKind, Part
from xaisvc.records.answers import decode_answer, encode_rows
from xaisvc.records.fact_dates import encode_fact_dates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from xaisvc.engine.cohort_request import CohortRequest, CohortSelection
    from xaisvc.engine.commands import RenderedView
    from xaisvc.engine.models import Framed, ServedModel
    from xaisvc.engine.surroundings import Surroundings
    from xaisvc.records import RecordStore
    from xaisvc.types import Caller, ExplanationRecord, FactDates, Table


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
        fact_dates: What days the facts of each row are from; empty if not said.
        method: The method that was asked for.
    """

    id: str
    created_at: str
    framed: Framed
    rows: Table
    answers: Sequence[bytes]
    subjects: Sequence[str]
    fact_dates: Sequence[FactDates]
    method: str

    @property
    def ids(self) -> list[str]:
        """Id of each explanation."""
        return [f"{self.id}-{i}" for i in range(len(self.answers))]


class Records:
    """Stores what a service answers.

    Args:
        store: Keeps them.
        surroundings: Clock and identifiers.
    """

    def __init__(self, store: RecordStore, surroundings: Surroundings) -> None:
        self._store = store
        self._surroundings = surroundings

    def new_block(  # noqa: PLR0913 - a block in its parts, most by name
        self,
        framed: Framed,
        rows: Table,
        answers: Sequence[bytes],
        *,
        subjects: Sequence[str] = (),
        fact_dates: Sequence[FactDates] = (),
        method: str,
    ) -> Block:
        """Gives answers an id and a time."""
        return Block(
            id=self._surroundings.new_id(),
            created_at=self.now(),
            framed=framed,
            rows=rows,
            answers=answers,
            subjects=subjects,
            fact_dates=fact_dates,
            method=method,
        )

    def now(self) -> str:
        """The time of day, ISO 8601 in UTC with milliseconds."""
        return utc_text(self._surroundings.now())

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
        if block.fact_dates:
            rows = [encode_fact_dates(days) + row for days, row in zip(block.fact_dates, rows, strict=True)]
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
                Part(row + answer, subject) for row, answer, subject in zip(rows, block.answers, subjects, strict=True)
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
                head={"tenant": caller.tenant, **view_facts(view), "reader": reader_digest(reader, caller)},
            )
        )

    def add_cohort_view(self, request: CohortRequest, view: RenderedView, caller: Caller, reader: str) -> Future[None]:
        """Stores that a view of many explanations was rendered, and of which."""
        cohort = {
            "output": request.output,
            "segment_by": list(request.segment_by),
            "of": selection_facts(request.selection),
            "against": None if request.against is None else selection_facts(request.against),
        }
        return self._store.append(
            Event(
                id=self._surroundings.new_id(),
                kind=EventKind.VIEW,
                at=self.now(),
                bundle=request.model,
                caller=caller.id,
                head={
                    "tenant": caller.tenant,
                    **view_facts(view),
                    "reader": reader_digest(reader, caller),
                    "cohort": cohort,
                },
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
            fact_dates=block.fact_dates[place] if block.fact_dates else None,
        )


def utc_text(time: datetime) -> str:
    """A time in UTC as records keep it: ISO 8601 with milliseconds and `Z`."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def view_facts(view: RenderedView) -> Mapping[str, str]:
    """What a record keeps of a view: what it was and the digest of its content, not the content."""
    return {
        "audience": view.audience,
        "format": view.format,
        "language": view.language,
        "status": view.status,
        "sha256": hashlib.sha256(view.content.encode()).hexdigest(),
    }


def selection_facts(selection: CohortSelection) -> Mapping[str, str | int]:
    """What a record keeps of a selection: its days, or how many explanations were named and the digest of their ids."""
    if not selection.ids:
        return {"since": selection.since, "until": selection.until}
    return {"named": len(selection.ids), "sha256": hashlib.sha256("\n".join(selection.ids).encode()).hexdigest()}


def reader_digest(reader: str, caller: Caller) -> str:
    """A reader's pseudonym as records keep it: enough to count with, not the pseudonym itself; empty for none."""
    if not reader:
        return ""
    return hashlib.sha256(f"xaisvc reader\n{caller.tenant}\n{reader}".encode()).hexdigest()[:32]
