"""Compares the graph's predictions with those of the original model, and says what usually makes them differ.

The causes are those measured on real conversions: a scaler in front of trees rounds values across split points; some
converters write categories wrong without a word; float32 rounds everything a little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.bundles.findings import Finding
from xaisvc.types.schema import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.schema import Output

TOLERANCE = 1e-5  # correct conversions agree to about 1e-7; the smallest real fault measured was 5e-3
_ROUNDING = 1e-3
_FEW = 0.3
_LISTED = 10

_FLOAT32 = "All differences are small: usually float32 in the graph against float64 in the original model."
_SCALER = (
    "Usually: a scaler in front of trees (StandardScaler, MinMaxScaler) computes in float32 and moves values across "
    "split points. Train the trees without it; they do not need one."
)
_SPLIT_POINTS = (
    "Few rows differ and the rest agree: usually values that sit on a split point and are rounded to float32. Train "
    "on float32 data, or round the inputs as in training."
)
_CATEGORIES = (
    "Usually: the converter wrote categorical splits wrong (HistGradientBoosting with categorical_features converts "
    "without an error and answers differently); encode the categories in front of the model. Otherwise: columns in "
    "another order than in training."
)
_GENERAL = (
    "Usually: columns in another order than in training, preprocessing that is not in the graph, or another version "
    "of the model."
)
_OTHER_CLASS = (
    "The expected predictions look like 1 - p: the output names the other class. Correct its 'target', or the column "
    "of the reference."
)
_LOG_ODDS = "The expected predictions are log-odds: give them in the unit of the output tensor, as probabilities."
_PROBABILITIES = "The expected predictions are probabilities of these log-odds: give them in the unit of the tensor."


def compare(
    output: Output, scores: NDArray[np.float64], expected: NDArray[np.float64], operators: frozenset[str]
) -> Finding:
    """Compares predictions of one output.

    Args:
        output: The output; differences are in the unit of its tensor.
        scores: What the graph answers; float64, (n,).
        expected: What the original model answered; float64, (n,).
        operators: Types of the operators in the graph, to name the likely cause.

    Returns:
        `ok` if all rows agree to 1e-5 (of the largest prediction, if that is above 1), a warning if the differences
        look like rounding, else an error that says how many rows differ, by how much, where, and what usually causes
        it.
    """
    name = f"reference of '{output.id}'"
    scale = max(1.0, float(np.abs(expected).max()))
    off = np.abs(scores - expected)
    differing = np.flatnonzero(off > TOLERANCE * scale)
    worst = int(off.argmax())
    if not len(differing):
        return Finding("ok", name, f"all {len(off):,} rows agree; largest difference {off[worst]:.1e}")
    more = len(differing) - _LISTED
    rows = ", ".join(str(row) for row in differing[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")
    share = len(differing) / len(off)
    rounding = off[worst] <= _ROUNDING * scale and share > _FEW
    cause = _FLOAT32 if rounding else _cause(output, scores, expected, share, operators)
    return Finding(
        "warning" if rounding else "error",
        name,
        f"{len(differing):,} of {len(off):,} rows differ by more than {TOLERANCE * scale:.0e}; largest difference "
        f"{off[worst]:.3g} (row {worst}), mean {off.mean():.2g}; rows {rows}. {cause}",
    )


def _cause(
    output: Output, scores: NDArray[np.float64], expected: NDArray[np.float64], share: float, operators: frozenset[str]
) -> str:
    if output.tensor_space is Space.PROBABILITY:
        if _close(1.0 - scores, expected):
            return _OTHER_CLASS
        with np.errstate(divide="ignore", invalid="ignore"):
            log_odds = np.log(scores) - np.log1p(-scores)
        if _close(log_odds, expected):
            return _LOG_ODDS
    elif _close(1.0 / (1.0 + np.exp(-np.clip(scores, -500, 500))), expected):
        return _PROBABILITIES
    if not any(name.startswith("TreeEnsemble") for name in operators):
        return _GENERAL
    if "Scaler" in operators:
        return _SCALER
    return _SPLIT_POINTS if share <= _FEW else _CATEGORIES


def _close(left: NDArray[np.float64], right: NDArray[np.float64]) -> bool:
    scale = max(1.0, float(np.abs(right).max()))
    return bool((np.abs(left - right) <= 10 * TOLERANCE * scale).all())
