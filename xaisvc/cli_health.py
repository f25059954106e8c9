"""`xaisvc health`: asks a service whether it is well, for container engines and for people."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from xaisvc.errors import InvalidRequestError, ServiceUnreachableError, XaisvcError

if TYPE_CHECKING:
    import grpc

    from xaisvc.engine.commands import ModelInfo

UNHEALTHY = 1
"""Exit status for everything but a service that is well; container engines keep 2 for themselves."""

_OWN_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on
"""Where a service that listens everywhere is reached from its own machine."""

MODEL_PREFIX = "xaisvc.model/"
"""As in `xaisvc.server.health`, which takes too long to load for a command that runs every few seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to ask, and how.

    Attributes:
        target: Host and port.
        roots: PEM of the certificates to trust; None for plain text.
        name: Name to expect in the service's certificate; empty for that of the target.
        certificate: PEM of our own certificate, for mutual TLS.
        key: PEM of its private key.
    """

    target: str
    roots: bytes | None = None
    name: str = ""
    certificate: bytes | None = None
    key: bytes | None = None


def health(  # noqa: PLR0913 - one parameter per option
    *,
    target: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where to ask; the service of the settings here by default."),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="Ask about one model.")] = "",
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authority of the service's certificate (PEM), for TLS.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A certificate of our own (PEM), for mutual TLS.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).")] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A token, which --model and --models need where tokens are in use."),
    ] = None,
    models: Annotated[bool, typer.Option("--models", help="Say which models it explains, and for whom.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Longest wait for the answer.")] = 3.0,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings, as for `xaisvc serve`.")] = None,
) -> None:
    """Ask a service whether it is well. Exit status 0 if it serves, 1 if not.

    Without --target it asks the service of the settings here (XAISVC_* variables, --config), over TLS if they name a
    certificate, and trusts exactly that one. That is what the container images do.
    """
    try:
        place = _named_place(target, ca) if target is not None else _own_place(config, ca)
        place = _with_certificate(place, certificate, key)
        caller = _token(token_file, place)
        problem = _ask(place, model, caller, timeout)
        told = _models(place, caller, timeout) if models and not problem else ""
    except XaisvcError as error:
        problem = str(error)
    if problem:
        typer.echo(f"xaisvc: {problem}", err=True)
        raise typer.Exit(UNHEALTHY)
    typer.echo(f"{place.target} serves {model or 'explanations'}{told}")


def _named_place(target: str, ca: Path | None) -> Place:
    return Place(target, None if ca is None else _read("--ca", ca))


def _own_place(config: Path | None, ca: Path | None) -> Place:
    """Where the service of the settings is reached from this machine."""
    from xaisvc.config import load_settings  # noqa: PLC0415 - loaded when used

    settings = load_settings(config)
    host, port = _OWN_ADDRESS.get(settings.host, settings.host), settings.port
    if port == 0 and settings.port_file is not None:
        text = _read("port_file", settings.port_file).decode("ascii", errors="replace").strip()
        port = int(text) if text.isdecimal() else 0
    if port == 0:
        raise InvalidRequestError.of("--target", "is missing: the settings let the system choose the port")
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if ca is not None or settings.tls_certificate is None:
        return _named_place(target, ca)
    chain = _read("tls_certificate", settings.tls_certificate)
    return Place(target, chain, _name_in(chain))


def _name_in(chain: bytes) -> str:
    """A name that the first certificate is for: it need not be for the address that it is asked at here."""
    from cryptography import x509  # noqa: PLC0415 - loaded when used

    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        raise InvalidRequestError.of(
            "tls_certificate", "holds no certificate with a name in it (subjectAltName); clients will not accept it"
        ) from None
    found = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return found[0].replace("*", "any", 1) if found else ""


def _with_certificate(place: Place, certificate: Path | None, key: Path | None) -> Place:
    if certificate is None and key is None:
        return place
    if certificate is None or key is None:
        raise InvalidRequestError.of(
            "--key" if key is None else "--certificate", "is missing; certificate and key belong together"
        )
    if place.roots is None:
        raise InvalidRequestError.of("--ca", "is missing; a certificate of our own is shown over TLS only")
    return Place(place.target, place.roots, place.name, _read("--certificate", certificate), _read("--key", key))


def _token(file: Path | None, place: Place) -> str:
    if file is None:
        return ""
    from xaisvc.rights import is_loopback_target, split_token  # noqa: PLC0415 - loaded when used

    token = _read("--token-file", file).decode("ascii", errors="replace").strip()
    if split_token(token) is None:
        raise InvalidRequestError.of("--token-file", "holds no token; it must be the line of `xaisvc token create`")
    if place.roots is None and not is_loopback_target(place.target):
        raise InvalidRequestError.of("--ca", "is missing; without TLS the token could be read on the way")
    return token


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError.of(name, f"'{path}' cannot be read: {error.strerror}") from None


def _ask(place: Place, model: str, token: str, timeout_s: float) -> str:
    """What is the matter with a service; empty if it is well."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it would print of a failed connection is told below
    import grpc  # noqa: PLC0415 - heavy: loaded when used
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415 - heavy: loaded when used

    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    request = health_pb2.HealthCheckRequest(service=f"{MODEL_PREFIX}{model}" if model else "")
    with _open(place) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            return _failure(error, place, model, timeout_s)
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return f"{place.target} does not serve {model or 'now'}: it is starting or stopping, or cannot keep records"


