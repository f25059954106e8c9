"""The cuts of a set of dependent players, and how the gaps of its players follow from those of the cuts."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_ENUMERATED = 5
"""Players of a set up to which all its cuts are taken."""

MOST_ORDERS, FEWEST_ORDERS = 10, 2
"""Pairs of orders that give the cuts of larger sets."""

SAMPLED_CUTS = 144
"""Cuts of larger sets, about."""

LINEAR_PREFIXES = 4000
MOST_LINEAR_ORDERS, FEWEST_LINEAR_ORDERS = 128, 32
"""Pairs of orders for what a linear model moves; their beginnings are about so many pairs."""

_RIDGE = 1e-2  # share of a score's variance
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Cuts:
    """The cuts of a set of c players.

    Attributes:
        held: Which players each cut keeps, each one's complement among them; bool, (a, c).
        weights: How gaps of the players follow from D_0(A) and D_1(A); float64, (c, a, 2).
        orders: One of each pair of orders where cuts are sampled; int64, (orders, c), none where all cuts are there.
        each: Weights of each pair of orders; float64, (orders, c, a, 2).
    """

    held: NDArray[np.bool_]
    weights: Floats
    orders: NDArray[np.int64]
    each: Floats


def cuts_of(c: int, rng: np.random.Generator) -> Cuts:
    """The cuts of a set of c players, and how the gaps of its players follow from theirs.

    With all cuts, the weight of D(A) for a player in A is a Beta integral, B(a, c - a + 1), for one outside it
    -B(a + 1, c - a); a share of a / (c + 1), or (a + 1) / (c + 1), of the players outside the set is there on average.
    For larger sets the cuts are the beginnings of random orders and of the same orders turned round.

    Args:
        c: Players of the set.
        rng: Draws the orders.
    """
    if c <= MOST_ENUMERATED:
        cuts = (np.arange(1, 2**c - 1)[:, None] >> np.arange(c) & 1).astype(np.bool_)
        weights = np.empty((c, len(cuts), 2))
        for k, cut in enumerate(cuts):
            a = int(cut.sum())
            inside = factorial(a - 1) * factorial(c - a) / factorial(c)
            outside = -factorial(a) * factorial(c - a - 1) / factorial(c)
            weights[:, k] = np.where(cut[:, None], inside * _share(a, c), outside * _share(a + 1, c))
        return Cuts(cuts, weights, np.zeros((0, c), dtype=np.int64), np.zeros((0, *weights.shape)))
    n_orders = int(np.clip(round(SAMPLED_CUTS / 2 / (c - 1)), FEWEST_ORDERS, MOST_ORDERS))
    orders = np.stack([rng.permutation(c) for _ in range(n_orders)])
    place: dict[bytes, int] = {}
    found: list[NDArray[np.bool_]] = []
    entries: list[tuple[int, int, int, Floats]] = []
    for which, one in enumerate(orders):
        for way in (one, one[::-1]):
            held = np.zeros(c, dtype=np.bool_)
            for a, player in enumerate(way[:-1].tolist(), start=1):
                held[player] = True
                k = place.setdefault(held.tobytes(), len(found))
                if k == len(found):
                    found.append(held.copy())
                entries.append((which, player, k, 0.5 * _share(a, c)))
                entries.append((which, int(way[a]), k, -0.5 * _share(a + 1, c)))
    each = np.zeros((n_orders, c, len(found), 2))
    for which, player, k, weight in entries:
        each[which, player, k] += weight
    return Cuts(np.array(found), each.mean(axis=0), orders, each)


def linear_orders(c: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Orders for `linear_gaps`; int64, (orders, c)."""
    count = int(np.clip(LINEAR_PREFIXES // c, FEWEST_LINEAR_ORDERS, MOST_LINEAR_ORDERS))
    return np.stack([rng.permutation(c) for _ in range(count)])


def linear_gaps(orders: NDArray[np.int64], owner: NDArray[np.int64], covariance: Floats, cross: Floats) -> Floats:
    """Gaps of a model that adds up, where what is known of a player follows from scores by a line.

    With u_j what player j adds and z the scores of the set's columns, E[u_j | z_A] is taken to be
    cov(u_j, z_A) cov(z_A)^-1 z_A, so that D(A) is the sum of that over the players outside A: nothing that depends on
    more than covariances, and cheap for many orders. The difference to few orders is what these leave to chance.

    Args:
        orders: One of each pair; int64, (orders, c).
        owner: Player of each column; int64, (q,).
        covariance: Of the scores; float64, (q, q).
        cross: Covariance of what each player adds with the scores; float64, (c, q).

    Returns:
        Map from scores, less their means, to the gaps of each pair of orders; float64, (orders, c, q).
    """
    found = np.zeros((*orders.shape, len(owner)))
    steady = covariance + np.diag(_RIDGE * covariance.diagonal() + 1e-9)
    for start in range(0, len(orders), _AT_ONCE):
        for way in (orders[start : start + _AT_ONCE], orders[start : start + _AT_ONCE, ::-1]):
            held = (way[:, :-1, None] == np.arange(way.shape[1])).cumsum(axis=1).astype(np.bool_)
            known = held[:, :, owner]
            matrix = np.where(known[..., None] & known[..., None, :], steady, np.eye(len(owner)))
            told = np.linalg.solve(matrix, (((~held) @ cross) * known)[..., None])[..., 0]
            which = np.arange(start, start + len(way))[:, None]
            found[which, way[:, :-1]] += 0.5 * told
            found[which, way[:, 1:]] -= 0.5 * told
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """What a linear model that adds up moves at all rows: by what was studied, and by many more orders and rows.

    Attributes:
        each: By each pair of the orders drawn, known from the rows with coalition values; float64, (orders, c, n).
        missed: By many orders and known from all rows, less the mean of `each`; float64, (c, n).
    """

    each: Floats
    missed: Floats

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 - what lines are drawn from
        cls,
        scores: Floats,
        owner: NDArray[np.int64],
        added: Floats,
        fitted: int,
        drawn: NDArray[np.int64],
        every: NDArray[np.int64],
    ) -> Line:
        """Draws the lines.

        Args:
            scores: Of the set's columns at n rows; float64, (q, n).
            owner: Player of each column; int64, (q,).
            added: What each player adds, but for a constant; float64, (c, n).
            fitted: How many of the rows, the first ones, have coalition values.
            drawn: One of each pair of the orders drawn; int64, (orders, c).
            every: As `linear_orders`; int64, (many, c).
        """
        middle = scores - scores.mean(axis=1, keepdims=True)

        def moved(orders: NDArray[np.int64], n: int) -> Floats:
            own = scores[:, :n] - scores[:, :n].mean(axis=1, keepdims=True)
            cross = (added[:, :n] - added[:, :n].mean(axis=1, keepdims=True)) @ own.T / n
            return linear_gaps(orders, owner, own @ own.T / n, cross)

        each = moved(drawn, fitted) @ middle
        many = moved(every, scores.shape[1]).mean(axis=0) @ middle
        return cls(each=each, missed=many - each.mean(axis=0))


def order_error(gaps: Floats) -> Floats:
    """Standard error of gaps that comes from few orders.

    Args:
        gaps: Of each pair of orders at some rows; float64, (orders, c, n).

    Returns:
        Root mean square over the rows; float64, (c,).
    """
    return np.asarray(np.sqrt((gaps.std(axis=0, ddof=1) ** 2).mean(axis=1) / len(gaps)))


def _share(a: int, c: int) -> Floats:
    later = a / (c + 1)
    return np.array([1.0 - later, later])
