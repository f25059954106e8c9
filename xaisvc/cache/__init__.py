"""Caches of computed attributions: bytes in, bytes or None out, named by a key that holds all that changes the answer.

A new cache is one module here and one line in `CACHES`; `tests/conformance/test_caches.py` says what it must do.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.cache.base import CacheOptions, ExplanationCache, SharedFlights
from xaisvc.cache.counts import CacheCounts
from xaisvc.cache.key import CacheKey, Parameter, row_names, tenant_salt
from xaisvc.cache.memory import MemoryCache
from xaisvc.cache.redis_cache import RedisCache
from xaisvc.cache.secret import load_secret
from xaisvc.cache.sqlite_cache import SqliteCache
from xaisvc.cache.tiered import TieredCache
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CACHES",
    "CacheCounts",
    "CacheKey",
    "CacheOptions",
    "ExplanationCache",
    "MemoryCache",
    "Parameter",
    "RedisCache",
    "SharedFlights",
    "SqliteCache",
    "TieredCache",
    "load_secret",
    "open_cache",
    "row_names",
    "tenant_salt",
]

CACHES: Mapping[str, Callable[[str, CacheOptions], ExplanationCache]] = MappingProxyType(
    {
        "memory": MemoryCache.open,
        "redis": RedisCache.open,
        "rediss": RedisCache.open,
        "sqlite": SqliteCache.open,
        "unix": RedisCache.open,
    }
)
"""Scheme of a cache's address to what opens it."""


def open_cache(address: str, options: CacheOptions) -> ExplanationCache:
    """Opens the cache that an address names, with memory in front if it lies outside this process.

    Args:
        address: `memory:`, `sqlite:PATH`, `redis://USER:PASSWORD@HOST:PORT/DB`, `rediss://...` for TLS, or
            `unix:///PATH/OF/SOCKET`. User and password may be left to the options.
        options: How it is to behave. A cache in a file whose options hold no secret makes one beside its file.

    Raises:
        InvalidInputError: If the scheme is unknown, the address cannot be read, or an option is missing. The message
            never repeats the address, which may hold a password.
    """
    scheme = address.partition(":")[0]
    if scheme not in CACHES:
        raise InvalidInputError(f"cache: unknown kind of cache; the address must start with one of {sorted(CACHES)}")
    if scheme == "memory":
        return MemoryCache.open(address, options)
    return TieredCache.over(CACHES[scheme], address, options)
