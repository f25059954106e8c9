"""What a record store is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@runtime_checkable
class RecordStore(Protocol):
    """Keeps encoded records and the bundle descriptions they were made with. Safe to call from several threads.

    Records are never changed: writing the same bytes under the same id again does nothing, other bytes are refused.
    """

    def put(self, records: Sequence[tuple[str, bytes]], descriptions: Mapping[str, bytes]) -> None:
        """Writes records and descriptions, all of them or none, and returns when they are durable.

        Args:
            records: Id and encoded record.
            descriptions: Schema digest to encoded bundle description. A digest that is known already is left as it is.

        Raises:
            StoreError: If nothing was written; the message says why and what to do.
        """
        ...

    def get(self, record_id: str) -> bytes | None:
        """The record with this id exactly as it was written, or None.

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

    def close(self) -> None:
        """Releases what the store holds. Calls after this raise StoreError; closing again does nothing."""
        ...
