"""Whether the arrays that a metric is given belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def check_shapes(**given: tuple[ArrayLike, str]) -> None:
    """Refuses arrays that do not fit each other.

    numpy spreads many such arrays over each other, so that a metric would be a number over pairs of rows in silence.

    Args:
        given: Name of each argument to it and its dimensions as letters, such as `n p`; equal letters, equal sizes.

    Raises:
        InvalidRequestError: If an array has other dimensions, or a size that differs from that of another array.
    """
    sizes: dict[str, tuple[int, str]] = {}
    for name, (array, letters) in given.items():
        shape, wanted = np.shape(array), letters.split()
        meant = f"({', '.join(wanted)}{',' if len(wanted) == 1 else ''})"
        if len(shape) != len(wanted):
            raise InvalidRequestError.of(name, f"has the shape {shape}; hand in an array of the shape {meant}")
        for letter, size in zip(wanted, shape, strict=True):
            known, other = sizes.setdefault(letter, (size, name))
            if known != size:
                raise InvalidRequestError.of(
                    name,
                    f"has the shape {shape}, which is to be {meant}, but {letter} is {known} in '{other}'; hand in "
                    "arrays for the same rows, players and sets",
                )
