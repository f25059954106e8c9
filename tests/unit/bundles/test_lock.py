"""A locked bundle is loaded only with the bytes that it was locked with."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.bundles import load_bundle, lock_bundle
from xaisvc.bundles.lock import LOCK, check_lock, parse_lock
from xaisvc.demo.cases import BUNDLES
from xaisvc.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "card-fraud"  # the one with every kind of file but labels and protected attributes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(BUNDLES / NAME, tmp_path / NAME)
    (tmp_path / NAME / LOCK).unlink(missing_ok=True)
    return tmp_path / NAME


@pytest.fixture
def locked(folder: Path) -> Path:
    (folder / "labels").mkdir()
    (folder / "labels" / "fr.yaml").write_text("{}\n")
    lock_bundle(folder)
    return folder


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one bit flipped."""
    place = int(rng.integers(len(content)))
    return content[:place] + bytes([content[place] ^ 1 << int(rng.integers(8))]) + content[place + 1 :]


def test_the_lock_holds_every_file_and_sha256sum_agrees(locked: Path) -> None:
    names = sorted(str(path.relative_to(locked)) for path in locked.rglob("*") if path.is_file())
    assert sorted([*parse_lock((locked / LOCK).read_bytes()), LOCK]) == names
    assert "labels/fr.yaml" in names

    sums = shutil.which("sha256sum")
    if sums is not None:
        subprocess.run([sums, "--check", "--strict", "--quiet", LOCK], cwd=locked, check=True)  # noqa: S603 - a fixed command


def test_a_locked_bundle_is_the_same_bundle(folder: Path) -> None:
    before = load_bundle(folder)
    lock_bundle(folder)
    after = load_bundle(folder)

    assert (after.digests, after.files) == (before.digests, before.files)


def test_no_flipped_bit_of_any_file_goes_unnoticed(locked: Path) -> None:
    rng = np.random.default_rng(1)
    for path in sorted(path for path in locked.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for _ in range(20):
            path.write_bytes(flipped(whole, rng))
            with pytest.raises(BundleError) as refused:
                load_bundle(locked)
            name = str(path.relative_to(locked))
            if name != LOCK:  # a damaged lock can accuse the file that it no longer fits
                assert refused.value.file == name
                assert str(refused.value) == (
                    f"{name}: the file has other bytes than when the bundle was locked (SHA256SUMS): it was damaged or "
                    "changed since; put the locked file back, or if the change is meant, lock the bundle again: "
                    "xaisvc bundle lock"
                )
        path.write_bytes(whole)
    load_bundle(locked)


def test_without_a_lock_such_damage_can_go_unnoticed(folder: Path) -> None:
    """What the lock is for: a threshold of a tree that another one has taken the place of."""
    (folder / "bands.yaml").unlink()  # it names the model that it was counted with
    content = (folder / "model.onnx").read_bytes()
    rng = np.random.default_rng(1)
    loaded = 0
    for _ in range(60):
        (folder / "model.onnx").write_bytes(flipped(content, rng))
        try:
            loaded += load_bundle(folder).model != content
        except BundleError:
            continue

    assert loaded > 0


def test_a_file_that_came_or_went_is_noticed(locked: Path) -> None:
    (locked / "labels" / "nl.yaml").write_text("{}\n")
    with pytest.raises(BundleError, match=r"^labels/nl.yaml: the file is in the bundle and not in SHA256SUMS"):
        load_bundle(locked)
    (locked / "labels" / "nl.yaml").unlink()
    (locked / "bands.yaml").unlink()
    with pytest.raises(BundleError, match=r"^bands.yaml: the file is in SHA256SUMS and not in the bundle; put it back"):
        load_bundle(locked)


def test_a_meant_change_is_locked_again(locked: Path) -> None:
    manifest = locked / "bundle.yaml"
    manifest.write_text(manifest.read_text() + "# a comment\n")
    with pytest.raises(BundleError, match=r"^bundle.yaml: the file has other bytes"):
        load_bundle(locked)

    lock_bundle(locked)

    load_bundle(locked)
    assert [path.name for path in locked.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("abc  model.onnx\n", r"^SHA256SUMS:1: this is no line of digest, two spaces and file name"),
        (2 * ("0" * 64 + "  model.onnx\n"), r"^SHA256SUMS:2: the file 'model.onnx' stands twice"),
    ],
)
def test_a_lock_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        parse_lock(text.encode())


def test_an_empty_lock_covers_nothing(folder: Path) -> None:
    with pytest.raises(BundleError, match="is in the bundle and not in SHA256SUMS"):
        check_lock(parse_lock(b""), load_bundle(folder).files)


def test_a_bundle_that_cannot_be_loaded_is_not_locked(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"nothing")

    with pytest.raises(BundleError):
        lock_bundle(folder)

    assert not (folder / LOCK).exists()
