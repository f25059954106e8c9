"""The seal of what a cache keeps outside this process: who can write there cannot make us serve it."""

from __future__ import annotations

import hashlib
import hmac

from xaisvc.errors import InvalidInputError

SECRET_BYTES = 32
"""Smallest secret."""

_VERSION = b"\x01"
"""First byte of every sealed value: the layout of the seal. Another layout gets another byte."""

_SEAL_BYTES = hashlib.sha256().digest_size

SEALED_BYTES = len(_VERSION) + _SEAL_BYTES
"""What sealing adds to a value."""


class Seal:
    """Names and seals entries with keys that are derived from one secret.

    A sealed value is one version byte, HMAC-SHA256 over version, key and value, and the value itself. So a value that
    was changed, cut, moved to another key or written in another layout does not open. Names are keyed as well: who can
    read names cannot test whether a certain row was explained. Values themselves are not encrypted.
    """

    def __init__(self, secret: bytes) -> None:
        """Derives the keys.

        Raises:
            InvalidInputError: If the secret is too short.
        """
        if len(secret) < SECRET_BYTES:
            raise InvalidInputError(
                f"cache: secret has {len(secret)} bytes; a cache outside this process needs at least {SECRET_BYTES} "
                "random bytes, because whoever can write to it could otherwise change explanations"
            )
        self._name_key = hmac.digest(secret, b"xaisvc cache name", "sha256")
        self._seal_key = hmac.digest(secret, b"xaisvc cache seal", "sha256")

    def name(self, key: bytes) -> bytes:
        """The name under which a key's entry lies; 32 bytes."""
        return hmac.digest(self._name_key, key, "sha256")

    def close(self, key: bytes, value: bytes) -> bytes:
        """The value behind its seal."""
        return _VERSION + self._mark(key, value) + value

    def open(self, key: bytes, sealed: bytes) -> bytes | None:
        """The value, or None if the seal is not ours, or not for this key."""
        value = sealed[SEALED_BYTES:]
        if sealed[:1] == _VERSION and hmac.compare_digest(sealed[1:SEALED_BYTES], self._mark(key, value)):
            return value
        return None

    def _mark(self, key: bytes, value: bytes) -> bytes:
        # The key goes in as its digest: of fixed length, so that no part of it can pass for a part of the value.
        return hmac.digest(self._seal_key, _VERSION + hashlib.sha256(key).digest() + value, "sha256")
