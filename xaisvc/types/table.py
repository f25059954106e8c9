"""Rows of raw features, column by column: the one form in which rows travel inside xaisvc."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Column: TypeAlias = NDArray[np.float64] | NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Table:
    """n rows of raw features in the order of the bundle's schema.

    Attributes:
        columns: Feature id to values, shape (n,). Numeric, integer, boolean (0 or 1) and date (days since 1970-01-01)
            features are float64 with NaN for missing; category features are objects: `str`, or None for missing.
        lines: The columns as the lines of one matrix, where they came as one, read-only; float64, (d, n).
        fed: What made tensors of a few rows last, and the tensors: a model and its trees read the same ones.
    """

    columns: Mapping[str, Column]
    _length: int = field(init=False, repr=False, compare=False)
    lines: NDArray[np.float64] | None = field(init=False, repr=False, compare=False)
    fed: tuple[object, Mapping[str, NDArray[np.generic]]] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns = dict(self.columns)
        lengths = set(map(len, columns.values()))
        if len(lengths) > 1:
            msg = f"columns of different lengths: {sorted(lengths)}"
            raise ValueError(msg)
        for values in columns.values():
            values.setflags(write=False)
        object.__setattr__(self, "columns", MappingProxyType(columns))
        object.__setattr__(self, "_length", lengths.pop() if lengths else 0)
        object.__setattr__(self, "lines", None)
        object.__setattr__(self, "fed", None)

    @classmethod
    def of_lines(cls, names: Sequence[str], lines: NDArray[np.float64]) -> Table:
        """The table whose columns are the lines of a matrix, in one go.

        Args:
            names: Ids of the d features, all numbers.
            lines: float64, (d, n), each line in one piece; nobody else may write to it.
        """
        lines.setflags(write=False)
        table = object.__new__(cls)
        object.__setattr__(table, "columns", MappingProxyType(dict(zip(names, lines, strict=True))))
        object.__setattr__(table, "_length", lines.shape[1])
        object.__setattr__(table, "lines", lines)
        object.__setattr__(table, "fed", None)
        return table

    def keep_fed(self, made_by: object, tensors: Mapping[str, NDArray[np.generic]]) -> None:
        """Keeps the tensors that were made of these rows beside them, for as long as the rows live."""
        object.__setattr__(self, "fed", (made_by, tensors))

    def __len__(self) -> int:
        """Number of rows."""
        return self._length

    @property
    def feature_ids(self) -> tuple[str, ...]:
        """Ids of the features, in order."""
        return tuple(self.columns)

    def take(self, indices: NDArray[np.intp] | Sequence[int] | slice) -> Table:
        """The rows at `indices`, in that order. Consecutive rows are a view: columns are never written."""
        if isinstance(indices, slice):
            start, stop, step = indices.indices(len(self))
            if step == 1 and stop - start == len(self):
                return self
            if step == 1:
                return Table({name: values[start:stop] for name, values in self.columns.items()})
        taken = {name: np.ascontiguousarray(values[indices]) for name, values in self.columns.items()}
        return Table(cast("dict[str, Column]", taken))

    def row(self, index: int) -> dict[str, float | str | None]:
        """One row as plain values: float, text, or None for missing."""
        found: dict[str, float | str | None] = {}
        for name, values in self.columns.items():
            value = values[index]
            if isinstance(value, str):
                found[name] = value
            else:
                found[name] = None if value is None or np.isnan(value) else float(value)
        return found

    def row_digests(self) -> tuple[bytes, ...]:
        """A 32-byte BLAKE2b digest of each row's names and values; equal rows have equal digests on every machine.

        With H32 and H16 for BLAKE2b digests of 32 and 16 bytes, the digest of a row is

            H32(H32(names, each with the mark of its type, joined by 0x1F) + the values' codes in the order of columns)

        The code of a number is its 8 bytes as a little-endian float64; every NaN is the same missing value; minus zero
        is not zero, because a model may tell them apart. The code of a text is H16("s" + its UTF-8 bytes), that of a
        missing text H16("n").
        """
        head = _head_code("\x1f".join(f"{_mark(values)}{name}" for name, values in self.columns.items()))
        if len(self) == 1:  # numpy would cost more than the values do
            row = head + b"".join([_code_of(values[0]) for values in self.columns.values()])
            return (hashlib.blake2b(row, digest_size=32).digest(),)
        codes = [np.frombuffer(head, dtype=np.uint8)]
        codes += [_code_bytes(values) for values in self.columns.values()]
        width = sum(code.shape[-1] for code in codes)
        matrix = np.empty((len(self), width), dtype=np.uint8)
        start = 0
        for code in codes:
            matrix[:, start : start + code.shape[-1]] = code
            start += code.shape[-1]
        raw = matrix.tobytes()
        return tuple(
            [hashlib.blake2b(raw[i : i + width], digest_size=32).digest() for i in range(0, len(self) * width, width)]
        )

    def distinct(self) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """Which rows are all there is, or None if no row repeats. Rows are equal where their digests are.

        Returns:
            The first place of each distinct row in ascending order, intp, (u,), and for each row the index of its like
            among them, intp, (n,).
        """
        if len(self) < _PAIR or not self.columns:
            return None
        keys = np.zeros(len(self), dtype=np.uint64)
        columns = list(self.columns.values())
        at_once = max(1, _NUMBERS_AT_ONCE // len(self))
        for place in range(0, len(columns), at_once):
            keys += _mixed(columns[place : place + at_once], place)
        in_order = np.sort(keys)
        if not (in_order[1:] == in_order[:-1]).any():
            return None
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        by_place = np.argsort(first)
        rank = np.empty_like(by_place)
        rank[by_place] = np.arange(len(by_place))
        first, inverse = first[by_place].astype(np.intp), rank[inverse].astype(np.intp)
        like = first[inverse]
        for values in self.columns.values():
            codes = _codes(values)
            if not np.array_equal(codes, codes[like]):
                return None  # different rows with the same key: one in 10^19 by chance, so just compute them all
        return first, inverse

    @staticmethod
    def concat(tables: Sequence[Table]) -> Table:
        """The rows of all tables, one after the other. All must have the same columns."""
        names = tables[0].feature_ids
        return Table({name: cast("Column", np.concatenate([t.columns[name] for t in tables])) for name in names})


_PAIR = 2
_NUMBER = struct.Struct("<d")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits without a pattern: the golden ratio times 2^64
_HALF = np.uint64(32)
_NUMBERS_AT_ONCE = 2**16
"""Numbers that are mixed together: for few rows a column costs numpy more than its values do."""


def _mixed(columns: Sequence[Column], first: int) -> NDArray[np.uint64]:
    """A number for the values that each row has in some columns, nearly always another for other values; uint64, (n,).

    Args:
        columns: Some columns of a table.
        first: Place of the first of them in the table: the same value in another column counts otherwise.
    """
    if all(values.dtype == np.float64 for values in columns):
        numbers = np.concatenate(cast("list[NDArray[np.float64]]", columns))
        numbers[np.isnan(numbers)] = np.nan
        codes = numbers.view(np.uint64).reshape(len(columns), -1)
    else:
        codes = np.stack([_codes(values) for values in columns])
    factors = (np.arange(first, first + len(columns), dtype=np.uint64) * np.uint64(2) + np.uint64(1)) * _MULTIPLIER
    for _ in range(_PAIR):  # each step can be undone, so different values of a column stay different
        codes ^= codes >> _HALF
        codes *= factors[:, None]
    codes ^= codes >> _HALF
    return np.asarray(codes.sum(axis=0, dtype=np.uint64))


class _Numbered(dict[object, int]):
    """Numbers values in the order in which they come."""

    def __missing__(self, value: object) -> int:
        self[value] = number = len(self)
        return number


def _codes(values: Column) -> NDArray[np.uint64]:
    """A number for each value that equal values share and no other value of this column has; uint64, (n,)."""
    if values.dtype == np.object_:
        return np.fromiter(map(_Numbered().__getitem__, values.tolist()), dtype=np.uint64, count=len(values))
    return _numbers(values).view(np.uint64)


def _numbers(values: Column) -> NDArray[np.float64]:
    """A fresh copy in which every missing value is the same NaN."""
    numbers = values.astype("<f8", copy=True)
    numbers[np.isnan(numbers)] = np.nan
    return numbers


def _mark(values: Column) -> str:
    return "s" if values.dtype == np.object_ else "f"


def _code_of(value: float | str | None) -> bytes:
    """The code of one value."""
    if value is None or isinstance(value, str):
        return _text_code(value)
    return _NUMBER.pack(value if value == value else np.nan)  # noqa: PLR0124 - only a NaN differs from itself


@lru_cache(maxsize=4096)
def _text_code(value: str | None) -> bytes:
    return hashlib.blake2b(b"n" if value is None else b"s" + value.encode(), digest_size=16).digest()


@lru_cache(maxsize=256)
def _head_code(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=32).digest()


def _code_bytes(values: Column) -> NDArray[np.uint8]:
    """The code of each value, see `Table.row_digests`; uint8, (n, 8) for numbers, (n, 16) for texts."""
    if values.dtype != np.object_:
        return _numbers(values).view(np.uint8).reshape(-1, 8)
    numbered = _Numbered()
    places = np.fromiter(map(numbered.__getitem__, values.tolist()), dtype=np.intp, count=len(values))
    codes = b"".join([_text_code(None if value is None else str(value)) for value in numbered])
    return np.frombuffer(codes, dtype=np.uint8).reshape(-1, 16)[places]
