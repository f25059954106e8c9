"""Ports that no other test takes, in this process or another, between being found free and being listened on."""

from __future__ import annotations

import socket
from contextlib import suppress

# Below the range from which Linux chooses ports for outgoing connections (from 32768): none of those can take one.
_RANGE = range(20_000, 32_000)

_held: dict[int, socket.socket] = {}  # kept until the process ends, whichever way that happens


def free_ports(count: int) -> int:
    """The first of some ports of 127.0.0.1 in a row that nobody listens on; given out once, on the whole machine."""
    for first in range(_RANGE.start, _RANGE.stop, count):
        wanted = range(first, first + count)
        if all(map(_is_free, wanted)) and all(map(_hold, wanted)):
            return first
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _hold(port: int) -> bool:
    """Takes the port of the same number for datagrams, which one process can have at a time and leaves by dying."""
    holder = socket.socket(type=socket.SOCK_DGRAM)
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return False
    _held[port] = holder
    return True
