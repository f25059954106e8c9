"""Cuts from a grid of good and bad combinations a region that is good everywhere."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TWO = 2


def region_of(
    good: NDArray[np.bool_],
    corner: tuple[int, ...],
    ordered: Sequence[bool],
    weights: Sequence[NDArray[np.intp]],
) -> tuple[NDArray[np.intp], ...]:
    """The largest product of places, good everywhere, that starts at a corner.

    Along an ordered axis a region is a run of places from the corner on; along another it is any set with the corner in
    it. Size is the product of the weights. With one axis, or with an ordered one, the region is the largest there is;
    of two axes without order, the first is extended place by place.

    Args:
        good: Whether each combination is good; bool, one or two axes; the corner is.
        corner: Place of the smallest change.
        ordered: Whether each axis has an order.
        weights: How many values each place stands for, by axis; (k,) each.

    Returns:
        Places along each axis, the corner first.
    """
    if good.ndim == 1:
        return (_places(good, corner[0], is_ordered=ordered[0]),)
    if not ordered[0] and ordered[1]:
        second, first = region_of(good.T, corner[::-1], ordered[::-1], weights[::-1])
        return first, second
    candidates = _places(good[:, corner[1]], corner[0], is_ordered=ordered[0])
    best: tuple[NDArray[np.intp], ...] = ()
    size = -1
    together = np.ones(good.shape[1], dtype=np.bool_)
    for count, place in enumerate(candidates, start=1):
        together = together & good[place]
        across = _places(together, corner[1], is_ordered=ordered[1])
        found = int(weights[0][candidates[:count]].sum()) * int(weights[1][across].sum())
        if found > size:
            best, size = (candidates[:count], across), found
    return best


def _places(good: NDArray[np.bool_], corner: int, *, is_ordered: bool) -> NDArray[np.intp]:
    if is_ordered:
        bad = np.flatnonzero(~good[corner:])
        return np.arange(corner, corner + (int(bad[0]) if len(bad) else len(good) - corner))
    others = np.flatnonzero(good)
    return np.concatenate([[corner], others[others != corner]]).astype(np.intp)


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` of `count` places, evenly spaced, both ends among them; intp, ascending."""
    if count <= most:
        return np.arange(count)
    return np.arange(most) * (count - 1) // max(most - 1, 1)


def shares(counts: Sequence[int], most: int) -> tuple[int, ...]:
    """Places to take along each of one or two axes, so that their product is at most `most`; each at least 1."""
    if len(counts) < _TWO:
        return (min(counts[0], most),)
    first, second = counts
    even = isqrt(most)
    if first <= even:
        return first, min(second, most // first)
    if second <= even:
        return min(first, most // second), second
    return min(first, even), min(second, even)
