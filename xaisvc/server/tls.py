"""TLS of the server: files are checked before they are used, and read again when they change."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import grpc

from xaisvc.errors import InvalidRequestError
from xaisvc.telemetry import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate

    from xaisvc.telemetry import Logger

    Signature: TypeAlias = tuple[tuple[int, ...], ...]

LOOK_EVERY_S = 0.5
"""Changed files are seen by the first connection that comes this long after the last look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the server's identity lies.

    Attributes:
        certificate: PEM file with the server's certificate, followed by those that lead to its authority.
        key: PEM file with its private key, without a password.
        client_ca: PEM file with the authorities whose clients may connect; None lets every client connect.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What was read from the files, and fits together.

    Attributes:
        chain: PEM of the server's certificate and those that lead to its authority.
        key: PEM of its private key.
        client_ca: PEM of the authorities of clients; None if clients need no certificate.
        expires: When the first of the server's certificates expires, in UTC.
    """

    chain: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None
    expires: datetime


def tls_files(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """The files that the settings name; None if they name none, so that there is no TLS.

    Raises:
        InvalidRequestError: If only some of those that belong together are named.
    """
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None:
        raise InvalidRequestError.of(
            "tls_certificate", "is missing; name the PEM file of the server's certificate, as its key is named"
        )
    if key is None:
        raise InvalidRequestError.of("tls_key", "is missing; name the PEM file of the certificate's private key")
    return TlsFiles(certificate=certificate, key=key, client_ca=client_ca)


def read_identity(files: TlsFiles, now: datetime) -> Identity:
    """Reads the files and checks that a server can use them.

    Args:
        files: Where they lie.
        now: The time, in UTC.

    Raises:
        InvalidRequestError: If a file cannot be read, is no PEM of its kind, is not valid now, or key and certificate
            do not belong together; names the setting and what to do.
    """
    chain = _read("tls_certificate", files.certificate)
    certificates = _certificates("tls_certificate", chain)
    for certificate in certificates:
        _check_valid("tls_certificate", certificate, now)
    key = _read("tls_key", files.key)
    _check_key(key, certificates)
    client_ca = None
    if files.client_ca is not None:
        client_ca = _read("tls_client_ca", files.client_ca)
        authorities = _certificates("tls_client_ca", client_ca)
        if not all(map(_is_authority, authorities)):
            raise InvalidRequestError.of(
                "tls_client_ca",
                "holds a certificate that is no authority's; name the file of the authority that signs the clients' "
                "certificates, not a client's own",
            )
        if not any(authority.not_valid_after_utc > now for authority in authorities):
            raise InvalidRequestError.of("tls_client_ca", "every certificate in it has expired; name a newer file")
    return Identity(
        chain=chain,
        key=key,
        client_ca=client_ca,
        expires=min(certificate.not_valid_after_utc for certificate in certificates),
    )


def server_credentials(
    files: TlsFiles, logger: Logger, *, clock: Callable[[], float], now: Callable[[], datetime]
) -> grpc.ServerCredentials:
    """Credentials for `add_secure_port`. Changed files count for the connections that come after.

    Args:
        files: Where the server's identity lies.
        logger: Told when files were read, or could not be.
        clock: Monotonic clock in seconds.
        now: The time, in UTC.

    Raises:
        InvalidRequestError: If the files cannot be used; see `read_identity`.
    """
    watch = IdentityWatch(files, logger, clock=clock, now=now)
    logger.info(Event.TLS_IN_USE, mutual=files.client_ca is not None, expires=watch.identity.expires.isoformat())
    return grpc.dynamic_ssl_server_credentials(
        _configuration(watch.identity),
        watch.changed,  # type: ignore[arg-type] # the stub does not know that None means no change
        require_client_authentication=files.client_ca is not None,
    )


class IdentityWatch:
    """Knows the server's identity, and notices when its files change. Safe to use from several threads.

    Files that cannot be used leave the identity as it was, for example while of two files only one has been replaced.

    Args:
        files: Where they lie.
        logger: Told when files were read again, or could not be.
        clock: Monotonic clock in seconds.
        now: The time, in UTC.

    Raises:
        InvalidRequestError: If the files cannot be used.
    """

    def __init__(
        self, files: TlsFiles, logger: Logger, *, clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self._files = files
        self._logger = logger
        self._clock = clock
        self._now = now
        self._looking = threading.Lock()
        self._next_look_s = clock() + LOOK_EVERY_S
        self._signature = _signature(files)  # before the reading: what changes in between is read again
        self.identity = read_identity(files, now())

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new identity if the files have changed, for gRPC before each handshake; None to go on as before."""
        now_s = self._clock()
        if now_s < self._next_look_s or not self._looking.acquire(blocking=False):
            return None
        try:
            self._next_look_s = now_s + LOOK_EVERY_S
            signature = _signature(self._files)
            if signature == self._signature:
                return None
            self._signature = signature
            self.identity = read_identity(self._files, self._now())
        except InvalidRequestError as error:
            self._logger.error(Event.TLS_DAMAGED, text=f"{error}; the files read before stay in use")  # noqa: TRY400 - one line, no traceback
            return None
        finally:
            self._looking.release()
        self._logger.info(Event.TLS_READ, expires=self.identity.expires.isoformat())
        return _configuration(self.identity)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.chain)], root_certificates=identity.client_ca
    )


def _signature(files: TlsFiles) -> Signature:
    return tuple(_file_signature(path) for path in (files.certificate, files.key, files.client_ca) if path is not None)


def _file_signature(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116 - Path.stat is the same; this runs before every handshake
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError.of(setting, f"'{path}' cannot be read: {error.strerror}") from None


def _certificates(setting: str, content: bytes) -> list[Certificate]:
    from cryptography import x509  # noqa: PLC0415 - heavy: loaded when used

    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise InvalidRequestError.of(
            setting, "holds no certificate; name a PEM file with `-----BEGIN CERTIFICATE-----`"
        ) from None


def _check_valid(setting: str, certificate: Certificate, now: datetime) -> None:
    if certificate.not_valid_after_utc <= now:
        when = certificate.not_valid_after_utc.isoformat()
        raise InvalidRequestError.of(setting, f"a certificate in it expired at {when}; have a new one signed")
    if certificate.not_valid_before_utc > now:
        when = certificate.not_valid_before_utc.isoformat()
        raise InvalidRequestError.of(
            setting, f"a certificate in it is valid only from {when} on; check it, and this machine's clock"
        )


def _check_key(key: bytes, certificates: list[Certificate]) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - heavy: loaded when used
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - heavy: loaded when used
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        public = load_pem_private_key(key, None).public_key().public_bytes(*form)
    except TypeError:  # it wants a password
        raise InvalidRequestError.of(
            "tls_key", "is protected by a password; name a file without one that only this service can read"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidRequestError.of(
            "tls_key", "holds no private key that can be used; name a PEM file with `-----BEGIN PRIVATE KEY-----`"
        ) from None
    try:
        fits = [certificate.public_key().public_bytes(*form) == public for certificate in certificates]
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidRequestError.of(
            "tls_certificate", "holds a certificate with a key of a kind that cannot be used; use EC or RSA keys"
        ) from None
    if fits[0]:
        return
    if any(fits):
        raise InvalidRequestError.of(
            "tls_certificate", "the server's own certificate must come first, then those that lead to its authority"
        )
    raise InvalidRequestError.of("tls_key", "is not the key of the certificate in tls_certificate; name the two of one")


def _is_authority(certificate: Certificate) -> bool:
    from cryptography import x509  # noqa: PLC0415 - heavy: loaded when used

    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False
