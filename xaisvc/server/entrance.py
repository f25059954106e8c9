"""What a caller has to get past: tokens and TLS, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.server.auth import check_exposure, open_rights
from xaisvc.server.tls import tls_files

if TYPE_CHECKING:
    from xaisvc.config import Settings
    from xaisvc.rights import Rights
    from xaisvc.server.tls import TlsFiles
    from xaisvc.telemetry import Logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How callers get in.

    Attributes:
        rights: Knows the callers by their tokens.
        files: The server's identity; None for no TLS.
    """

    rights: Rights
    files: TlsFiles | None


def open_entrance(settings: Settings, logger: Logger) -> Entrance:
    """Reads who may call, and refuses settings that would leave the service open to whoever reaches it.

    Raises:
        InvalidRequestError: If a file of the settings cannot be used, or tokens or TLS are missing.
        StoreError: If the file of tokens is damaged.
    """
    rights = open_rights(settings.data_dir, logger)
    files = tls_files(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    check_exposure(
        settings.host, rights=rights, tls=files is not None, require_tokens=settings.require_tokens, logger=logger
    )
    return Entrance(rights=rights, files=files)
