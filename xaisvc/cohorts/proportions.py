"""Shares of counts and their intervals, in closed form."""

from __future__ import annotations

import math
from statistics import NormalDist

from xaisvc.types.cohort import Comparison, Share

LEVEL = 0.95
"""Confidence of every interval."""

_NOISE = 1e-9
"""Far above float noise in percent, far below 1: an end that is a whole percent but for noise is not moved."""


def quantile(comparisons: int = 1) -> float:
    """Quantile z of the standard normal distribution for two-sided intervals that hold together (Bonferroni).

    Args:
        comparisons: How many intervals hold together with probability `LEVEL`.
    """
    return NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * max(comparisons, 1)))


def wilson(count: int, n: int, z: float) -> tuple[float, float]:
    """Wilson's score interval of the share count / n (Wilson 1927).

    The ends are `(p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n)`.
    """
    share, square = count / n, z * z
    middle = share + square / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max((middle - half) / (1 + square / n), 0.0), min((middle + half) / (1 + square / n), 1.0)


def difference(count: int, n: int, other: int, m: int, z: float) -> tuple[float, float]:
    """Interval of count/n - other/m by Newcombe's hybrid score (Newcombe 1998, method 10).

    With p = count/n in [l, u] and q = other/m in [l', u'] by Wilson, the ends are
    `p - q - sqrt((p - l)^2 + (u' - q)^2)` and `p - q + sqrt((u - p)^2 + (q - l')^2)`.
    """
    p, q = count / n, other / m
    (low, high), (other_low, other_high) = wilson(count, n, z), wilson(other, m, z)
    return p - q - math.hypot(p - low, other_high - q), p - q + math.hypot(high - p, q - other_low)


def word_of(low: float, high: float) -> Comparison:
    """What an interval of a difference says."""
    if low > 0:
        return Comparison.HIGHER
    return Comparison.LOWER if high < 0 else Comparison.NOT_BEYOND_CHANCE


def percent(share: float) -> int:
    """In whole percent, halves upwards."""
    return math.floor(100 * share + 0.5)


def points(low: float, high: float) -> tuple[int, int]:
    """The ends of an interval in whole percent or percentage points, rounded outwards."""
    return math.floor(100 * low + _NOISE), math.ceil(100 * high - _NOISE)


def share_of(count: int, n: int) -> Share:
    """The share count / n with Wilson's interval."""
    low, high = points(*wilson(count, n, quantile()))
    return Share(percent=percent(count / n), low=low, high=high)


def share_between(value: float, low: float, high: float) -> Share:
    """A share with an interval, both cut to [0, 1]."""
    first, last = points(max(low, 0.0), min(high, 1.0))
    return Share(percent=percent(min(max(value, 0.0), 1.0)), low=first, high=last)


def student(n: int, comparisons: int = 1) -> float:
    """Quantile of Student's t distribution with n - 1 degrees of freedom, for intervals that hold together."""
    from scipy.special import stdtrit  # noqa: PLC0415 - heavy: loaded when used

    return float(stdtrit(n - 1, 1 - (1 - LEVEL) / (2 * max(comparisons, 1))))
