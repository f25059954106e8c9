"""The source archive and the wheel, built as for a release and tried in an environment with nothing else in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # installs some hundred megabytes

ROOT = Path(__file__).parents[2]


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603  own words
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> Path:
    beside = Path(sys.executable).parent / "uv"
    found = shutil.which("uv") or (beside if beside.exists() else None)
    if found is None:
        pytest.fail("uv is missing; 'make setup' brings it")
    return Path(found)


@pytest.fixture(scope="module")
def wheel(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source archive, so that the archive is known to be complete."""
    folder = tmp_path_factory.mktemp("dist")
    pins = ROOT / "requirements" / "build.txt"
    _run(uv, "build", "--build-constraints", pins, "--out-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean(uv: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the wheel and its runtime requirements."""
    folder = tmp_path_factory.mktemp("clean")
    environment = folder / "env"
    _run(uv, "venv", "--quiet", "--python", sys.executable, environment, cwd=folder)
    install = (uv, "pip", "install", "--quiet", "--python", environment / "bin" / "python")
    pins = ("--build-constraints", ROOT / "requirements" / "build.txt")
    _run(*install, *pins, "--require-hashes", "-r", ROOT / "requirements" / "cpu.txt", cwd=folder)
    _run(*install, "--no-deps", wheel, cwd=folder)
    return environment / "bin"


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_the_audiences_the_suite_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    expected = {f"xaisvc/{name}" for name in _files(ROOT / "xaisvc")}
    expected |= {f"xaisvc/_audiences/{name}" for name in _files(ROOT / "audiences")}
    expected |= {f"xaisvc/_suites/benchmarks/caveats/{name}" for name in _files(ROOT / "benchmarks" / "caveats")}
    expected.add("xaisvc/_suites/benchmarks/sections.py")
    assert names == expected


def test_the_wheel_carries_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = [name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE")]

        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_installed_library_is_the_wheel(clean: Path, tmp_path: Path) -> None:
    shown = _run(clean / "python", "-c", "import xaisvc; print(xaisvc.__version__, xaisvc.__file__)", cwd=tmp_path)

    version, file = shown.split()
    assert version == "0.1.0"
    assert Path(file).is_relative_to(clean.parent)


def test_every_public_name_loads_from_the_wheel(clean: Path, tmp_path: Path) -> None:
    _run(clean / "python", "-c", "import xaisvc; [getattr(xaisvc, name) for name in xaisvc.__all__]", cwd=tmp_path)


def test_the_command_line_answers(clean: Path, tmp_path: Path) -> None:
    assert "serve" in _run(clean / "xaisvc", "--help", cwd=tmp_path)


def test_the_wheel_carries_the_suite_of_caveats(clean: Path, tmp_path: Path) -> None:
    shown = _run(clean / "xaisvc", "bench", "caveats", "--only", "units", "--seeds", "1", cwd=tmp_path)

    assert "units: slips seen in 16 rows" in shown


def test_requirements_are_met(uv: Path, clean: Path, tmp_path: Path) -> None:
    _run(uv, "pip", "check", "--python", clean / "python", cwd=tmp_path)


def test_the_demo_runs_with_the_runtime_requirements_alone(clean: Path, tmp_path: Path) -> None:
    _run(clean / "xaisvc", "demo", "--out", tmp_path / "demo", cwd=tmp_path)

    assert (tmp_path / "demo" / "index.html").is_file()
