"""Agreement: do two sets of attributions for the same rows tell the same story?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation.measures import RowScores
from xaisvc.evaluation.shapes import check_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TOP = 5
"""Players that lead an explanation."""


def rank_agreement(one: Floats, other: Floats) -> RowScores:
    """Spearman correlation of absolute attributions over all players; the number is its mean over rows.

    Krishna et al. 2022 (rank correlation, not what they call rank agreement: the share of leading players with the same
    rank). Ties share their mean rank. Unit: none. Range: -1 to 1, 1 is the same order. A row has no number where the
    absolute values of either side are all alike or not all are finite.

    Args:
        one: float64, (n, p).
        other: float64, (n, p).
    """
    check_shapes(one=(one, "n p"), other=(other, "n p"))
    a, b = ranks(np.abs(one)), ranks(np.abs(other))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    where = (spread > 0) & _finite(one, other)
    return RowScores(np.divide((a * b).sum(axis=1), spread, out=np.full(len(one), np.nan), where=where))


def top_agreement(one: Floats, other: Floats, k: int = TOP) -> RowScores:
    """Share of the k players with the largest absolute attributions that both have; the number is its mean over rows.

    |A and B| / max(|A|, |B|), where A and B hold the leading players of one and other: the first k by absolute value,
    ties to the earlier player, without values of zero, which lead nothing. Krishna et al. 2022 (feature agreement:
    |A and B| / k, the same unless both sides have fewer than k values that are not zero; divided by k, such an
    attribution would not agree with itself). Unit: none. Range: 0 to 1, 1 is the same players; two random orders
    without zeros give k / p. A row has no number where both sides are zero or not all values are finite.

    Args:
        one: float64, (n, p).
        other: float64, (n, p).
        k: Players, at least 1; all of them if there are fewer.

    Raises:
        InvalidRequestError: If k is less than 1.
    """
    check_shapes(one=(one, "n p"), other=(other, "n p"))
    first, second = _top(one, k), _top(other, k)
    return RowScores(_share(first & second, first, second, _finite(one, other)))


def sign_agreement(one: Floats, other: Floats, k: int = TOP) -> RowScores:
    """Share of the k leading players that both have with the same sign; the number is its mean over rows.

    As `top_agreement`, where only players with equal signs count above. Krishna et al. 2022 (sign agreement). Unit:
    none. Range: 0 to 1, never above `top_agreement`. Arguments, errors and rows without a number as there.
    """
    check_shapes(one=(one, "n p"), other=(other, "n p"))
    first, second = _top(one, k), _top(other, k)
    same = first & second & (np.sign(one) == np.sign(other))
    return RowScores(_share(same, first, second, _finite(one, other)))


def agreement_matrix(
    attributions: Sequence[Floats | None], agreement: Callable[[Floats, Floats], RowScores]
) -> NDArray[np.float64]:
    """Agreement of each method with each other, on the rows that both explained.

    Args:
        attributions: Of each of q methods for the first rows of the same table; float64, (n_q, p), or None.
        agreement: One of the functions above.

    Returns:
        float64, (q, q), symmetric; NaN where a method has no attributions or no row has a number.
    """
    q = len(attributions)
    found = np.full((q, q), np.nan)
    for i, one in enumerate(attributions):
        for j, other in enumerate(attributions[: i + 1]):
            if one is not None and other is not None:
                n = min(len(one), len(other))
                found[i, j] = found[j, i] = agreement(one[:n], other[:n]).value()
    return found


def ranks(values: Floats) -> Floats:
    """Rank of each value within its line from 0, ties at their mean; float64, (n, p)."""
    order = np.argsort(values, axis=1, kind="stable")
    in_order = np.take_along_axis(values, order, axis=1)
    p = values.shape[1]
    starts = np.ones(values.shape, dtype=np.bool_)
    starts[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    place = np.broadcast_to(np.arange(p), values.shape)
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    ends = np.ones(values.shape, dtype=np.bool_)
    ends[:, :-1] = starts[:, 1:]
    last = np.minimum.accumulate(np.where(ends, place, p - 1)[:, ::-1], axis=1)[:, ::-1]
    found = np.empty(values.shape)
    np.put_along_axis(found, order, (first + last) / 2.0, axis=1)
    return found


def _top(values: Floats, k: int) -> NDArray[np.bool_]:
    """Whether a player is among the k with the largest absolute values that are not zero; ties go to the earlier."""
    if k < 1:
        raise InvalidRequestError.of("k", f"{k} leading players cannot be compared; ask for at least 1")
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :k]
    found = np.zeros(values.shape, dtype=np.bool_)
    np.put_along_axis(found, order, values=True, axis=1)
    return np.asarray(found & (values != 0))


def _share(
    both: NDArray[np.bool_], one: NDArray[np.bool_], other: NDArray[np.bool_], where: NDArray[np.bool_]
) -> Floats:
    """Players in both over those in the larger set; NaN where there are none and outside `where`; float64, (n,)."""
    most = np.maximum(one.sum(axis=1), other.sum(axis=1))
    return np.asarray(np.divide(both.sum(axis=1), most, out=np.full(len(both), np.nan), where=where & (most > 0)))


def _finite(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """Rows whose values are all finite on both sides: others would be sorted somewhere in silence."""
    return np.asarray(np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1))
