"""Reads a data frame out of an R package as Debian ships it, without R: archive, index, block and serialization."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_NOTHING: Final = frozenset({0, 254})
_SYMBOL, _PAIRS, _TEXT, _LOGICAL, _WHOLE, _NUMBER, _TEXTS, _LIST, _COMPACT, _AGAIN = (
    1,
    2,
    9,
    10,
    13,
    14,
    16,
    19,
    238,
    255,
)
_HAS_ATTRIBUTES, _HAS_TAG = 0x200, 0x400
_MISSING: Final = -(2**31)
_ENTRY: Final = 60
_FACTORS: Final = 1
_NAMED_VERSION: Final = 3


class Vector(NamedTuple):
    """An R vector or list, with its attributes by name."""

    values: Any
    attributes: dict[str, Any]


def read_frame(archive: Path, package: str, name: str) -> pd.DataFrame:
    """A data frame of a package.

    Args:
        archive: The package, a `.deb`.
        package: Its name in R.
        name: Of the data frame.

    Returns:
        Numbers as float64, factors as text with None for missing.
    """
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    base = f"./usr/lib/R/site-library/{package}/data/Rdata"
    with tarfile.open(fileobj=io.BytesIO(_member(archive.read_bytes(), "data.tar.xz"))) as files:
        index, blocks = (files.extractfile(f"{base}.{kind}") for kind in ("rdx", "rdb"))
        if index is None or blocks is None:
            raise FileNotFoundError(f"{archive} holds no data of the package {package}")
        places = _Reader(gzip.decompress(index.read())).whole()
        content = blocks.read()
    variables = dict(zip(places.attributes["names"].values, places.values, strict=True))["variables"]
    start, size = dict(zip(variables.attributes["names"].values, variables.values, strict=True))[name].values
    block = content[start : start + size]
    if block[4:5] != b"Z":  # after four bytes that say how long it is unpacked
        raise ValueError(f"{archive} is packed in another way than by LZMA")
    frame = _Reader(lzma.decompress(block[5:], lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])).whole()
    columns = {}
    for title, column in zip(frame.attributes["names"].values, frame.values, strict=True):
        if "levels" in column.attributes:
            levels = np.array([*column.attributes["levels"].values, None], dtype=object)
            columns[title] = levels[np.where(column.values == _MISSING, -1, column.values - _FACTORS)]
        else:
            numbers = np.asarray(column.values, dtype=np.float64)
            columns[title] = np.where(numbers == _MISSING, np.nan, numbers)
    return pd.DataFrame(columns)


def _member(archive: bytes, name: str) -> bytes:
    """A file of an `ar` archive."""
    place = len(b"!<arch>\n")
    while place < len(archive):
        head = archive[place : place + _ENTRY]
        size = int(head[48:58])
        place += _ENTRY
        if head[:16].decode().strip().rstrip("/") == name:
            return archive[place : place + size]
        place += size + size % 2
    raise FileNotFoundError(f"the archive holds no {name}")


class _Reader:
    """R's serialization in its XDR form; only what data frames are made of."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._symbols: list[str] = []
        self._place = len(b"X\n")
        version, _, _ = (self._whole() for _ in range(3))
        if version == _NAMED_VERSION:
            self._bytes(self._whole())  # the encoding

    def whole(self) -> Any:  # noqa: ANN401, PLR0911 - any R value; one branch for each kind
        flags = self._whole()
        kind = flags & 0xFF
        if kind in _NOTHING:
            return None
        if kind == _SYMBOL:
            self._symbols.append(self.whole())
            return self._symbols[-1]
        if kind == _AGAIN:
            return self._symbols[(flags >> 8) - 1]
        if kind == _TEXT:
            size = self._whole()
            return None if size < 0 else self._bytes(size).decode()
        if kind == _PAIRS:
            return self._pairs(flags)
        if kind == _COMPACT:
            self.whole()
            state, attributes = self.whole(), self.whole()
            return Vector(state.values, attributes or {})
        size = self._whole()
        if kind in {_LOGICAL, _WHOLE}:
            values: Any = np.frombuffer(self._bytes(4 * size), ">i4").astype(np.int64)
        elif kind == _NUMBER:
            values = np.frombuffer(self._bytes(8 * size), ">f8").astype(np.float64)
        elif kind in {_TEXTS, _LIST}:
            values = [self.whole() for _ in range(size)]
        else:
            raise ValueError(f"an R value of kind {kind} is no part of a data frame")
        return Vector(values, self.whole() if flags & _HAS_ATTRIBUTES else {})

    def _pairs(self, flags: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while flags & 0xFF == _PAIRS:
            if flags & _HAS_ATTRIBUTES:
                self.whole()
            tag = self.whole() if flags & _HAS_TAG else str(len(found))
            found[tag] = self.whole()
            flags = self._whole()
        return found

    def _whole(self) -> int:
        return int(struct.unpack(">i", self._bytes(4))[0])

    def _bytes(self, size: int) -> bytes:
        self._place += size
        return self._content[self._place - size : self._place]
