"""Reads the files of a bundle: once, whole, and only what is really a file of the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a pipe must not hang us
_READ_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One file as it was when it was read.

    Attributes:
        name: Path inside the bundle, for example `labels/nl.yaml`.
        sha256: Digest of its content, in hexadecimal.
        mark: What the file system knew of it: device, inode, size, times of modification and change in nanoseconds.
    """

    name: str
    sha256: str
    mark: tuple[int, ...]


@contextmanager
def open_folder(path: Path) -> Iterator[int]:
    """Opens a bundle's folder, so that every file is read from the very folder that was opened.

    Yields:
        The folder's descriptor.

    Raises:
        BundleError: If the folder is not there or is no folder.
    """
    try:
        folder = os.open(path, _READ_FOLDER)
    except FileNotFoundError:
        raise BundleError(f"there is no bundle folder at '{path}'; check the path") from None
    except NotADirectoryError:
        raise BundleError(f"'{path}' is a file; a bundle is a folder that holds bundle.yaml and model.onnx") from None
    except OSError as error:
        raise BundleError(f"the bundle folder '{path}' cannot be opened ({_reason(error)})") from None
    try:
        yield folder
    finally:
        os.close(folder)


def read_file(folder: int, name: str, *, max_bytes: int) -> tuple[bytes, PinnedFile]:
    """Reads one file of an open bundle folder.

    Symbolic links, hard links and everything that is not a plain file are refused: they can lead out of the folder, and
    another owner could change the content behind the bundle's back.

    Args:
        folder: Descriptor from `open_folder`.
        name: Path inside the bundle with at most one folder, for example `labels/nl.yaml`.
        max_bytes: Largest size that is read.

    Returns:
        The content and its pin.

    Raises:
        FileNotFoundError: If there is no such file; the caller knows what that means.
        BundleError: If the file is a link, no plain file, too large, unreadable, or changed while it was read.
    """
    descriptor = _open(folder, name)
    try:
        before = os.fstat(descriptor)
        _check_plain(before, name)
        if before.st_size > max_bytes:
            raise BundleError(f"the file has {before.st_size:,} bytes; at most {max_bytes:,} bytes are read", file=name)
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            content = stream.read(max_bytes + 1)
        if _mark(os.fstat(descriptor)) != _mark(before) or len(content) != before.st_size:
            raise BundleError("the file changed while it was read; load the bundle again", file=name)
    finally:
        os.close(descriptor)
    return content, PinnedFile(name=name, sha256=hashlib.sha256(content).hexdigest(), mark=_mark(before))


def list_files(folder: int, name: str) -> tuple[str, ...]:
    """Names of what lies in a folder of the bundle, sorted; empty if the folder is not there.

    Raises:
        BundleError: If `name` is a link or no folder.
    """
    try:
        inner = os.open(name, _READ_FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BundleError(f"this must be a plain folder ({_reason(error)})", file=name) from None
    try:
        return tuple(sorted(os.listdir(inner)))  # noqa: PTH208  # a path cannot list an open folder
    finally:
        os.close(inner)


def current_mark(folder: int, name: str) -> tuple[int, ...]:
    """What the file system knows of a file now, to compare with `PinnedFile.mark`.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    return _mark(os.stat(name, dir_fd=folder, follow_symlinks=False))


def is_marked(path: str, mark: tuple[int, ...]) -> bool:
    """Whether the file system knows of a file now what it knew then, as `current_mark`, by its path.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    return _mark(os.stat(path, follow_symlinks=False)) == mark  # noqa: PTH116 - a third of the time


def _open(folder: int, name: str) -> int:
    parent, _, base = name.rpartition("/")
    inner = folder
    try:
        if parent:
            inner = os.open(parent, _READ_FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        return os.open(base, _READ_FILE, dir_fd=inner)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise BundleError("symbolic links are refused; put the file itself into the bundle", file=name) from None
        raise BundleError(f"the file cannot be read ({_reason(error)})", file=name) from None
    finally:
        if inner != folder:
            os.close(inner)


def _check_plain(found: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BundleError("this is not a plain file; put the file itself into the bundle", file=name)
    if found.st_nlink != 1:
        raise BundleError(
            f"the file has {found.st_nlink} hard links, so it could change from outside the bundle; copy it instead",
            file=name,
        )


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "unknown reason"
