"""Accuracy: how far attributions are from the true ones, where those are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.evaluation.measures import RowScores
from xaisvc.evaluation.shapes import check_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def relative_error(values: Floats, truth: Floats) -> RowScores:
    """Root of (sum of squared errors / sum of squared true values), over rows and players.

    Own definition. Unit: none. Range: 0 to infinity, lower is better; 1 is what attributions of zero reach. Exact
    methods leave the rounding of the model's own numbers, about 1e-7 for float32.

    Args:
        values: float64, (n, p).
        truth: float64, (n, p).
    """
    check_shapes(values=(values, "n p"), truth=(truth, "n p"))
    return RowScores(((values - truth) ** 2).sum(axis=1), (truth**2).sum(axis=1), "root")


def largest_error(values: Floats, truth: Floats) -> RowScores:
    """Mean over rows of the largest absolute error of a player.

    Own definition. Unit: the explained unit. Range: 0 to infinity, lower is better.

    Args:
        values: float64, (n, p).
        truth: float64, (n, p).
    """
    check_shapes(values=(values, "n p"), truth=(truth, "n p"))
    return RowScores(np.abs(values - truth).max(axis=1))


def sum_gap(values: Floats, base_values: Floats, outputs: Floats) -> RowScores:
    """Mean absolute gap between base value plus attributions and the output.

    |base + sum over j of values_j - f(x)|, the mean over rows; completeness (Sundararajan et al. 2017) says 0. Unit:
    the explained unit. Range: 0 to infinity, lower is better; exact Shapley values leave rounding, LIME any gap.

    Args:
        values: float64, (n, p).
        base_values: float64, (n,).
        outputs: float64, (n,).
    """
    check_shapes(values=(values, "n p"), base_values=(base_values, "n"), outputs=(outputs, "n"))
    return RowScores(np.abs(base_values + values.sum(axis=1) - outputs))
