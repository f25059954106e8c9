"""Which addresses stay on this machine. Only there may calls go without tokens or TLS."""

from __future__ import annotations

import ipaddress

_SCHEMES = ("dns:///", "dns:", "ipv4:", "ipv6:")
_SOCKETS = ("unix:", "unix-abstract:")


def is_loopback_host(host: str) -> bool:
    """Whether a host, without a port, is this machine's loopback: `localhost`, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_target(target: str) -> bool:
    """Whether a target as gRPC writes it stays on this machine; what is not understood does not count as loopback.

    Args:
        target: For example `127.0.0.1:8765`, `[::1]:8765`, `dns:///localhost:8765` or `unix:/run/xaisvc.sock`.
    """
    if target.startswith(_SOCKETS):
        return True
    for scheme in _SCHEMES:
        if target.startswith(scheme):
            target = target.removeprefix(scheme)
            break
    if "," in target:  # several addresses
        return all(is_loopback_target(part) for part in target.split(","))
    if target.startswith("["):
        return is_loopback_host(target[1:].partition("]")[0])
    return is_loopback_host(target if target.count(":") > 1 else target.partition(":")[0])
