"""The secret of a cache, kept in a file that only its owner may read."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

from xaisvc.cache.seal import SECRET_BYTES
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_SECRET_BYTES = 4096  # what a file of secrets may hold; more is some other file


def load_secret(path: Path) -> bytes:
    """Reads a secret, after making a random one if there is no such file.

    Several processes may do so at once: all get the same secret, because a secret appears under its name only when it
    is whole, and never instead of another.

    Args:
        path: The file; its folder is made if it is missing.

    Raises:
        InvalidInputError: If the file cannot be made or read, others than its owner may read it, or it is too short.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(_MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(f"cache: the secret in {path.name} cannot be made or read: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidInputError(f"cache: others may read the secret in {path.name}; allow its owner only (chmod 600)")
    if not SECRET_BYTES <= len(secret) <= _MAX_SECRET_BYTES:
        raise InvalidInputError(
            f"cache: the secret in {path.name} has {len(secret)} bytes; it must have {SECRET_BYTES} to "
            f"{_MAX_SECRET_BYTES} random bytes"
        )
    return secret


def _make(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(secrets.token_bytes(SECRET_BYTES))
        with contextlib.suppress(FileExistsError):  # another process was faster: theirs is the secret
            path.hardlink_to(draft)
    finally:
        draft.unlink()
