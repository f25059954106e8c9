"""What every cache does. A cache knows nothing of attributions: it keeps bytes under 32-byte names."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """How a cache is to behave.

    Attributes:
        ttl_s: Seconds after which an entry is no longer served.
        max_bytes: What a cache in memory may hold; a server bounds itself.
        timeout_s: Seconds that connecting to a server, or one reply of it, may take. A cache that needs longer than
            this costs more than it saves.
        secret: At least 32 random bytes that authenticate what a server keeps for us. All processes that share
            entries share it.
        clock: Monotonic clock in seconds.
    """

    ttl_s: float = 86_400.0
    max_bytes: int = 64 * 2**20
    timeout_s: float = 0.05
    secret: bytes = field(default=b"", repr=False)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        for name in ("ttl_s", "max_bytes", "timeout_s"):
            if getattr(self, name) <= 0:
                raise InvalidInputError(f"cache: {name} is {getattr(self, name)}; it must be above 0")


@runtime_checkable
class ExplanationCache(Protocol):
    """Keeps values for a while. Instances are shared between threads.

    A cache can only make a request slower, never fail it and never change its answer: whatever goes wrong is a miss.
    Keys and values travel many at a time, so that a cache that has stopped answering delays a request once and not
    once for each of its rows.
    """

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The value of each key, in the order of the keys; None where there is none.

        Args:
            keys: Digests of cache keys, 32 bytes each.
        """
        ...

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Keeps values under their keys, each instead of what was there."""
        ...

    def close(self) -> None:
        """Lets go of connections and memory. A closed cache misses and keeps nothing."""
        ...
