"""Keeps what a bundle alone decides, in memory and on disk, so that it is worked out once.

A file is one key's arrays. Its name is a digest of the bundle's digests, the key and the format's version, so that a
file of another bundle, key or version is never looked at. It is laid out as

    8 bytes   mark
    8 bytes   length of the header, little-endian
    32 bytes  SHA-256 of everything else
    header    JSON: the name, and of each array name, type, shape and place
    arrays    one after the other, each at a multiple of 64 bytes

No object is ever unpickled: types are plain numbers. A file that is cut short, changed or not ours is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc import __version__
from xaisvc.engine.frames import ANSWER_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import PlanStore

    Arrays = Mapping[str, NDArray[np.generic]]

_MARK = b"xaiplan1"
_HEAD = 48
_ALIGNMENT = 64
_SUFFIX = ".plan"
_KINDS = "biuf"
"""Types of numbers that a file may hold: booleans, whole numbers, floating-point numbers."""


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """How much is kept.

    Attributes:
        memory_bytes: Size of what is held in memory; what was used longest ago goes first.
        entries: Number of values held in memory; some are small and count little, but callers can ask for many.
        disk_bytes: Size of all files in the folder; the oldest go first.
    """

    memory_bytes: int = 3 << 29  # the largest tables of trees four times
    entries: int = 1024
    disk_bytes: int = 6 << 30


class BundlePlans:
    """The plans of one bundle: a `PlanStore`. Safe to use from several threads; each key has one maker at a time.

    What goes wrong with files never reaches the caller: the arrays are made anew.
    """

    def __init__(self, folder: Path | None, digests: Sequence[str], limits: PlanLimits | None = None) -> None:
        """Keeps the plans of a bundle.

        Args:
            folder: Where files are kept; None for none. Made if missing. Not used if it belongs to another user or if
                others may write to it.
            digests: Digests of everything in the bundle that plans depend on: model, background, schema.
            limits: How much is kept.
        """
        self._folder = folder
        self._digests = tuple(digests)
        self._limits = limits or PlanLimits()
        self._lock = threading.Lock()
        self._makers: dict[Hashable, threading.Lock] = {}
        self._kept: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._size = 0

    def scoped(self, scope: str) -> PlanStore:
        """The same store with keys of its own for everything in a scope, such as one output in one space."""
        return _Scope(self, scope)

    def keep(self, key: Hashable, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
        """The value for `key`, made when first asked for; see `PlanStore.keep`."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known[0]
            maker = self._makers.setdefault(key, threading.Lock())
        with maker:
            with self._lock:
                if key in self._kept:
                    return self._kept[key][0]
            try:
                value = make()
                self._remember(key, value, n_bytes(value))
            finally:
                with self._lock:
                    self._makers.pop(key, None)
        return value

    def keep_arrays(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """As `keep`, for arrays: kept on disk too. They are read-only, wherever they come from."""

        def found() -> object:
            name = self._name(key)
            arrays = self._read(name)
            if arrays is None:
                arrays = dict(make())
                self._write(name, arrays)
            for array in arrays.values():
                array.setflags(write=False)
            return MappingProxyType(arrays)

        return cast("Arrays", self.keep(f"arrays {key}", found, _size_of))

    def _remember(self, key: Hashable, value: object, size: int) -> None:
        with self._lock:
            self._kept[key] = value, size
            self._size += size
            while len(self._kept) > 1 and (
                self._size > self._limits.memory_bytes or len(self._kept) > self._limits.entries
            ):
                _, (_, gone) = self._kept.popitem(last=False)
                self._size -= gone

    def _name(self, key: str) -> str:
        # Another version of the code may make other numbers under the same key.
        text = json.dumps([_MARK.decode(), __version__, ANSWER_VERSION, *self._digests, key])
        return hashlib.sha256(text.encode()).hexdigest()

    def _read(self, name: str) -> dict[str, NDArray[np.generic]] | None:
        """The arrays of a file; None if there is none or it is not whole and ours."""
        if self._folder is None or not _is_private(self._folder):
            return None
        path = self._folder / (name + _SUFFIX)
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(descriptor, "rb") as file:
                if not _is_own_file(os.fstat(file.fileno())):
                    return None
                size = os.fstat(file.fileno()).st_size
                buffer = np.empty(size + _ALIGNMENT - 1, dtype=np.uint8)
                start = -buffer.ctypes.data % _ALIGNMENT
                content = buffer[start : start + size]
                if file.readinto(content.data) != content.size:
                    return None
            return _unpacked(content, name)
        except (OSError, ValueError, KeyError, TypeError, MemoryError, SyntaxError, RecursionError):
            return None

    def _write(self, name: str, arrays: Arrays) -> None:
        if self._folder is None:
            return
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(self._folder):
                return
            parts = _packed(name, arrays)
            size = sum(len(part) for part in parts)
            if size > self._limits.disk_bytes:
                return
            _evict(self._folder, self._limits.disk_bytes - size)
            # A temporary file is private from the start, and its name is taken by nobody else.
            descriptor, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.writelines(parts)
                Path(temporary).replace(self._folder / (name + _SUFFIX))
            except BaseException:
                with suppress(OSError):
                    Path(temporary).unlink()
                raise


@dataclass(frozen=True, slots=True)
class _Scope:
    """A store as one output sees it: keys that name no output never meet those of another."""

    plans: BundlePlans
    scope: str

    def keep(self, key: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
        return self.plans.keep((self.scope, key), make, n_bytes)  # only a file's name has to be one text

    def keep_arrays(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        return self.plans.keep_arrays(json.dumps([self.scope, key]), make)


def default_folder(environment: Mapping[str, str]) -> Path | None:
    """Where plans are kept unless told otherwise.

    Args:
        environment: `XAISVC_CACHE_DIR` names the folder, empty for none; without it `xaisvc` in `XDG_CACHE_HOME` or in
            `.cache` of the home folder.

    Returns:
        The folder; None if nothing is to be kept or there is no home.
    """
    chosen = environment.get("XAISVC_CACHE_DIR")
    if chosen is not None:
        return Path(chosen) / "plans" if chosen else None
    base = environment.get("XDG_CACHE_HOME", "")
    if base and Path(base).is_absolute():
        return Path(base) / "xaisvc" / "plans"
    try:
        return Path.home() / ".cache" / "xaisvc" / "plans"
    except RuntimeError:
        return None


def _size_of(arrays: object) -> int:
    return sum(array.nbytes for array in cast("Arrays", arrays).values())


def _is_private(folder: Path) -> bool:
    """Whether a folder is ours and nobody else may write to it."""
    try:
        status = folder.stat()
    except OSError:
        return False
    owner = getattr(os, "geteuid", lambda: status.st_uid)()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o022


def _is_own_file(status: os.stat_result) -> bool:
    owner = getattr(os, "geteuid", lambda: status.st_uid)()
    return stat.S_ISREG(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o022


def _packed(name: str, arrays: Arrays) -> list[bytes | memoryview]:
    """The content of a file."""
    listed: list[list[object]] = []
    bodies: list[bytes | memoryview] = []
    place = 0
    for title, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            msg = f"array '{title}' holds {array.dtype}, not numbers"
            raise TypeError(msg)
        whole = np.ascontiguousarray(array)
        gap = -place % _ALIGNMENT
        listed.append([title, whole.dtype.str, list(array.shape), place + gap])
        bodies += [bytes(gap), whole.reshape(-1).view(np.uint8).data]
        place += gap + whole.nbytes
    header = json.dumps({"name": name, "arrays": listed}).encode()
    header += b" " * (-(_HEAD + len(header)) % _ALIGNMENT)
    front = _MARK + len(header).to_bytes(8, "little")
    digest = hashlib.sha256(front + header)
    for body in bodies:
        digest.update(body)
    return [front + digest.digest() + header, *bodies]


def _unpacked(content: NDArray[np.uint8], name: str) -> dict[str, NDArray[np.generic]] | None:
    """The arrays of a file's content; None or an error if it is not whole and ours."""
    view = content.data
    digest = hashlib.sha256(view[: _HEAD - 32])
    digest.update(view[_HEAD:])
    if bytes(view[:8]) != _MARK or digest.digest() != bytes(view[_HEAD - 32 : _HEAD]):
        return None
    start = _HEAD + int.from_bytes(view[8:16], "little")
    header = json.loads(bytes(view[_HEAD:start]))
    if header["name"] != name:
        return None
    found: dict[str, NDArray[np.generic]] = {}
    for title, kind, shape, place in header["arrays"]:
        dtype = np.dtype(kind)
        if dtype.kind not in _KINDS:
            return None
        end = start + place + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        found[title] = content[start + place : end].view(dtype).reshape(shape)
    return found


def _evict(folder: Path, room: int) -> None:
    """Deletes the oldest files until the others take up no more than `room` bytes."""
    files: list[tuple[float, int, Path]] = []
    for path in folder.glob("*" + _SUFFIX):
        with suppress(OSError):
            status = path.lstat()
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= room:
            return
        with suppress(OSError):
            path.unlink()
            total -= size
