from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xaisvc import evaluation
from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import curve_area, largest_change, losses, unused_credit

if TYPE_CHECKING:
    from collections.abc import Sequence

VALUES = np.arange(12.0).reshape(4, 3) + 1.0
MASKS = np.eye(3, dtype=np.bool_)


@pytest.mark.parametrize(
    ("metric", "given", "words"),
    [
        (
            "relative_error",
            (VALUES, VALUES[:, :1]),
            r"truth: has the shape \(4, 1\), which is to be \(n, p\), but p is 3",
        ),
        ("largest_error", (VALUES, VALUES[:1]), r"truth: has the shape \(1, 3\).*but n is 4 in 'values'"),
        ("rank_agreement", (VALUES, VALUES[:1]), "other: has the shape"),
        ("top_agreement", (VALUES, VALUES[:1]), "other: has the shape"),
        ("sign_agreement", (VALUES, VALUES[:1]), "other: has the shape"),
        ("faithfulness_correlation", (VALUES, MASKS, VALUES[:1]), "drops: has the shape"),
        ("faithfulness_estimate", (VALUES, VALUES[:1]), "single_drops: has the shape"),
        ("infidelity", (VALUES, MASKS, VALUES[:, :1]), "drops: has the shape"),
        ("infidelity_share", (VALUES, MASKS, VALUES[:, :1]), "drops: has the shape"),
        ("prediction_gap", (VALUES, VALUES[:, 0]), r"outputs: has the shape \(4, 3\); hand in .* shape \(n, g, d\)"),
        ("max_sensitivity", (VALUES, VALUES), r"moved: has the shape \(4, 3\); hand in .* shape \(n, q, p\)"),
        (
            "relative_input_stability",
            (VALUES, np.ones((4, 5, 3)), VALUES, np.ones((4, 1, 3))),
            "neighbours: has the shape",
        ),
        ("relative_output_stability", (VALUES, np.ones((4, 5, 3)), VALUES[:1, 0], np.ones((4, 5))), "outputs: has"),
        ("largest_change", (VALUES, VALUES[:1]), "again: has the shape"),
        ("unused_credit", (VALUES, np.array([True])), "unused: has the shape"),
        ("sum_gap", (VALUES, np.zeros(1), VALUES[:, 0]), r"base_values: has the shape \(1,\).*but n is 4 in 'values'"),
        ("sum_gap", (VALUES, np.zeros(4), VALUES[:, :1]), r"outputs: has the shape \(4, 1\); hand in .* shape \(n,\)"),
        ("spread", (VALUES,), r"repeats: has the shape \(4, 3\); hand in .* shape \(r, n, p\)"),
        ("curve", (VALUES, VALUES[:, 0], np.zeros(1)), "empty: has the shape"),
        ("importance_towards", (VALUES, VALUES[:1, 0], VALUES[:, 0]), "full: has the shape"),
        ("losses", (VALUES[:, 0], np.ones(1), "binary"), r"labels: has the shape \(1,\), which is to be \(n,\)"),
    ],
)
def test_arrays_that_numpy_would_spread_are_refused(metric: str, given: Sequence[Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        getattr(evaluation, metric)(*given)


@pytest.mark.parametrize(
    ("full", "empty", "shares", "words"),
    [
        (VALUES[:, 0], np.zeros(1), np.array([0.2, 0.5, 0.8]), r"empty: has the shape \(1,\)"),
        (VALUES[:, :1], VALUES[:, 0], np.array([0.2, 0.5, 0.8]), r"full: has the shape \(4, 1\)"),
        (
            VALUES[:, 0],
            VALUES[:, 0],
            np.array([0.5]),
            r"shares: has the shape \(1,\), which is to be \(g,\), but g is 3",
        ),
    ],
)
def test_curves_of_other_rows_or_steps_are_refused(
    full: np.ndarray, empty: np.ndarray, shares: np.ndarray, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        curve_area(VALUES, full, empty, shares, inserting=True)


def test_players_are_named_by_true_and_false_and_not_by_numbers() -> None:
    with pytest.raises(InvalidRequestError, match="unused: must be true or false for each player"):
        unused_credit(VALUES, np.array([1, 0, 0]))  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize("label", [np.nan, 2.0])
def test_labels_that_are_neither_are_not_taken_as_one_of_both(label: float) -> None:
    with pytest.raises(InvalidRequestError, match="labels: must each be 0 or 1 for the target 'binary'"):
        losses(np.array([0.5, 0.5]), np.array([1.0, label]), "binary")


def test_whole_numbers_change_like_others() -> None:
    assert largest_change(np.array([[4, 2]]), np.array([[4, 1]])).value() == pytest.approx(0.25)  # type: ignore[arg-type]
