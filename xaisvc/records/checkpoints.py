"""Signed checkpoints: proof of how the chain stood, which nobody without the signing key can make.

A chain alone shows changes in its middle, not that its end was cut off or that it was written anew from some event on.
Every commit therefore signs the end of the chain, and every so often a checkpoint is kept, in the store and in a file
beside it that can be copied elsewhere. Ed25519 (RFC 8032).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xaisvc.errors import StoreError
from xaisvc.records.key_files import load_or_make

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

EVERY_EVENTS: Final = 1000
EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How the chain stood at one moment.

    Attributes:
        number: Counts the checkpoints of a store, from 1.
        seq: Sequence number of the last event.
        hash: Its hash, 32 bytes.
        at: Time, ISO 8601 in UTC.
        signature: Ed25519 signature over all of these and the store's identity.
    """

    number: int
    seq: int
    hash: bytes
    at: str
    signature: bytes = b""

    def signed_bytes(self, store: bytes) -> bytes:
        """What the signature covers."""
        numbers = self.number.to_bytes(8) + self.seq.to_bytes(8)
        return b"xaisvc.checkpoint/1" + store + numbers + self.hash + self.at.encode()

    def to_json(self, store: bytes) -> str:
        """One line of the file of checkpoints."""
        return json.dumps(
            {
                "store": store.hex(),
                "number": self.number,
                "seq": self.seq,
                "hash": self.hash.hex(),
                "at": self.at,
                "signature": self.signature.hex(),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The end of the chain, signed at every commit.

    Attributes:
        seq: Sequence number of the last event, 0 before the first.
        hash: Its hash, 32 bytes.
        subjects: Subject numbers given so far.
        checkpoints: Checkpoints made so far.
        checkpoint_seq: Last event of the last checkpoint.
        signature: Ed25519 signature over all of these and the store's identity.
    """

    seq: int
    hash: bytes
    subjects: int = 0
    checkpoints: int = 0
    checkpoint_seq: int = 0
    signature: bytes = b""

    def signed_bytes(self, store: bytes) -> bytes:
        """What the signature covers."""
        numbers = (self.seq, self.subjects, self.checkpoints, self.checkpoint_seq)
        return b"xaisvc.tail/1" + store + b"".join(number.to_bytes(8) for number in numbers) + self.hash


class Signer:
    """The signing key of a store."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = Verifier(key.public_key())

    @classmethod
    def load_or_make(cls, path: Path) -> Signer:
        """Reads the key from a file (PEM); a missing file is made, with the public key beside it as `.pub`.

        Raises:
            StoreError: If it cannot be read or made, or is no Ed25519 key.
        """
        from cryptography.hazmat.primitives import serialization as forms  # noqa: PLC0415 - heavy: loaded when used
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - heavy: loaded when used

        def make() -> bytes:
            return ed25519.Ed25519PrivateKey.generate().private_bytes(
                forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
            )

        try:
            key = forms.load_pem_private_key(load_or_make(path, make), password=None)
        except (ValueError, TypeError) as error:
            raise StoreError(f"{path}: is no signing key; give an unencrypted Ed25519 key in PEM form") from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise StoreError(f"{path}: is no Ed25519 key; make one with: openssl genpkey -algorithm ed25519")
        public = path.with_name(path.name.removesuffix(".key") + ".pub")
        content = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
        try:
            if not public.exists():
                public.write_bytes(content)
        except OSError as error:
            raise StoreError(f"{public}: the public key cannot be written ({error.strerror})") from error
        return cls(key)

    def sign(self, content: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self._key.sign(content)


class Verifier:
    """Checks signatures with the public key."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> Verifier:
        """Reads the public key from a PEM file.

        Raises:
            StoreError: If it cannot be read or is no Ed25519 public key.
        """
        from cryptography.hazmat.primitives import serialization as forms  # noqa: PLC0415 - heavy: loaded when used
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - heavy: loaded when used

        try:
            key = forms.load_pem_public_key(path.read_bytes())
        except OSError as error:
            raise StoreError(f"{path}: the public key cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise StoreError(f"{path}: is no public key in PEM form") from error
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise StoreError(f"{path}: is no Ed25519 public key")
        return cls(key)

    def accepts(self, signature: bytes, content: bytes) -> bool:
        """Whether the signature is that of this content."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - heavy: loaded when used

        try:
            self._key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


class CheckpointFile:
    """The file of checkpoints beside a store, one JSON object a line; made to be copied where the store cannot reach.

    Args:
        path: The file.
        store: Identity of the store; lines of other stores are passed over.
    """

    def __init__(self, path: Path, store: bytes) -> None:
        self.path = path
        self._store = store

    @classmethod
    def beside(cls, path: Path, store: bytes) -> CheckpointFile:
        """The file that belongs to the store at this path."""
        return cls(path.with_suffix(".checkpoints.jsonl"), store)

    def append(self, made: Sequence[Checkpoint]) -> None:
        """Adds checkpoints durably.

        Raises:
            OSError: If they cannot be written.
        """
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write("".join(checkpoint.to_json(self._store) + "\n" for checkpoint in made))
            file.flush()
            os.fsync(file.fileno())

    def cut_torn_line(self) -> None:
        """Removes a last line that a crash cut short.

        Raises:
            OSError: If the file cannot be changed.
        """
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self.path, content.rfind(b"\n") + 1)

    def read(self) -> list[Checkpoint]:
        """The checkpoints of this store in the file; none if there is no file.

        Raises:
            StoreError: If the file cannot be read or holds something else.
        """
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.path}: the checkpoints cannot be read") from error
        found = []
        for line_number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                if bytes.fromhex(entry["store"]) == self._store:
                    found.append(_of_json(entry))
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                raise StoreError(f"{self.path}: line {line_number} is no checkpoint") from error
        return found


def _of_json(entry: Mapping[str, object]) -> Checkpoint:
    point = Checkpoint(
        number=int(str(entry["number"])),
        seq=int(str(entry["seq"])),
        hash=bytes.fromhex(str(entry["hash"])),
        at=str(entry["at"]),
        signature=bytes.fromhex(str(entry["signature"])),
    )
    point.signed_bytes(b"")  # numbers that no checkpoint can have are refused here
    return point
