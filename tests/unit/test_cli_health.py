"""`xaisvc health` against a server of the standard health protocol."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import grpc
import pytest
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from typer.testing import CliRunner

from tests.ports import free_ports
from tests.unit.certificates import Authority
from xaisvc.cli_health import MODEL_PREFIX, health
from xaisvc.v1 import models_pb2, models_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

TOKEN = "xai_" + "0" * 16 + "_" + "A" * 43
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command quietens gRPC for its process; here that is the tests' own."""
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")


@contextmanager
def server(
    credentials: grpc.ServerCredentials | None = None, also: Callable[[grpc.Server], None] | None = None
) -> Iterator[tuple[int, HealthServicer]]:
    servicer = HealthServicer()
    servicer.set("", SERVING)
    with ThreadPoolExecutor(2) as pool:
        running = grpc.server(pool)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, running)
        if also is not None:
            also(running)
        if credentials is None:
            port = running.add_insecure_port("127.0.0.1:0")
        else:
            port = running.add_secure_port("127.0.0.1:0", credentials)
        running.start()
        try:
            yield port, servicer
        finally:
            running.stop(None).wait()


def ask(*arguments: object, **environment: object) -> Result:
    app = typer.Typer(rich_markup_mode=None)
    app.command()(health)
    variables = {name: str(value) for name, value in environment.items()}
    words = [*map(str, arguments), "--timeout", "60"]  # a machine that stands still for a while answers late
    return CliRunner().invoke(app, words, env={"XAISVC_CONFIG": "", **variables})


def test_a_service_that_serves_is_well() -> None:
    with server() as (port, _):
        done = ask("--target", f"127.0.0.1:{port}")

    assert (done.exit_code, done.stdout) == (0, f"127.0.0.1:{port} serves explanations\n")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - where a container's service listens
def test_without_a_target_the_settings_say_where(host: str, tmp_path: Path) -> None:
    with server() as (port, _):
        given = ask(XAISVC_HOST=host, XAISVC_PORT=port)
        (tmp_path / "port").write_text(f"{port}\n")
        chosen = ask(XAISVC_HOST=host, XAISVC_PORT=0, XAISVC_PORT_FILE=tmp_path / "port")

    assert given.stdout == chosen.stdout == f"127.0.0.1:{port} serves explanations\n"


def test_a_service_that_drains_is_not_well() -> None:
    with server() as (port, servicer):
        servicer.set("", NOT_SERVING)
        done = ask("--target", f"127.0.0.1:{port}")

    assert done.exit_code == 1
    assert "does not serve now: it is starting or stopping, or cannot keep records" in done.stderr


def test_a_model_has_a_health_of_its_own() -> None:
    with server() as (port, servicer):
        servicer.set(MODEL_PREFIX + "credit", SERVING)
        known = ask("--target", f"127.0.0.1:{port}", "--model", "credit")
        unknown = ask("--target", f"127.0.0.1:{port}", "--model", "fraud")

    assert (known.exit_code, known.stdout) == (0, f"127.0.0.1:{port} serves credit\n")
    assert unknown.exit_code == 1
    assert "has no model 'fraud', or has it for callers with a token only" in unknown.stderr


class Models(models_pb2_grpc.ModelServiceServicer):
    """Lists one model in two languages, for whoever has the token."""

    def ListModels(  # noqa: N802 - the protocol's name
        self, request: models_pb2.ListModelsRequest, context: grpc.ServicerContext
    ) -> models_pb2.ListModelsResponse:
        del request
        if ("authorization", f"Bearer {TOKEN}") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
        model = models_pb2.Model(
            name="credit",
            version="1.2.0",
            owner="Lending",
            purpose="To order applications.",
            languages=["en", "nl", "fr"],
            audiences=["customer", "data_scientist"],
            warnings=["the pack 'eu' was to be reviewed"],
            texts={"nl": models_pb2.ModelTexts(purpose="Aanvragen ordenen.")},
        )
        return models_pb2.ListModelsResponse(models=[model])


