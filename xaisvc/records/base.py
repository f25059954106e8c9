"""What a record store is: an append-only chain of events, durable before anything of them is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future


class EventKind(StrEnum):
    """What happened."""

    EXPLANATIONS = "explanations"
    """Rows were explained; one part per row."""
    VIEW = "view"
    """A view of a stored explanation was rendered."""
    FEEDBACK = "feedback"
    """A reader said what became of an explanation."""
    ERASURE = "erasure"
    """A subject's keys were destroyed."""
    REMOVAL = "removal"
    """Contents older than a bundle's retention were removed."""


class Part(NamedTuple):
    """One row's content inside an event.

    Attributes:
        content: Bytes that mean nothing to the store.
        subject: Who the content is about, in the caller's words; empty if not said. Never stored as it is.
    """

    content: bytes
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, before or after it was stored.

    Attributes:
        id: Unique; the explanation of part i has the id `<id>-<i>`.
        kind: What happened.
        at: Time, ISO 8601 in UTC with milliseconds and `Z`.
        bundle: The bundle concerned; empty for none.
        caller: Who asked.
        about: Id of the explanation that a view or feedback belongs to; empty for other kinds.
        head: Facts that name no person, name to JSON value.
        frame: Bytes shared by many events, kept once for all of them; empty for none.
        parts: One per row. None stands where a part can no longer be read: its subject was erased or it was removed.
    """

    id: str
    kind: EventKind
    at: str
    bundle: str = ""
    caller: str = ""
    about: str = ""
    head: Mapping[str, object] = field(default_factory=dict)
    frame: bytes = b""
    parts: Sequence[Part | None] = ()


@runtime_checkable
class RecordStore(Protocol):
    """Keeps events in the order in which they came. Safe to use from several threads.

    Nothing is ever changed: an id that exists is refused. Contents can be made unreadable (erased, removed), and the
    chain still verifies.
    """

    def append(self, event: Event, descriptions: Mapping[str, bytes] | None = None) -> Future[None]:
        """Adds an event. The future is done when the event is durable, and fails with StoreError if it is not stored.

        Events that wait at the same time are written together, so that they share one sync of the disk.

        Args:
            event: What happened.
            descriptions: Schema digest to encoded bundle description, stored with it. A known digest is left as it is.
        """
        ...

    def get(self, event_id: str) -> Event | None:
        """The event with this id as it was appended, or None.

        Raises:
            StoreError: If the store cannot be read.
        """
        ...

    def get_description(self, schema_digest: str) -> bytes | None:
        """The bundle description with this digest exactly as it was written, or None.

        Raises:
            StoreError: If the store cannot be read.
        """
        ...

    def events(
        self, *, kinds: Sequence[EventKind] = (), bundle: str = "", about: str = "", with_parts: bool = True
    ) -> Iterator[Event]:
        """Stored events in their order, of all kinds, bundles and explanations unless named.

        Args:
            kinds: Only these kinds.
            bundle: Only this bundle.
            about: Only events about this explanation.
            with_parts: Whether contents are read; if not, every part reads as None.

        Raises:
            StoreError: If the store cannot be read.
        """
        ...

    def close(self) -> None:
        """Writes what waits and releases what the store holds. Calls after this raise StoreError."""
        ...
