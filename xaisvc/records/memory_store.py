"""Records in memory, for the library and for tests. Nothing outlives the process."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MemoryRecordStore:
    """A record store that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}
        self._descriptions: dict[str, bytes] = {}
        self._lock = Lock()
        self._closed = False

    def put(self, records: Sequence[tuple[str, bytes]], descriptions: Mapping[str, bytes]) -> None:
        """Keeps records and descriptions, all of them or none; see `RecordStore.put`."""
        with self._lock:
            self._check_open()
            added: dict[str, bytes] = {}
            for record_id, content in records:
                known = self._records.get(record_id, added.get(record_id))
                if known is not None and known != content:
                    raise StoreError(f"record {record_id} exists with other content; records are never changed")
                added[record_id] = content
            self._records |= added
            self._descriptions = dict(descriptions) | self._descriptions

    def get(self, record_id: str) -> bytes | None:
        """The record with this id, or None."""
        with self._lock:
            self._check_open()
            return self._records.get(record_id)

    def get_description(self, schema_digest: str) -> bytes | None:
        """The bundle description with this digest, or None."""
        with self._lock:
            self._check_open()
            return self._descriptions.get(schema_digest)

    def close(self) -> None:
        """Refuses further calls."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the record store is closed")
