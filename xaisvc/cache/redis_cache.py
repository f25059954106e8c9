"""A cache in Redis, shared by processes. Redis is trusted with nothing: values are sealed, failures are misses."""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import Redis

    from xaisvc.cache.base import CacheOptions

_log = logging.getLogger(__name__)

_SECRET_BYTES = 32
_SEAL_BYTES = hashlib.sha256().digest_size


class RedisCache:
    """Entries under `xaisvc:` plus a keyed digest of their key, each value behind its seal.

    The seal is HMAC-SHA256 over key and value, so a value that was changed, cut, or moved to another key is a miss. The
    name is keyed as well: who can read Redis cannot test whether a certain row was explained. Values themselves are not
    encrypted.
    """

    def __init__(self, client: Redis, options: CacheOptions) -> None:
        if len(options.secret) < _SECRET_BYTES:
            raise InvalidInputError(
                f"cache: secret has {len(options.secret)} bytes; Redis needs at least {_SECRET_BYTES} random bytes, "
                "because whoever can write to Redis could otherwise change explanations"
            )
        self._client = client
        self._ttl_ms = max(1, round(options.ttl_s * 1000))
        self._name_secret = hmac.digest(options.secret, b"xaisvc cache name", "sha256")
        self._seal_secret = hmac.digest(options.secret, b"xaisvc cache seal", "sha256")
        self._failing = False
        self._closed = False

    @classmethod
    def open(cls, address: str, options: CacheOptions) -> RedisCache:
        """Opens a cache at an address such as `redis://127.0.0.1:6379/0`. Connects when first used.

        Raises:
            InvalidInputError: If the address cannot be read or the secret is too short.
        """
        from redis import Redis  # noqa: PLC0415  heavy: loaded when used
        from redis.backoff import NoBackoff  # noqa: PLC0415  heavy: loaded when used
        from redis.retry import Retry  # noqa: PLC0415  heavy: loaded when used

        if "?" in address:  # redis-py would let it overrule the timeouts below
            raise InvalidInputError("cache: the address holds options after '?'; leave them out")
        try:
            client = Redis.from_url(
                address,
                socket_connect_timeout=options.timeout_s,
                socket_timeout=options.timeout_s,
                retry=Retry(NoBackoff(), 0),  # a second try doubles the delay of a request that can do without
            )
        except ValueError as error:
            raise InvalidInputError("cache: the address cannot be read; write redis://HOST:PORT/DB") from error
        return cls(client, options)

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The value of each key, in the order of the keys; None where there is none, or none with a right seal."""
        from redis import RedisError  # noqa: PLC0415  heavy: loaded when used

        misses = (None,) * len(keys)
        if not keys or self._closed:
            return misses
        try:
            found = self._client.mget([self._name(key) for key in keys])
        except (RedisError, OSError) as error:
            self._note(error)
            return misses
        self._note(None)
        return tuple(
            self._open_seal(key, sealed) if isinstance(sealed, bytes) else None
            for key, sealed in zip(keys, found, strict=True)
        )

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Keeps values under their keys, for the time to live."""
        from redis import RedisError  # noqa: PLC0415  heavy: loaded when used

        if not values or self._closed:
            return
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for key, value in values.items():
                    pipeline.set(self._name(key), self._seal(key, value) + value, px=self._ttl_ms)
                pipeline.execute()
        except (RedisError, OSError) as error:
            self._note(error)
        else:
            self._note(None)

    def close(self) -> None:
        """Closes the connections; what is in Redis stays there for the other processes."""
        self._closed = True
        self._client.close()

    def _name(self, key: bytes) -> bytes:
        return b"xaisvc:" + hmac.digest(self._name_secret, key, "sha256").hex().encode("ascii")

    def _seal(self, key: bytes, value: bytes) -> bytes:
        # The key goes in as its digest: of fixed length, so that no part of it can pass for a part of the value.
        return hmac.digest(self._seal_secret, hashlib.sha256(key).digest() + value, "sha256")

    def _open_seal(self, key: bytes, sealed: bytes) -> bytes | None:
        seal, value = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if hmac.compare_digest(seal, self._seal(key, value)):
            return value
        _log.warning("cache: an entry in Redis does not bear our seal; it was changed, or written with another secret")
        return None

    def _note(self, error: Exception | None) -> None:
        """Says once that Redis fails and once that it is back, not with every request."""
        if error is not None and not self._failing:
            _log.warning("cache: Redis does not answer (%s); going on without it", type(error).__name__)
        elif error is None and self._failing:
            _log.info("cache: Redis answers again")
        self._failing = error is not None
