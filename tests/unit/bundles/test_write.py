"""Writing a bundle: whole or not at all, and never over something else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from xaisvc.bundles import Reference, load_bundle, write_bundle
from xaisvc.errors import BundleError, UnsafeModelError

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.types import BundleDescription


def test_what_is_written_is_loaded_again(folder: Path, tmp_path: Path) -> None:
    bundle = load_bundle(folder)
    reference = Reference(rows=bundle.background, predictions={"default_risk": np.linspace(0, 1, 5)})

    path = write_bundle(
        tmp_path / "new" / "copy",
        description=bundle.description,
        model=bundle.model,
        background=bundle.background,
        reference=reference,
    )
    copy = load_bundle(path)

    assert path == tmp_path / "new" / "copy"
    assert copy.description == bundle.description
    assert copy.digests.model == bundle.digests.model
    assert copy.background.row_digests() == bundle.background.row_digests()
    assert copy.reference is not None
    assert copy.reference.predictions["default_risk"].tolist() == reference.predictions["default_risk"].tolist()
    assert sorted(entry.name for entry in (tmp_path / "new").iterdir()) == ["copy"]  # nothing is left behind


def test_the_same_bundle_is_written_as_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    bundle = load_bundle(folder)
    parts = {"description": bundle.description, "model": bundle.model, "background": bundle.background}

    digests = {load_bundle(write_bundle(tmp_path / name, **parts)).digests for name in ("a", "b")}

    assert len(digests) == 1


def test_a_frame_with_predictions_is_a_reference(folder: Path, tmp_path: Path) -> None:
    bundle = load_bundle(folder)
    frame = pd.DataFrame({name: list(values) for name, values in bundle.background.columns.items()})
    frame["since"] = pd.to_datetime(frame["since"], unit="D")

    write_bundle(
        tmp_path / "b",
        description=bundle.description,
        model=bundle.model,
        background=frame,
        reference=frame.assign(**{"prediction:default_risk": 0.5}),
    )
    written = load_bundle(tmp_path / "b")

    assert written.reference is not None
    assert written.reference.predictions["default_risk"].tolist() == [0.5] * 5
    with pytest.raises(BundleError, match="reference: there is no column with expected predictions"):
        write_bundle(
            tmp_path / "c", description=bundle.description, model=bundle.model, background=frame, reference=frame
        )


def test_a_bundle_is_replaced_on_purpose_only(folder: Path) -> None:
    bundle = load_bundle(folder)
    parts = {"description": replace(bundle.description, version="2"), "model": bundle.model}

    with pytest.raises(
        BundleError, match=r"there is a bundle at '.*loans' already; choose another folder, or overwrite"
    ):
        write_bundle(folder, background=bundle.background, **parts)
    write_bundle(folder, background=bundle.background, overwrite=True, **parts)

    assert load_bundle(folder).description.version == "2"
    assert sorted(entry.name for entry in folder.iterdir()) == ["background.parquet", "bundle.yaml", "model.onnx"]
    assert [entry.name for entry in folder.parent.iterdir()] == ["loans"]


def test_a_folder_that_is_no_bundle_is_never_touched(folder: Path, tmp_path: Path) -> None:
    bundle = load_bundle(folder)
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").touch()
    link = tmp_path / "link"
    link.symlink_to(folder)

    for target in (other, other / "cat.jpg", link):
        with pytest.raises(BundleError, match="is there and is no bundle; choose another folder"):
            write_bundle(
                target,
                description=bundle.description,
                model=bundle.model,
                background=bundle.background,
                overwrite=True,
            )
    assert [entry.name for entry in other.iterdir()] == ["cat.jpg"]


def test_an_empty_folder_is_filled(folder: Path, tmp_path: Path) -> None:
    bundle = load_bundle(folder)
    (tmp_path / "empty").mkdir()

    write_bundle(tmp_path / "empty", description=bundle.description, model=bundle.model, background=bundle.background)

    assert load_bundle(tmp_path / "empty").description == bundle.description


def test_nothing_is_written_if_a_part_is_wrong(folder: Path, tmp_path: Path, description: BundleDescription) -> None:
    bundle = load_bundle(folder)
    target = tmp_path / "b"

    with pytest.raises(BundleError, match=r"bundle.yaml:5: name: 'No Name' is not allowed"):
        write_bundle(
            target,
            description=replace(description, name="No Name"),
            model=bundle.model,
            background=bundle.background,
        )
    with pytest.raises(UnsafeModelError):
        write_bundle(target, description=description, model=b"x", background=bundle.background)
    with pytest.raises(BundleError, match=r"background: row\[0\].age: must be a whole number"):
        write_bundle(
            target,
            description=description,
            model=bundle.model,
            background=pd.DataFrame([{"age": "x", "member": 1, "since": "2020-01-01"}]),
        )
    assert not target.exists()


def test_a_folder_that_cannot_be_made_says_so(folder: Path) -> None:
    bundle = load_bundle(folder)

    with pytest.raises(BundleError, match=r"the bundle cannot be written to .* \((not a directory|file exists)\)"):
        write_bundle(
            folder / "model.onnx" / "b",
            description=bundle.description,
            model=bundle.model,
            background=bundle.background,
        )
