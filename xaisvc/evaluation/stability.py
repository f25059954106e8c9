"""Stability: do attributions stay when what should not matter changes, and move little when the row moves little?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation.measures import RowScores
from xaisvc.evaluation.shapes import check_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SMALLEST: Final = 1e-6
"""What a relative change is measured against at least, in the unit of what changes; Agarwal et al. 2022 clip alike."""


def spread(repeats: Floats) -> RowScores:
    """How far repeats lie apart: the root of (sum of variances / sum of squared means), over rows and players.

    The variance is that between r repeats with other seeds, backgrounds or budgets, with r - 1 below it. Own
    definition, a coefficient of variation of whole attributions. Unit: none. Range: 0 to infinity, lower is better.

    Args:
        repeats: Attributions of the same rows; float64, (r, n, p), r at least 2.

    Raises:
        InvalidRequestError: If there are fewer than two repeats, or they are not in one array of three dimensions.
    """
    check_shapes(repeats=(repeats, "r n p"))
    if len(repeats) < 2:  # noqa: PLR2004 - what lies apart are two
        raise InvalidRequestError.of("repeats", f"{len(repeats)} cannot lie apart; explain the rows at least twice")
    return RowScores(repeats.var(axis=0, ddof=1).sum(axis=1), (repeats.mean(axis=0) ** 2).sum(axis=1), "root")


def max_sensitivity(values: Floats, moved: Floats) -> RowScores:
    """Largest change of an attribution among neighbours of its row, over its own length; the mean over rows.

    max over neighbours x' of |values(x') - values(x)| / |values(x)|, Euclidean: Yeh et al. 2019 (max-sensitivity),
    divided by the length so that units do not matter. Unit: none. Range: 0 to infinity, lower is steadier; a model
    that jumps between neighbours makes a true attribution jump too. Rows with attributions of zero have no number.

    Args:
        values: float64, (n, p).
        moved: Attributions of q neighbours of each row; float64, (n, q, p).
    """
    check_shapes(values=(values, "n p"), moved=(moved, "n q p"))
    change = np.sqrt(((moved - values[:, None, :]) ** 2).sum(axis=2)).max(axis=1)
    length = np.sqrt((values**2).sum(axis=1))
    return RowScores(np.divide(change, length, out=np.full(len(values), np.nan), where=length > 0))


def relative_input_stability(values: Floats, moved: Floats, rows: Floats, neighbours: Floats) -> RowScores:
    """Log of the largest relative change of an attribution over the relative change of the input.

    max over x' of |(values(x) - values(x')) / values(x)| / max(|(x - x') / x|, 1e-6): Agarwal et al. 2022 ("Rethinking
    stability", RIS), there over neighbours of the same predicted class. Division by values(x) and x is place by place,
    by 1e-6 with their sign (zero counts as positive) where they are nearer to zero; lengths are Euclidean. The natural
    log is taken before rows are averaged, because the ratio runs over many powers of ten, and of no less than 1e-6,
    where nothing changes. Unit: ln of a ratio. Range: ln 1e-6 (-13.8) to infinity, lower is steadier. It changes with
    where a feature has its zero, as x / x does.

    Args:
        values: float64, (n, p).
        moved: float64, (n, q, p).
        rows: The rows' numbers; float64, (n, c).
        neighbours: The neighbours' numbers; float64, (n, q, c).
    """
    check_shapes(values=(values, "n p"), moved=(moved, "n q p"), rows=(rows, "n c"), neighbours=(neighbours, "n q c"))
    return _relative(values, moved, _length((neighbours - rows[:, None, :]) / _away_from_zero(rows)[:, None, :]))


def relative_output_stability(values: Floats, moved: Floats, outputs: Floats, moved_outputs: Floats) -> RowScores:
    """Log of the largest relative change of an attribution over the change of the output.

    max over x' of |(values(x) - values(x')) / values(x)| / max(|f(x) - f(x')|, 1e-6): Agarwal et al. 2022 (ROS), with
    the explained number in place of all logits; the rest as `relative_input_stability`. The change of the output is
    not relative, so the number hangs on the output's unit. Unit: ln of one over the explained unit. Range: ln 1e-6
    (-13.8) to infinity, lower is steadier.

    Args:
        values: float64, (n, p).
        moved: float64, (n, q, p).
        outputs: f(x); float64, (n,).
        moved_outputs: f(x'); float64, (n, q).
    """
    check_shapes(
        values=(values, "n p"), moved=(moved, "n q p"), outputs=(outputs, "n"), moved_outputs=(moved_outputs, "n q")
    )
    return _relative(values, moved, np.abs(moved_outputs - outputs[:, None]))


def largest_change(values: Floats, again: Floats) -> RowScores:
    """Largest absolute difference of a row's attributions between two runs that should agree, over the largest value.

    max over j of |values_j - again_j| / max over j of |values_j|, the mean over rows; a row of zeros is measured
    against the largest of `again` and so gives 1 if that is not zero. Used for batch composition: the same row alone,
    among others and in another order. Own definition. Unit: none. Range: 0 to infinity; 0 means equal numbers. A row
    has no number where values are not finite.

    Args:
        values: float64, (n, p).
        again: float64, (n, p).
    """
    check_shapes(values=(values, "n p"), again=(again, "n p"))
    change, size = np.abs(values - again).max(axis=1), np.abs(values).max(axis=1)
    size = np.where(size == 0, change, size)
    return RowScores(np.divide(change, size, out=np.zeros(change.shape), where=size != 0))


def _relative(values: Floats, moved: Floats, below: Floats) -> RowScores:
    above = _length((values[:, None, :] - moved) / _away_from_zero(values)[:, None, :])
    ratio = (above / np.maximum(below, SMALLEST)).max(axis=1)
    return RowScores(np.log(np.maximum(ratio, SMALLEST)))


def _away_from_zero(values: Floats) -> Floats:
    return np.where(np.abs(values) < SMALLEST, np.where(values < 0, -SMALLEST, SMALLEST), values)


def _length(vectors: Floats) -> Floats:
    return np.asarray(np.sqrt((vectors**2).sum(axis=-1)))
