"""Two sides that are there and do not understand each other: the client says so. Servers and certificates are real."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.unit.certificates import Authority
from xaisvc.client import Access, AsyncClient, Client
from xaisvc.errors import ServiceUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS, STRANGERS = Authority("ours"), Authority("strangers")
HOST = OURS.issue("host")


@contextmanager
def listening(*, tls: bool = False, of_clients: bytes | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """A server; gives its host and port."""
    server = grpc.server(ThreadPoolExecutor(1))
    if tls:
        pairs = [(HOST.key, HOST.certificate)]
        port = server.add_secure_port(
            f"{host}:0", grpc.ssl_server_credentials(pairs, of_clients, require_client_auth=of_clients is not None)
        )
    else:
        port = server.add_insecure_port(f"{host}:0")
    server.start()
    try:
        yield f"{host}:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(OURS.certificate)
    return path


def told(target: str, access: Access) -> str:
    with (
        closing(Client(target, access=access, timeout_s=60)) as client,
        pytest.raises(ServiceUnreachableError) as caught,
    ):
        client.list_models()
    assert "nothing answers" not in str(caught.value)
    return str(caught.value)


def test_a_plain_client_and_a_service_with_tls() -> None:
    with listening(tls=True) as target:
        assert told(target, Access()) == (
            f"what listens at {target} ends connections without TLS; if it is xaisvc with a certificate, say tls=True, "
            "or name the file of its authority as ca"
        )


def test_a_client_with_tls_and_a_plain_service(ca: Path) -> None:
    with listening() as target:
        assert told(target, Access(ca=ca)) == (
            f"what listens at {target} speaks no TLS: leave out tls, ca, certificate and key, or start the service "
            "with --tls-certificate and --tls-key"
        )


def test_a_service_that_nobody_vouches_for(tmp_path: Path) -> None:
    ca = tmp_path / "strangers.pem"
    ca.write_bytes(STRANGERS.certificate)
    with listening(tls=True) as target:
        assert told(target, Access(ca=ca)).startswith(f"the certificate of {target} comes from no authority")


def test_a_service_of_another_name(ca: Path) -> None:
    with listening(tls=True, host="127.0.0.2") as target:  # its certificate is for 127.0.0.1
        assert "is not for this name" in told(target, Access(ca=ca))


@pytest.mark.parametrize("shown", [False, True], ids=["none", "a stranger's"])
def test_a_service_that_wants_another_certificate_of_ours(ca: Path, tmp_path: Path, shown: bool) -> None:  # noqa: FBT001  drawn
    certificate, key = STRANGERS.issue("client").write(tmp_path, "client")
    access = Access(ca=ca, certificate=certificate, key=key) if shown else Access(ca=ca)
    with listening(tls=True, of_clients=OURS.certificate) as target:
        assert "give certificate and key, of an authority that it trusts" in told(target, access)


async def test_the_asynchronous_client_says_the_same(ca: Path) -> None:
    with listening(tls=True) as target:
        async with AsyncClient(target) as client:
            with pytest.raises(ServiceUnreachableError, match="ends connections without TLS"):
                await client.list_models()
    with listening() as target:
        async with AsyncClient(target, access=Access(ca=ca)) as client:
            with pytest.raises(ServiceUnreachableError, match="speaks no TLS"):
                await client.list_models()
