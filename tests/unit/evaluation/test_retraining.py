from __future__ import annotations

import numpy as np
import pytest

from xaisvc.evaluation import blanked, remove_and_retrain, retrained_losses


def _mean_of_known(
    train: np.ndarray,  # noqa: ARG001 - this rule learns the mean label only
    labels: np.ndarray,
    test: np.ndarray,
) -> np.ndarray:
    """Predicts the first column where it is there, else the mean label."""
    return np.where(np.isnan(test[:, 0]), labels.mean(), test[:, 0])


def test_removing_what_carries_the_label_costs_more() -> None:
    numbers = np.array([[1.0, 9.0], [3.0, 8.0], [1.0, 7.0], [3.0, 6.0]])
    labels = numbers[:, 0].copy()
    owners = np.array([0, 1])
    test = np.array([False, False, True, True])
    leading = np.tile([True, False], (4, 1))
    other = np.tile([False, True], (4, 1))

    losses = retrained_losses(_mean_of_known, blanked(numbers, owners, leading), labels, test)
    harmless = retrained_losses(_mean_of_known, blanked(numbers, owners, other), labels, test)

    assert losses.tolist() == [1.0, 1.0]  # mean 2 against 1 and 3
    assert harmless.tolist() == [0.0, 0.0]
    assert remove_and_retrain(losses, np.array([0.5, 0.5])).value() == pytest.approx(2.0)
