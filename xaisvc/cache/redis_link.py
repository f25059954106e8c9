"""Connections to one Redis, on which a call has one deadline, however slowly the server answers."""

from __future__ import annotations

import math
import ssl
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, cast

from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from xaisvc.cache.redis_command import Loss, Refusal, pack

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from xaisvc.cache.redis_address import RedisAddress
    from xaisvc.cache.redis_command import Command, Reply

_CONNECTIONS = 32
"""Most connections to one server; a thread that finds none free waits for one within its deadline."""

_HANDSHAKE_TIMEOUTS = 20
"""Timeouts that signing in may take in all. It goes on while nobody waits for it any more: the next call profits."""

_LATE_READS = 64
"""Reads after the deadline that may still take what has arrived already, for a thread that was not scheduled."""

_REPLY_BYTES = 64 * 1024
"""What a reply may take beside the values that were asked for, and what signing in may take."""


class BoundedSocket:
    """A socket whose reads and writes share one deadline, and whose reads one bound on bytes."""

    def __init__(self, inner: socket.socket, clock: Callable[[], float]) -> None:
        self._inner = inner
        self._clock = clock
        self._deadline = 0.0
        self._bytes_left = 0
        self._late_reads = 0

    def allow(self, deadline: float, size_bytes: int) -> None:
        """Begins a call that may last until the deadline and be answered with so many bytes."""
        self._deadline = deadline
        self._bytes_left = size_bytes
        self._late_reads = _LATE_READS

    def recv(self, size: int) -> bytes:
        """Reads at most so many bytes."""
        self._wait()
        try:
            data = self._inner.recv(min(size, self._bytes_left + 1))
        except (BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None
        self._count(len(data))
        return data

    def recv_into(self, buffer: memoryview) -> int:
        """Reads into a buffer; what redis-py's parser in C uses where it is installed."""
        self._wait()
        try:
            count = self._inner.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None
        self._count(count)
        return count

    def sendall(self, data: bytes) -> None:
        """Writes all of it."""
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        self._inner.settimeout(left)
        self._inner.sendall(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  stands for whatever else a socket has
        return getattr(self._inner, name)

    def _wait(self) -> None:
        left = self._deadline - self._clock()
        if left <= 0:
            self._late_reads -= 1
            if self._late_reads < 0:
                raise TimeoutError
        self._inner.settimeout(max(left, 0.0))

    def _count(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise OSError("more bytes than were asked for")


class RedisConnection(Protocol):
    """What is used of a connection of redis-py that works on a bounded socket."""

    bounded: BoundedSocket

    def connect(self) -> None:
        """Connects and signs in, or raises."""
        ...

    def disconnect(self) -> None:
        """Closes the socket, if there is one."""
        ...

    def send_packed_command(self, command: list[bytes], *, check_health: bool) -> None:
        """Sends bytes."""
        ...

    def can_read(self, timeout: float) -> bool:
        """Whether something has come, or raises if the connection has ended."""
        ...

    def read_response(self, *, disable_decoding: bool) -> Reply:
        """Reads one reply, or raises `ResponseError` if it is an error."""
        ...


class _Bounded(AbstractConnection):
    """Puts a bounded socket under a connection of redis-py."""

    clock: Callable[[], float]
    handshake_s: float

    def _connect(self) -> BoundedSocket:
        self.bounded = BoundedSocket(super()._connect(), self.clock)  # type: ignore[no-untyped-call,safe-super] # redis-py
        self.bounded.allow(self.clock() + self.handshake_s, _REPLY_BYTES)
        return self.bounded


class _BoundedTcp(_Bounded, Connection):
    pass


class _BoundedTls(_Bounded, SSLConnection):
    pass


class _BoundedUnix(_Bounded, UnixDomainSocketConnection):
    pass


def make_connection(address: RedisAddress, *, timeout_s: float, clock: Callable[[], float]) -> RedisConnection:
    """A connection to a server that is not made yet: one attempt, RESP 2, the server's certificate checked."""
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.username or None,
        "password": address.password or None,
        "protocol": 2,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
    }
    options |= {"path": address.socket} if address.socket else {"host": address.host, "port": address.port}
    if address.tls:
        options |= {
            "ssl_ca_certs": None if address.ca_file is None else str(address.ca_file),
            "ssl_certfile": None if address.cert_file is None else str(address.cert_file),
            "ssl_keyfile": None if address.key_file is None else str(address.key_file),
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
    kinds: dict[str, Callable[..., _Bounded]] = {"unix": _BoundedUnix, "tls": _BoundedTls, "tcp": _BoundedTcp}
    connection = kinds["unix" if address.socket else "tls" if address.tls else "tcp"](**options)
    connection.clock = clock
    connection.handshake_s = timeout_s * _HANDSHAKE_TIMEOUTS
    return cast("RedisConnection", connection)


class Link:
    """A few connections to one server. Connecting is left to threads of its own: finding a name may take for ever."""

    def __init__(self, make: Callable[[], RedisConnection], clock: Callable[[], float]) -> None:
        self._make = make
        self._clock = clock
        self._changed = threading.Condition()
        self._idle: list[RedisConnection] = []
        self._count = 0
        self._closed = False

    def ask(self, commands: Sequence[Command], deadline: float, size_bytes: int) -> list[Reply]:
        """Sends commands at once and reads their replies.

        Args:
            commands: In the order of the replies.
            deadline: Monotonic time in seconds.
            size_bytes: Bound on all values in the replies.

        Returns:
            A reply for each command. After the first `Loss` all that follow are lost.
        """
        replies: list[Reply] = []
        connection: RedisConnection | None = None
        try:
            connection = self._take(deadline)
            connection.bounded.allow(deadline, size_bytes + _REPLY_BYTES + 64 * len(commands))
            connection.send_packed_command([pack(commands)], check_health=False)
            for _ in commands:
                try:
                    replies.append(connection.read_response(disable_decoding=True))
                except ResponseError as error:
                    replies.append(_refusal(error))
        except Exception as error:  # noqa: BLE001  a server may answer anything, and a parser fail in any way
            # Connecting may take longer than a call: names, certificates and signing in. It goes on for the next call.
            late = connection is not None and isinstance(error, TimeoutError | RedisTimeoutError)
            replies += [Loss(type(error).__name__, late=late)] * (len(commands) - len(replies))
            if connection is not None:
                self._discard(connection)
        else:
            self._give(connection)
        return replies

    def make_ready(self, deadline: float) -> None:
        """Connects unless a connection is free; if that fails, the next call says why."""
        with suppress(Exception):  # as in `ask`
            self._give(self._take(deadline))

    def close(self) -> None:
        """Closes all connections; those in use are closed when they come back."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            self._discard(connection)

    def _take(self, deadline: float) -> RedisConnection:
        """A connection that is ready, or one that becomes ready within the deadline."""
        while True:
            with self._changed:
                while not self._idle and self._count >= _CONNECTIONS:
                    if not self._changed.wait(max(0.0, deadline - self._clock())):
                        raise TimeoutError
                if self._closed:
                    raise ConnectionAbortedError
                found = self._idle.pop() if self._idle else None
                if found is None:
                    self._count += 1
            if found is None:
                return self._connect(deadline)
            if _is_clean(found):
                return found
            self._discard(found)

    def _connect(self, deadline: float) -> RedisConnection:
        made: Future[RedisConnection] = Future()
        thread = threading.Thread(target=self._connect_into, args=(made,), name="xaisvc-cache-connect", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads
            self._leave()
            raise
        try:
            return made.result(timeout=max(0.0, deadline - self._clock()))
        except TimeoutError:
            made.add_done_callback(self._keep)
            raise

    def _connect_into(self, made: Future[RedisConnection]) -> None:
        connection = self._make()
        try:
            connection.connect()
        except Exception as error:  # noqa: BLE001  as in `ask`; whoever waits gets it
            self._discard(connection)
            made.set_exception(error)
        else:
            made.set_result(connection)

    def _keep(self, made: Future[RedisConnection]) -> None:
        """Keeps a connection that came too late for the call that wanted it."""
        if made.exception() is None:
            self._give(made.result())

    def _give(self, connection: RedisConnection) -> None:
        with self._changed:
            if not self._closed:
                self._idle.append(connection)
                self._changed.notify()
                return
        self._discard(connection)

    def _discard(self, connection: RedisConnection) -> None:
        connection.disconnect()
        self._leave()

    def _leave(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify()


def _is_clean(connection: RedisConnection) -> bool:
    """Whether nothing has come since the last call: neither the end nor what nobody asked for."""
    connection.bounded.allow(-math.inf, _REPLY_BYTES)
    try:
        return not connection.can_read(0)
    except Exception:  # noqa: BLE001  whatever is wrong with it, it is not used again
        return False


def _refusal(error: ResponseError) -> Refusal:
    # redis-py strips the first word of the errors that it has classes for.
    known = {"MovedError": "MOVED", "AskError": "ASK", "TryAgainError": "TRYAGAIN"}.get(type(error).__name__)
    return Refusal(known or str(error).partition(" ")[0])