def test_the_models_are_told_with_their_audiences_and_languages(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with server(also=partial(models_pb2_grpc.add_ModelServiceServicer_to_server, Models())) as (port, _):
        target = ("--target", f"127.0.0.1:{port}", "--models")
        told, refused = ask(*target, "--token-file", tmp_path / "token"), ask(*target)

    assert told.stdout == (
        f"127.0.0.1:{port} serves explanations\n\n"
        "credit 1.2.0\n"
        "  owner: Lending\n"
        "  purpose (en): To order applications.\n"
        "  purpose (nl): Aanvragen ordenen.\n"
        "  languages: en, nl, fr\n"
        "  audiences: customer, data_scientist\n"
        "  warning: the pack 'eu' was to be reviewed\n"
    )
    assert (refused.exit_code, "does not accept the token" in refused.stderr) == (1, True)


def test_a_service_that_is_not_there_is_not_well() -> None:
    port = free_ports(1)

    done = ask("--target", f"127.0.0.1:{port}")

    assert done.exit_code == 1
    assert f"nothing answers at 127.0.0.1:{port}: is the service started, and does it want TLS (--ca)?" in done.stderr


def tls(folder: Path, *, mutual: bool = False) -> grpc.ServerCredentials:
    """Credentials of a server; writes ca.pem, server.*, client.* and those of a stranger."""
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.certificate)
    issued = authority.issue("server")
    issued.write(folder, "server")
    authority.issue("client").write(folder, "client")
    Authority("stranger").issue("server").write(folder, "stranger")
    return grpc.ssl_server_credentials(
        [(issued.key, issued.certificate)],
        root_certificates=authority.certificate if mutual else None,
        require_client_auth=mutual,
    )


def test_the_certificate_of_the_settings_is_trusted_and_no_other(tmp_path: Path) -> None:
    with server(tls(tmp_path)) as (port, _):
        settings = {"XAISVC_PORT": port, "XAISVC_TLS_KEY": tmp_path / "server.key"}
        own = ask(**settings, XAISVC_TLS_CERTIFICATE=tmp_path / "server.pem")
        other = ask(**settings, XAISVC_TLS_CERTIFICATE=tmp_path / "stranger.pem")
        named = ask("--target", f"localhost:{port}", "--ca", tmp_path / "ca.pem")
        plain = ask("--target", f"localhost:{port}")

    assert [done.exit_code for done in (own, other, named, plain)] == [0, 1, 0, 1]
    assert f"the certificate of 127.0.0.1:{port} comes from no authority in --ca" in other.stderr
    assert f"what listens at localhost:{port} ends connections without TLS; give --ca" in plain.stderr


def test_tls_to_a_service_without_it_is_told_as_such(tmp_path: Path) -> None:
    tls(tmp_path)
    with server() as (port, _):
        done = ask("--target", f"localhost:{port}", "--ca", tmp_path / "ca.pem")

    assert (done.exit_code, f"what listens at localhost:{port} speaks no TLS" in done.stderr) == (1, True)


def test_mutual_tls_needs_a_certificate_of_our_own(tmp_path: Path) -> None:
    with server(tls(tmp_path, mutual=True)) as (port, _):
        settings = {"XAISVC_PORT": port, "XAISVC_TLS_CERTIFICATE": tmp_path / "server.pem"}
        shown = ask("--certificate", tmp_path / "client.pem", "--key", tmp_path / "client.key", **settings)
        missing = ask(**settings)

    assert [done.exit_code for done in (shown, missing)] == [0, 1]
    assert "if it asks its clients for a certificate, give --certificate and --key" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--ca", "absent.pem"), "--ca: 'absent.pem' cannot be read: No such file or directory"),
        (("--key", "FILE"), "--certificate: is missing"),
        (("--certificate", "FILE", "--key", "FILE"), "--ca: is missing"),
        (("--token-file", "FILE"), "--token-file: holds no token"),
        (("--token-file", "TOKEN"), "--ca: is missing; without TLS the token could be read on the way"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_sent(
    arguments: tuple[str, ...], text: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("words")
    (tmp_path / "token").write_text(TOKEN)
    places = {"FILE": tmp_path / "file", "TOKEN": tmp_path / "token"}

    done = ask("--target", "explain.bank.example:8765", *(places.get(word, word) for word in arguments))

    assert done.exit_code == 1
    assert text in done.stderr


def test_the_names_of_models_are_those_of_the_server() -> None:
    from xaisvc.server import health as served

    assert served.MODEL_PREFIX == MODEL_PREFIX
