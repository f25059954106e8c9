"""The compiled mean of a logistic function over background rows, for many sums."""

from __future__ import annotations

from xaisvc.compiled import compiled

MOST_SPREAD = 120.0
"""Widest background of a coalition, in log-odds, whose exponentials are kept as factors."""

FARTHEST = 110.0
"""Distance from the middle of such a background at which its probabilities are 0 or 1 to within exp(-50) = 2e-22.

Four factors of at most exp(110 + 60) multiply to exp(680), which float64 holds.
"""

_TABLE_NUMBERS = 2**17
"""Factors that are gone through for all rows before the next: they stay in the second-level cache."""


@compiled(fastmath={"contract"}, numpy_errors=True)
def link_means(own, factors, means):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """means[i, k] = mean over z of 1 / (1 + own[i, k] * factors[z, k]).

    Divisions take longest, so four fractions are brought to one denominator: 1/u + 1/v = (u + v) / (u v). Each number
    is worked out in an order that the number of background rows alone decides.

    Args:
        own: float64, (n, m).
        factors: float64, (b, m).
        means: Written to; float64, (n, m).
    """
    background, count = factors.shape
    wide = max(64, _TABLE_NUMBERS // background)
    for start in range(0, count, wide):
        stop = min(start + wide, count)
        for row in range(own.shape[0]):
            sums = means[row, start:stop]
            times = own[row, start:stop]
            sums[:] = 0.0
            for z in range(0, background - 3, 4):
                first, second = factors[z, start:stop], factors[z + 1, start:stop]
                third, fourth = factors[z + 2, start:stop], factors[z + 3, start:stop]
                for k in range(sums.size):
                    a, b = 1.0 + times[k] * first[k], 1.0 + times[k] * second[k]
                    c, d = 1.0 + times[k] * third[k], 1.0 + times[k] * fourth[k]
                    left, right = a * b, c * d
                    sums[k] += ((a + b) * right + (c + d) * left) / (left * right)
            for z in range(background // 4 * 4, background):
                last = factors[z, start:stop]
                for k in range(sums.size):
                    sums[k] += 1.0 / (1.0 + times[k] * last[k])
            for k in range(sums.size):
                sums[k] /= background
