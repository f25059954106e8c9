"""Loading a folder: what is pinned, what is refused, and how a change is noticed."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from xaisvc.bundles import Bundle, BundleWatch, ModelLimits, check_unchanged, load_bundle
from xaisvc.errors import BundleChangedError, BundleError, UnsafeModelError

if TYPE_CHECKING:
    from pathlib import Path


def _refused(folder: Path, words: str) -> BundleError:
    with pytest.raises(BundleError, match=words) as caught:
        load_bundle(folder)
    return caught.value


def test_a_bundle_is_read_whole(folder: Path, model: bytes) -> None:
    bundle = load_bundle(str(folder))

    assert isinstance(bundle, Bundle)
    assert bundle.path == folder
    assert bundle.description.name == "loans"
    assert bundle.model == model
    assert bundle.reference is None
    assert len(bundle.background) == 5
    assert bundle.background.columns["job"].tolist() == ["clerk", "01", None, "3", "true"]
    assert bundle.background.columns["member"].tolist() == [1.0, 0.0, 1.0, 0.0, 1.0]
    np.testing.assert_array_equal(bundle.background.columns["income"], [1500.5, np.nan, 900.0, 3100.0, 2500.0])
    assert bundle.background.columns["since"][0] == 18292.0  # 2020-01-31


def test_digests_are_those_of_the_files(folder: Path) -> None:
    digests = load_bundle(folder).digests

    for name, digest in (("model.onnx", digests.model), ("background.csv", digests.background)):
        assert digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    manifest = hashlib.sha256((folder / "bundle.yaml").read_bytes()).hexdigest()
    assert digests.schema == hashlib.sha256(f"{manifest} bundle.yaml\n".encode()).hexdigest()


def test_label_files_are_part_of_the_schema(folder: Path) -> None:
    before = load_bundle(folder).digests.schema
    (folder / "labels").mkdir()
    (folder / "labels" / "nl.yaml").write_text("features: {age: Leeftijd}\n")

    bundle = load_bundle(folder)

    assert bundle.description.feature("age").label("nl") == "Leeftijd"
    assert bundle.digests.schema != before


def test_parquet_and_csv_give_the_same_rows(folder: Path) -> None:
    from_csv = load_bundle(folder).background
    frame = pd.DataFrame({name: list(values) for name, values in from_csv.columns.items()})
    frame["since"] = pd.to_datetime(frame["since"], unit="D")
    frame["member"] = frame["member"].astype(bool)
    (folder / "background.csv").unlink()
    frame.to_parquet(folder / "background.parquet")

    assert load_bundle(folder).background.row_digests() == from_csv.row_digests()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bundle.yaml", "bundle.yaml: the file is missing; write it, or let `xaisvc bundle init` make a draft"),
        ("model.onnx", "model.onnx: the file is missing; copy the ONNX file into the bundle under this name"),
        (
            "background.csv",
            "background.parquet: the file is missing; add background.parquet or background.csv with 100",
        ),
    ],
)
def test_a_missing_file_is_named_with_its_remedy(folder: Path, name: str, words: str) -> None:
    (folder / name).unlink()

    _refused(folder, words)


def test_a_missing_folder_and_a_file_are_told_apart(folder: Path) -> None:
    _refused(folder / "no", "there is no bundle folder at")
    _refused(folder / "bundle.yaml", "is a file; a bundle is a folder that holds bundle.yaml and model.onnx")


@pytest.mark.parametrize("name", ["bundle.yaml", "model.onnx", "background.csv"])
def test_links_are_refused(folder: Path, name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    assert _refused(folder, "symbolic links are refused; put the file itself into the bundle").file == name

    (folder / name).unlink()
    os.link(outside, folder / name)
    assert _refused(folder, "has 2 hard links, so it could change from outside the bundle; copy it").file == name


def test_links_are_refused_among_labels(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "nl.yaml").write_text("features: {}\n")
    (folder / "labels").symlink_to(tmp_path / "elsewhere")
    _refused(folder, "labels: this must be a plain folder")

    (folder / "labels").unlink()
    (folder / "labels").mkdir()
    (folder / "labels" / "nl.yaml").symlink_to(tmp_path / "elsewhere" / "nl.yaml")
    _refused(folder, "labels/nl.yaml: symbolic links are refused")


def test_a_pipe_is_refused_and_does_not_hang(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")

    _refused(folder, "model.onnx: this is not a plain file")


def test_a_folder_in_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()

    _refused(folder, "model.onnx: this is not a plain file")


def test_a_file_in_labels_with_another_name_is_refused(folder: Path) -> None:
    (folder / "labels").mkdir()
    (folder / "labels" / "Dutch.txt").write_text("")

    _refused(folder, "labels/Dutch.txt: files here are named after a language tag, for example nl.yaml")


def test_a_large_model_is_not_even_read(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"model.onnx: the file has [0-9,]+ bytes; at most 10 bytes are read"):
        load_bundle(folder, limits=ModelLimits(size_bytes=10))


def test_a_hostile_model_is_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"not a model")

    with pytest.raises(UnsafeModelError, match=r"model.onnx: the file is no ONNX model"):
        load_bundle(folder)


def test_a_background_that_does_not_fit_names_row_and_field(folder: Path) -> None:
    path = folder / "background.csv"
    text = path.read_text()

    path.write_text(text.replace("41,,false", "x,,false"))
    _refused(folder, r"background.csv: row\[1\].age: must be a whole number, but is text")
    path.write_text(text.replace("clerk", "clerc"))
    _refused(folder, r"background.csv: row\[0\].job: is not one of the categories 'clerk', '01', 'true', '3'")
    path.write_text(text.replace("age,", "agee,"))
    _refused(folder, "background.csv: agee: is no feature of bundle 'loans'; did you mean 'age'")
    path.write_text(text.splitlines()[0] + "\n")
    _refused(folder, "background.csv: rows: holds no rows")
    path.write_bytes(b"\xff\xfe\x00")
    _refused(folder, "background.csv: the file is not UTF-8")
    path.write_text("")
    _refused(folder, "background.csv: the file is empty; it needs a header line")
    path.unlink()
    (folder / "background.parquet").write_bytes(b"PAR1")
    _refused(folder, "background.parquet: the file is no parquet table or is damaged")


def test_two_backgrounds_are_one_too_many(folder: Path) -> None:
    (folder / "background.parquet").write_bytes(b"PAR1")

    _refused(folder, "background.parquet and background.csv are both there; remove one")


def test_a_reference_is_read_with_its_predictions(folder: Path) -> None:
    lines = (folder / "background.csv").read_text().splitlines()
    text = "\n".join([lines[0] + ",prediction:default_risk", *(f"{line},0.{i}" for i, line in enumerate(lines[1:]))])
    (folder / "reference.csv").write_text(text)

    reference = load_bundle(folder).reference

    assert reference is not None
    assert reference.predictions["default_risk"].tolist() == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert reference.rows.row_digests() == load_bundle(folder).background.row_digests()

    (folder / "reference.csv").write_text(text.replace("default_risk", "risk"))
    _refused(folder, "reference.csv: prediction:risk: column 'prediction:risk' names no output; outputs: default_risk")
    (folder / "reference.csv").write_text("\n".join(lines))
    _refused(folder, "reference.csv: there is no column with expected predictions; add 'prediction:default_risk'")
    (folder / "reference.csv").write_text(text.replace("0.1", ""))
    _refused(folder, "reference.csv: prediction:default_risk: every expected prediction must be a finite number")


def test_an_untouched_bundle_is_unchanged(folder: Path) -> None:
    bundle = load_bundle(folder)

    check_unchanged(bundle)
    for name in ("bundle.yaml", "model.onnx", "background.csv"):
        os.utime(folder / name)
    check_unchanged(bundle)


@pytest.mark.parametrize("name", ["bundle.yaml", "model.onnx", "background.csv"])
def test_a_changed_file_is_noticed_and_named(folder: Path, name: str) -> None:
    bundle = load_bundle(folder)
    content = (folder / name).read_bytes()

    (folder / name).write_bytes(content + b" ")
    with pytest.raises(BundleChangedError, match=f"{name}: the file") as caught:
        check_unchanged(bundle)
    assert caught.value.file == name

    replaced = folder / "replaced"  # of the same size, renamed into place, with the old times
    replaced.write_bytes(content[:-1] + b"#")
    stat = (folder / name).stat()
    os.utime(replaced, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    replaced.rename(folder / name)
    with pytest.raises(BundleChangedError, match=f"{name}: the file has another content since the bundle was loaded"):
        check_unchanged(bundle)

    (folder / name).unlink()
    with pytest.raises(BundleChangedError, match=f"{name}: the file is gone since the bundle was loaded; put it back"):
        check_unchanged(bundle)


def test_an_added_label_file_and_a_lost_folder_are_noticed(folder: Path) -> None:
    bundle = load_bundle(folder)
    (folder / "labels").mkdir()
    (folder / "labels" / "de.yaml").write_text("features: {}\n")
    with pytest.raises(BundleChangedError, match=r"labels/de.yaml: the file was added"):
        check_unchanged(bundle)

    folder.rename(folder.parent / "moved")
    with pytest.raises(BundleChangedError):
        check_unchanged(bundle)


def test_a_watch_notices_what_changes_after_it_was_made(folder: Path) -> None:
    watch = BundleWatch(load_bundle(folder))
    watch.check()

    (folder / "labels").mkdir()
    watch.check()  # an empty folder says nothing
    (folder / "labels" / "de.yaml").write_text("features: {}\n")
    with pytest.raises(BundleChangedError, match=r"labels/de.yaml: the file was added"):
        watch.check()
    (folder / "labels" / "de.yaml").unlink()
    watch.check()
    (folder / "labels").rmdir()
    (folder / "labels").symlink_to(folder / "labels")  # leads nowhere: what lies there cannot be read
    with pytest.raises(BundleChangedError, match=r"labels: the file can no longer be read"):
        watch.check()
    (folder / "labels").unlink()
    os.utime(folder / "model.onnx")
    watch.check()
    (folder / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleChangedError, match=r"model\.onnx: the file has another content"):
        watch.check()


def test_a_loaded_bundle_keeps_its_own_bytes(folder: Path, model: bytes) -> None:
    bundle = load_bundle(folder)

    (folder / "model.onnx").write_bytes(b"x")

    assert bundle.model == model
