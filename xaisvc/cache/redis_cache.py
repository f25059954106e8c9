"""A cache in Redis, shared by processes. Redis is trusted with nothing: values are sealed, failures are misses."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.cache.background import BackgroundWriter
from xaisvc.cache.breaker import Breaker
from xaisvc.cache.counts import Tally
from xaisvc.cache.redis_address import parse_address
from xaisvc.cache.redis_command import Command, Loss, Refusal
from xaisvc.cache.redis_flights import RedisFlights, RedisOperations
from xaisvc.cache.seal import SEALED_BYTES, Seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from xaisvc.cache.base import CacheOptions, SharedFlights
    from xaisvc.cache.counts import CacheCounts
    from xaisvc.cache.redis_command import Reply
    from xaisvc.cache.redis_servers import RedisServers

_log = logging.getLogger(__name__)

_CLOSE_S = 1.0
"""Longest wait for what is still to be written when the cache closes."""

_SENT_BYTES = 256 * 1024
_SENT_COMMANDS = 256
"""What is sent in one call, so that a call of a busy server or on a slow network keeps its time."""

_NOT_ASKED = Loss("NotAsked")
"""The reply to what was not sent, because what went before it was lost."""

_ENTRY_BYTES = 300
"""What an entry that waits to be written takes beside its value, about."""

_Item: TypeAlias = Mapping[bytes, bytes] | Sequence[Command]
"""What waits to be written: values by their keys, or commands."""

_PROBE = b"xaisvc:{probe}"


class RedisCache:
    """Entries under a keyed digest of their key, each value behind its seal.

    Reading asks Redis within one timeout; writing is left to a thread, which keeps the order of what is put and
    released. After a call that timed out, or a few failures in a row, Redis is not asked at all until a probe is
    answered, so that a request waits for one timeout and no more. Commands have one key
    each, so a Redis Cluster serves as well; they are GETRANGE, SET, EXISTS, EVAL and, on a cluster, CLUSTER SLOTS.
    Values are read by GETRANGE because that bounds what a swollen entry can send us.
    """

    def __init__(self, servers: RedisServers, options: CacheOptions) -> None:
        """Connects when first used.

        Raises:
            InvalidInputError: If the secret is too short.
        """
        self._seal = Seal(options.secret)
        self._servers = servers
        self._ttl_ms = b"%d" % max(1, round(options.ttl_s * 1000))
        self._max_value_bytes = options.max_value_bytes
        self._last_byte = b"%d" % (options.max_value_bytes + SEALED_BYTES)  # one more than the largest value has
        self._breaker = Breaker(options.clock)
        self._tally = Tally()
        self._writer: BackgroundWriter[_Item] = BackgroundWriter("xaisvc-cache-writer", self._write)
        operations = RedisOperations(
            ask=self._ask_for_flights,
            name=self._name,
            read=self._read,
            open=self._open,
            write_later=self._write_later,
            doubtful=lambda: self._breaker.doubtful,
        )
        self._flights = RedisFlights(operations, options.clock)
        self._closed = False

    @classmethod
    def open(cls, address: str, options: CacheOptions) -> RedisCache:
        """Opens a cache at an address such as `redis://127.0.0.1:6379/0`. Connects when first used.

        Raises:
            InvalidInputError: If the address cannot be read, the secret is too short or a certificate cannot be used.
        """
        from xaisvc.cache.redis_servers import RedisServers  # noqa: PLC0415  heavy (redis): loaded when used

        servers = RedisServers(parse_address(address, options), timeout_s=options.timeout_s, clock=options.clock)
        return cls(servers, options)

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The value of each key, in the order of the keys; None where there is none, or none with a right seal."""
        if not keys or self._closed:
            return (None,) * len(keys)
        replies = self._ask_for([self._read(key) for key in keys])
        if replies is None:
            values: tuple[bytes | None, ...] = (None,) * len(keys)
        else:
            values = tuple(self._open(key, reply) for key, reply in zip(keys, replies, strict=True))
        self._tally.found(values)
        return values

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Leaves values to be written, for the time to live; those that are too large, or too many, are not kept."""
        if not values or self._closed:
            return
        kept = {key: value for key, value in values.items() if len(value) <= self._max_value_bytes}
        size_bytes = sum(map(len, kept.values())) + len(kept) * _ENTRY_BYTES
        added = not kept or (self._breaker.closed and self._writer.add(kept, size_bytes))
        dropped = len(values) - (len(kept) if added else 0)
        if dropped:
            self._tally.add(dropped=dropped)

    def near(self) -> Self:
        """Itself: it has no part in memory."""
        return self

    def counts(self) -> CacheCounts:
        """What was found, missed and lost since the cache was opened."""
        return self._tally.counts()

    def shared_flights(self) -> SharedFlights | None:
        """Locks in the same Redis."""
        return self._flights

    def flush(self, seconds: float) -> bool:
        """Waits until what was put before is written or given up; False if that takes longer than so many seconds."""
        return self._writer.flush(seconds)

    def close(self) -> None:
        """Writes what still waits, for a second at most, and closes the connections; what is in Redis stays there."""
        self._closed = True
        self._flights.close()
        self._writer.close(_CLOSE_S)
        self._servers.close()

    def _name(self, key: bytes) -> bytes:
        # Braces: what they hold decides the slot on a cluster, so that a key's lock lies beside its entry.
        return b"xaisvc:{" + self._seal.name(key).hex().encode("ascii") + b"}"

    def _read(self, key: bytes) -> Command:
        name = self._name(key)
        return Command(name, (b"GETRANGE", name, b"0", self._last_byte))

    def _open(self, key: bytes, reply: Reply) -> bytes | None:
        """The value in a reply; an empty reply means that there is no entry."""
        if isinstance(reply, bytes) and reply:
            value = self._seal.open(key, reply)
            if value is not None:
                return value
        elif not isinstance(reply, Refusal) or reply.code != "WRONGTYPE":
            return None
        if self._tally.add(rejected=1).rejected == 1:
            _log.warning(
                "cache: an entry in Redis does not bear our seal; it was changed, or written with another secret; "
                "from now on such entries are counted only"
            )
        return None

    def _ask(
        self, commands: Sequence[Command], size_bytes: int, *, writing: bool = False, patient: bool = False
    ) -> Sequence[Reply] | None:
        """Sends commands, unless the breaker is open; a call that fails counts towards opening it."""
        if not self._breaker.closed:
            if self._breaker.claim_probe():
                threading.Thread(target=self._probe, name="xaisvc-cache-probe", daemon=True).start()
            return None
        replies = self._servers.ask(commands, size_bytes, patient=patient)
        reason = next(filter(None, map(_trouble, replies)), None)
        if reason is None:
            self._breaker.succeeded()
            return replies
        self._tally.add(failures=1)
        # A server that refuses to keep things, because it is full for example, can be read all the same.
        counts = not writing or any(isinstance(reply, Loss) for reply in replies)
        if counts and self._breaker.failed(costly=any(isinstance(reply, Loss) and reply.late for reply in replies)):
            # Whole texts: the service's log leaves out the arguments of libraries' messages, which may hold values.
            told = f"cache: Redis does not answer ({reason}); going on without it"
            _log.warning(told)
        return replies

    def _ask_for(self, commands: Sequence[Command], *, writing: bool = False) -> Sequence[Reply] | None:
        """Sends commands that read values, some at a time, and no more after one that is lost."""
        replies: list[Reply] = []
        for part in _parts(commands):
            found = self._ask(part, len(part) * self._max_value_bytes, writing=writing)
            if found is None and not replies:
                return None
            replies += found or []
            if found is None or any(isinstance(reply, Loss) for reply in found):
                break
        return replies + [_NOT_ASKED] * (len(commands) - len(replies))

    def _ask_for_flights(self, commands: Sequence[Command]) -> Sequence[Reply] | None:
        return None if self._closed else self._ask_for(commands, writing=True)

    def _probe(self) -> None:
        answered = (not self._servers.clustered or self._servers.learn()) and not any(
            map(_trouble, self._servers.ask_all(Command(_PROBE, (b"GETRANGE", _PROBE, b"0", b"0"))))
        )
        self._breaker.probed(answered=answered)
        if answered:
            _log.warning("cache: Redis answers again")

    def _write_later(self, commands: Sequence[Command]) -> None:
        self._writer.add(commands, len(commands) * _ENTRY_BYTES)

    def _write(self, items: Sequence[_Item]) -> None:
        for part in _parts(self._commands(items)):
            replies = self._ask(part, 0, writing=True, patient=True)
            puts = sum(command.words[0] == b"SET" for command in part)
            kept = 0 if replies is None else replies.count(b"OK")
            if kept < puts:
                self._tally.add(dropped=puts - kept)

    def _commands(self, items: Sequence[_Item]) -> Iterator[Command]:
        for item in items:
            if isinstance(item, Mapping):
                for key, value in item.items():
                    name = self._name(key)
                    yield Command(name, (b"SET", name, self._seal.close(key, value), b"PX", self._ttl_ms))
            else:
                yield from item


def _trouble(reply: Reply) -> str | None:
    """What is wrong with the server, or None; an entry of another type or on another server is only a miss."""
    if isinstance(reply, Loss):
        return reply.reason
    if isinstance(reply, Refusal) and not reply.elsewhere and reply.code != "WRONGTYPE":
        return reply.code
    return None


def _parts(commands: Iterable[Command]) -> Iterator[list[Command]]:
    part: list[Command] = []
    size_bytes = 0
    for command in commands:
        part.append(command)
        size_bytes += sum(map(len, command.words))
        if size_bytes >= _SENT_BYTES or len(part) >= _SENT_COMMANDS:
            yield part
            part, size_bytes = [], 0
    if part:
        yield part
