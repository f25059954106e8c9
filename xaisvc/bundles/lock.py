"""The lock of a bundle: a file with the SHA-256 of every other, as `sha256sum` writes and checks it.

A model whose bytes were damaged on the way often still loads, fits its schema and answers otherwise. Only whoever made
the bundle knows which bytes were meant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xaisvc.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xaisvc.bundles.files import PinnedFile

LOCK = "SHA256SUMS"
MAX_LOCK_BYTES = 2**20

_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
_AGAIN = "if the change is meant, lock the bundle again: xaisvc bundle lock"


def lock_text(pins: Iterable[PinnedFile]) -> str:
    """The lock of files, one line each, in the order of their names."""
    return "".join(f"{pin.sha256}  {pin.name}\n" for pin in sorted(pins, key=lambda pin: pin.name))


def parse_lock(content: bytes) -> Mapping[str, str]:
    """Name of each file to its SHA-256.

    Raises:
        BundleError: If a line is none of `sha256sum`, or a file stands twice; names the line.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise BundleError(
                "this is no line of digest, two spaces and file name: the lock itself was damaged; put it back",
                file=LOCK,
                line=number,
            )
        digest, name = match.groups()
        if name in found:
            raise BundleError(f"the file '{name}' stands twice; {_AGAIN}", file=LOCK, line=number)
        found[name] = digest
    return found


def check_lock(locked: Mapping[str, str], pins: Iterable[PinnedFile]) -> None:
    """Compares what was read of a bundle with its lock.

    Args:
        locked: Name of each file to its SHA-256.
        pins: Every file that was read.

    Raises:
        BundleError: Names the first file that has other bytes, is not there, or is not in the lock.
    """
    read = {pin.name: pin.sha256 for pin in pins}
    for name, digest in locked.items():
        if name not in read:
            raise BundleError(f"the file is in {LOCK} and not in the bundle; put it back, or {_AGAIN}", file=name)
        if read[name] != digest:
            raise BundleError(
                f"the file has other bytes than when the bundle was locked ({LOCK}): it was damaged or changed since; "
                f"put the locked file back, or {_AGAIN}",
                file=name,
            )
    for name in read:
        if name not in locked:
            raise BundleError(f"the file is in the bundle and not in {LOCK}; take it out, or {_AGAIN}", file=name)
