"""Complexity: how many factors an explanation is made of, and what is lost when only the first ones are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.evaluation.measures import RowScores
from xaisvc.evaluation.removal import top_masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def entropy(values: Floats) -> RowScores:
    """Entropy of the shares of absolute attributions: -sum over j of q_j ln q_j with q_j = |values_j| / sum |values|.

    Terms with q_j = 0 are 0; the number is the mean over rows. Bhatt, Weller and Moura 2020 (complexity). Unit: nats.
    Range: 0 (one factor) to ln p (all alike); lower is simpler, not truer. Rows of zeros have no number.

    Args:
        values: float64, (n, p).
    """
    size = np.abs(values)
    total = size.sum(axis=1, keepdims=True)
    shares = np.divide(size, total, out=np.full(size.shape, np.nan), where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return RowScores(-(shares * logs).sum(axis=1))


def effective_factors(values: Floats) -> RowScores:
    """Effective number of factors: the exponential of `entropy`, the Hill number of order 1 (Hill 1973).

    As many factors of equal size would have the same entropy. The number is the mean over rows of the exponential, not
    the exponential of the mean entropy. Unit: factors. Range: 1 to p. Rows of zeros have none.

    Args:
        values: float64, (n, p).
    """
    return RowScores(np.exp(entropy(values).numerators))


def first_factors_fidelity(values: Floats, k: int) -> RowScores:
    """How well the k largest factors alone tell what all factors together say.

    1 - sum of (sum of the other attributions)^2 / sum of (sum of all attributions)^2, where the outer sums run over
    rows. The sum of all is f(x) - base where attributions add up; where they do not (LIME), it is the surrogate's
    answer that is told and not the model's. Own definition, a coefficient of determination around the base value.
    Unit: none. Range: minus infinity to 1; 1 loses nothing, 0 is what the base value alone tells. It can fall below 0
    where the factors that are left out would have cancelled the told ones.

    Args:
        values: float64, (n, p).
        k: Factors that are told, largest absolute attribution first; ties go to the earlier player.
    """
    told = top_masks(np.abs(values), np.array([k], dtype=np.intp))[:, 0, :]
    rest = np.where(told, 0.0, values).sum(axis=1)
    return RowScores(rest**2, values.sum(axis=1) ** 2, "one_minus")


def untold_share(values: Floats, k: int) -> RowScores:
    """Share of the absolute attributions that the k largest factors leave out, over all rows.

    sum of |values| outside the first k / sum of |values|. Unit: none. Range: 0 to 1 - k / p; lower loses less.

    Args:
        values: float64, (n, p).
        k: Factors that are told.
    """
    size = np.abs(values)
    told = top_masks(size, np.array([k], dtype=np.intp))[:, 0, :]
    return RowScores(np.where(told, 0.0, size).sum(axis=1), size.sum(axis=1))
