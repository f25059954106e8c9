"""Each pattern of differences gets its usual cause."""

from __future__ import annotations

import re

import numpy as np
import pytest

from xaisvc.bundles.drift import compare
from xaisvc.types import Output, Space

SCORES = np.linspace(0.05, 0.95, 200)
PROBABILITY = Output(id="p", tensor="t")
RAW = Output(id="p", tensor="t", tensor_space=Space.RAW, space=Space.RAW)
TREES = frozenset({"TreeEnsembleClassifier"})


def _few(step: float) -> np.ndarray:
    moved = SCORES.copy()
    moved[::20] += step
    return moved


@pytest.mark.parametrize(
    ("output", "expected", "operators", "level", "words"),
    [
        (PROBABILITY, SCORES + 1e-7, TREES, "ok", "all 200 rows agree; largest difference 1.0e-07"),
        (PROBABILITY, SCORES + 2e-4, TREES, "warning", "All differences are small: usually float32 in the graph"),
        (PROBABILITY, _few(0.06), TREES, "error", "10 of 200 rows differ .* 0.06 .* mean 0.003; rows 0, 20, .*split"),
        (PROBABILITY, _few(0.06), TREES | {"Scaler"}, "error", "Usually: a scaler in front of trees"),
        (PROBABILITY, 1 - SCORES, TREES, "error", "look like 1 - p: the output names the other class"),
        (PROBABILITY, np.log(SCORES / (1 - SCORES)), TREES, "error", "are log-odds: give them in the unit"),
        (PROBABILITY, SCORES[::-1] ** 2, TREES, "error", "categorical splits wrong .*HistGradientBoosting"),
        (PROBABILITY, SCORES[::-1] ** 2, frozenset({"MatMul"}), "error", "columns in another order than"),
        (RAW, 1 / (1 + np.exp(-SCORES)), TREES, "error", "are probabilities of these log-odds"),
    ],
)  # fmt: skip
def test_a_pattern_has_its_cause(
    output: Output, expected: np.ndarray, operators: frozenset[str], level: str, words: str
) -> None:
    finding = compare(output, SCORES, expected, operators)

    assert (finding.level, finding.name) == (level, "reference of 'p'")
    assert re.search(words, finding.message), finding.message


def test_raw_predictions_are_compared_on_their_own_scale() -> None:
    finding = compare(RAW, SCORES * 1e6, SCORES * 1e6 + 1, TREES)

    assert finding.level == "ok"
    assert compare(RAW, SCORES * 1e6, SCORES * 1e6 + 500, TREES).level == "warning"


def test_at_most_ten_rows_are_listed() -> None:
    message = compare(PROBABILITY, SCORES, SCORES + 0.1, TREES).message

    assert "rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 190 more. " in message
