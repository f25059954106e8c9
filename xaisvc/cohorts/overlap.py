"""What was told before, and what may be told after it.

Whoever knows the sums over several sets of persons knows the sums and differences of these sums. So a set may be told
only if no such combination leaves a few persons: neither the set with one or two earlier ones, each added or taken
away, nor what remains of a set when every known set within it is taken away.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import product
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.cohort import MIN_CELL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

KEPT_SETS = 32
"""Most sets of one name that are remembered; the oldest is forgotten first."""

KEPT_ASKERS = 256
"""Most askers that are remembered."""

KEPT_PERSONS = 8_000_000
"""Most persons that are remembered, in all sets of all askers together: 64 MB."""


def smallest_remainder(new: NDArray[np.uint64], before: Sequence[NDArray[np.uint64]]) -> int:
    """Fewest persons that a combination of a set with earlier ones leaves.

    Args:
        new: The persons of the new set, without repetition; uint64, (n,).
        before: Those of earlier sets.

    Returns:
        The number, 1 or more; n if nothing of what was told before concerns the same persons.
    """
    near = _connected(new, before)
    if not near:
        return len(new)
    sets = [new, *near]
    everybody, found = np.unique(np.concatenate(sets), return_inverse=True)
    is_in = np.zeros((len(sets), len(everybody)), dtype=np.bool_)
    is_in[np.repeat(np.arange(len(sets)), list(map(len, sets))), found] = True
    columns, sizes = np.unique(is_in, axis=1, return_counts=True)
    kinds = columns.astype(np.int8)  # persons of one kind belong to the same sets
    left = _combined(kinds, sizes)
    left += [_remainder(kinds, sizes, place) for place in range(len(sets))]
    return min((count for count in left if count > 0), default=len(new))


def _connected(new: NDArray[np.uint64], before: Sequence[NDArray[np.uint64]]) -> list[NDArray[np.uint64]]:
    """Earlier sets that share persons with the new one, or with one of those."""
    far, reached = list(before), [new]
    near: list[NDArray[np.uint64]] = []
    while reached and far:
        everybody = np.concatenate(reached)
        touches = [bool(np.isin(one, everybody).any()) for one in far]
        reached = [one for one, touched in zip(far, touches, strict=True) if touched]
        far = [one for one, touched in zip(far, touches, strict=True) if not touched]
        near += reached
    return near


def _combined(kinds: NDArray[np.int8], sizes: NDArray[np.intp]) -> list[int]:
    """Persons left by the first set with one or two others, each added or taken away."""
    first, others = kinds[0], kinds[1:]
    found = []
    for one, two in product((1, -1), (1, 0, -1)):
        mixed = first + one * others[:, None, :] + two * others[None, :, :]
        left = (mixed != 0) @ sizes
        if two:
            np.fill_diagonal(left, sizes.sum())  # a set with itself is no other set
        found += np.unique(left).tolist()
    return found


def _remainder(kinds: NDArray[np.int8], sizes: NDArray[np.intp], place: int) -> int:
    """Persons of one set that are in none of the sets within it."""
    own = kinds[place]
    within = (kinds <= own).all(axis=1) & (kinds != own).any(axis=1)
    covered = kinds[within].any(axis=0) if within.any() else np.zeros(len(own), dtype=np.bool_)
    return int(sizes[(own > 0) & ~covered].sum())


@dataclass(slots=True)
class Told:
    """The sets that one asker was told of, by their names. Only sets of the same name are compared."""

    sets: dict[str, list[NDArray[np.uint64]]] = field(default_factory=dict)

    def allows(self, name: str, persons: NDArray[np.uint64], minimum: int = MIN_CELL) -> bool:
        """Whether a set may be told after what was told before."""
        known = self.sets.get(name)
        if not known or any(np.array_equal(one, persons) for one in known):
            return True
        return smallest_remainder(persons, known) >= minimum

    def add(self, sets: Mapping[str, NDArray[np.uint64]]) -> None:
        """Remembers what is told now."""
        for name, persons in sets.items():
            known = self.sets.setdefault(name, [])
            if not any(np.array_equal(one, persons) for one in known):
                known.append(persons)
                del known[:-KEPT_SETS]
        while self.size > KEPT_PERSONS:
            largest = max(self.sets.values(), key=lambda known: sum(map(len, known)))
            del largest[0]

    @property
    def size(self) -> int:
        """Number of persons in all sets together."""
        return sum(len(persons) for known in self.sets.values() for persons in known)


class Memory:
    """What every asker was told, bounded, in this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._askers: OrderedDict[tuple[str, ...], Told] = OrderedDict()

    def told(self, asker: tuple[str, ...]) -> Told:
        """What an asker was told; to be read and added to while `lock` is held.

        Args:
            asker: Whom it is told to, such as the tenant, and about what.
        """
        told = self._askers.setdefault(asker, Told())
        self._askers.move_to_end(asker)
        while len(self._askers) > 1 and (
            len(self._askers) > KEPT_ASKERS or sum(one.size for one in self._askers.values()) > KEPT_PERSONS
        ):
            self._askers.popitem(last=False)
        return told
