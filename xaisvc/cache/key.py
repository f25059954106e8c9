"""The name of a cached attribution: everything that changes the answer, and whose answer it is."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.types import Digests, Players, Space

Parameter: TypeAlias = str | int | float | bool | None

DIGEST_BYTES = hashlib.sha256().digest_size
"""Bytes of a salt, of a row's digest and of a key's digest."""

_HEAD = b"xaisvc cache key 2\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """Identifies how rows are explained; together with a row's digest it identifies the row's attribution.

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

    def __post_init__(self) -> None:
        names = [name for name, _ in self.parameters]
        if len(set(names)) < len(names):
            raise ValueError(f"a parameter is given twice: {names}")

    def canonical(self) -> bytes:
        """The key as bytes; equal for equal keys in every process and release, different for different ones.

        A line that names this layout, then a line of JSON with sorted names. JSON tells 1, 1.0, true and "1" apart and
        writes floats so that they read back exactly.

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
            "schema": self.digests.schema,
            "seed": self.seed,
            "space": self.space.value,
            "value_function": self.value_function,
        }
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return _HEAD + text.encode("ascii") + b"\n"

    def row_keys(self, row_digests: Sequence[bytes], salt: bytes) -> tuple[bytes, ...]:
        """The name of each row's attribution in a cache: SHA-256 of salt, canonical bytes and row digest; 32 bytes.

        Salt and row digest have a fixed length, so no part can pass for a part of another. What the rows share is
        hashed once.

        Args:
            row_digests: Digest of each row's names and values (`Table.row_digests`), 32 bytes each.
            salt: Of the tenant (`tenant_salt`): tenants with different salts never share a name.

        Raises:
            ValueError: If the salt or a row digest has another length than 32 bytes, or a parameter is not finite.
        """
        return row_names(self.shared(salt), row_digests)

    def shared(self, salt: bytes) -> bytes:
        """What the names of all rows begin with, for `row_names`: the salt and the canonical bytes.

        Raises:
            ValueError: As `row_keys`.
        """
        _check_length(salt)
        return salt + self.canonical()


def row_names(shared: bytes, row_digests: Sequence[bytes]) -> tuple[bytes, ...]:
    """As `CacheKey.row_keys`, from `CacheKey.shared`, which can be kept from request to request.

    Raises:
        ValueError: If a row digest has another length than 32 bytes.
    """
    if set(map(len, row_digests)) - {DIGEST_BYTES}:
        for digest in row_digests:
            _check_length(digest)
    begun = hashlib.sha256(shared)
    keys = []
    for digest in row_digests:
        key = begun.copy()
        key.update(digest)
        keys.append(key.digest())
    return tuple(keys)


def _check_length(part: bytes) -> None:
    if len(part) != DIGEST_BYTES:
        raise ValueError(f"a salt or a row digest has {len(part)} bytes; both have {DIGEST_BYTES}")


def tenant_salt(secret: bytes, tenant: str) -> bytes:
    """HMAC-SHA256 of a tenant's name: keeps tenants from finding, or timing, each other's cached answers.

    Args:
        secret: The same for all processes that share a cache. Without one, tenants are kept apart all the same, but
            whoever reads names and knows all else in a key can tell whose they are.
        tenant: Name of the tenant; any text.

    Returns:
        32 bytes.
    """
    name = tenant.encode("utf-8", "surrogatepass")  # any text has a salt: a tenant's name must not fail a request
    return hmac.digest(secret, b"xaisvc tenant\n" + name, "sha256")
