"""A port that the processes of one service share, and nobody else gets."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def reserve_port(host: str, port: int) -> Iterator[int]:
    """Keeps a port for as long as the block runs, without listening on it.

    The socket is bound before it may be shared, so a port that anybody else has is refused, another service that shares
    its own included. From then on sockets of the same user that ask for SO_REUSEPORT can be bound beside it, and the
    kernel spreads connections over those that listen.

    Args:
        host: Address or name to listen on.
        port: Port; 0 lets the system choose.

    Yields:
        The port.

    Raises:
        InvalidRequestError: If it cannot be listened on.
    """
    with ExitStack() as stack:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in dict.fromkeys(found):
                held = stack.enter_context(socket.socket(family, kind, protocol))
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a former run may linger
                held.bind((address[0], port, *address[2:]))
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # or a second service could bind it too
                port = int(held.getsockname()[1])
        except OSError as error:
            raise InvalidRequestError.of(
                "port", f"{host}:{port} cannot be listened on: it is taken or not allowed; choose another"
            ) from error
        yield port
