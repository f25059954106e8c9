"""Linked sets of features, and the tree of how strongly they hang together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

LARGEST_SHARE = 0.4
"""Share of the features above which a linked set is split."""

ALWAYS_WHOLE = 3
"""A set of so few features is never split."""

TIGHT = 0.7
"""Mean effect from which features stay together however many they are: splitting near copies would hide them."""

_PAIR = 2


def average_linkage(effect: NDArray[np.float64]) -> NDArray[np.float64]:
    """Merges of all features by average linkage over 1 - effect.

    Args:
        effect: Strength of every pair in [0, 1]; float64, symmetric (f, f).

    Returns:
        One merge per row: the two sets (below f a feature, else f + the place of an earlier merge), the distance
        1 - mean effect, and the features in the new set, as `scipy.cluster.hierarchy.linkage` writes it; float64,
        (f - 1, 4), and (0, 4) for fewer than two features.
    """
    if len(effect) < _PAIR:
        return np.zeros((0, 4))
    from scipy.cluster.hierarchy import linkage  # noqa: PLC0415 - heavy: loaded when used

    above = np.triu_indices(len(effect), 1)
    return np.asarray(linkage(np.clip(1.0 - effect[above], 0.0, 1.0), method="average"), dtype=np.float64)


def cut(merges: NDArray[np.float64], f: int, least: float) -> tuple[tuple[int, ...], ...]:
    """Sets of features whose mean effect at their merge is at least `least`, features alone among them.

    Args:
        merges: As `average_linkage` gives them.
        f: Number of features.
        least: Smallest effect of a merge that is made; a merge at exactly this effect is.
    """
    sets: dict[int, tuple[int, ...]] = {place: (place,) for place in range(f)}
    for place, (one, other, distance, _) in enumerate(merges):
        # A distance of exactly 1 - least is made, whatever the last bits of the subtraction and of the means say.
        if distance <= 1.0 - least + 1e-12 and int(one) in sets and int(other) in sets:
            sets[f + place] = tuple(sorted(sets.pop(int(one)) + sets.pop(int(other))))
    return tuple(sorted(sets.values()))


def linked_sets(
    linked: NDArray[np.bool_], effect: NDArray[np.float64], edges: Iterable[tuple[int, int]]
) -> tuple[tuple[tuple[int, ...], ...], float]:
    """Connected sets of two or more features, those split that hold too many.

    A set with more than LARGEST_SHARE of the features is cut along the average linkage of its own features, at the
    smallest effect that leaves no piece too large; merges of mean effect TIGHT or more are never undone.

    Args:
        linked: Pairs that depend on each other; bool, symmetric (f, f).
        effect: Strength of every pair; float64, symmetric (f, f).
        edges: Further pairs that belong together.

    Returns:
        The sets, each ascending, in the order of their first feature; and the strongest effect of a linked pair in
        different sets, 0 if there is none.
    """
    f = len(linked)
    joined = linked.copy()
    for one, other in edges:
        joined[one, other] = joined[other, one] = True
    np.fill_diagonal(joined, val=False)
    largest = max(ALWAYS_WHOLE, int(LARGEST_SHARE * f))
    found: list[tuple[int, ...]] = []
    for members in components(joined):
        found.extend(_split(members, effect, largest) if len(members) > largest else [members])
    sets = tuple(sorted(members for members in found if len(members) >= _PAIR))
    owner = np.full(f, -1, dtype=np.intp)
    for place, members in enumerate(found):
        owner[list(members)] = place
    apart = joined & (owner[:, None] != owner[None, :])
    return sets, float(effect[apart].max(initial=0.0))


def components(joined: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    """Connected sets of a graph, features alone among them, in the order of their first feature."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - heavy: loaded when used

    if not len(joined):
        return ()
    count, labels = connected_components(joined, directed=False)
    return tuple(sorted(tuple(np.flatnonzero(labels == label).tolist()) for label in range(count)))


def _split(members: tuple[int, ...], effect: NDArray[np.float64], largest: int) -> list[tuple[int, ...]]:
    merges = average_linkage(effect[np.ix_(members, members)])
    made = 1.0 - merges[:, 2]
    # Merges with sets that are too large are left out, and everything above them.
    least = min(float(made[merges[:, 3] > largest].max(initial=0.0)) + 1e-9, TIGHT)
    return [tuple(members[place] for place in piece) for piece in cut(merges, len(members), least)]
