"""How far sampled attributions are from the truth, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

N_RESAMPLES = 2000
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Agreement with the truth over s seeds and n rows.

    Attributes:
        nmse: Mean squared error over mean squared attribution.
        nmse_low: 2.5 % quantile of a bootstrap over seeds and rows.
        nmse_high: 97.5 % quantile.
        rank: Mean Spearman correlation of the features' order within a row.
        coverage: Share of truths within 1.96 standard errors; None without standard errors.
    """

    nmse: float
    nmse_low: float
    nmse_high: float
    rank: float
    coverage: float | None


def assess(
    found: Sequence[NDArray[np.float64]],
    truth: NDArray[np.float64],
    errors: Sequence[NDArray[np.float64] | None],
    *,
    rng: np.random.Generator,
) -> Accuracy:
    """Compares attributions with the truth.

    Args:
        found: One array for each seed; float64, (n, d).
        truth: float64, (n, d).
        errors: Standard errors for each seed; float64, (n, d) or None.
        rng: Draws the resamples.
    """
    squared = np.stack([((values - truth) ** 2).sum(axis=1) for values in found])
    size = (truth**2).sum(axis=1)
    seeds = rng.integers(len(squared), size=(N_RESAMPLES, len(squared)))
    rows = rng.integers(len(size), size=(N_RESAMPLES, len(size)))
    resampled = np.array([squared[s][:, r].mean() / size[r].mean() for s, r in zip(seeds, rows, strict=True)])
    known = [(values, error) for values, error in zip(found, errors, strict=True) if error is not None]
    return Accuracy(
        nmse=float(squared.mean() / size.mean()),
        nmse_low=float(np.quantile(resampled, 0.025)),
        nmse_high=float(np.quantile(resampled, 0.975)),
        rank=float(np.mean([spearman(values, truth) for values in found])),
        coverage=float(np.mean([np.abs(values - truth) <= NORMAL_95 * error for values, error in known]))
        if known
        else None,
    )


def spearman(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Mean over rows of Spearman's rank correlation between features; ties share their mean rank."""
    from scipy.stats import rankdata  # noqa: PLC0415 - heavy: loaded when used

    a, b = (rankdata(values, axis=1) for values in (left, right))
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return float(np.mean((a * b).sum(axis=1) / np.where(scale > 0, scale, 1.0)))
