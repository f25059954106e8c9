"""How often a feature may be used at most, by what some swaps of its values did."""

from __future__ import annotations

CONFIDENCE = 0.95


def usage_upper(moved: float, count: float) -> float:
    """Upper limit of the usage rate with 95 % confidence after `moved` of `count` swaps (Clopper and Pearson 1934).

    It is the 95 % quantile of Beta(moved + 1, count - moved). Counts that are not whole are allowed.
    """
    if count <= 0 or moved >= count:
        return 1.0
    if moved == 0:
        return float(1.0 - (1.0 - CONFIDENCE) ** (1.0 / count))
    from scipy.special import betaincinv  # noqa: PLC0415 - heavy: loaded when used

    return float(betaincinv(moved + 1.0, count - moved, CONFIDENCE))


def usage_upper_new_rows(moved: int, count: int, rows: int) -> float:
    """Upper limit of the usage rate among rows to come, with 95 % confidence.

    Swaps between n rows estimate a mean over pairs, of which floor(n / 2) at a time are independent (Hoeffding, Annals
    of Mathematical Statistics 19, 1948), and m swaps are a sample of it. So m swaps among n rows are worth
    1 / (1 / m + 2 / n) independent ones, of which the same share is taken to have moved the output.
    """
    if count == 0:
        return 1.0
    worth = 1.0 / (1.0 / count + 2.0 / rows)
    return usage_upper(moved * worth / count, worth)
