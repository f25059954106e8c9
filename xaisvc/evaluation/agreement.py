"""Agreement: do two sets of attributions for the same rows tell the same story?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.evaluation.measures import RowScores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TOP = 5
"""Players that lead an explanation."""


def rank_agreement(one: Floats, other: Floats) -> RowScores:
    """Spearman correlation of absolute attributions over all players.

    Krishna et al. 2022 (rank correlation). Ties share their rank. Unit: none. Range: -1 to 1, 1 is the
    same order. A row has no number where either side is constant.

    Args:
        one: float64, (n, p).
        other: float64, (n, p).
    """
    a, b = ranks(np.abs(one)), ranks(np.abs(other))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return RowScores(np.divide((a * b).sum(axis=1), spread, out=np.full(len(one), np.nan), where=spread > 0))


def top_agreement(one: Floats, other: Floats, k: int = TOP) -> RowScores:
    """Share of the k players with the largest absolute attributions that both have.

    Krishna et al. 2022 (feature agreement). Unit: none. Range: 0 to 1; two random orders give k / p.

    Args:
        one: float64, (n, p).
        other: float64, (n, p).
        k: Players; all of them if there are fewer.
    """
    k = min(k, one.shape[1])
    return RowScores((_top(one, k) & _top(other, k)).sum(axis=1) / k)


def sign_agreement(one: Floats, other: Floats, k: int = TOP) -> RowScores:
    """Share of the k leading players that both have with the same sign.

    Krishna et al. 2022 (sign agreement). Unit: none. Range: 0 to 1. Arguments as `top_agreement`.
    """
    k = min(k, one.shape[1])
    same = _top(one, k) & _top(other, k) & (np.sign(one) == np.sign(other))
    return RowScores(same.sum(axis=1) / k)


def agreement_matrix(
    attributions: Sequence[Floats | None], agreement: Callable[[Floats, Floats], RowScores]
) -> NDArray[np.float64]:
    """Agreement of each method with each other, on the rows that both explained.

    Args:
        attributions: Of each of q methods for the first rows of the same table; float64, (n_q, p), or None.
        agreement: One of the functions above.

    Returns:
        float64, (q, q), symmetric; NaN where a method has no attributions.
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
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :k]
    found = np.zeros(values.shape, dtype=np.bool_)
    np.put_along_axis(found, order, values=True, axis=1)
    return np.asarray(found & (values != 0))
