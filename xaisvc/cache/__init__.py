"""Caches of computed attributions: bytes in, bytes or None out, named by a key that holds all that changes the answer.

A new cache is one module here and one line in `CACHES`; `tests/conformance/test_caches.py` says what it must do.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.cache.base import CacheOptions, ExplanationCache
from xaisvc.cache.key import CacheKey, Parameter
from xaisvc.cache.memory import MemoryCache
from xaisvc.cache.redis_cache import RedisCache
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CACHES",
    "CacheKey",
    "CacheOptions",
    "ExplanationCache",
    "MemoryCache",
    "Parameter",
    "RedisCache",
    "open_cache",
]

CACHES: Mapping[str, Callable[[str, CacheOptions], ExplanationCache]] = MappingProxyType(
    {
        "memory": MemoryCache.open,
        "redis": RedisCache.open,
        "rediss": RedisCache.open,
        "unix": RedisCache.open,
    }
)
"""Scheme of a cache's address to what opens it."""


def open_cache(address: str, options: CacheOptions) -> ExplanationCache:
    """Opens the cache that an address names.

    Args:
        address: `memory:`, `redis://HOST:PORT/DB`, `rediss://HOST:PORT/DB` or `unix:///PATH/OF/SOCKET`.
        options: How it is to behave.

    Raises:
        InvalidInputError: If the scheme is unknown, the address cannot be read, or an option is missing.
    """
    scheme = address.partition(":")[0]
    if scheme not in CACHES:
        raise InvalidInputError(f"cache: unknown kind '{scheme}'; the address must start with one of {sorted(CACHES)}")
    return CACHES[scheme](address, options)
