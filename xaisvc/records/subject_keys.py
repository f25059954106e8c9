"""Contents that can be made unreadable: random keys per subject, kept wrapped by a master key.

AES-256-GCM throughout. A subject has one key per event, so that recording never has to look for an old one; erasing a
subject destroys them all. What a key protects is bound to its place by the associated data, so that no ciphertext can
be put in another's place. The master key itself never encrypts and never names: keys derived from it do.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
ERASED: Final = bytes(TAG_BYTES)
"""Stands where the name of an erased subject was: of the same size, so that SQLite overwrites it where it stands."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The 32 bytes that wrap the keys of subjects and events."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise StoreError(f"a master key has {KEY_BYTES} bytes; this one has {len(self.secret)}")

    @classmethod
    def from_text(cls, text: str) -> MasterKey:
        """Reads 64 hexadecimal digits, or base64 of 32 bytes.

        Raises:
            StoreError: If it is neither; the message does not repeat it.
        """
        stripped = text.strip()
        for decode in (bytes.fromhex, lambda written: base64.b64decode(written, validate=True)):
            try:
                secret = decode(stripped)
            except (ValueError, binascii.Error):
                continue
            if len(secret) == KEY_BYTES:
                return cls(secret)
        raise StoreError(
            "the master key is neither 64 hexadecimal digits nor base64 of 32 bytes; "
            "make one with: openssl rand -hex 32"
        )

    @classmethod
    def from_file(cls, path: Path) -> MasterKey:
        """Reads a file that holds 32 raw bytes, 64 hexadecimal digits or base64.

        Raises:
            StoreError: If it cannot be read or holds none of these.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: the master key cannot be read ({error.strerror})") from error
        if len(content) == KEY_BYTES:
            return cls(content)
        try:
            return cls.from_text(content.decode("ascii", errors="replace"))
        except StoreError as error:
            raise StoreError(f"{path}: {error}") from None

    def derive(self, purpose: str) -> bytes:
        """A key for one purpose: HMAC-SHA-256(master, purpose), 32 bytes."""
        return hmac.digest(self.secret, b"xaisvc.records/1 " + purpose.encode(), "sha256")


class SubjectTags:
    """What a subject is called in the store: 16 bytes of HMAC-SHA-256 under a secret of the store.

    Args:
        salt: Secret of the store, used for contents written without a master key.
        master: The master key, if there is one.
    """

    def __init__(self, salt: bytes, master: MasterKey | None) -> None:
        keys = [] if master is None else [master.derive("subjects")]
        self._keys = (*keys, salt)
        self._sealing = hmac.digest(salt, b"seal", "sha256")

    def tag(self, subject: str) -> bytes:
        """The name that new contents are stored under."""
        return self._tag(self._keys[0], subject)

    def every_tag(self, subject: str) -> list[bytes]:
        """The names that contents may be stored under: with the master key and from before there was one."""
        return [self._tag(key, subject) for key in self._keys]

    def seal(self, tag: bytes, number: int, seq: int) -> bytes:
        """Stands in the place of a key where nothing is encrypted, so that a changed name is noticed. 16 bytes."""
        return hmac.digest(self._sealing, subject_place(tag, number, seq), "sha256")[:TAG_BYTES]

    @staticmethod
    def _tag(key: bytes, subject: str) -> bytes:
        return hmac.digest(key, subject.encode(), "sha256")[:TAG_BYTES]


class Envelope:
    """Wraps and unwraps keys with the master key."""

    def __init__(self, master: MasterKey) -> None:
        self._wrapping = cipher(master.derive("wrapping"))
        self.check = hmac.digest(master.derive("check"), b"", "sha256")[:TAG_BYTES]
        """Tells whether a store was written with the same master key, and nothing else about it."""

    def new_key(self, place: bytes) -> tuple[bytes, AESGCM]:
        """A random key, wrapped for this place, and ready to use."""
        key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, key, place), cipher(key)

    def unwrap(self, wrapped: bytes, place: bytes) -> AESGCM:
        """The key that was wrapped for this place.

        Raises:
            StoreError: If it was wrapped with another master key or for another place, or was changed.
        """
        return cipher(open_sealed(self._wrapping, wrapped, place))


def cipher(key: bytes) -> AESGCM:
    """AES-256-GCM with this key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - heavy: loaded when used

    return AESGCM(key)


def open_sealed(key: AESGCM, sealed: bytes, place: bytes) -> bytes:
    """What was sealed with this key for this place; `sealed` is the nonce and the ciphertext.

    Raises:
        StoreError: If it was changed, moved, or sealed with another key.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - heavy: loaded when used

    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except (InvalidTag, ValueError) as error:
        raise StoreError(
            "what is stored does not fit its key: it was changed, or another master key was used"
        ) from error


def subject_place(tag: bytes, number: int, seq: int) -> bytes:
    """What the key of a subject is bound to: its name, its number and its event's place in the chain."""
    return b"subject " + tag + number.to_bytes(8) + seq.to_bytes(8)


def event_place(event_id: str) -> bytes:
    """What the key of an event is bound to."""
    return b"event " + event_id.encode()


def part_place(event_id: str, part: int) -> bytes:
    """What the content of a part is bound to."""
    return f"part {part} {event_id}".encode()
