"""Remove and retrain: do models trained without the leading players do worse than without random ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from xaisvc.evaluation.measures import RowScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Fit(Protocol):
    """Trains a model and answers with it."""

    def __call__(self, train: Floats, labels: Floats, test: Floats) -> Floats:
        """Trains anew.

        Args:
            train: float64, (n, p), NaN for missing.
            labels: float64, (n,).
            test: float64, (t, p).

        Returns:
            Predictions for the rows under test; float64, (t,).
        """
        ...


def blanked(numbers: Floats, owners: NDArray[np.intp], top: NDArray[np.bool_]) -> Floats:
    """Rows with the columns of some players set to missing, which carries no value of another row.

    Args:
        numbers: float64, (n, c).
        owners: Player of each column; intp, (c,).
        top: Players to remove from each row; bool, (n, p).
    """
    return np.where(top[:, owners], np.nan, numbers)


def retrained_losses(fit: Fit, left: Floats, labels: Floats, test: NDArray[np.bool_]) -> Floats:
    """Squared errors of a model trained and tested on what is left of rows.

    Args:
        fit: Trains a model.
        left: Rows without what was removed, from `blanked` or with other values in its place; float64, (n, c).
        labels: float64, (n,).
        test: Rows that are tested and not trained on; bool, (n,).

    Returns:
        Of the rows under test; float64, (t,).
    """
    return np.asarray((fit(left[~test], labels[~test], left[test]) - labels[test]) ** 2)


def remove_and_retrain(losses: Floats, random_losses: Floats) -> RowScores:
    """How much worse a model gets without the leading players than without as many random ones.

    sum of squared errors without the leading players / sum of squared errors without random players. Above 1, the
    leading players carried more than random ones. Hooker et al. 2019 (ROAR), with values set to missing or replaced by
    those of a similar row. Unit: none. Range: 0 to infinity, higher is better. Which places are missing can itself tell
    the label (Rong et al. 2022), so that a ratio below 1 is possible for good attributions of a strong model; replaced
    values do not show their places.

    Args:
        losses: float64, (t,).
        random_losses: float64, (t,).
    """
    return RowScores(losses, random_losses)
