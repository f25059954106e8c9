"""The container images, read without a container engine."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tests.packaging.containers import (
    DOCKER,
    KINDS,
    ROOT,
    USER,
    image_environment,
    instructions,
    last,
    last_stage,
)
from xaisvc.config import PREFIX, Settings


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


def test_no_file_names_a_package_index_or_holds_a_secret() -> None:
    for path in DOCKER.rglob("*"):
        if path.is_file() and "secrets" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert (
                re.findall(r"://[\w.]*(?:pypi|npm|debian|python)[\w.]*|BEGIN \w* ?PRIVATE|xai_[0-9a-f]{16}_", text)
                == []
            )
