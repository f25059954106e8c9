"""Quantiles beyond what a sample holds, by a generalised Pareto tail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 20
VALUES, SURPRISES = (-0.1, 0.9), (-0.3, 0.1)
"""Bounds of the shape xi for values of a feature, and for minus log densities, whose tails are about exponential."""


def upper_quantile(
    values: NDArray[np.float64],
    level: float,
    *,
    shapes: tuple[float, float] = SURPRISES,
    share: float = 0.1,
    caution: float = 0.0,
) -> float:
    """The value that is exceeded with probability `level`.

    The largest values over a threshold u follow P(X > u + y) = k/n (1 + xi y / beta)^(-1/xi) (Pickands 1975); xi and
    beta come from probability-weighted moments (Hosking and Wallis 1987), xi kept within bounds. If enough values lie
    beyond the quantile, it is that of the sample.

    Args:
        values: Finite numbers; float64, (n,).
        level: Probability of exceeding, in (0, 1).
        shapes: Bounds of xi.
        share: Share k/n of the values that are taken for the tail; k is at least 20.
        caution: A positive xi is made larger by so many of its standard errors, (1 + xi) / sqrt(k).

    Returns:
        The quantile; NaN without values, the largest value where all of the tail are equal.
    """
    n = len(values)
    if not n:
        return float("nan")
    if level * n >= FEW:
        return float(np.quantile(values, 1 - level))
    ordered = np.sort(values)
    k = min(max(FEW, int(share * n)), n - 1)
    if k < 1:
        return float(ordered[-1])
    threshold = float(ordered[n - k - 1])
    excess = ordered[n - k :] - threshold
    mean = float(excess.mean())
    if mean <= 0:
        return float(ordered[-1])
    weighted = float((excess * (1 - (np.arange(k) + 0.65) / k)).mean())
    shape = 2 - mean / (mean - 2 * weighted) if mean > 2 * weighted else shapes[1]
    shape = float(np.clip(shape, *shapes))
    scale = mean * (1 - shape)
    if shape > 0:
        shape = min(shape + caution * (1 + shape) / np.sqrt(k), shapes[1])
    odds = k / n / level
    grown = np.log(odds) if abs(shape) < 1e-6 else (odds**shape - 1) / shape  # noqa: PLR2004 - where the limit is exact
    return threshold + scale * float(grown)


def rare_quantile(values: NDArray[np.float64]) -> float:
    """The value that 1 in 1,000 exceed, where minus log densities are expected: q(99 %) + (q(99 %) - q(90 %)).

    An exponential tail through two quantiles that the sample does hold. With 500 rows the sample's own quantile is its
    largest value, and one stray row would move it.

    Args:
        values: Finite numbers; float64, (n,).
    """
    high, higher = np.quantile(values, [0.9, 0.99])
    return float(2 * higher - high)
