"""A command on one key, as Redis reads it, and what may come back."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

SLOTS = 16384
"""Parts into which a cluster divides all keys."""

_ELSEWHERE = frozenset({"MOVED", "ASK", "TRYAGAIN"})


class Command(NamedTuple):
    """One command on one key.

    Attributes:
        key: Decides which server of a cluster is asked.
        words: The command with its arguments.
    """

    key: bytes
    words: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server answered with an error.

    Attributes:
        code: Its first word, for example `WRONGTYPE`.
    """

    code: str

    @property
    def elsewhere(self) -> bool:
        """Whether another server of the cluster holds the key, for good or while it moves."""
        return self.code in _ELSEWHERE


@dataclass(frozen=True, slots=True)
class Loss:
    """No answer came, or none that can be read.

    Attributes:
        reason: Name of what happened, for example `TimeoutError`; fit for a log.
        late: Whether a server that we are connected to let the time pass: it is of no use to ask it more.
    """

    reason: str
    late: bool = False


Reply: TypeAlias = bytes | int | list["Reply"] | Refusal | Loss | None


def pack(commands: Sequence[Command]) -> bytes:
    """Commands as Redis reads them: their number of words, then each word behind its length."""
    parts = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command.words))
        parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in command.words]
    return b"".join(parts)


def slot(key: bytes) -> int:
    """The slot of a key: CRC-16/XMODEM of what stands in its first braces, or else of all of it, modulo 16384.

    Source: Redis Cluster specification, "Keys distribution model" and "Hash tags".
    """
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    tag = key[start + 1 : end] if start >= 0 and end > start + 1 else key
    return binascii.crc_hqx(tag, 0) % SLOTS
