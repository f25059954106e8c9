from __future__ import annotations

import asyncio
import io
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from xaisvc.errors import InvalidRequestError, NotAuthenticatedError, StoreError
from xaisvc.rights import NOT_AUTHENTICATED, TOKENS_FILE, Grant, TokenFile
from xaisvc.server.auth import NOBODY, Door, bearer_token, check_exposure, open_rights
from xaisvc.telemetry import make_logger
from xaisvc.types import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xaisvc.rights import Rights
    from xaisvc.telemetry import Logger

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIST = "/xaisvc.v1.ModelService/ListModels"
CHECK = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
UNIX = "unix"


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(log: io.StringIO) -> Logger:
    return make_logger("json", "debug", log)


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.fixture
def make_token(tmp_path: Path) -> Callable[[str], str]:
    """Makes a token and gives its text."""

    def make(name: str = "desk") -> str:
        grant = Grant(
            name=name,
            bundles=frozenset({"loans"}),
            audiences=frozenset({"customer"}),
            methods=frozenset(),
            valid_for=timedelta(days=1),
        )
        return TokenFile(tmp_path / TOKENS_FILE).create(grant, now=NOON, randomness=secrets.token_bytes)[1]

    return make


@pytest.fixture
def rights(tmp_path: Path, logger: Logger) -> Callable[[], Rights]:
    return lambda: open_rights(tmp_path, logger, clock=lambda: 0.0, now=lambda: NOON)


def bearing(token: str) -> tuple[tuple[str, str | bytes], ...]:
    return (("user-agent", "x"), ("authorization", f"Bearer {token}"))


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_the_token_is_read_whatever_the_case_of_its_scheme(scheme: str) -> None:
    assert bearer_token((("user-agent", "x"), ("authorization", f"{scheme}xai_1_2"))) == "xai_1_2"


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        (),
        (("user-agent", "Bearer xai_1_2"),),
        (("authorization", "xai_1_2"),),
        (("authorization", "Basic xai_1_2"),),
        (("authorization", "Bearer"),),
        (("authorization", b"Bearer xai_1_2"),),
        (("authorization", "Bearer xai_1_2"), ("authorization", "Bearer xai_1_2")),
        (("authorization-bin", "Bearer xai_1_2"),),
    ],
)
def test_everything_else_is_no_token(metadata: tuple[tuple[str, str | bytes], ...] | None) -> None:
    assert bearer_token(metadata) == ""


def test_a_good_token_gives_its_caller(make_token: Callable[[], str], rights: Callable[[], Rights]) -> None:
    token = make_token()

    assert Door(rights()).admit(LIST, bearing(token)).id == "desk"


@pytest.mark.parametrize("method", [LIST, REFLECTION, "/grpc.healthy.Anything/Else", ""])
def test_with_tokens_in_use_everything_but_health_needs_one(
    make_token: Callable[[], str], rights: Callable[[], Rights], method: str
) -> None:
    make_token()

    with pytest.raises(NotAuthenticatedError) as caught:
        Door(rights()).admit(method, ())
    assert str(caught.value) == NOT_AUTHENTICATED


def test_health_needs_none_and_then_knows_nobody(make_token: Callable[[], str], rights: Callable[[], Rights]) -> None:
    token = make_token()
    door = Door(rights())

    assert door.admit(CHECK, ()) == NOBODY
    assert door.admit(CHECK, bearing("wrong")) == NOBODY
    assert door.admit(CHECK, bearing(token)).id == "desk"
    assert not NOBODY.sees_numbers
    assert not NOBODY.may_use_bundle("loans")


def test_without_a_file_of_tokens_everybody_is_local(rights: Callable[[], Rights]) -> None:
    door = Door(rights())

    assert door.admit(LIST, ()) == LOCAL
    assert door.admit(LIST, bearing("anything")) == LOCAL


