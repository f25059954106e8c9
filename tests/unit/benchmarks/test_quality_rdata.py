"""A data frame written as R writes it, packed as Debian packs it, and read back."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.quality.rdata import read_frame

if TYPE_CHECKING:
    from pathlib import Path

HEAD = b"X\n" + struct.pack(">iii", 3, 0x040202, 0x030500) + struct.pack(">i", 5) + b"UTF-8"
MISSING = -(2**31)


def text(value: str) -> bytes:
    return struct.pack(">ii", 9 | 0x40000, len(value)) + value.encode()


def texts(values: list[str]) -> bytes:
    return struct.pack(">ii", 16, len(values)) + b"".join(map(text, values))


def vector(kind: int, code: str, values: list[Any], attributes: bytes = b"") -> bytes:
    flags = kind | (0x200 if attributes else 0)
    return struct.pack(">ii", flags, len(values)) + b"".join(struct.pack(code, one) for one in values) + attributes


def listed(values: list[bytes], attributes: bytes) -> bytes:
    return struct.pack(">ii", 19 | 0x200, len(values)) + b"".join(values) + attributes


class Attributes:
    """Pair lists whose symbols are written once and referred to from then on."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def __call__(self, **pairs: bytes) -> bytes:
        found = b""
        for name, value in pairs.items():
            found += struct.pack(">i", 2 | 0x400)
            if name in self._known:
                found += struct.pack(">i", 255 | ((self._known.index(name) + 1) << 8))
            else:
                self._known.append(name)
                found += struct.pack(">i", 1) + text(name)
            found += value
        return found + struct.pack(">i", 254)


def archive(path: Path, kind: bytes = b"Z") -> Path:
    own = Attributes()
    columns = [
        vector(14, ">d", [1.5, -2.0, 0.0]),
        vector(13, ">i", [7, MISSING, 9]),
        vector(13, ">i", [2, 1, MISSING], own(levels=texts(["no", "yes"]))),
    ]
    rows = struct.pack(">i", 238) + b"".join(
        [struct.pack(">i", 2) + text("compact_intseq") + struct.pack(">i", 254), vector(14, ">d", [3, 1, 1])]
    )
    rows += struct.pack(">i", 254)
    frame = HEAD + listed(columns, own(**{"names": texts(["a", "b", "c"]), "row.names": rows}))
    packed = lzma.compress(frame, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])
    block = struct.pack(">I", len(frame)) + kind + packed
    before = b"another block"
    places = Attributes()
    variables = listed([vector(13, ">i", [len(before), len(block)])], places(names=texts(["loans"])))
    index = HEAD + listed(
        [variables, listed([], places(names=texts([]))), vector(10, ">i", [3])],
        places(names=texts(["variables", "references", "compressed"])),
    )
    files = io.BytesIO()
    with tarfile.open(fileobj=files, mode="w:xz") as tar:
        for name, content in (("Rdata.rdx", gzip.compress(index)), ("Rdata.rdb", before + block)):
            entry = tarfile.TarInfo(f"./usr/lib/R/site-library/pack/data/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    members = b""
    for name, content in (("debian-binary", b"2.0"), ("data.tar.xz", files.getvalue())):
        members += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        members += content + b"\n" * (len(content) % 2)
    path.write_bytes(b"!<arch>\n" + members)
    return path


def test_numbers_and_factors_are_read(tmp_path: Path) -> None:
    frame = read_frame(archive(tmp_path / "pack.deb"), "pack", "loans")

    assert frame["a"].tolist() == [1.5, -2.0, 0.0]
    assert frame["b"].tolist()[::2] == [7.0, 9.0]
    assert np.isnan(frame["b"].tolist()[1])
    assert frame["c"].tolist()[:2] == ["yes", "no"]
    assert frame["c"].isna().tolist() == [False, False, True]


def test_other_packing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="packed in another way than by LZMA"):
        read_frame(archive(tmp_path / "pack.deb", kind=b"2"), "pack", "loans")
