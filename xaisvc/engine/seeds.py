"""Where the randomness of sampling methods comes from: the caller's seed, the model and the row, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from xaisvc.types import Table

_PLAN = b"xaisvc plan\x00"


class RowSeeds(Sequence[bytes]):
    """One 32-byte seed per row, from (seed, model digest, row digest). Worked out when a method first asks for one."""

    def __init__(self, seed: int, model_digest: str, rows: Table) -> None:
        self._seed, self._model_digest, self._rows = seed, model_digest, rows

    @cached_property
    def _seeds(self) -> tuple[bytes, ...]:
        head = _head(self._seed, self._model_digest)
        return tuple(hashlib.blake2b(head + digest, digest_size=32).digest() for digest in self._rows.row_digests())

    def __len__(self) -> int:
        """Number of rows n."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[bytes, ...]: ...

    def __getitem__(self, index: int | slice) -> bytes | tuple[bytes, ...]:
        """The seed of one row, or of several for a slice."""
        return self._seeds[index]


@lru_cache(maxsize=256)
def plan_seed(seed: int, model_digest: str) -> bytes:
    """32 bytes for the randomness that all rows of a plan share, from (seed, model digest)."""
    return hashlib.blake2b(_PLAN + _head(seed, model_digest), digest_size=32).digest()


def _head(seed: int, model_digest: str) -> bytes:
    return seed.to_bytes(8, "little", signed=True) + bytes.fromhex(model_digest)
