"""Who computes what, agreed upon in Redis: a lock per key, which ends by itself."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, NamedTuple

from xaisvc.cache.redis_command import Command, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xaisvc.cache.redis_command import Reply

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05
_PAUSE_GROWTH = 1.5

_MAX_LEADS = 100_000
"""Locks that this process keeps in mind; what it leads beyond that ends by itself."""

_RELEASE = b"if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
"""Ends a lock if it is ours still: it may have ended and be another's by now."""


class RedisOperations(NamedTuple):
    """What flights need of the cache.

    Attributes:
        ask: Sends commands; None if Redis is not to be asked now. Given up at the first call that takes too long.
        name: The name in Redis of a key's entry.
        read: The command that reads a key's entry.
        open: The value in the reply to that command; None if there is none, or none with a right seal.
        write_later: Leaves commands to be sent after what was put before.
        doubtful: Whether Redis failed just now, so that what can be done without is better left.
    """

    ask: Callable[[Sequence[Command]], Sequence[Reply] | None]
    name: Callable[[bytes], bytes]
    read: Callable[[bytes], Command]
    open: Callable[[bytes, Reply], bytes | None]
    write_later: Callable[[Sequence[Command]], None]
    doubtful: Callable[[], bool]


class RedisFlights:
    """Locks made by SET NX PX with a random token, one key per command, so that they work on a cluster.

    Source: Redis documentation, "Distributed locks with Redis", for a single instance. Two leaders at once, after a
    server lost its memory, compute the same bytes twice and harm nothing.
    """

    def __init__(self, operations: RedisOperations, clock: Callable[[], float]) -> None:
        self._redis = operations
        self._clock = clock
        self._lock = threading.Lock()
        self._leads: dict[bytes, tuple[bytes, float]] = {}  # key to token and the time when the lock ends
        self._closed = threading.Event()

    def try_lead(self, keys: Sequence[bytes], seconds: float) -> tuple[bool, ...]:
        """Whether this process is to compute each of the values; True wherever that cannot be agreed upon.

        With the lock comes a look at the value: it may have been put since the caller found none.
        """
        if not keys or self._redis.doubtful():
            return (True,) * len(keys)
        token = secrets.token_hex(16).encode("ascii")
        milliseconds = b"%d" % max(1, round(seconds * 1000))
        ends = self._clock() + seconds
        commands = []
        for key in keys:
            lock = self._lock_name(key)
            commands += [Command(lock, (b"SET", lock, token, b"NX", b"PX", milliseconds)), self._redis.read(key)]
        replies = self._redis.ask(commands)
        if replies is None:
            return (True,) * len(keys)
        self._remember({key: (token, ends) for key, reply in zip(keys, replies[::2], strict=True) if reply == b"OK"})
        found = [
            taken is not None and self._redis.open(key, reply) is not None
            for key, taken, reply in zip(keys, replies[::2], replies[1::2], strict=True)
        ]
        self.release([key for key, there in zip(keys, found, strict=True) if there])
        # No reply to taking the lock: somebody has it.
        return tuple(taken is not None and not there for taken, there in zip(replies[::2], found, strict=True))

    def release(self, keys: Sequence[bytes]) -> None:
        """Gives up leading, after what was put so far. Keys that this process does not lead are let be."""
        with self._lock:
            leads = {key: self._leads.pop(key) for key in keys if key in self._leads}
        commands = []
        for key, (token, _) in leads.items():
            lock = self._lock_name(key)
            commands.append(Command(lock, (b"EVAL", _RELEASE, b"1", lock, token)))
        if commands:
            self._redis.write_later(commands)

    def wait_for(self, keys: Sequence[bytes], at_most_s: float) -> tuple[bytes | None, ...]:
        """The value of each key once another process has put it; None where it is to be computed here after all."""
        end = self._clock() + at_most_s
        found: dict[bytes, bytes] = {}
        waiting = list(dict.fromkeys(keys))
        pause = _FIRST_PAUSE_S
        while waiting and not self._redis.doubtful():
            waiting = self._look(waiting, found)
            left = end - self._clock()
            if not waiting or left <= 0 or self._closed.wait(min(pause, left)):
                break
            pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_S)
        return tuple(found.get(key) for key in keys)

    def close(self) -> None:
        """Ends all waiting."""
        self._closed.set()

    def _look(self, keys: Sequence[bytes], found: dict[bytes, bytes]) -> list[bytes]:
        """Takes the values that are there; the keys that are still worth waiting for."""
        # The lock is looked at before the value: a leader puts the value first, so no lock and no value means that
        # nobody is computing.
        commands = []
        for key in keys:
            lock = self._lock_name(key)
            commands += [Command(lock, (b"EXISTS", lock)), self._redis.read(key)]
        replies = self._redis.ask(commands)
        if replies is None:
            return []
        waiting = []
        for key, led, reply in zip(keys, replies[::2], replies[1::2], strict=True):
            value = self._redis.open(key, reply)
            if value is not None:
                found[key] = value
            elif led == 1 or (isinstance(led, Refusal) and led.elsewhere):
                waiting.append(key)
        return waiting

    def _lock_name(self, key: bytes) -> bytes:
        return self._redis.name(key) + b":lead"  # the braces in the name put both into one slot

    def _remember(self, leads: Mapping[bytes, tuple[bytes, float]]) -> None:
        now = self._clock()
        with self._lock:
            if len(self._leads) + len(leads) > _MAX_LEADS:
                self._leads = {key: lead for key, lead in self._leads.items() if lead[1] > now}
            if len(self._leads) + len(leads) <= _MAX_LEADS:
                self._leads.update(leads)
