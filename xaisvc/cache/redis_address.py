"""Where a Redis is, and who we are there. Its texts never hold the password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.cache.base import CacheOptions

_PORT = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """One server.

    Attributes:
        host: Name or address; empty for a Unix socket.
        port: TCP port; 0 for a Unix socket.
        socket: Path of a Unix socket, or an empty text.
        database: Number of the database.
        username: User of the access list; empty for the default user.
        password: Empty for none.
        tls: Whether to speak TLS; the server's certificate is always checked.
        ca_file: Certificates that the server's must descend from (PEM); None for those of the system.
        cert_file: Our certificate (PEM); None for none.
        key_file: Its private key (PEM); None if it stands in `cert_file`.
    """

    host: str = ""
    port: int = 0
    socket: str = ""
    database: int = 0
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


def parse_address(address: str, options: CacheOptions) -> RedisAddress:
    """Reads an address such as `rediss://user:password@host:6379/0` or `unix:///path/of/socket`.

    User and password of the options go before those in the address, where special characters are percent-encoded.

    Raises:
        InvalidInputError: If the address cannot be read, or options of TLS do not fit it. Never repeats the address.
    """
    if "?" in address or "#" in address:
        raise InvalidInputError("cache: the address holds options after '?' or '#'; leave them out, and write such "
                                "characters of a password as %3F and %23")  # fmt: skip
    scheme = address.partition(":")[0]
    try:
        parts = urlsplit(address)
        port = parts.port or _PORT
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
        path = unquote(parts.path)
        database = 0 if scheme == "unix" else int(path.strip("/") or "0")
    except ValueError:  # not chained: its text may hold the password
        raise _unreadable() from None
    host = "" if scheme == "unix" else parts.hostname or ""
    if (scheme == "unix") == bool(host) or (scheme == "unix" and not path.startswith("/")) or database < 0:
        raise _unreadable()
    _check_files(scheme, options)
    return RedisAddress(
        host=host,
        port=port if host else 0,
        socket="" if host else path,
        database=database,
        username=options.username or username,
        password=options.password or password,
        tls=scheme == "rediss",
        ca_file=options.ca_file,
        cert_file=options.cert_file,
        key_file=options.key_file,
    )


def _unreadable() -> InvalidInputError:
    return InvalidInputError(
        "cache: the address cannot be read; write redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH"
    )


def _check_files(scheme: str, options: CacheOptions) -> None:
    """Refuses files that would be ignored, or that no connection could be made with."""
    import ssl  # noqa: PLC0415  heavy: loaded when used

    given = {name: getattr(options, name) for name in ("ca_file", "cert_file", "key_file")}
    for name, path in given.items():
        if path is None:
            continue
        if scheme != "rediss":
            raise InvalidInputError(f"cache: {name} is given, but the address speaks no TLS; begin it with rediss://")
        if not path.is_file():
            raise InvalidInputError(f"cache: {name}: there is no such file: {path.name}")
    if options.key_file is not None and options.cert_file is None:
        raise InvalidInputError("cache: key_file is given without cert_file")
    if scheme != "rediss":
        return
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ValueError):
        raise InvalidInputError("cache: ca_file holds no certificates in PEM form") from None
    if options.cert_file is not None:
        try:
            context.load_cert_chain(options.cert_file, options.key_file, password=b"")
        except (OSError, ValueError):
            raise InvalidInputError(
                "cache: cert_file and key_file hold no certificate with its private key in PEM form, or the key is "
                "locked by a password"
            ) from None
