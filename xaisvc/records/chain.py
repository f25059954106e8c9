"""The chain: each event's hash covers its facts and the hash before it, so that nothing can be changed unseen.

    hash_n = SHA-256(hash_{n-1} || fields(n)),    hash_0 = SHA-256("xaisvc.chain/1" || store)

`fields(n)` is the event's sequence number and each of its columns, every one behind its length (8 bytes, big-endian),
so that no two events have the same bytes. Contents are covered by their digests only: SHA-256 over what is stored of a
part, which is a random salt before the content, or a random nonce before the ciphertext. So a digest that outlives its
content tells nothing about it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

DIGEST_BYTES: Final = 32
NO_SUBJECT: Final = 0
_SUBJECT_BYTES: Final = 8
_FIELDS: Final = b"xaisvc.event/1"
_GENESIS: Final = b"xaisvc.chain/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An event's columns, as they stand in the table and go into its hash.

    Attributes:
        seq: Place in the chain, from 1, without gaps.
        id: The event's id.
        kind: What happened.
        at: When, as the event says.
        bundle: The bundle concerned.
        caller: Who asked.
        about: Id of the explanation it belongs to.
        head: Its facts, as JSON with sorted keys.
        brought: Bundle descriptions stored with it, JSON of schema digest to SHA-256; empty for none.
        frame: SHA-256 of the frame; empty for none.
        sealed: Whether the parts are encrypted.
        subjects: Number of each part's subject, 8 bytes each, 0 for none; empty if no part has one.
        digests: SHA-256 of each part as stored, 32 bytes each.
    """

    seq: int
    id: str
    kind: str
    at: str
    bundle: str
    caller: str
    about: str
    head: str
    brought: str
    frame: bytes
    sealed: bool
    subjects: bytes
    digests: bytes

    @property
    def parts(self) -> int:
        """Number of parts."""
        return len(self.digests) // DIGEST_BYTES

    def digest(self, part: int) -> bytes:
        """SHA-256 of a part as stored."""
        return self.digests[part * DIGEST_BYTES : (part + 1) * DIGEST_BYTES]

    def subject_numbers(self) -> list[int]:
        """The number of each part's subject, 0 for none."""
        return unpack_subjects(self.subjects) if self.subjects else [NO_SUBJECT] * self.parts

    def hash_after(self, before: bytes) -> bytes:
        """The hash of this event behind the event with the hash `before`."""
        texts = (self.id, self.kind, self.at, self.bundle, self.caller, self.about, self.head, self.brought)
        fields = [text.encode() for text in texts]
        fields += (self.frame, bytes([self.sealed]), self.subjects, self.digests)
        covered = [before, _FIELDS, self.seq.to_bytes(8)]
        for field in fields:
            covered += (len(field).to_bytes(8), field)
        return hashlib.sha256(b"".join(covered)).digest()


def first_hash(store: bytes) -> bytes:
    """The hash before the first event of the store with this identity."""
    return hashlib.sha256(_GENESIS + store).digest()


def pack_subjects(numbers: list[int]) -> bytes:
    """Subject numbers as bytes; empty if no part has a subject."""
    return b"".join(number.to_bytes(_SUBJECT_BYTES) for number in numbers) if any(numbers) else b""


def unpack_subjects(packed: bytes) -> list[int]:
    """The numbers in these bytes."""
    starts = range(0, len(packed), _SUBJECT_BYTES)
    return [int.from_bytes(packed[start : start + _SUBJECT_BYTES]) for start in starts]
