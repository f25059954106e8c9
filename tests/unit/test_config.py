from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import xaisvc
from xaisvc.config import Settings, load_settings
from xaisvc.errors import InvalidInputError


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "xaisvc.toml"
    path.parent.mkdir()
    path.write_text('models = ["bundles", "/opt/bundles"]\nport = 1000\nmax_rows = 7\ndata_dir = "data"\n')
    return path


def load(
    config: Path | None = None, flags: dict[str, object] | None = None, environment: dict[str, str] | None = None
) -> Settings:
    return load_settings(config, flags, environment=environment or {})


def test_without_anything_the_defaults_hold() -> None:
    assert load() == Settings()
    assert Settings().host == "127.0.0.1"


def test_flags_win_over_the_environment_over_the_file_over_defaults(settings_file: Path) -> None:
    found = load(settings_file, {"port": 3000}, {"XAISVC_PORT": "2000", "XAISVC_WORKERS": "2", "HOME": "/root"})

    assert (found.port, found.workers, found.max_rows, found.threads) == (3000, 2, 7, 1)


def test_paths_of_the_file_are_relative_to_it(settings_file: Path) -> None:
    found = load(settings_file, {"port_file": Path("port")})

    assert found.models == (settings_file.parent / "bundles", Path("/opt/bundles"))
    assert found.data_dir == settings_file.parent / "data"
    assert found.port_file == Path("port")


def test_the_environment_can_name_the_file(settings_file: Path) -> None:
    assert load(environment={"XAISVC_CONFIG": str(settings_file)}).max_rows == 7


def test_variables_of_the_library_are_no_settings_of_the_service() -> None:
    assert load_settings(environment={"XAISVC_CACHE_DIR": "/somewhere"}) == load_settings(environment={})


def test_texts_of_the_environment_become_values() -> None:
    found = load(
        environment={
            "XAISVC_MODELS": "a:b",
            "XAISVC_REFLECTION": "False",
            "XAISVC_GRACE_SECONDS": "2.5",
            "XAISVC_LOG_FORMAT": "json",
            "XAISVC_DATA_DIR": "/data",
        }
    )

    assert found == Settings(
        models=(Path("a"), Path("b")), reflection=False, grace_seconds=2.5, log_format="json", data_dir=Path("/data")
    )


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("flags", "environment", "words"),
    [
        ({"prot": 1}, {}, r"--prot: there is no such setting \(flags\); did you mean port\?"),
        ({}, {"XAISVC_MAXROWS": "1"}, r"XAISVC_MAXROWS: .* \(environment\); did you mean XAISVC_MAX_ROWS\?"),
        ({}, {"XAISVC_ZZZZ": "1"}, r"XAISVC_ZZZZ: .*; known: models, audiences_dir, host"),
        ({"port": "80"}, {}, "--port: must be a whole number"),
        ({"port": True}, {}, "--port: must be a whole number"),
        ({"port": 65536}, {}, "--port: 65536 does not fit; it must be from 0 to 65535"),
        ({"max_rows": 0}, {}, "--max-rows: 0 does not fit; it must be at least 1"),
        ({"grace_seconds": float("nan")}, {}, "--grace-seconds: nan does not fit"),
        ({"device": "tpu"}, {}, "--device: 'tpu' is not one of auto, cpu, cuda"),
        ({"models": "bundles"}, {}, "--models: must be a list of folders"),
        ({"reflection": 1}, {}, "--reflection: must be true or false"),
        ({"host": 1}, {}, "--host: must be a text"),
        ({"data_dir": ""}, {}, "--data-dir: must be a path"),
        ({}, {"XAISVC_PORT": "eighty"}, "XAISVC_PORT: 'eighty' is not a whole number"),
        ({}, {"XAISVC_REFLECTION": "maybe"}, "XAISVC_REFLECTION: 'maybe' is not true or false"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(
    flags: dict[str, object], environment: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        load(None, flags, environment)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("maxrows = 1", r"maxrows: there is no such setting \(.*xaisvc.toml\); did you mean max_rows\?"),
        ("port = ", r"xaisvc.toml: the settings file is no TOML"),
        ('port = "80"', r"xaisvc.toml: port: must be a whole number"),
        ("[serve]\nport = 80", r"serve: there is no such setting"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "xaisvc.toml"
    path.write_text(content)

    with pytest.raises(InvalidInputError, match=words):
        load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")


def test_the_table_of_the_guide_is_of_this_version() -> None:
    guide = Path(xaisvc.__file__).parent.parent / "docs" / "how-to" / "serve.md"
    if not guide.exists():
        pytest.skip("the documentation is not beside the installed package")
    written = [line for line in guide.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]

    assert [line for line in written if line in settings_rows()] == settings_rows()


def settings_rows() -> list[str]:
    """A row for each setting, as the class says it."""
    about = inspect.cleandoc(Settings.__doc__ or "").partition("Attributes:\n")[2]
    texts = {
        name: re.sub(r"\s+", " ", text).strip()
        for name, text in re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", about, re.MULTILINE | re.DOTALL)
    }
    rows = []
    for each in fields(Settings):
        value = getattr(Settings(), each.name)
        shown = "none" if not isinstance(value, bool) and value in (None, "", (), {}) else str(value)
        if isinstance(value, bool):
            shown = str(value).lower()
        rows.append(f"| `{each.name}` | {shown} | {texts[each.name]} |")
    return rows