async def test_the_metadata_of_real_calls_is_understood(
    tmp_path: Path, make_token: Callable[[str], str], rights: Callable[[], Rights]
) -> None:
    tokens = {name: make_token(name) for name in ("a", "b")}
    door = Door(rights())

    async def unary(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        del request
        try:
            caller = door.admit("/test.Service/Unary", context.invocation_metadata())
        except NotAuthenticatedError as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        return caller.id.encode()

    server = grpc.aio.server()
    handlers = {"Unary": grpc.unary_unary_rpc_method_handler(unary)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", handlers),))
    address = f"{UNIX}:{tmp_path}/s"
    server.add_insecure_port(address)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.unary_unary("/test.Service/Unary")
            answers = await asyncio.gather(*(call(b"", metadata=bearing(tokens[name])) for name in "abab"))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"")
    finally:
        await server.stop(0)

    assert answers == [b"a", b"b", b"a", b"b"]
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, NOT_AUTHENTICATED)


def test_a_running_service_says_what_becomes_of_its_tokens_and_never_a_secret(
    tmp_path: Path, make_token: Callable[[], str], logger: Logger, log: io.StringIO
) -> None:
    now_s = 0.0
    first = make_token()
    rights = open_rights(tmp_path, logger, clock=lambda: now_s, now=lambda: NOON)

    second = make_token()
    now_s += 1
    assert rights.in_use
    (tmp_path / TOKENS_FILE).write_text("{")
    now_s += 1
    assert rights.in_use

    assert [(line["event"], line["level"]) for line in lines(log)] == [
        ("tokens_read", "info"),
        ("tokens_damaged", "error"),
    ]
    assert lines(log)[0]["tokens"] == 2
    assert str(lines(log)[1]["text"]).endswith("until then the tokens read before stay in use")
    assert str(tmp_path) not in log.getvalue()
    assert not [token for token in (first, second) if token[21:] in log.getvalue()]


def test_a_damaged_file_stops_the_start(tmp_path: Path, logger: Logger) -> None:
    (tmp_path / TOKENS_FILE).write_text("{")

    with pytest.raises(StoreError):
        open_rights(tmp_path, logger)


OUTSIDE = ("0.0.0.0", "::", "10.1.2.3", "xai.example.com")  # noqa: S104 - addresses to refuse


@pytest.mark.parametrize("host", OUTSIDE)
@pytest.mark.parametrize(
    ("tokens", "tls", "missing"),
    [
        (False, False, "make a token with `xaisvc token create`, with the same data_dir, and name tls_certificate and"),
        (True, False, "so it needs tokens and TLS: name tls_certificate and tls_key; or listen on 127.0.0.1"),
        (
            False,
            True,
            "so it needs tokens and TLS: make a token with `xaisvc token create`, with the same data_dir; or",
        ),
    ],
)
def test_an_address_that_others_reach_needs_tokens_and_tls(  # noqa: PLR0913, PLR0917 - a table and fixtures
    make_token: Callable[[], str],
    rights: Callable[[], Rights],
    logger: Logger,
    host: str,
    tokens: bool,  # noqa: FBT001 - a column of the table
    tls: bool,  # noqa: FBT001 - a column of the table
    missing: str,
) -> None:
    if tokens:
        make_token()

    with pytest.raises(InvalidRequestError, match=f"host: '{host}' can be reached from other machines") as caught:
        check_exposure(host, rights=rights(), tls=tls, require_tokens=False, logger=logger)
    assert missing in str(caught.value)


@pytest.mark.parametrize("host", [*OUTSIDE, "127.0.0.1"])
def test_with_both_every_address_will_do(
    make_token: Callable[[], str], rights: Callable[[], Rights], logger: Logger, log: io.StringIO, host: str
) -> None:
    make_token()

    check_exposure(host, rights=rights(), tls=True, require_tokens=True, logger=logger)

    (line,) = lines(log)
    assert (line["event"], line["host"], line["tls"]) == ("tokens_in_use", host, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_without_tokens_starts_and_says_what_that_means(
    rights: Callable[[], Rights], logger: Logger, log: io.StringIO, host: str
) -> None:
    check_exposure(host, rights=rights(), tls=False, require_tokens=False, logger=logger)

    (line,) = lines(log)
    assert (line["event"], line["level"]) == ("no_tokens", "warning")
    assert "every program on this machine may ask for everything" in str(line["text"])


def test_tokens_can_be_required_on_loopback_too(rights: Callable[[], Rights], logger: Logger) -> None:
    with pytest.raises(InvalidRequestError, match=r"require_tokens: there is no tokens\.json in the data folder; make"):
        check_exposure("127.0.0.1", rights=rights(), tls=False, require_tokens=True, logger=logger)
