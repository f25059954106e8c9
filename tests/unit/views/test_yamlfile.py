from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xaisvc.errors import AudienceError
from xaisvc.views.yamlfile import read_yaml

if TYPE_CHECKING:
    from pathlib import Path


def _write(folder: Path, text: str) -> Path:
    path = folder / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_keep_their_types_and_lines(tmp_path: Path) -> None:
    file = read_yaml(_write(tmp_path, "a: 1\nb:\n  c: [x, 2.5]\n  d: true\n"), tmp_path)

    assert file.content == {"a": 1, "b": {"c": ["x", 2.5], "d": True}}
    assert tuple(file.lines[path] for path in ("a", "b.c.1", "b.d")) == (1, 3, 4)


def test_an_error_names_file_line_and_field(tmp_path: Path) -> None:
    file = read_yaml(_write(tmp_path, "a:\n  b:\n    c: 1\n"), tmp_path)

    assert str(file.error("a.b.c", "is odd")) == "some.yaml:3: a.b.c: is odd"
    assert str(file.error("a.b.x", "is odd")) == "some.yaml:2: a.b.x: is odd"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: 1\na: 2\n", "some.yaml:2: a: 'a' is written twice"),
        ("a: [1\n", r"some.yaml:\d: is not valid YAML"),
        ("- 1\n", "some.yaml:1: must hold a mapping"),
        ("", "some.yaml:1: must hold a mapping"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(AudienceError, match=match):
        read_yaml(_write(tmp_path, text), tmp_path)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudienceError, match=r"absent.yaml: the file is missing"):
        read_yaml(tmp_path / "absent.yaml", tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(AudienceError, match=r"latin.yaml: cannot be read as UTF-8"):
        read_yaml(tmp_path / "latin.yaml", tmp_path)


@pytest.mark.parametrize("value", ["!!python/object/apply:os.getcwd []", "!!python/name:os.getcwd ''", "!!binary YQ=="])
def test_no_object_is_built_from_a_tag(tmp_path: Path, value: str) -> None:
    with pytest.raises(AudienceError, match=r"some.yaml:2: b: holds a tag or a kind of value"):
        read_yaml(_write(tmp_path, f"a: 1\nb: {value}\n"), tmp_path)


def test_a_date_is_the_text_that_it_is_written_as(tmp_path: Path) -> None:
    assert read_yaml(_write(tmp_path, "a: 2026-11-22"), tmp_path).content == {"a": "2026-11-22"}
