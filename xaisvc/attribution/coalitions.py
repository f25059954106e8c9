"""Coalitions as arrays, and what the Shapley value is when all of them are known.

A coalition is a row of a bool array (m, p), True where a player keeps the explained row's values.
"""

from __future__ import annotations

from itertools import chain, combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def all_coalitions(p: int) -> NDArray[np.bool_]:
    """Every coalition of p players; bool, (2^p, p). Row c holds player j if bit j of c is set."""
    return (np.arange(2**p, dtype=np.int64)[:, None] >> np.arange(p) & 1).astype(np.bool_)


def shapley_values(values: NDArray[np.float64], p: int) -> NDArray[np.float64]:
    """The Shapley value from its definition.

    phi_i = sum over S without i of |S|! (p - |S| - 1)! / p! * (v(S + i) - v(S)) (Shapley 1953). Computed from the
    differences, so a player that never changes v gets exactly 0.

    Args:
        values: v of every coalition in the order of `all_coalitions`; float64, (2^p,).
        p: Number of players.

    Returns:
        float64, (p,).
    """
    weights = np.array([1.0 / (p * comb(p - 1, size)) for size in range(p)])
    sizes = all_coalitions(p).sum(axis=1)
    found = np.empty(p)
    for player in range(p):
        pairs = values.reshape(2 ** (p - 1 - player), 2, 2**player)
        weight = weights[sizes.reshape(pairs.shape)[:, 0]]
        found[player] = (weight * (pairs[:, 1] - pairs[:, 0])).sum()
    return found


def coalitions_of_size(p: int, size: int) -> NDArray[np.bool_]:
    """Every coalition of one size, one per complementary pair if the size is p / 2; bool, (pairs, p)."""
    members = np.fromiter(chain.from_iterable(combinations(range(p), size)), dtype=np.intp).reshape(-1, size)
    if 2 * size == p:
        members = members[
            : len(members) // 2
        ]  # lexicographic: the first half holds player 0, the other the complements
    masks = np.zeros((len(members), p), dtype=np.bool_)
    np.put_along_axis(masks, members, values=True, axis=1)
    return masks


def all_pairs_values(
    masks: NDArray[np.bool_], on: NDArray[np.float64], off: NDArray[np.float64], none: float, everyone: float
) -> NDArray[np.float64]:
    """The Shapley value from the values of all complementary pairs, in any order.

    Args:
        masks: One coalition of each of the 2^(p - 1) - 1 pairs; bool, (q, p).
        on: v of each; float64, (q,).
        off: v of each complement; float64, (q,).
        none: v of nobody.
        everyone: v of all.

    Returns:
        float64, (p,); see `shapley_values`.
    """
    p = masks.shape[1]
    codes = masks @ (1 << np.arange(p, dtype=np.int64))
    values = np.empty(2**p)
    values[0], values[-1] = none, everyone
    values[codes], values[2**p - 1 - codes] = on, off
    return shapley_values(values, p)
