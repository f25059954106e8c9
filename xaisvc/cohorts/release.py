"""Decides number by number what is told, and remembers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.types.cohort import Reason, Withheld

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.cohorts.overlap import Told


class Release:
    """What is told of one cohort.

    Args:
        told: What the same asker was told before.
        persons: What stands for the person behind each record, each once; uint64, (n,).
        place: Stands before the names of what is withheld.
    """

    def __init__(self, told: Told, persons: NDArray[np.uint64], place: str = "") -> None:
        self._told = told
        self._persons = persons
        self._place = place
        self._sets: dict[str, NDArray[np.uint64]] = {}
        self._withheld: dict[Withheld, None] = {}

    def allows(self, name: str, members: NDArray[np.bool_]) -> bool:
        """Whether a number about some of the persons may be told after what was told before.

        Args:
            name: What the number is; only numbers of the same name are compared.
            members: Whom it is about; bool, (n,).
        """
        return self._told.allows(name, self._persons[members])

    def tell(self, name: str, members: NDArray[np.bool_]) -> None:
        """Notes that a number is told."""
        self._sets[name] = self._persons[members]

    def withhold(self, what: str, reason: Reason) -> None:
        """Notes that a number is not told."""
        self._withheld[Withheld(what=f"{self._place}{what}", reason=reason)] = None

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """What is not told."""
        return tuple(self._withheld)

    def remember(self) -> None:
        """Adds what is told to what was told before."""
        self._told.add(self._sets)
