"""Who calls: from the metadata of a call to its caller, and when a service may do without tokens."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError, NotAuthenticatedError
from xaisvc.rights import TOKENS_FILE, Rights, TokenFile, TokenWatch, is_loopback_host
from xaisvc.telemetry import Event
from xaisvc.types import LOCAL, Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from xaisvc.telemetry import Logger

METADATA_KEY = "authorization"
HEALTH_PREFIX = "/grpc.health."
NOBODY = Caller(id="", bundles=frozenset(), audiences=frozenset(), methods=frozenset())
"""Whoever asks for health without a valid token: may know that the service is well, and of no bundle."""


class Door:
    """Lets calls in.

    Args:
        rights: Knows the callers by their tokens.
    """

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    def admit(self, method: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> Caller:
        """Finds out who calls; to be asked before anything of the call is read.

        Health is for everybody, so that a balancer needs no token: without a valid one the caller is NOBODY. Everything
        else, reflection included, needs a valid token as soon as there is a file of tokens.

        Args:
            method: Full name of the method, for example `/xaisvc.v1.ModelService/ListModels`.
            metadata: The call's metadata.

        Raises:
            NotAuthenticatedError: If tokens are in use and the call bears no valid one.
        """
        if not self._rights.in_use:
            return LOCAL
        try:
            return self._rights.caller(bearer_token(metadata))
        except NotAuthenticatedError:
            if method.startswith(HEALTH_PREFIX):
                return NOBODY
            raise


def bearer_token(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The token in `authorization: Bearer TOKEN`; an empty text if there is none, or more than one."""
    values = [value for key, value in metadata or () if key == METADATA_KEY]
    if len(values) != 1 or not isinstance(values[0], str):
        return ""
    scheme, _, token = values[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def open_rights(
    data_dir: Path,
    logger: Logger,
    *,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Rights:
    """The rights that the token file of a data folder gives; a change counts within a second.

    Args:
        data_dir: The service's data folder.
        logger: Told when the file was read again, or could not be.
        clock: Monotonic clock in seconds.
        now: The time, in UTC.

    Raises:
        StoreError: If the file is damaged.
    """
    watch = TokenWatch(
        TokenFile(data_dir / TOKENS_FILE),
        clock=clock,
        on_read=lambda count: logger.info(Event.TOKENS_READ, tokens=count),
        on_damage=lambda text: logger.error(
            Event.TOKENS_DAMAGED, text=f"{text}; until then the tokens read before stay in use"
        ),
    )
    return Rights(watch, now=now)


def check_exposure(host: str, *, rights: Rights, tls: bool, require_tokens: bool, logger: Logger) -> None:
    """Refuses to start a service that would be open to whoever reaches it, and says in the log how open it is.

    Args:
        host: Address to listen on.
        rights: Who may call.
        tls: Whether connections are encrypted.
        require_tokens: Whether tokens are wanted even on a loopback address.
        logger: Where it is said.

    Raises:
        InvalidRequestError: If the address is not loopback and tokens or TLS are missing, or tokens are required and
            there are none.
    """
    tokens = rights.in_use
    loopback = is_loopback_host(host)
    make_tokens = "make a token with `xaisvc token create`, with the same data_dir"
    if not loopback:
        missing = []
        if not tokens:
            missing.append(make_tokens)
        if not tls:
            missing.append("name tls_certificate and tls_key")
        if missing:
            raise InvalidRequestError.of(
                "host",
                f"'{host}' can be reached from other machines, so it needs tokens and TLS: {', and '.join(missing)}; "
                "or listen on 127.0.0.1, with a proxy on this machine that ends TLS",
            )
    if require_tokens and not tokens:
        raise InvalidRequestError.of("require_tokens", f"there is no {TOKENS_FILE} in the data folder; {make_tokens}")
    if tokens:
        logger.info(Event.TOKENS_IN_USE, host=host, tls=tls)
    else:
        logger.warning(
            Event.NO_TOKENS,
            host=host,
            text="no tokens are in use: every program on this machine may ask for everything, raw numbers included; "
            "`xaisvc token create` ends this within a second",
        )
