"""A loaded bundle: everything a service needs of one model, read once and pinned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.bundles.files import PinnedFile
    from xaisvc.types.outcomes import ClosedCases, OutcomeBands
    from xaisvc.types.record import Digests
    from xaisvc.types.schema import BundleDescription
    from xaisvc.types.table import Column, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Rows with the predictions that the original model gave for them.

    Attributes:
        rows: n rows of raw features.
        predictions: Output id to the expected prediction in the unit of the output tensor; float64, (n,).
    """

    rows: Table
    predictions: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One model with its description and its background.

    Attributes:
        path: Folder that the bundle was read from.
        description: What `bundle.yaml` and `labels/` say.
        model: Content of `model.onnx`; sessions are built from these bytes, never from the file again.
        background: The rows that stand in for absent features.
        reference: Expected predictions; None if the bundle brings none.
        protected: Name to values of attributes that the model is not given, for the rows of the background, so that
            proxies of them can be found: texts with None for unknown, or numbers with NaN; (b,).
        cases: Closed cases of both outcomes, to compare a new one with; None if the bundle brings none.
        bands: Output id to what became of past cases, band by band.
        digests: SHA-256 of model, background and schema; protected attributes, closed cases and outcomes of bands count
            as parts of the schema.
        files: The files as they were when they were read, for `check_unchanged`. The reference is not among them,
            because no answer depends on it.
    """

    path: Path
    description: BundleDescription
    model: bytes
    background: Table
    reference: Reference | None
    digests: Digests
    files: tuple[PinnedFile, ...]
    protected: Mapping[str, Column] = field(default_factory=dict)
    cases: ClosedCases | None = None
    bands: Mapping[str, OutcomeBands] = field(default_factory=dict)
