"""Secrets in files of their own: made once, readable by their owner only, never written into the store."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def load_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a key file; a missing one is made, whole or not at all, whoever else makes it at the same time.

    Raises:
        StoreError: If it cannot be read or made, or others than its owner may read it.
    """
    try:
        if not path.exists():
            _make(path, make())
        others_may, content = path.stat().st_mode & 0o077, path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: the key cannot be read or made ({error.strerror})") from error
    if others_may:
        raise StoreError(f"{path}: others than its owner may use this key; run: chmod 600 {path}")
    return content


def _make(path: Path, content: bytes) -> None:
    """Writes beside the path and links it there: the first of several makers wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
