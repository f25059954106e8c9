"""What every cache does. A cache knows nothing of attributions: it keeps bytes under 32-byte names."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from xaisvc.cache.counts import CacheCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """How a cache is to behave.

    Attributes:
        ttl_s: Seconds after which an entry is no longer served.
        max_bytes: What a cache in memory may hold.
        max_file_bytes: What the file of a cache on disk may hold; a server bounds itself.
        max_value_bytes: Largest value that is kept and read.
        timeout_s: Seconds that one call of a server, or connecting to it, may take. A cache that needs longer than this
            costs more than it saves, and is left alone for a while.
        secret: At least 32 random bytes that authenticate what lies outside this process. All processes that share
            entries share it. See `xaisvc.cache.secret`.
        username: User of the server's access list; goes before one in the address.
        password: Password for the server; goes before one in the address.
        ca_file: Certificates that a server's certificate must descend from (PEM); None for those of the system.
        cert_file: This client's certificate (PEM), for servers that ask for one.
        key_file: The private key of `cert_file` (PEM); None if it stands in the same file.
        clock: Monotonic clock in seconds.
    """

    ttl_s: float = 86_400.0
    max_bytes: int = 64 * 2**20
    max_file_bytes: int = 512 * 2**20
    max_value_bytes: int = 2**20
    timeout_s: float = 0.025
    secret: bytes = field(default=b"", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        for name in ("ttl_s", "max_bytes", "max_file_bytes", "max_value_bytes", "timeout_s"):
            if getattr(self, name) <= 0:
                raise InvalidInputError(f"cache: {name} is {getattr(self, name)}; it must be above 0")


@runtime_checkable
class ExplanationCache(Protocol):
    """Keeps values for a while. Instances are shared between threads.

    A cache can only make a request slower, never fail it and never change its answer: whatever goes wrong is a miss.
    Keys and values travel many at a time, so that a cache that has stopped answering delays a request once and not
    once for each of its rows. What is put may be written behind the caller's back and be found a little later, or
    never.
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

    def near(self) -> ExplanationCache:
        """The part of the cache that lies in this process's memory; the cache itself where it has no such part."""
        ...

    def counts(self) -> CacheCounts:
        """What was found, missed and lost since the cache was opened."""
        ...

    def shared_flights(self) -> SharedFlights | None:
        """How processes that share this cache agree on who computes what; None where they cannot."""
        ...

    def flush(self, seconds: float) -> bool:
        """Waits until what was put before is written or given up; False if that takes longer than so many seconds."""
        ...

    def close(self) -> None:
        """Lets go of connections, files and memory. A closed cache misses and keeps nothing."""
        ...


@runtime_checkable
class SharedFlights(Protocol):
    """Keeps processes from computing the same answer at the same time. Failing means that everybody computes.

    The process that may lead a key computes its value, puts it into the cache and then releases the key; the others
    wait for the value. A leader that dies is forgotten after the seconds it asked for.
    """

    def try_lead(self, keys: Sequence[bytes], seconds: float) -> tuple[bool, ...]:
        """Whether this process is to compute each of the values; True wherever that cannot be agreed upon.

        False where another process is computing the value, or has put it by now: `wait_for` finds it.

        Args:
            keys: Digests of cache keys, 32 bytes each.
            seconds: After this time another process may lead. Longer than computing takes.
        """
        ...

    def release(self, keys: Sequence[bytes]) -> None:
        """Gives up leading, after what this thread has put so far. Keys that this process does not lead are let be."""
        ...

    def wait_for(self, keys: Sequence[bytes], at_most_s: float) -> tuple[bytes | None, ...]:
        """The value of each key once another process has put it; None where it is to be computed here after all.

        Comes back as soon as each key has a value or no leader.

        Args:
            keys: Digests of cache keys, 32 bytes each.
            at_most_s: Longest time to wait in seconds: what computing here would take.
        """
        ...
