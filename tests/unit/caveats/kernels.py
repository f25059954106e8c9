"""The kernel of the second opinion over several columns, put together from its parts by definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.opinion_fit import column_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def kernel_parts(
    scores: Floats, codes: NDArray[np.int64], at: Floats, at_codes: NDArray[np.int64], by_level: Floats
) -> tuple[Floats, Floats]:
    """The linear part and the product E of the kernel between n rows and u centres; see `LinkedPlan`.

    Args:
        scores: Of the rows; float64, (columns, n).
        codes: Of the rows; int64, (columns, n).
        at: Scores of the centres; float64, (columns, u).
        at_codes: Codes of the centres; int64, (columns, u).
        by_level: As `ComparedColumn.by_level`; float64, (columns,).

    Returns:
        Mean over columns of t_j, and the product of e_j; float64, (n, u) each.
    """
    linear, product = np.zeros((scores.shape[1], at.shape[1])), np.ones((scores.shape[1], at.shape[1]))
    for own, code, centre, centre_code, level in zip(scores, codes, at, at_codes, by_level, strict=True):
        line, near = column_parts(own, code, centre, centre_code, float(level))
        linear += line
        product *= near
    return linear / len(scores), product
