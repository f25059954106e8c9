"""The name of a cached attribution: everything that changes the answer and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from xaisvc.types import Digests, Players, Space

Parameter: TypeAlias = str | int | float | bool | None

_HEAD = b"xaisvc cache key 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """Identifies the attribution of one row.

    What only names a request (its id, its time, who asks, audience, language) is no part of it.

    Attributes:
        answer_version: Version of the code's answers; changes whenever numbers may change.
        digests: What was pinned: model, background and schema.
        output: Id of the explained output.
        space: Unit of the explained number.
        method: The method that runs, as the planner named it, never `auto`.
        parameters: The method's parameters with the budget among them, name to value; their order means nothing.
        seed: The caller's seed.
        value_function: For example `interventional`.
        players: Who shares the credit.
        row_digest: Digest of the row's names and values (`Table.row_digests`).
    """

    answer_version: int
    digests: Digests
    output: str
    space: Space
    method: str
    parameters: tuple[tuple[str, Parameter], ...] = ()
    seed: int
    value_function: str
    players: Players
    row_digest: bytes

    def __post_init__(self) -> None:
        names = [name for name, _ in self.parameters]
        if len(set(names)) < len(names):
            raise ValueError(f"a parameter is given twice: {names}")

    def canonical(self) -> bytes:
        """The key as bytes; equal for equal keys in every process and release, different for different ones.

        A line that names this layout, then JSON with sorted names. JSON tells 1, 1.0, true and "1" apart and writes
        floats so that they read back exactly.

        Raises:
            ValueError: If a parameter is NaN or infinite.
        """
        fields = {
            "answer_version": self.answer_version,
            "background": self.digests.background,
            "method": self.method,
            "model": self.digests.model,
            "output": self.output,
            "parameters": dict(self.parameters),
            "players": {
                "kind": self.players.kind,
                "members": self.players.members,
                "names": self.players.names,
            },
            "row": self.row_digest.hex(),
            "schema": self.digests.schema,
            "seed": self.seed,
            "space": self.space.value,
            "value_function": self.value_function,
        }
        return _HEAD + json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")

    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes; 32 bytes."""
        return hashlib.sha256(self.canonical()).digest()