def _models(place: Place, token: str, timeout_s: float) -> str:
    """The models that the caller may use, a paragraph each.

    Raises:
        ServiceUnreachableError: If the service does not say.
    """
    import grpc  # noqa: PLC0415 - heavy: loaded when used

    from xaisvc.client.answers import model_info  # noqa: PLC0415 - loaded when used
    from xaisvc.v1 import models_pb2, models_pb2_grpc  # noqa: PLC0415 - heavy: loaded when used

    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with _open(place) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        try:
            found = stub.ListModels(models_pb2.ListModelsRequest(), timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            raise ServiceUnreachableError(_failure(error, place, "", timeout_s)) from None
    return "".join(f"\n\n{_described(model_info(one))}" for one in found.models)


def _described(info: ModelInfo) -> str:
    """A model in lines: what it is for in each of its languages, and who has views of its cases."""
    description = info.description
    first, *others = description.languages
    lines = [f"{description.name} {description.version}", f"  owner: {description.owner}"]
    lines += [f"  purpose ({first}): {description.purpose}"]
    lines += [
        f"  purpose ({language}): {description.text('purpose', language)}"
        for language in others
        if "purpose" in description.texts.get(language, {})
    ]
    lines += [
        f"  languages: {', '.join(description.languages)}",
        f"  audiences: {', '.join(info.audiences) or 'none that you may have views for'}",
        *(f"  warning: {warning}" for warning in info.warnings),
    ]
    return "\n".join(lines)


def _open(place: Place) -> grpc.Channel:
    import grpc  # noqa: PLC0415 - heavy: loaded when used

    options: list[tuple[str, str | int]] = [("grpc.enable_http_proxy", 0)]
    if place.roots is None:
        return grpc.insecure_channel(place.target, options=options)
    if place.name:
        options.append(("grpc.ssl_target_name_override", place.name))
    credentials = grpc.ssl_channel_credentials(place.roots, place.key, place.certificate)
    return grpc.secure_channel(place.target, credentials, options=options)


def _failure(error: grpc.RpcError, place: Place, model: str, timeout_s: float) -> str:
    """A failed call in words."""
    texts = {
        "UNAVAILABLE": _unreachable(error.details() or "", place),
        "DEADLINE_EXCEEDED": f"{place.target} did not answer within {timeout_s:g} seconds",
        "NOT_FOUND": f"{place.target} has no model '{model}', or has it for callers with a token only (--token-file)",
        "UNAUTHENTICATED": f"{place.target} does not accept the token",
        "UNIMPLEMENTED": f"{place.target} is a service that cannot be asked for its health",
    }
    code = error.code().name
    return texts.get(code, f"{place.target} failed to answer ({code})")


def _unreachable(details: str, place: Place) -> str:
    """Why there is no connection, in words."""
    from xaisvc.client.failures import Unreachable, why_unreachable  # noqa: PLC0415 - heavy: loaded when used

    encrypted = place.roots is not None
    tls = "is one of --ca, --certificate and --key wrong?" if encrypted else "does it want TLS (--ca)?"
    texts = {
        Unreachable.NO_TLS: f"what listens at {place.target} speaks no TLS: leave out --ca, --certificate and --key",
        Unreachable.NOT_VOUCHED_FOR: (
            f"the certificate of {place.target} comes from no authority in --ca, is not for this name or is out of "
            "date; without --ca, it is not the one that the settings name (tls_certificate)"
        ),
        Unreachable.NOT_LET_IN: (
            f"what listens at {place.target} ended the connection before it was encrypted; if it asks its clients for "
            "a certificate, give --certificate and --key, of an authority that it trusts"
        ),
        Unreachable.TLS_ONLY: f"what listens at {place.target} ends connections without TLS; give --ca",
    }
    why = why_unreachable(details, encrypted=encrypted)
    return texts.get(why, f"nothing answers at {place.target}: is the service started, and {tls}")
