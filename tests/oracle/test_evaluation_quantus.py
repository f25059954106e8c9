"""Our metrics against numbers of Quantus, from the same draws; `benchmarks/quality/quantus_numbers.py` wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.quantus_numbers import BASELINE, explain, model
from xaisvc.evaluation import (
    curve_area,
    entropy,
    faithfulness_correlation,
    faithfulness_estimate,
    max_sensitivity,
    relative_input_stability,
    relative_output_stability,
    top_masks,
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


def test_entropy_by_default_takes_logarithms_of_negative_shares_there() -> None:
    """With `abs=False`, its default, rows with values of both signs get no number; ours takes sizes."""
    theirs = np.array(FOUND["entropy_by_default"]["scores"], dtype=np.float64)
    both_signs = (VALUES > 0).any(axis=1) & (VALUES < 0).any(axis=1)

    assert both_signs.any()
    assert np.isnan(theirs[both_signs]).all()
    assert np.isfinite(entropy(VALUES).numerators).all()


def test_deletion_walks_the_path_of_pixel_flipping() -> None:
    """Theirs takes the largest value first whatever the answer; ours the most supporting one, and scales the area."""
    n, p = ROWS.shape
    theirs = scores("pixel_flipping").reshape(n, p)  # answers after 1 to p features
    full, empty = model(ROWS), model(np.full_like(ROWS, BASELINE))
    removed = top_masks(VALUES, np.arange(1, p + 1))
    deleted = np.stack([model(np.where(removed[:, k], BASELINE, ROWS)) for k in range(p)], axis=1)
    assert deleted == pytest.approx(theirs, rel=CLOSE)

    rising = full > empty  # where the order is the same, since supporting is positive there
    assert rising.any()
    area = curve_area(deleted[:, :-1], full, empty, np.arange(1, p) / p, inserting=False).numerators[rising]
    # the trapezoids of their curve with the row itself in front, over nobody's answer, p steps to a whole
    with_row = np.column_stack([full, theirs])[rising]
    expected = (with_row[:, 1:] + with_row[:, :-1]).sum(axis=1) / (2 * p) - empty[rising]
    assert area == pytest.approx(expected, rel=CLOSE)


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
