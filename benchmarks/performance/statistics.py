"""How far sampled attributions are from the truth, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

N_RESAMPLES = 2000
TARGET_NMSE = 1e-3
"""The error to which times are compared."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a tool did at one budget.

    Attributes:
        seconds: Processor time for one row.
        coalitions: For each row.
        squared: Squared error of each seed and row, summed over features; float64, (s, n).
    """

    seconds: float
    coalitions: float
    squared: NDArray[np.float64]


def reach(steps: Sequence[Step], truth: NDArray[np.float64], *, rng: np.random.Generator) -> dict[str, object]:
    """Time and coalitions at which a tool's error is 1e-3, straight lines in logarithms between measured steps.

    The line between the last step above and the first step at or below it is taken. Where the first step is below, that
    step is the answer, which is more than the tool would need.

    Args:
        steps: What was measured, cheapest first.
        truth: float64, (n, d).
        rng: Draws the resamples of seeds and rows.

    Returns:
        `seconds`, `seconds_low`, `seconds_high` (2.5 % and 97.5 % of a bootstrap over seeds and rows; None where it was
        not reached), `coalitions`, and `at_most`.
    """
    size = (truth**2).sum(axis=1)
    seconds = np.array([step.seconds for step in steps])
    coalitions = np.array([step.coalitions for step in steps])

    def at(errors: NDArray[np.float64], costs: NDArray[np.float64]) -> float:
        below = np.flatnonzero(errors <= TARGET_NMSE)
        if not len(below):
            return np.inf
        i = int(below[0])
        if i == 0 or costs[i] <= 0 or errors[i] <= 0:
            return float(costs[i])
        span = np.log(errors[i - 1] / errors[i])
        return float(costs[i - 1] * (costs[i] / costs[i - 1]) ** (np.log(errors[i - 1] / TARGET_NMSE) / span))

    errors = np.array([step.squared.mean() / size.mean() for step in steps])
    drawn = []
    for _ in range(N_RESAMPLES):
        rows = rng.integers(len(size), size=len(size))
        seeds = [rng.integers(len(step.squared), size=len(step.squared)) for step in steps]
        resampled = [step.squared[s][:, rows].mean() for step, s in zip(steps, seeds, strict=True)]
        drawn.append(at(np.array(resampled) / size[rows].mean(), seconds))
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], method="nearest")
    found = (at(errors, seconds), float(low), float(high), at(errors, coalitions))
    names = ("seconds", "seconds_low", "seconds_high", "coalitions")
    plain = {name: number if np.isfinite(number) else None for name, number in zip(names, found, strict=True)}
    return {**plain, "at_most": bool(errors[0] <= TARGET_NMSE)}


def spearman(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Mean over rows of Spearman's rank correlation between features; ties share their mean rank."""
    from scipy.stats import rankdata  # noqa: PLC0415 - heavy: loaded when used

    a, b = (rankdata(values, axis=1) for values in (left, right))
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return float(np.mean((a * b).sum(axis=1) / np.where(scale > 0, scale, 1.0)))
