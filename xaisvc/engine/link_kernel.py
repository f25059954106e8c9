"""The compiled parts of the mean of a logistic function over background rows, for many sums."""

from __future__ import annotations

from xaisvc.compiled import compiled

MOST_SPREAD = 120.0
"""Widest background of a coalition, in log-odds, whose exponentials are kept as factors."""

FARTHEST = 110.0
"""Distance from the middle of such a background at which its probabilities are 0 or 1 to within exp(-50) = 2e-22.

Four factors of at most exp(110 + 60) multiply to exp(680), which float64 holds.
"""

ROWS_AT_ONCE = 4
"""Rows are given to `fill_distances` in whole blocks of this size."""

_SUMS_AT_ONCE = 512
"""Coalitions whose sums are taken for all rows before the next: who is in them stays in the second-level cache."""

_TABLE_NUMBERS = 2**17
"""Factors that are gone through for all rows before the next: they stay in the second-level cache."""


@compiled()
def _turn(sums, middle, farthest):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Replaces sums by -(sum + middle), cut off; NaN stays NaN."""
    for k in range(sums.size):
        total = sums[k] + middle[k]
        if total > farthest:  # noqa: PLR1730 - the smaller of NaN and a number is a number
            total = farthest
        if total < -farthest:  # noqa: PLR1730 - as above
            total = -farthest
        sums[k] = -total


@compiled(fastmath={"contract"})
def fill_distances(parts, masks, middle, farthest, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """found[i, k] = -(sum of the parts of row i that coalition k holds, player after player, + middle[k]), cut off.

    Products with 0 and 1 are exact, so that they and the sums may be one instruction.

    Args:
        parts: float64, (n, p), n a multiple of `ROWS_AT_ONCE`: who is in a coalition is read once for so many rows.
        masks: 1 where a coalition holds a player; float64, (p, m).
        middle: float64, (m,).
        farthest: Where sums are cut off, on either side.
        found: Written to; float64, (n, m).
    """
    players, count = masks.shape
    for start in range(0, count, _SUMS_AT_ONCE):
        stop = min(start + _SUMS_AT_ONCE, count)
        for row in range(0, parts.shape[0], ROWS_AT_ONCE):
            one, two = found[row, start:stop], found[row + 1, start:stop]
            three, four = found[row + 2, start:stop], found[row + 3, start:stop]
            one[:], two[:], three[:], four[:] = 0.0, 0.0, 0.0, 0.0
            for i in range(0, players - 2, 3):
                first, second, third = masks[i, start:stop], masks[i + 1, start:stop], masks[i + 2, start:stop]
                a, b, c = parts[row, i], parts[row, i + 1], parts[row, i + 2]
                d, e, f = parts[row + 1, i], parts[row + 1, i + 1], parts[row + 1, i + 2]
                g, h, s = parts[row + 2, i], parts[row + 2, i + 1], parts[row + 2, i + 2]
                t, u, v = parts[row + 3, i], parts[row + 3, i + 1], parts[row + 3, i + 2]
                for k in range(one.size):
                    x, y, z = first[k], second[k], third[k]
                    one[k] = one[k] + x * a + y * b + z * c
                    two[k] = two[k] + x * d + y * e + z * f
                    three[k] = three[k] + x * g + y * h + z * s
                    four[k] = four[k] + x * t + y * u + z * v
            for i in range(players // 3 * 3, players):
                held = masks[i, start:stop]
                a, b, c, d = parts[row, i], parts[row + 1, i], parts[row + 2, i], parts[row + 3, i]
                for k in range(one.size):
                    one[k] += held[k] * a
                    two[k] += held[k] * b
                    three[k] += held[k] * c
                    four[k] += held[k] * d
        for row in range(parts.shape[0]):
            _turn(found[row, start:stop], middle[start:stop], farthest)


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
