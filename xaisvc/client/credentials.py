"""What a client shows of itself, whom it trusts, and the connection that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar, cast

import grpc
import grpc.aio

from xaisvc.errors import InvalidRequestError
from xaisvc.rights import is_loopback_target, split_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    Options: TypeAlias = Sequence[tuple[str, str | int]]

METADATA_KEY = "authorization"

_RequestT = TypeVar("_RequestT")
_CallT = TypeVar("_CallT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a client reaches a service. The token is left out of its text form.

    Attributes:
        token: A token made by `xaisvc token create`; empty for none. Without TLS it travels to this machine only.
        tls: Whether the connection is encrypted; naming any of the files below says so too.
        ca: PEM file of the authorities that the server's certificate may come from; None for those that gRPC knows.
        certificate: PEM file of the client's own certificate, for services that want one.
        key: PEM file of its private key.
    """

    token: str = field(default="", repr=False)
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self.tls or self.ca is not None or self.certificate is not None or self.key is not None

    def check(self, target: str) -> None:
        """Refuses what cannot work or would give the token away.

        Args:
            target: Host and port of the service.

        Raises:
            InvalidRequestError: If the token has no token's form or would leave this machine in plain text, or of
                certificate and key only one is named.
        """
        if self.token and split_token(self.token) is None:
            raise InvalidRequestError.of(
                "token", "is no token; give the whole line that `xaisvc token create` printed: xai_<id>_<secret>"
            )
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            raise InvalidRequestError.of(missing, "is missing; certificate and key belong together")
        if self.token and not self.encrypted and not is_loopback_target(target):
            raise InvalidRequestError.of(
                "token",
                f"would travel to {target} in plain text, for everybody on the way to read; use TLS: say tls=True, or "
                "name the authority's file as ca",
            )


class _Details(NamedTuple):
    """A call's details with other metadata."""

    method: str
    timeout: float | None
    metadata: tuple[tuple[str, str | bytes], ...]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _TokenAdder(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the token to every call of a blocking connection; see `channel_credentials` for why gRPC does not."""

    def __init__(self, token: str) -> None:
        self._pair = (METADATA_KEY, f"Bearer {token}")

    def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.ClientCallDetails, _RequestT], _CallT],
        client_call_details: grpc.ClientCallDetails,
        request: _RequestT,
    ) -> _CallT:
        """Calls with the token."""
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.ClientCallDetails, _RequestT], _CallT],
        client_call_details: grpc.ClientCallDetails,
        request: _RequestT,
    ) -> _CallT:
        """Calls with the token."""
        return continuation(self._with_token(client_call_details), request)

    def _with_token(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        found = _Details(
            details.method,
            details.timeout,
            (*(details.metadata or ()), self._pair),
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )
        return cast("grpc.ClientCallDetails", found)  # gRPC asks for these names only


class _AsyncTokenAdder:
    """What the two below have in common; gRPC wants one object for each kind of call."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def _with_token(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        metadata.add(METADATA_KEY, self._value)
        return grpc.aio.ClientCallDetails(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
        )


class _AsyncUnaryTokenAdder(_AsyncTokenAdder, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, _RequestT], Awaitable[_CallT]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: _RequestT,
    ) -> _CallT:
        """Calls with the token."""
        return await continuation(self._with_token(client_call_details), request)


class _AsyncStreamTokenAdder(_AsyncTokenAdder, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, _RequestT], Awaitable[_CallT]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: _RequestT,
    ) -> _CallT:
        """Calls with the token."""
        return await continuation(self._with_token(client_call_details), request)


def open_channel(target: str, access: Access, options: Options) -> grpc.Channel:
    """A blocking connection.

    Args:
        target: Host and port of the service.
        access: What to show and whom to trust.
        options: Options of gRPC.

    Raises:
        InvalidRequestError: If `access` does not fit the target, or a file cannot be read.
    """
    access.check(target)
    channel = (
        grpc.secure_channel(target, channel_credentials(access), options=options)
        if access.encrypted
        else grpc.insecure_channel(target, options=options)
    )
    return grpc.intercept_channel(channel, _TokenAdder(access.token)) if access.token else channel


def open_async_channel(target: str, access: Access, options: Options) -> grpc.aio.Channel:
    """As `open_channel`, for the running event loop."""
    access.check(target)
    adders: list[grpc.aio.ClientInterceptor] = (
        [_AsyncUnaryTokenAdder(access.token), _AsyncStreamTokenAdder(access.token)] if access.token else []
    )
    if access.encrypted:
        return grpc.aio.secure_channel(target, channel_credentials(access), options=options, interceptors=adders)
    return grpc.aio.insecure_channel(target, options=options, interceptors=adders)


def channel_credentials(access: Access) -> grpc.ChannelCredentials:
    """Credentials of an encrypted connection, without the token: that goes with every call.

    As credentials of calls, gRPC would keep the token in an object of Python, which it lets go of in a thread of its
    own: that one waits for the interpreter, and a connection that is closed meanwhile waits for that one, for ever.

    Raises:
        InvalidRequestError: If a file cannot be read.
    """
    return grpc.ssl_channel_credentials(
        root_certificates=_read("ca", access.ca),
        private_key=_read("key", access.key),
        certificate_chain=_read("certificate", access.certificate),
    )


def _read(name: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequestError.of(name, f"'{path}' cannot be read: {error.strerror}") from None
    if b"-----BEGIN " not in content:  # or gRPC would fail at the first call, with a text of its own
        raise InvalidRequestError.of(name, f"'{path}' is no PEM file; it must hold a line with `-----BEGIN`")
    return content
