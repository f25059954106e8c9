from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from tests.unit.certificates import Authority
from xaisvc.client.credentials import Access, open_async_channel, open_channel
from xaisvc.errors import InvalidRequestError
from xaisvc.server.tls import TlsFiles, server_credentials
from xaisvc.telemetry import make_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "xai_0123456789abcdef_" + "A" * 43
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


@contextmanager
def serving(credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """A server that answers with the authorizations that it was sent, once or as a stream of one; gives its target."""

    def shown(request: bytes, context: grpc.ServicerContext) -> bytes:
        del request
        values = [value for key, value in context.invocation_metadata() if key == "authorization"]
        return ",".join(map(str, values)).encode()

    def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        yield shown(request, context)

    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(shown),
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
    }
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", handlers),))
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def tls(tmp_path: Path, authority: Authority) -> Iterator[str]:
    """Target of a server that wants a client's certificate."""
    certificate, key = authority.issue().write(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    authority.issue("client").write(tmp_path, "client")
    files = TlsFiles(certificate=certificate, key=key, client_ca=tmp_path / "ca.pem")
    logger = make_logger("json", "debug", io.StringIO())
    with serving(server_credentials(files, logger, clock=lambda: 0.0, now=lambda: datetime.now(UTC))) as target:
        yield target


def asked(target: str, access: Access) -> list[bytes]:
    with open_channel(target, access, OPTIONS) as channel:
        once: bytes = channel.unary_unary("/test.Service/Unary")(b"", timeout=60, metadata=(("x", "y"),))
        return [once, *channel.unary_stream("/test.Service/Stream")(b"", timeout=60)]


async def asked_async(target: str, access: Access) -> list[bytes]:
    async with open_async_channel(target, access, OPTIONS) as channel:
        once: bytes = await channel.unary_unary("/test.Service/Unary")(b"", timeout=60, metadata=(("x", "y"),))
        return [once, *[part async for part in channel.unary_stream("/test.Service/Stream")(b"", timeout=60)]]


async def test_the_token_goes_with_every_call_to_this_machine() -> None:
    with serving() as target:
        assert asked(target, Access(token=TOKEN)) == [f"Bearer {TOKEN}".encode()] * 2
        assert await asked_async(target, Access(token=TOKEN)) == [f"Bearer {TOKEN}".encode()] * 2
        assert asked(target, Access()) == [b"", b""]
        assert await asked_async(target, Access()) == [b"", b""]


async def test_the_token_goes_with_every_call_over_mutual_tls(tmp_path: Path, tls: str) -> None:
    access = Access(
        token=TOKEN, ca=tmp_path / "ca.pem", certificate=tmp_path / "client.pem", key=tmp_path / "client.key"
    )

    assert asked(tls, access) == [f"Bearer {TOKEN}".encode()] * 2
    assert await asked_async(tls, access) == [f"Bearer {TOKEN}".encode()] * 2


def test_a_client_without_the_right_files_is_not_let_in(tmp_path: Path, tls: str) -> None:
    for access in (Access(token=TOKEN, ca=tmp_path / "ca.pem"), Access(token=TOKEN), Access(token=TOKEN, tls=True)):
        with pytest.raises(grpc.RpcError) as caught:
            asked(tls, access)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined] # an error of a call has one


@pytest.mark.parametrize("target", ["xai.example.com:8765", "10.0.0.1:8765", "dns:///xai.example.com"])
def test_a_token_never_leaves_this_machine_in_plain_text(target: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"token: would travel to {target} in plain text.*say tls=True"):
        open_channel(target, Access(token=TOKEN), OPTIONS)
    with pytest.raises(InvalidRequestError, match="in plain text"):
        open_async_channel(target, Access(token=TOKEN), OPTIONS)
    with serving():  # gRPC may hang where the last of its objects goes as soon as it has come
        open_channel(target, Access(token=TOKEN, tls=True), OPTIONS).close()


def test_what_is_no_token_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidRequestError, match="token: is no token; give the whole line") as caught:
        open_channel("127.0.0.1:1", Access(token=TOKEN + "\n"), OPTIONS)
    assert "AAAA" not in str(caught.value)


def test_certificate_and_key_belong_together() -> None:
    with pytest.raises(InvalidRequestError, match="key: is missing"):
        open_channel("127.0.0.1:1", Access(certificate=Path("a")), OPTIONS)
    with pytest.raises(InvalidRequestError, match="certificate: is missing"):
        open_channel("127.0.0.1:1", Access(key=Path("a")), OPTIONS)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"")

    with pytest.raises(InvalidRequestError, match=r"ca: '.*nothing\.pem' cannot be read: No such file"):
        open_channel("127.0.0.1:1", Access(ca=tmp_path / "nothing.pem"), OPTIONS)
    with pytest.raises(InvalidRequestError, match=r"ca: '.*empty\.pem' is no PEM file"):
        open_channel("127.0.0.1:1", Access(ca=tmp_path / "empty.pem"), OPTIONS)


def test_the_token_is_in_no_text_form() -> None:
    assert TOKEN not in repr(Access(token=TOKEN))
