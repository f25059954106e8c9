"""Which players lead an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOP: Final = 3
"""Players that lead an explanation."""


def are_top(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which players are among the three of a row with the largest absolute values; ties go to the first.

    Args:
        values: float64, (n, p).

    Returns:
        bool, (n, p).
    """
    from xaisvc.caveats.leading_kernel import leading_of_rows  # noqa: PLC0415 (heavy: loaded when used)

    found = np.empty(values.shape, dtype=np.bool_)
    leading_of_rows(np.ascontiguousarray(np.abs(values)), found)
    return found


def most_of(sizes: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Which of the chosen players of a row is the largest; ties go to the first.

    Args:
        sizes: Not negative; float64, (n, p).
        chosen: bool, (n, p).

    Returns:
        Places; intp, (n,), 0 for a row of which none is chosen.
    """
    from xaisvc.caveats.leading_kernel import largest_of_rows  # noqa: PLC0415 (heavy: loaded when used)

    found = np.empty(len(sizes), dtype=np.intp)
    largest_of_rows(np.ascontiguousarray(sizes), np.ascontiguousarray(chosen), found)
    return found
