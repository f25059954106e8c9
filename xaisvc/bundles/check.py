"""Checks whether graph, schema, background and reference of a bundle fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from xaisvc.bundles.check_data import check_background
from xaisvc.bundles.check_description import check_description
from xaisvc.bundles.check_inputs import check_inputs
from xaisvc.bundles.check_outcomes import check_outcomes
from xaisvc.bundles.drift import compare
from xaisvc.bundles.findings import CheckReport, Finding
from xaisvc.bundles.graph_walk import walk
from xaisvc.errors import ModelOutputError, XaisvcError
from xaisvc.types.schema import SelectionRule, Space
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.bundles.bundle import Bundle
    from xaisvc.types.runtime import TensorInfo
    from xaisvc.types.schema import Output
    from xaisvc.types.table import Column

# Batches of another size may change float32 answers in the last bits (measured: up to 1.8e-7 of a probability).
BATCH_TOLERANCE = 1e-6
_ALONE_ROWS = 5
_PROBED_ROWS = 200
_PROBABILITY_SLACK = 1e-6


class Score(Protocol):
    """Scores rows: the prediction of one output in the unit of its tensor; float64, (n,)."""

    def __call__(self, rows: Table, output_id: str, /) -> NDArray[np.float64]:
        """Scores n rows."""
        ...


def check_bundle(bundle: Bundle, *, inputs: Sequence[TensorInfo], score: Score) -> CheckReport:
    """Checks a loaded bundle by running it on its own rows.

    Args:
        bundle: The bundle.
        inputs: Inputs of its graph.
        score: Scores rows with its graph.

    Returns:
        What was found; nothing is raised for a bundle that is wrong.
    """
    findings = check_description(bundle.description)
    findings += check_inputs(bundle.description, inputs)
    findings += check_background(bundle)
    findings += check_outcomes(bundle)
    if any(finding.level == "error" for finding in findings):
        findings.append(
            Finding("error", "outputs", "not checked, because the rows do not fit the graph; mend that first")
        )
        return CheckReport(tuple(findings))
    for output in bundle.description.outputs:
        findings += _output(bundle, output, score)
    return CheckReport(tuple(findings))


def _output(bundle: Bundle, output: Output, score: Score) -> list[Finding]:
    name = f"output '{output.id}'"
    try:
        scores = score(bundle.background, output.id)
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores)).sum())
            return [Finding("error", name, f"{bad} of {len(scores)} background rows score NaN or infinity")]
        findings = [
            *_values(bundle, output, scores, name),
            *_repeatable(bundle.background, output, scores, score, name),
        ]
        findings += _without_effect(bundle.background, output, scores, score, name)
        findings += _reference(bundle, output, score)
    except XaisvcError as error:
        if isinstance(error, ModelOutputError) and error.whatever_rows:
            return [Finding("error", name, str(error))]
        return [Finding("error", name, f"the graph does not score the background: {error}")]
    return findings


def _values(bundle: Bundle, output: Output, scores: NDArray[np.float64], name: str) -> list[Finding]:
    low, high = float(scores.min()), float(scores.max())
    if output.tensor_space is Space.PROBABILITY and (low < -_PROBABILITY_SLACK or high > 1 + _PROBABILITY_SLACK):
        return [
            Finding(
                "error",
                name,
                f"predictions run from {low:.4g} to {high:.4g}, so this is no probability; write 'tensor_space: raw', "
                "or name the tensor with the probabilities",
            )
        ]
    if low == high:
        return [
            Finding(
                "warning",
                name,
                f"the prediction is {low:.4g} for every background row; is this the right tensor and target?",
            )
        ]
    findings = [Finding("ok", name, f"predictions on the background run from {low:.4g} to {high:.4g}")]
    if bundle.description.background_drawn_from is SelectionRule.APPROVED_NEAR_THRESHOLD:
        findings += _approved(output, scores, name)
    elif output.threshold is not None and not low <= output.threshold <= high:
        findings.append(
            Finding("warning", name, f"no background row is on the other side of the threshold {output.threshold:g}")
        )
    empty = _empty_bands(output, scores)
    if empty:
        findings.append(Finding("warning", name, f"no background row falls into the bands: {', '.join(empty)}"))
    return findings


def _approved(output: Output, scores: NDArray[np.float64], name: str) -> list[Finding]:
    """Whether rows that are said to have been approved are."""
    if output.threshold is None or output.adverse is None:
        return [Finding("error", name, "has no threshold, so no background can be drawn from those approved near it")]
    declined = sum(bool(output.is_adverse(score)) for score in scores.tolist())
    if declined:
        return [
            Finding(
                "error",
                name,
                f"{declined:,} of {len(scores):,} background rows are declined, but it is said to be drawn from "
                "approved_near_threshold; leave them out, or write 'drawn_from: population'",
            )
        ]
    return [Finding("ok", name, "the background holds rows with the favourable decision only, as declared")]


def _empty_bands(output: Output, scores: NDArray[np.float64]) -> list[str]:
    edges = [band.upper for band in output.bands if band.upper is not None]
    filled = set(np.searchsorted(edges, scores, side="right").tolist())
    return [band.id for i, band in enumerate(output.bands) if i not in filled]


def _repeatable(rows: Table, output: Output, scores: NDArray[np.float64], score: Score, name: str) -> list[Finding]:
    again = score(rows, output.id)
    if not np.array_equal(scores, again):
        return [
            Finding(
                "error",
                name,
                f"the same rows scored twice differ by up to {np.abs(scores - again).max():.2g}; a random model "
                "cannot be explained, export it for inference",
            )
        ]
    picked = np.unique(np.linspace(0, len(rows) - 1, _ALONE_ROWS).astype(np.intp))
    alone = np.concatenate([score(rows.take([int(i)]), output.id) for i in picked])
    off = float(np.abs(alone - scores[picked]).max())
    if off > BATCH_TOLERANCE * max(1.0, float(np.abs(scores).max())):
        return [
            Finding(
                "error",
                name,
                f"a row scored alone differs from the same row in a batch by up to {off:.2g}; the graph mixes rows, "
                "export it with a free batch dimension",
            )
        ]
    return [Finding("ok", name, "the same row scores the same again, alone and in a batch")]


def _without_effect(rows: Table, output: Output, scores: NDArray[np.float64], score: Score, name: str) -> list[Finding]:
    """Features that change nothing when their values are dealt to other rows."""
    n_rows = min(len(rows), _PROBED_ROWS)
    sample = rows.take(slice(0, n_rows))
    tolerance = BATCH_TOLERANCE * max(1.0, float(np.abs(scores).max()))
    silent = []
    for feature_id in rows.feature_ids:
        moved: dict[str, Column] = dict(sample.columns)
        moved[feature_id] = np.roll(moved[feature_id], n_rows // 2)
        if np.abs(score(Table(moved), output.id) - scores[:n_rows]).max() <= tolerance:
            silent.append(feature_id)
    if not silent:
        return []
    return [Finding("ok", name, f"exchanging values between background rows has no effect for: {', '.join(silent)}")]


def _reference(bundle: Bundle, output: Output, score: Score) -> list[Finding]:
    if bundle.reference is None or output.id not in bundle.reference.predictions:
        return [
            Finding("ok", f"reference of '{output.id}'", "none given; add reference.parquet to detect conversion drift")
        ]
    scores = score(bundle.reference.rows, output.id)
    return [compare(output, scores, bundle.reference.predictions[output.id], _operators(bundle.model))]


def _operators(model: bytes) -> frozenset[str]:
    import onnx  # noqa: PLC0415  # heavy: loaded when used

    return frozenset(part.node.op_type for part in walk(onnx.ModelProto.FromString(model)) if part.kind == "node")
