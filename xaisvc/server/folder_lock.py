"""Keeps a second service out of a data folder."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK_FILE = "service.lock"
PROCESSES_FILE = "processes.lock"
CLOSING_S = 20.0
"""Beyond the grace time: closing files, and what SQLite needs for that."""
_ASK_EVERY_S = 0.05


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


def join_folder(folder: Path) -> int:
    """Says, for as long as this process lives, that it is one of the processes of a service.

    Returns:
        The file descriptor that says so.
    """
    handle = os.open(folder / PROCESSES_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def wait_for_orphans(
    folder: Path,
    at_most_s: float,
    on_wait: Callable[[], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Waits for processes whose supervisor was killed: they finish their calls, and until then have port and records.

    Args:
        folder: The data folder, which this service holds.
        at_most_s: Longest time to wait in seconds.
        on_wait: Called once if there are any.
        clock: Monotonic clock in seconds.
        sleep: Waits for some seconds.

    Raises:
        StoreError: If they are still there after that time.
    """
    handle = os.open(folder / PROCESSES_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end, waits = clock() + at_most_s, False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if clock() >= end:
                    raise StoreError(
                        f"data_dir: processes of a former run still use '{folder}'; end them, or use another folder"
                    ) from None
                if not waits:
                    waits = True
                    on_wait()
                sleep(_ASK_EVERY_S)
            else:
                return
    finally:
        os.close(handle)
