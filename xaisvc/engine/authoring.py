"""Makes and checks bundles: what stands behind `create_bundle` and `xaisvc bundle init|check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xaisvc.bundles import (
    ModelLimits,
    check_bundle,
    check_model,
    draft_description,
    load_bundle,
    read_data,
    write_bundle,
)
from xaisvc.engine.explainer import Explainer
from xaisvc.errors import BundleError
from xaisvc.graphs import check_trees, list_outputs
from xaisvc.runtimes import OrtRuntime

if TYPE_CHECKING:
    import pandas as pd

    from xaisvc.bundles import Bundle, CheckReport
    from xaisvc.types import Device, Runtime


MOST_MODEL_BYTES = ModelLimits().size_bytes


def create_bundle(  # noqa: PLR0913 - the public interface: everything a bundle can be made from, all by name
    *,
    model: str | Path | bytes,
    background: pd.DataFrame | str | Path,
    path: str | Path,
    name: str | None = None,
    reference: pd.DataFrame | str | Path | None = None,
    protected: pd.DataFrame | str | Path | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Writes a complete, editable bundle: types, categories, ranges and missing values from the graph and the data.

    Args:
        model: The ONNX file, or its bytes.
        background: Rows that stand in for absent features: a DataFrame, or a CSV or parquet file.
        path: Folder to write.
        name: Name of the bundle; the folder's name by default.
        reference: Rows with a column `prediction:<output id>` per output, to compare the graph with.
        protected: Attributes that the model is not given, one column each, for the rows of the background in the same
            order, so that features which stand in for them can be found.
        overwrite: Replace a bundle that is there.

    Returns:
        The bundle, loaded again from what was written.

    Raises:
        UnsafeModelError: If the ONNX file breaks a safety rule.
        BundleError: If graph and data do not fit each other, or the folder is taken.
    """
    content = model if isinstance(model, bytes) else _read_model(Path(model))
    check_model(content)
    check_trees(content)
    frame = read_data(background) if isinstance(background, str | Path) else background
    loaded = OrtRuntime().load(content, device="cpu")
    folder = Path(path)
    description = draft_description(
        name=name or _name_of(folder),
        inputs=loaded.inputs,
        outputs=list_outputs(content),
        background=frame,
        model=content,
    )
    rows = read_data(reference) if isinstance(reference, str | Path) else reference
    attributes = read_data(protected) if isinstance(protected, str | Path) else protected
    write_bundle(
        folder,
        description=description,
        model=content,
        background=frame,
        reference=rows,
        protected=attributes,
        overwrite=overwrite,
    )
    return load_bundle(folder)


def check_bundle_folder(
    path: str | Path, *, device: Device = "cpu", runtime: Runtime | None = None
) -> tuple[Bundle, CheckReport]:
    """Loads a bundle, runs it on its background and reference rows, and reports what was found.

    Raises:
        BundleError: If it cannot be loaded at all.
    """
    explainer = Explainer(path, device, runtime=runtime)
    inputs = (runtime or OrtRuntime()).load(explainer.bundle.model, device=device).inputs
    return explainer.bundle, check_bundle(explainer.bundle, inputs=inputs, score=explainer.predict)


def _read_model(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise BundleError("this is no regular file; check the path", file=str(path))
        if path.exists() and path.stat().st_size > MOST_MODEL_BYTES:
            raise BundleError(f"the file is larger than the {MOST_MODEL_BYTES:,} bytes allowed", file=str(path))
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read the model: {error.strerror or 'not readable'}", file=str(path)) from error


def _name_of(folder: Path) -> str:
    text = "".join(c if c.isalnum() and c.isascii() else "-" for c in folder.resolve().name.lower()).strip("-")
    return text or "model"
