from __future__ import annotations

import pytest

from xaisvc.rights import is_loopback_host, is_loopback_target


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_hosts(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "::",
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "2130706433",
    ],
)
def test_all_other_hosts_can_be_reached(host: str) -> None:
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:8765",
        "localhost:8765",
        "localhost",
        "[::1]:8765",
        "::1",
        "dns:///localhost:8765",
        "dns:localhost",
        "ipv4:127.0.0.1:1",
        "ipv4:127.0.0.1:1,127.0.0.2:1",
        "ipv6:[::1]:1",
        "unix:/run/xaisvc.sock",
    ],
)
def test_loopback_targets(target: str) -> None:
    assert is_loopback_target(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "xai.example.com:8765",
        "10.0.0.1:8765",
        "[2001:db8::1]:8765",
        "dns://10.0.0.53/localhost:8765",
        "xds:///localhost:8765",
        "ipv4:127.0.0.1:1,10.0.0.1:1",
        "localhost@example.com:8765",
        "127.0.0.1.example.com:8765",
    ],
)
def test_all_other_targets_leave_the_machine(target: str) -> None:
    assert not is_loopback_target(target)
