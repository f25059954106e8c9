"""The container images, read without a container engine, and run as they would run: same settings, user and rights."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import xaisvc
from xaisvc.config import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xaisvc.client import Client

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
KINDS = ("cpu", "gpu")
USER = 10001
START_S = 120.0  # compiling its kernels takes the service ten seconds; this bounds a machine that is busy
STOP_S = 30.0


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    word: str
    text: str

    @property
    def options(self) -> list[str]:
        return [part for part in self.text.split() if part.startswith("--")]

    @property
    def arguments(self) -> list[str]:
        return [part for part in self.text.split() if not part.startswith("--")]

    @property
    def variables(self) -> dict[str, str]:
        return dict(re.findall(r'(\S+?)=("[^"]*"|\S+)', self.text))


def read_dockerfile(text: str) -> list[Instruction]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")).replace("\\\n", " ")
    words = (line.split(maxsplit=1) for line in lines.splitlines() if line.strip())
    return [Instruction(word, rest.strip()) for word, rest in words]


def instructions(kind: str) -> list[Instruction]:
    return read_dockerfile((DOCKER / f"Dockerfile.{kind}").read_text(encoding="utf-8"))


def last_stage(kind: str) -> list[Instruction]:
    found = instructions(kind)
    start = max(index for index, one in enumerate(found) if one.word == "FROM")
    return found[start:]


def last(kind: str, word: str) -> Instruction:
    return [one for one in last_stage(kind) if one.word == word][-1]


def image_environment(kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in last_stage(kind):
        if one.word == "ENV":
            found |= one.variables
    return found


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))
    return found


def reaches_the_builder(path: str) -> bool:
    """Whether .dockerignore lets a file of the repository through; the last pattern that fits decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if not line or line.startswith("#"):
            continue
        above = [path, *map(str, Path(path).parents)]
        names = above if "**" not in pattern else [f"x/{part}" for part in above]
        if any(fnmatch.fnmatchcase(name, pattern.replace("**/", "*/")) for name in names):
            ignored = not line.startswith("!")
    return not ignored


