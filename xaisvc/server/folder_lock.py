"""Keeps a second service out of a data folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_FILE = "service.lock"


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Holds a data folder, which is made if it is missing, for as long as the block runs.

    Raises:
        StoreError: If another service holds it, or it cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"data_dir: '{folder}' cannot be used ({error.strerror}); name a folder that can") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(
                f"data_dir: another service uses '{folder}'; stop it, or give this one a folder of its own"
            ) from None
        yield
    finally:
        os.close(handle)
