"""Rows of raw features, column by column: the one form in which rows travel inside xaisvc."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
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
    """

    columns: Mapping[str, Column]

    def __post_init__(self) -> None:
        lengths = {len(values) for values in self.columns.values()}
        if len(lengths) > 1:
            msg = f"columns of different lengths: {sorted(lengths)}"
            raise ValueError(msg)
        for values in self.columns.values():
            values.setflags(write=False)
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), ()))

    @property
    def feature_ids(self) -> tuple[str, ...]:
        """Ids of the features, in order."""
        return tuple(self.columns)

    def take(self, indices: NDArray[np.intp] | Sequence[int] | slice) -> Table:
        """The rows at `indices`, in that order."""
        return Table({name: values[indices].copy() for name, values in self.columns.items()})

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

        Every NaN is the same missing value; minus zero is not zero, because a model may tell them apart.
        """
        head = "\x1f".join(self.columns).encode()
        encoded = [_encode_column(values) for values in self.columns.values()]
        return tuple(
            hashlib.blake2b(head + b"".join(column[i] for column in encoded), digest_size=32).digest()
            for i in range(len(self))
        )

    @staticmethod
    def concat(tables: Sequence[Table]) -> Table:
        """The rows of all tables, one after the other. All must have the same columns."""
        names = tables[0].feature_ids
        return Table({name: cast("Column", np.concatenate([t.columns[name] for t in tables])) for name in names})


def _encode_column(values: Column) -> list[bytes]:
    """Each value as bytes that no other value of the column's type shares: a type mark, then length and content."""
    if values.dtype == np.object_:
        encoded = []
        for value in values:
            text = b"" if value is None else str(value).encode()
            encoded.append((b"n" if value is None else b"s") + len(text).to_bytes(4, "little") + text)
        return encoded
    numbers = np.where(np.isnan(values.astype(np.float64)), np.nan, values).astype("<f8")
    raw = numbers.tobytes()
    return [b"f" + raw[i : i + 8] for i in range(0, len(raw), 8)]
