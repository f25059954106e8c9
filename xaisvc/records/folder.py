"""All record stores of a folder, read as one: each server process writes a file of its own."""

from __future__ import annotations

import heapq
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

from xaisvc.errors import StoreError
from xaisvc.records.commit_queue import CLOSED
from xaisvc.records.database import NotMadeYetError
from xaisvc.records.reader import RecordReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xaisvc.records.base import Event, EventKind
    from xaisvc.records.subject_keys import Envelope

PATTERN: Final = "records-*.sqlite3"


def store_path(folder: Path, process: int = 0) -> Path:
    """The file that a server process writes."""
    return folder / PATTERN.replace("*", str(process))


def store_paths(folder: Path) -> list[Path]:
    """The record stores in a folder, in the order of their names; empty if there are none."""
    return sorted(folder.glob(PATTERN))


class RecordFolder:
    """Reads every record store of a folder, also those that are made later. Safe to use from several threads.

    Args:
        folder: The folder.
        envelope: Unwraps keys; None without a master key.
    """

    def __init__(self, folder: Path, envelope: Envelope | None = None) -> None:
        self._folder = folder
        self._envelope = envelope
        self._lock = Lock()
        self._readers: dict[Path, RecordReader] = {}
        self._closed = False

    def get(self, event_id: str) -> Event | None:
        """The event with this id, or None; see `RecordStore.get`."""
        found = (reader.get(event_id) for reader in self._open())
        return next((event for event in found if event is not None), None)

    def get_description(self, schema_digest: str) -> bytes | None:
        """The bundle description with this digest, or None."""
        found = (reader.get_description(schema_digest) for reader in self._open())
        return next((description for description in found if description is not None), None)

    def events(
        self, *, kinds: Sequence[EventKind] = (), bundle: str = "", about: str = "", with_parts: bool = True
    ) -> Iterator[Event]:
        """Events of all stores, by time; those of one store in its own order, whatever its clock did.

        See `RecordStore.events`. Without parts, every part reads as None and no master key is needed.
        """
        streams = [
            reader.events(kinds=kinds, bundle=bundle, about=about, with_parts=with_parts) for reader in self._open()
        ]
        return heapq.merge(*streams, key=lambda event: event.at)

    def close(self) -> None:
        """Closes the files. Calls after this raise StoreError."""
        with self._lock:
            self._closed = True
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()

    def _open(self) -> list[RecordReader]:
        with self._lock:
            if self._closed:
                raise StoreError(CLOSED)
            for path in store_paths(self._folder):
                if path not in self._readers:
                    with suppress(NotMadeYetError):
                        self._readers[path] = RecordReader(path, self._envelope)
            return list(self._readers.values())
