"""Adds up what was counted seed by seed, with intervals that know that cases of one seed are alike.

With hits h_s among n_s cases of seed s, N = sum n_s and q = sum h_s / N, the variance of q between k seeds is

    V = k / (k - 1) * sum_s (h_s - q n_s)^2 / N^2

and q (1 - q) / N if all cases were independent. N is divided by V over that where V is larger, which leaves as many
independent cases as are worth as much; Wilson's interval is taken for these (Kish, Survey Sampling, 1965, chapter 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from benchmarks.caveats import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NORMAL_95 = 1.959963984540054
LEAST_SEEDS = 5
"""Fewer seeds say too little about how much a mean differs between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A figure over all seeds.

    Attributes:
        study: Study that it is of.
        figure: Its value, count and target.
        low: Lower end of its 95 % interval; None where there is none.
        high: Upper end.
        seeds: Seeds behind it.
    """

    study: str
    figure: Figure
    low: float | None
    high: float | None
    seeds: int


def wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `count` independent cases.

    >>> low, high = wilson(0.0, 100)
    >>> low, round(high, 4)
    (0.0, 0.037)
    """
    z2 = NORMAL_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    reach = NORMAL_95 / (1 + z2 / count) * sqrt(max(share * (1 - share), 0.0) / count + z2 / (4 * count**2))
    low = 0.0 if share == 0.0 else max(middle - reach, 0.0)
    return low, 1.0 if share == 1.0 else min(middle + reach, 1.0)


def total(study: str, by_seed: Mapping[int, Sequence[Figure]]) -> Total:
    """One figure from those of all seeds; a seed may have several, one for each part of its study."""
    every = [figure for found in by_seed.values() for figure in found]
    first = every[0]
    if first.kind == "largest":
        value = max(figure.value for figure in every)
        count = sum(figure.count for figure in every)
        return Total(study=study, figure=_as(first, value, count), low=None, high=None, seeds=len(by_seed))
    sums = [
        (sum(figure.value * figure.count for figure in found), sum(figure.count for figure in found))
        for found in by_seed.values()
        if any(figure.count for figure in found)
    ]
    count = sum(n for _, n in sums)
    if not count:
        return Total(study=study, figure=_as(first, 0.0, 0), low=None, high=None, seeds=0)
    value = sum(hits for hits, _ in sums) / count
    between = _variance(sums, value, count)
    if first.kind == "mean":
        reach = NORMAL_95 * sqrt(between)
        low, high = (value - reach, value + reach) if len(sums) >= LEAST_SEEDS else (None, None)
    else:
        value = min(value, 1.0)  # sums of rounded numbers
        alone = value * (1 - value) / count
        low, high = wilson(value, count / max(between / alone, 1.0) if alone > 0 else count)
    return Total(study=study, figure=_as(first, value, count), low=low, high=high, seeds=len(sums))


def _variance(sums: Sequence[tuple[float, int]], value: float, count: int) -> float:
    k = len(sums)
    return k / (k - 1) * sum((hits - value * n) ** 2 for hits, n in sums) / count**2 if k > 1 else 0.0


def _as(figure: Figure, value: float, count: int) -> Figure:
    return Figure(figure.name, value, count, figure.target, figure.bound, figure.kind, figure.setting)
