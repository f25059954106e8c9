"""The service as the compose file runs it: same settings, secrets, user and rights, without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import xaisvc
from tests.packaging.containers import (
    DOCKER,
    ROOT,
    START_S,
    STOP_S,
    USER,
    compose,
    image_environment,
    last,
)
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xaisvc.client import Client


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """The secrets of the compose file; in a folder that another user can reach, as pytest's cannot be."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    with tempfile.TemporaryDirectory(prefix="docker-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        environment = {**os.environ, "SECRETS": str(folder / "secrets")}
        done = subprocess.run(  # noqa: S603  own words
            [DOCKER / "make-secrets.sh", "explain.bank.example", "10.0.0.5"],
            capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield folder


def test_the_script_makes_every_secret_once_and_keeps_others_out(made: Path) -> None:
    named = {Path(one["file"]).name for one in compose()["secrets"].values()}
    again = subprocess.run(  # noqa: S603  own words
        [DOCKER / "make-secrets.sh"], capture_output=True, text=True, check=False,
        env={**os.environ, "SECRETS": str(made / "secrets")},
    )  # fmt: skip

    assert {path.name for path in (made / "secrets").iterdir()} == named | {"ca.key"}
    assert (made / "secrets").stat().st_mode & 0o777 == 0o700
    assert (made / "secrets" / "ca.key").stat().st_mode & 0o777 == 0o400
    assert again.returncode == 1
    assert "remove" in again.stderr


def as_in_a_container(folder: Path) -> list[str]:
    """What comes before a command to run it with no more rights than in a container."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv on this machine, to give up root's rights")
    shut_in = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    other = [*shut_in, f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    same = f"import sys; sys.exit(sys.version != {sys.version!r})"
    tried = subprocess.run([*other, sys.executable, "-c", same], capture_output=True, check=False)  # noqa: S603  own words
    if tried.returncode:
        return shut_in  # Python lies where only root may look: root without rights is held by file modes like others
    for path in folder.rglob("*"):
        os.chown(path, USER, USER)
    os.chown(folder, USER, USER)
    return other


@contextmanager
def running(command: Sequence[str | Path], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, cwd="/")  # noqa: S603  own words
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def cache_of_compose(made: Path, program: str, port: int) -> Iterator[dict[str, Any]]:
    """Redis with the arguments of the compose file, and a way to ask it what it refused."""
    secrets = made / "secrets"
    users = made / "users.acl"
    users.write_text((secrets / "redis.acl").read_text() + "user auditor on nopass +dbsize +acl|log +ping\n")
    words = compose()["services"]["redis"]["command"][1:]
    places = {"/run/secrets/redis.acl": str(users), "6379": str(port)}
    arguments = [places.get(word, word.replace("/run/secrets", str(secrets))) for word in words]
    with running([program, *arguments, "--dir", str(made)], dict(os.environ), made / "redis.log") as process:
        options = {
            "port": port,
            "ssl": True,
            "ssl_ca_certs": str(secrets / "ca.pem"),
            "username": "auditor",
            "password": "",
        }
        end_s = time.monotonic() + START_S
        while "eady to accept" not in (made / "redis.log").read_text():
            if process.poll() is not None:
                pytest.skip("the redis-server of this machine speaks no TLS")
            assert time.monotonic() < end_s
            time.sleep(0.02)
        yield options


@dataclass(frozen=True)
class Container:
    """The folders and variables of a service as compose runs it."""

    writable: Path
    secrets: Path
    port: int
    environment: dict[str, str]
    prefix: list[str]

    def words(self, *arguments: str) -> list[str]:
        return [*self.prefix, sys.executable, "-m", "xaisvc.cli", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  own words
            self.words(*arguments), env=self.environment, capture_output=True, text=True, check=False, cwd="/"
        )

    def check(self) -> subprocess.CompletedProcess[str]:
        """Runs the health check of the image."""
        return self.run(*json.loads(last("cpu", "HEALTHCHECK").text.partition("CMD")[2])[1:])

    def wait_until_well(self, process: subprocess.Popen[bytes], log: Path) -> subprocess.CompletedProcess[str]:
        end_s = time.monotonic() + START_S
        while (asked := self.check()).returncode:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end_s, asked.stderr + log.read_text()
            time.sleep(0.2)
        return asked


def fill_container(made: Path, redis_port: int) -> Container:
    """Puts what the image and the compose file bring into folders, all but two of them read-only."""
    from xaisvc.demo.cases import BUNDLES

    shutil.copytree(
        Path(xaisvc.__file__).parent, made / "lib" / "xaisvc", ignore=shutil.ignore_patterns("__pycache__", "*.nb[ci]")
    )
    shutil.copytree(ROOT / "audiences", made / "lib" / "xaisvc" / "_audiences", dirs_exist_ok=True)
    shutil.copytree(BUNDLES / "german-credit-logistic", made / "models" / "german-credit-logistic")
    (made / "mounted").mkdir()
    for name in compose()["services"]["xaisvc"]["secrets"]:
        shutil.copy(made / "secrets" / name, made / "mounted" / name)
    for folder in ("lib", "models"):
        for path in (made / folder).rglob("*"):
            path.chmod(path.stat().st_mode & ~0o222)
    writable = made / "writable"
    for folder in ("data", "cache"):
        (writable / folder).mkdir(parents=True)
    places = {
        "/run/secrets": made / "mounted",
        "/models": made / "models",
        "/data": writable / "data",
        "/var/cache/xaisvc": writable / "cache",
        "redis:6379": f"localhost:{redis_port}",
        "$PATH": os.environ["PATH"],
    }
    port = free_ports(1)
    environment = {"PYTHONPATH": str(made / "lib")}
    for name, value in (image_environment("cpu") | compose()["services"]["xaisvc"]["environment"]).items():
        environment[name] = value
        for inside, outside in places.items():
            environment[name] = environment[name].replace(inside, str(outside))
    del environment["HOME"]  # an engine may leave it out
    environment["XAISVC_PORT"] = str(port)
    return Container(writable, made / "secrets", port, environment, as_in_a_container(writable))


def explained_until_kept(client: Client, rows: list[Any], auditor: dict[str, Any]) -> tuple[int, list[Any]]:
    """Explains until Redis keeps an answer: a write that takes Redis more than 50 ms is given up, which may happen."""
    import redis

    end_s = time.monotonic() + START_S / 2
    with redis.Redis(**auditor) as cache:
        for seed in range(1000):
            client.explain("german-credit-logistic", rows, seed=seed, audiences=["customer"], formats=["text"])
            if cache.dbsize() or time.monotonic() > end_s:
                break
            time.sleep(0.1)
        return cache.dbsize(), cache.acl_log()


def test_the_service_of_the_image_serves_is_well_and_stops(made: Path, redis_program: str) -> None:
    from xaisvc.client import Access, Client
    from xaisvc.demo.cases import load_cases

    redis_port = free_ports(1)
    container = fill_container(made, redis_port)
    serve = [*json.loads(last("cpu", "ENTRYPOINT").text)[1:], *json.loads(last("cpu", "CMD").text)]
    log = made / "log"

    refused = container.run(*serve)
    unwell = container.check()
    created = container.run("token", "create", "--name", "advice-desk", "--bundle", "*", "--audience", "customer")
    with (
        cache_of_compose(made, redis_program, redis_port) as auditor,
        running(container.words(*serve), container.environment, log) as process,
    ):
        asked = container.wait_until_well(process, log)
        access = Access(token=created.stdout.strip(), ca=container.secrets / "ca.pem")
        with Client(f"localhost:{container.port}", access=access, timeout_s=START_S) as client:
            rows = [case.row for case in load_cases()]
            reply = client.explain("german-credit-logistic", rows[:1], audiences=["customer"], formats=["text"])
            kept, denied = explained_until_kept(client, rows, auditor)
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_S)

    assert (refused.returncode, "needs tokens" in refused.stderr) == (2, True)
    assert (unwell.returncode, "nothing answers" in unwell.stderr) == (1, True)
    assert asked.stdout == f"127.0.0.1:{container.port} serves explanations\n"
    assert reply[0].view("customer", "text").content
    assert denied == []
    assert kept > 0
    assert code == 0, log.read_text()
    assert list((container.writable / "data").glob("records-*.sqlite3"))
    assert not list((made / "lib").rglob("__pycache__"))


def test_the_secrets_of_redis_are_those_of_the_service(made: Path) -> None:
    context = ssl.create_default_context(cafile=made / "secrets" / "ca.pem")

    assert len(context.get_ca_certs()) == 1
    assert re.fullmatch(
        r'cache_username = "xaisvc"\ncache_password = "[0-9a-f]{64}"\n', (made / "secrets" / "xaisvc.toml").read_text()
    )
    assert (made / "secrets" / "redis.acl").read_text().startswith("user default off\n")