@pytest.mark.parametrize("kind", KINDS)
def test_the_image_is_built_from_named_versions(kind: str) -> None:
    (base,) = [one for one in instructions(kind) if one.word == "ARG"]
    name, _, image = base.text.partition("=")

    assert name == "BASE"
    assert re.fullmatch(r"python:3\.1[1-9]-slim-[a-z]+", image)
    assert [one.arguments[0] for one in instructions(kind) if one.word == "FROM"] == ["${BASE}", "${BASE}"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_fetched_but_hashed_requirements(kind: str) -> None:
    found = instructions(kind)
    commands = [part for one in found if one.word == "RUN" for part in one.text.split("&&")]
    installs = [part for part in commands if "pip install" in part]

    assert len(installs) == 3
    assert [
        part for part in installs if "--require-hashes" not in part and not part.rstrip().endswith("--no-deps .")
    ] == []
    for part in installs:
        for name in re.findall(r"requirements/\S+", part):
            assert "--hash=sha256:" in (ROOT / name).read_text(encoding="utf-8")
    assert [one for one in found if one.word == "ADD"] == []
    assert re.findall(r"https?://|curl|wget|apt-get|index-url", "\n".join(one.text for one in found)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_copied_exists_and_reaches_the_builder(kind: str) -> None:
    copied = [one for one in instructions(kind) if one.word == "COPY" and not one.text.startswith("--from")]
    sources = [source for one in copied for source in one.arguments[:-1]]

    assert f"requirements/{kind}.txt" in sources
    for source in sources:
        assert (ROOT / source).exists()
        inside = [path for path in (ROOT / source).rglob("*.py") if (ROOT / source).is_dir()][:1]
        assert all(reaches_the_builder(path.relative_to(ROOT).as_posix()) for path in inside or [ROOT / source])


def test_nothing_else_reaches_the_builder() -> None:
    for path in ("docker/secrets/ca.key", ".git/config", "xaisvc/__pycache__/cli.pyc", "tests/conftest.py", ".venv/x"):
        assert not reaches_the_builder(path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_process_is_no_root_and_gets_its_signals(kind: str) -> None:
    stage = last_stage(kind)
    words = [one.word for one in stage]

    assert [one.text for one in stage if one.word == "USER"] == [f"{USER}:{USER}"]
    assert words.index("USER") > max(index for index, word in enumerate(words) if word == "COPY")
    assert "RUN" not in words  # so that the stage holds what was built, and nothing that was made on the way
    assert json.loads(last(kind, "ENTRYPOINT").text) == ["xaisvc"]
    assert json.loads(last(kind, "CMD").text) == ["serve"]
    assert last(kind, "STOPSIGNAL").text == "SIGTERM"
    assert json.loads(last(kind, "HEALTHCHECK").text.partition("CMD")[2]) == ["xaisvc", "health"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_process_writes_has_a_place_that_is_its_own(kind: str) -> None:
    environment = image_environment(kind)
    own = [
        one.arguments[-1] for one in last_stage(kind) if one.word == "COPY" and f"--chown={USER}:{USER}" in one.options
    ]

    assert sorted(own) == ["/data", "/var/cache/xaisvc"]
    assert environment["XAISVC_DATA_DIR"] == "/data"
    for name in ("NUMBA_CACHE_DIR", "XAISVC_CACHE_DIR", "MPLCONFIGDIR"):
        assert Path(environment[name]).is_relative_to("/var/cache/xaisvc")
    built = [one.variables for one in instructions(kind) if one.word == "ENV" and "NUMBA_CACHE_DIR" in one.text]
    assert {one["NUMBA_CACHE_DIR"] for one in built} == {environment["NUMBA_CACHE_DIR"]}


@pytest.mark.parametrize("kind", KINDS)
def test_settings_of_the_image_exist_and_none_is_secret(kind: str) -> None:
    known = {PREFIX + one.name.upper() for one in fields(Settings)} | {"XAISVC_CACHE_DIR"}
    names = set(image_environment(kind))

    assert {name for name in names if name.startswith(PREFIX)} <= known
    assert [name for name in names if re.search("PASSWORD|SECRET|TOKEN|KEY", name)] == []


def test_the_two_images_differ_in_what_a_gpu_needs() -> None:
    both = [
        {(one.word, one.text.replace(f"requirements/{kind}.txt", "X")) for one in instructions(kind)} for kind in KINDS
    ]

    assert {word for word, _ in both[0] ^ both[1]} == {"ENV"}
    extra = image_environment("gpu").items() - image_environment("cpu").items()
    assert dict(extra) == {
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "NVIDIA_VISIBLE_DEVICES": "all",
        "XAISVC_DEVICE": "cuda",
    }


def test_hadolint_has_nothing_to_say() -> None:
    beside = Path(sys.executable).parent / "hadolint"
    program = shutil.which("hadolint") or (beside if beside.exists() else None)
    if program is None:
        pytest.skip("no hadolint on this machine")
    files = [DOCKER / f"Dockerfile.{kind}" for kind in KINDS]
    done = subprocess.run([program, "--no-color", *files], capture_output=True, text=True, check=False)  # noqa: S603  own words

    assert (done.stdout, done.returncode) == ("", 0)


def test_every_container_is_shut_in() -> None:
    for service in compose()["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert isinstance(service["command"], list)  # no shell, so that signals reach the program
        assert service["mem_limit"]
        assert not service.get("privileged")
        assert not service["image"].endswith(":latest")
        assert ":" in service["image"]
    assert compose()["networks"]["cache"] == {"internal": True}
    assert "ports" not in compose()["services"]["redis"]
    assert compose()["services"]["redis"]["user"] == "10002:10002"


def test_compose_names_what_exists() -> None:
    found = compose()
    service = found["services"]["xaisvc"]
    known = {PREFIX + one.name.upper() for one in fields(Settings)} | {"XAISVC_CONFIG"}
    kept = {mount["source"] for mount in service["volumes"] if mount["type"] == "volume"}
    places = {mount["target"] for mount in service["volumes"]}

    assert set(service["environment"]) <= known
    assert places == {"/models", "/data", "/var/cache/xaisvc"}
    assert next(mount for mount in service["volumes"] if mount["target"] == "/models")["read_only"] is True
    assert kept == set(found["volumes"])
    for one in found["services"].values():
        mounted = {f"/run/secrets/{name}" for name in one["secrets"]}
        named = re.findall(r"/run/secrets/[\w.]+", json.dumps([one["command"], one.get("environment")]))
        assert set(named) == mounted
        assert set(one["networks"]) <= set(found["networks"])
    for name in ("compose.yaml", "compose.gpu.yaml"):
        assert (ROOT / compose(name)["services"]["xaisvc"]["build"]["dockerfile"]).is_file()


def test_no_file_names_a_package_index_or_holds_a_secret() -> None:
    for path in DOCKER.rglob("*"):
        if path.is_file() and "secrets" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert (
                re.findall(r"://[\w.]*(?:pypi|npm|debian|python)[\w.]*|BEGIN \w* ?PRIVATE|xai_[0-9a-f]{16}_", text)
                == []
            )


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


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


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
    port = free_port()
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

    redis_port = free_port()
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
