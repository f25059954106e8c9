from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from tests.unit.certificates import Authority
from xaisvc.errors import InvalidRequestError
from xaisvc.server.tls import IdentityWatch, TlsFiles, read_identity, server_credentials, tls_files
from xaisvc.telemetry import make_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.certificates import Issued
    from xaisvc.telemetry import Logger

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
GONE = (grpc.StatusCode.UNAVAILABLE,)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def rogue() -> Authority:
    return Authority("authority")  # of the same name


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(log: io.StringIO) -> Logger:
    return make_logger("json", "debug", log)


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> TlsFiles:
    certificate, key = authority.issue().write(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    return TlsFiles(certificate=certificate, key=key, client_ca=tmp_path / "ca.pem")


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def serving(credentials: grpc.ServerCredentials) -> AsyncIterator[int]:
    """A server that answers `hello`; gives its port."""

    async def hello(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        del request, context
        return b"hello"

    server = grpc.aio.server()
    handlers = {"Hello": grpc.unary_unary_rpc_method_handler(hello)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", handlers),))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


async def ask(port: int, trusted: bytes | None, shown: Issued | None = None) -> bytes | grpc.StatusCode:
    """The answer on a connection of its own; without a trusted authority, in plain text."""
    target = f"127.0.0.1:{port}"
    options = (("grpc.use_local_subchannel_pool", 1),)
    if trusted is None:
        channel = grpc.aio.insecure_channel(target, options=options)
    else:
        channel = grpc.aio.secure_channel(
            target,
            grpc.ssl_channel_credentials(trusted, shown.key if shown else None, shown.certificate if shown else None),
            options=options,
        )
    async with channel:
        try:
            answer: bytes = await channel.unary_unary("/test.Service/Hello")(b"", timeout=60)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return answer


async def test_mutual_tls_lets_in_only_clients_of_the_authority(
    files: TlsFiles, authority: Authority, rogue: Authority, logger: Logger, log: io.StringIO
) -> None:
    credentials = server_credentials(files, logger, clock=Clock(), now=lambda: NOW)
    good, foreign = authority.issue("client"), rogue.issue("client")
    expired = authority.issue("client", not_after=NOW - DAY)

    async with serving(credentials) as port:
        assert await ask(port, authority.certificate, good) == b"hello"
        assert await ask(port, authority.certificate) in GONE
        assert await ask(port, authority.certificate, foreign) in GONE
        assert await ask(port, authority.certificate, expired) in GONE
        assert await ask(port, None) in GONE
        assert await ask(port, rogue.certificate, good) in GONE  # the client does not trust this server
        assert await ask(port, authority.certificate, good) == b"hello"

    (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
    assert (line["event"], line["mutual"]) == ("tls_in_use", True)


async def test_without_an_authority_of_clients_every_client_is_let_in_over_tls_only(
    files: TlsFiles, authority: Authority, logger: Logger
) -> None:
    files = TlsFiles(certificate=files.certificate, key=files.key)

    async with serving(server_credentials(files, logger, clock=Clock(), now=lambda: NOW)) as port:
        assert await ask(port, authority.certificate) == b"hello"
        assert await ask(port, None) in GONE


async def test_new_files_count_for_the_connections_that_come_after(
    tmp_path: Path, files: TlsFiles, authority: Authority, rogue: Authority, logger: Logger
) -> None:
    clock = Clock()
    good, next_good = authority.issue("client"), rogue.issue("client")

    async with serving(server_credentials(files, logger, clock=clock, now=lambda: NOW)) as port:
        assert await ask(port, authority.certificate, good) == b"hello"
        rogue.issue().write(tmp_path, "server")  # the next authority takes over, for server and clients
        (tmp_path / "ca.pem").write_bytes(rogue.certificate)
        clock.now_s += 1

        assert await ask(port, authority.certificate, good) in GONE
        assert await ask(port, rogue.certificate, next_good) == b"hello"


async def test_files_that_do_not_fit_leave_the_server_as_it_was(
    tmp_path: Path, files: TlsFiles, authority: Authority, logger: Logger, log: io.StringIO
) -> None:
    clock = Clock()
    good = authority.issue("client")

    async with serving(server_credentials(files, logger, clock=clock, now=lambda: NOW)) as port:
        (tmp_path / "server.key").write_bytes(authority.issue().key)
        for _ in range(3):
            clock.now_s += 1
            assert await ask(port, authority.certificate, good) == b"hello"

    events = [json.loads(text) for text in log.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["tls_in_use", "tls_damaged"]
    assert events[1]["text"] == (
        "tls_key: is not the key of the certificate in tls_certificate; name the two of one; "
        "the files read before stay in use"
    )


def test_files_are_looked_at_every_half_second_at_most(
    files: TlsFiles, authority: Authority, logger: Logger, tmp_path: Path
) -> None:
    clock = Clock()
    watch = IdentityWatch(files, logger, clock=clock, now=lambda: NOW)
    authority.issue().write(tmp_path, "server")

    clock.now_s = 0.49
    assert watch.changed() is None
    clock.now_s = 0.5
    assert watch.changed() is not None
    clock.now_s = 1.0
    assert watch.changed() is None


def test_the_settings_belong_together() -> None:
    a, b, c = Path("a"), Path("b"), Path("c")

    assert tls_files(None, None, None) is None
    assert tls_files(a, b, None) == TlsFiles(certificate=a, key=b)
    assert tls_files(a, b, c) == TlsFiles(certificate=a, key=b, client_ca=c)
    for certificate, key, client_ca, missing in (
        (a, None, None, "tls_key: is missing; name the PEM file of the certificate's private key"),
        (a, None, c, "tls_key: is missing"),
        (None, b, None, "tls_certificate: is missing; name the PEM file of the server's certificate"),
        (None, None, c, "tls_certificate: is missing"),
    ):
        with pytest.raises(InvalidRequestError, match=missing):
            tls_files(certificate, key, client_ca)


def test_good_files_say_when_they_expire(files: TlsFiles) -> None:
    identity = read_identity(files, NOW)

    assert NOW < identity.expires < NOW + 2 * DAY
    assert files.key.read_text() not in repr(identity)
    assert str(files.key.read_bytes()) not in repr(identity)


def refused(files: TlsFiles, now: datetime = NOW) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        read_identity(files, now)
    return str(caught.value)


@pytest.mark.parametrize("name", ["server.pem", "server.key", "ca.pem"])
def test_files_that_are_not_there_are_named(tmp_path: Path, files: TlsFiles, name: str) -> None:
    (tmp_path / name).unlink()

    assert refused(files).endswith(f"'{tmp_path / name}' cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("server.pem", "tls_certificate: holds no certificate; name a PEM file with `-----BEGIN CERTIFICATE-----`"),
        ("server.key", "tls_key: holds no private key that can be used; name a PEM file with"),
        ("ca.pem", "tls_client_ca: holds no certificate; name a PEM file"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_files_that_hold_something_else_are_refused(
    tmp_path: Path, files: TlsFiles, name: str, said: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)

    assert refused(files).startswith(said)


def test_swapped_files_are_refused(files: TlsFiles) -> None:
    swapped = TlsFiles(certificate=files.key, key=files.certificate)

    assert refused(swapped).startswith("tls_certificate: holds no certificate")


def test_certificates_that_are_not_valid_now_are_refused(files: TlsFiles) -> None:
    assert refused(files, NOW + 2 * DAY).startswith("tls_certificate: a certificate in it expired at")
    assert refused(files, NOW - 3 * DAY).startswith("tls_certificate: a certificate in it is valid only from")


def test_an_authority_that_has_expired_is_refused_unless_another_has_not(
    tmp_path: Path, files: TlsFiles, authority: Authority
) -> None:
    old = Authority(not_after=NOW - DAY).certificate
    (tmp_path / "ca.pem").write_bytes(old)
    assert refused(files) == "tls_client_ca: every certificate in it has expired; name a newer file"

    (tmp_path / "ca.pem").write_bytes(old + authority.certificate)
    read_identity(files, NOW)


def test_a_clients_own_certificate_is_no_authority(tmp_path: Path, files: TlsFiles, authority: Authority) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.issue("client").certificate)

    assert refused(files).startswith("tls_client_ca: holds a certificate that is no authority's; name the file of the")


def test_a_key_of_another_certificate_or_with_a_password_is_refused(
    tmp_path: Path, files: TlsFiles, authority: Authority
) -> None:
    other = authority.issue()
    (tmp_path / "server.key").write_bytes(other.key)
    assert refused(files).startswith("tls_key: is not the key of the certificate in tls_certificate")

    (tmp_path / "server.key").write_bytes(other.key_with_password)
    assert refused(files).startswith("tls_key: is protected by a password; name a file without one")


def test_a_chain_in_the_wrong_order_is_refused(tmp_path: Path, files: TlsFiles, authority: Authority) -> None:
    server = authority.issue()
    server.write(tmp_path, "server")

    (tmp_path / "server.pem").write_bytes(server.certificate + authority.certificate)
    read_identity(files, NOW)
    (tmp_path / "server.pem").write_bytes(authority.certificate + server.certificate)
    assert refused(files).startswith("tls_certificate: the server's own certificate must come first")
