"""How likely a statistic is when two columns have nothing to do with each other: tails without permutations.

Every function takes arrays and answers with arrays; probabilities are of values at least as far out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_MOST_TERMS = 400
_NEWTON_STEPS = 60
_HALF = 0.5
_SMALLEST = 1e-300


def correlation_tail(r: Numbers, n: Numbers) -> Numbers:
    """Two-sided tail of a correlation of n independent pairs of normal scores: I_{1-r^2}((n - 2) / 2, 1 / 2).

    Exact for normal data (Student's t); for normal scores of ranks the permutation distribution agrees with it to
    order 1 / n in kurtosis.
    """
    from scipy.special import betainc  # noqa: PLC0415 - heavy: loaded when used

    rest = np.clip(1.0 - r**2, 0.0, 1.0)
    return np.asarray(betainc(np.maximum(n - 2.0, 1.0) / 2.0, 0.5, rest))


def explained_tail(r_squared: Numbers, df: Numbers, n: Numbers) -> Numbers:
    """Tail of the share of variance that df orthogonal functions explain in n rows: Fisher's F; 1 where n is too small.

    With few terms and continuous scores this is the permutation distribution of Kruskal and Wallis' statistic with
    its first moment exact.
    """
    from scipy.special import betainc  # noqa: PLC0415 - heavy: loaded when used

    left = n - 1.0 - df
    rest = np.clip(1.0 - r_squared, 0.0, 1.0)
    tail = betainc(np.maximum(left, 1.0) / 2.0, np.maximum(df, 1.0) / 2.0, rest)
    return np.where((left >= 1.0) & (df >= 1.0), tail, 1.0)


def trace_tail(total: Numbers, k: Numbers, m: Numbers, n: Numbers) -> Numbers:
    """Tail of the sum of squared correlations between k and m orthonormal functions: Pillai's trace, F approximation.

    Source: Pillai, K.C.S. (1955), Some new test criteria in multivariate analysis, Ann. Math. Stat. 26, 117-121.
    """
    from scipy.special import betainc  # noqa: PLC0415 - heavy: loaded when used

    s = np.maximum(np.minimum(k, m), 1.0)
    a = np.maximum(np.abs(k - m) - 1.0, -1.0) / 2.0
    b = (n - k - m - 2.0) / 2.0
    one = s * (2.0 * a + s + 1.0)
    two = s * (2.0 * b + s + 1.0)
    rest = np.clip(1.0 - total / s, 0.0, 1.0)
    tail = betainc(np.maximum(two, 1.0) / 2.0, np.maximum(one, 1.0) / 2.0, rest)
    return np.where((two >= 1.0) & (k >= 1.0) & (m >= 1.0), tail, 1.0)


def chi_squared_tail(x: Numbers, df: Numbers) -> Numbers:
    """Tail of chi-squared; 1 where there is no degree of freedom."""
    from scipy.special import gammaincc  # noqa: PLC0415 - heavy: loaded when used

    return np.where(df >= 1.0, gammaincc(np.maximum(df, 1.0) / 2.0, np.maximum(x, 0.0) / 2.0), 1.0)


def table_tail(together: Numbers, ones: Numbers, others: Numbers, n: Numbers) -> Numbers:
    """Fisher's exact two-sided tail (twice the smaller one, at most 1) of how often two flags are set together.

    Args:
        together: Rows with both set.
        ones: Rows with the first set.
        others: Rows with the second set.
        n: Rows.
    """
    expected = ones * others / np.maximum(n, 1.0)
    above = together > expected
    # Few together is many with the other value of the second flag.
    x = np.where(above, together, ones - together)
    b = np.where(above, others, n - others)
    return np.minimum(2.0 * _many_together(x, ones, b, n), 1.0)


def _many_together(x: Numbers, a: Numbers, b: Numbers, n: Numbers) -> Numbers:
    """P(X >= x) of the hypergeometric distribution for x above its mean, summed from x upward until terms vanish."""
    from scipy.special import gammaln  # noqa: PLC0415 - heavy: loaded when used

    def choose(m: Numbers, k: Numbers) -> Numbers:
        return np.asarray(gammaln(m + 1.0) - gammaln(k + 1.0) - gammaln(m - k + 1.0))

    most = np.minimum(a, b)
    possible = (x <= most) & (x >= np.maximum(0.0, a + b - n))
    at = np.where(possible, x, most)
    term = np.exp(choose(a, at) + choose(n - a, b - at) - choose(n, b))
    total = term.copy()
    for step in range(_MOST_TERMS):
        k = at + step
        going = k < most
        ratio = np.where(going, (a - k) * (b - k) / ((k + 1.0) * np.maximum(n - a - b + k + 1.0, 1.0)), 0.0)
        term = term * np.maximum(ratio, 0.0)
        total += term
        if (term <= 1e-12 * total).all():  # the terms fall faster than geometrically from here
            break
    return np.where(possible, np.minimum(total, 1.0), np.where(x <= most, 1.0, 0.0))


class Spread(NamedTuple):
    """The distinct values of a column.

    Attributes:
        values: Distinct numbers; float64, (d,).
        counts: Rows that have each; float64, (d,).
    """

    values: Numbers
    counts: Numbers


def spread_of(values: Numbers) -> Spread:
    """The distinct values of a column and how often each occurs."""
    found, counts = np.unique(values, return_counts=True)
    return Spread(found, counts.astype(np.float64))


def paired_sum_tail(total: float, one: Spread, other: Spread) -> float:
    """Two-sided tail of the sum of products of two columns in random order, for columns with rare large values.

    Lugannani and Rice's formula on the cumulants of pairs drawn with replacement,

        K(t) = sum_i c_i log(sum_j q_j exp(t a_i b_j)),

    with a, c the values and counts of one column and b, q the values and shares of the other. Right in the tail where a
    normal approximation may be wrong by many powers of ten; one evaluation costs d_a d_b exponentials.

    Args:
        total: Sum of products, columns centred.
        one: Values of one column, mean 0.
        other: Values of the other, mean 0.

    Returns:
        Probability, doubled as for two sides, at most 1.

    Source: Lugannani, R., Rice, S. (1980), Saddle point approximation for the distribution of the sum of independent
    random variables, Adv. Appl. Probab. 12, 475-490.
    """
    from scipy.special import log_ndtr  # noqa: PLC0415 - heavy: loaded when used

    if total < 0:
        one, total = Spread(-one.values, one.counts), -total
    n = one.counts.sum()
    products = one.values[:, None] * other.values[None, :]
    log_shares = np.log(other.counts / n)[None, :]
    low, high, t = 0.0, np.inf, total / max(float((one.counts @ products**2 @ other.counts) / n), _SMALLEST)
    k = first = second = 0.0
    for _ in range(_NEWTON_STEPS):
        powers = t * products + log_shares
        top = powers.max(axis=1, keepdims=True)
        weights = np.exp(powers - top)
        sums = weights.sum(axis=1, keepdims=True)
        k = float(one.counts @ (top + np.log(sums))[:, 0])
        weights /= sums
        means = (weights * products).sum(axis=1)
        first = float(one.counts @ means)
        second = float(one.counts @ ((weights * products**2).sum(axis=1) - means**2))
        if abs(first - total) <= 1e-8 * max(abs(total), 1.0):  # far below what changes a probability's first digit
            break
        low, high = (t, high) if first < total else (low, t)
        step = t + (total - first) / max(second, _SMALLEST)
        t = step if low < step < high else ((low + high) / 2.0 if np.isfinite(high) else 2.0 * t)
    exponent = max(t * total - k, 0.0)
    w, u = float(np.sqrt(2.0 * exponent)), t * float(np.sqrt(max(second, 0.0)))
    if w < _HALF:
        return 1.0  # near the middle: nobody asks for the digits of a large probability
    tail = (
        float(np.exp(log_ndtr(-w))) + float(np.exp(-exponent)) / np.sqrt(2.0 * np.pi) * (1.0 / u - 1.0 / w)
        if u > 0
        else 0.0
    )
    if not tail > 0.0:
        tail = float(np.exp(-exponent))  # Chernoff's bound, where the formula has run out of digits
    return min(2.0 * tail, 1.0)
