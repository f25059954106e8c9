from __future__ import annotations

import numpy as np
import pytest

from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import (
    largest_change,
    max_sensitivity,
    relative_input_stability,
    relative_output_stability,
    spread,
)

VALUES = np.array([[3.0, 4.0]])
MOVED = np.array([[[3.0, 4.0], [6.0, 8.0]]])


def test_spread_by_hand() -> None:
    repeats = np.array([[[1.0, 2.0]], [[3.0, 2.0]]])  # variance 2 and 0, means 2 and 2

    assert spread(repeats).value() == pytest.approx(np.sqrt(2 / 8))
    assert spread(np.ones((3, 2, 2))).value() == 0.0


def test_max_sensitivity_by_hand() -> None:
    assert max_sensitivity(VALUES, MOVED).numerators.tolist() == [1.0]  # the change is (3, 4), as long as the values
    assert np.isnan(max_sensitivity(np.zeros((1, 2)), MOVED).numerators[0])


def test_relative_stability_by_hand() -> None:
    rows, neighbours = np.array([[2.0]]), np.array([[[2.5], [2.2]]])
    # relative change of the values of the second neighbour: (1, 1), sqrt(2); of the input: 0.1
    found = relative_input_stability(VALUES, MOVED, rows, neighbours)
    assert found.numerators == pytest.approx([np.log(np.sqrt(2) / 0.1)])

    found = relative_output_stability(VALUES, MOVED, np.array([1.0]), np.array([[1.0, 1.5]]))
    assert found.numerators == pytest.approx([np.log(np.sqrt(2) / 0.5)])


def test_no_change_of_the_output_is_a_millionth() -> None:
    found = relative_output_stability(VALUES, MOVED, np.array([1.0]), np.array([[1.0, 1.0]]))

    assert found.numerators == pytest.approx([np.log(np.sqrt(2) / 1e-6)])


def test_the_largest_change_is_relative_to_the_largest_value() -> None:
    assert largest_change(VALUES, VALUES + np.array([[0.0, 1.0]])).numerators.tolist() == [0.25]
    assert largest_change(np.zeros((1, 2)), np.zeros((1, 2))).numerators.tolist() == [0.0]


def test_no_change_at_all_is_the_steadiest_number() -> None:
    still = np.repeat(VALUES[:, None, :], 2, axis=1)
    found = relative_output_stability(VALUES, still, np.array([1.0]), np.array([[1.0, 2.0]]))

    assert found.numerators == pytest.approx([np.log(1e-6)])


def test_a_row_of_zeros_that_changes_counts() -> None:
    found = largest_change(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.3], [1.0, 0.0]]))

    # an infinite number would be left out, and the metric would say that nothing changed
    assert found.numerators.tolist() == [1.0, 0.0]


def test_missing_values_are_not_the_same_numbers() -> None:
    gap = np.array([[np.nan, 1.0]])

    assert np.isnan(largest_change(gap, gap).numerators[0])
    assert np.isnan(largest_change(np.zeros((1, 2)), gap).numerators[0])
    assert np.isnan(largest_change(gap, np.ones((1, 2))).numerators[0])


def test_one_repeat_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="repeats: 1 cannot lie apart; explain the rows at least twice"):
        spread(np.ones((1, 4, 2)))
