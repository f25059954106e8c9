"""Checks that every input of the graph gets its features, in an element type that can hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.bundles.encode import misfit
from xaisvc.bundles.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xaisvc.types.runtime import TensorInfo
    from xaisvc.types.schema import BundleDescription

_MATRIX_DIMENSIONS = 2


def check_inputs(description: BundleDescription, inputs: Sequence[TensorInfo]) -> list[Finding]:
    """Compares the schema with the inputs of the graph."""
    findings = [Finding("error", "inputs", message) for message in _problems(description, inputs)]
    if findings:
        return findings
    names = "1 input" if len(inputs) == 1 else f"{len(inputs)} inputs"
    features = "1 feature enters" if len(description.features) == 1 else f"{len(description.features)} features enter"
    return [Finding("ok", "inputs", f"{features} {names} of the graph")]


def _problems(description: BundleDescription, inputs: Sequence[TensorInfo]) -> Iterator[str]:
    tensors = {tensor.name: tensor for tensor in inputs}
    for feature in description.features:
        tensor = tensors.get(feature.source.tensor)
        if tensor is None:
            yield (
                f"feature '{feature.id}' enters tensor '{feature.source.tensor}', which is no input of the graph; "
                f"inputs: {', '.join(tensors)}"
            )
            continue
        reason = misfit(feature, tensor.element)
        if reason:
            yield f"feature '{feature.id}': {reason}"
    for tensor in inputs:
        yield from _columns(description, tensor)


def _columns(description: BundleDescription, tensor: TensorInfo) -> Iterator[str]:
    if len(tensor.shape) not in {1, _MATRIX_DIMENSIONS}:
        yield f"input '{tensor.name}' has {len(tensor.shape)} dimensions; a tabular model reads (n, columns) or (n,)"
        return
    columns = {f.source.column: f.id for f in description.features if f.source.tensor == tensor.name}
    if not columns:
        yield f"no feature enters input '{tensor.name}'; add one with 'tensor: {tensor.name}'"
        return
    declared = tensor.shape[1] if len(tensor.shape) == _MATRIX_DIMENSIONS else 1
    width = declared or max(columns) + 1
    for column in range(width):
        if column not in columns:
            yield f"no feature enters column {column} of input '{tensor.name}'; add one with 'column: {column}'"
    for column, feature in columns.items():
        if column >= width:
            yield f"feature '{feature}' names column {column}, but input '{tensor.name}' has {width} columns"
