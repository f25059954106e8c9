"""Our metrics against numbers of Quantus, from the same draws; `benchmarks/quality/quantus_numbers.py` wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.quantus_numbers import BASELINE, explain, model
from xaisvc.evaluation import (
    entropy,
    faithfulness_correlation,
    faithfulness_estimate,
    max_sensitivity,
    relative_input_stability,
    relative_output_stability,
)

FOUND = json.loads((Path(__file__).parents[2] / "benchmarks" / "quality" / "quantus.json").read_text(encoding="utf-8"))
ROWS, VALUES = np.array(FOUND["rows"]), np.array(FOUND["values"])
# Both sides work in float64 and differ by the order of their sums and by a 1e-12 inside one logarithm.
CLOSE = 1e-9


def scores(name: str) -> np.ndarray:
    return np.array(FOUND[name]["scores"])


def neighbours(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The neighbours that Quantus drew and their attributions, both (n, q, p)."""
    drawn = np.array(FOUND[name]["drawn"]).transpose(1, 0, 2)
    return drawn, np.array([explain(one) for one in drawn])


def without(places: np.ndarray) -> np.ndarray:
    """The rows with some places set to the baseline."""
    found = ROWS.copy()
    np.put_along_axis(found, places, BASELINE, axis=1)
    return found


def test_the_stored_problem_is_the_one_that_is_computed_here() -> None:
    assert FOUND["quantus"] == "0.6.0"
    assert pytest.approx(VALUES, rel=CLOSE) == explain(ROWS)


def test_faithfulness_estimate() -> None:
    n, p = ROWS.shape
    drops = np.column_stack([model(ROWS) - model(without(np.full((n, 1), j))) for j in range(p)])

    assert faithfulness_estimate(VALUES, drops).numerators == pytest.approx(scores("faithfulness_estimate"), rel=CLOSE)


def test_faithfulness_correlation() -> None:
    # Quantus draws other sets for each row; ours takes the same sets for all, so each row is asked alone.
    drawn = np.array(FOUND["faithfulness_correlation"]["drawn"])
    drops = np.column_stack([model(ROWS) - model(without(places)) for places in drawn])
    found = []
    for i in range(len(ROWS)):
        removed = np.zeros((len(drawn), ROWS.shape[1]), dtype=np.bool_)
        np.put_along_axis(removed, drawn[:, i, :], values=True, axis=1)
        found.append(faithfulness_correlation(VALUES[i : i + 1], removed, drops[i : i + 1]).numerators[0])

    assert found == pytest.approx(scores("faithfulness_correlation"), rel=CLOSE)


def test_entropy() -> None:
    assert entropy(VALUES).numerators == pytest.approx(scores("entropy"), rel=CLOSE)


def test_max_sensitivity() -> None:
    _, moved = neighbours("max_sensitivity")

    assert max_sensitivity(VALUES, moved).numerators == pytest.approx(scores("max_sensitivity"), rel=CLOSE)


def test_relative_stability_is_the_log_of_theirs() -> None:
    """Values of exactly zero are set apart: both divide by 1e-6 there."""
    drawn, moved = neighbours("relative_input_stability")
    ours = relative_input_stability(VALUES, moved, ROWS, drawn).numerators
    assert np.exp(ours) == pytest.approx(scores("relative_input_stability"), rel=CLOSE)

    drawn, moved = neighbours("relative_output_stability")
    outputs = np.array([model(one) for one in drawn])
    ours = relative_output_stability(VALUES, moved, model(ROWS), outputs).numerators
    assert np.exp(ours) == pytest.approx(scores("relative_output_stability"), rel=CLOSE)
