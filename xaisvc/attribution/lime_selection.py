"""Which columns LIME's surrogate may use: the lime package's feature selection, from the sums of the fit alone.

The package looks at the whole sample again for every candidate; all it finds is already in Zc'WZc, Zc'Wy and yc'Wyc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.attribution.surrogate import WeightedSums

Selection = Literal["none", "auto", "highest_weights", "forward_selection", "lasso_path"]

# The package's own numbers.
_LARGEST_FORWARD = 6
_SELECTION_ALPHA = 0.01
# A column whose variance beside the chosen ones falls below this share of its own says nothing new.
_SPENT = 1e-10


def select_columns(
    sums: WeightedSums, row: NDArray[np.float64], selection: Selection, n_columns: int
) -> NDArray[np.int64]:
    """The columns that a surrogate of at most `n_columns` columns uses.

    Args:
        sums: Of the weighted sample, p columns.
        row: The explained row's own columns: ones where columns say whether a draw agrees with it; float64, (p,).
        selection: `none` takes all; `highest_weights` the largest |weight * row| of a ridge fit with penalty 0.01;
            `forward_selection` adds the column that raises the weighted R2 of least squares most, one after the other;
            `lasso_path` the last step of the lasso path that has no more columns than asked for; `auto` is
            `forward_selection` for up to 6 columns, else `highest_weights`.
        n_columns: Most columns.

    Returns:
        int64, (q,), ascending.
    """
    if selection == "auto":
        selection = "forward_selection" if n_columns <= _LARGEST_FORWARD else "highest_weights"
    if selection == "none":
        return np.arange(len(sums.means), dtype=np.int64)
    if selection == "highest_weights":
        found = _highest_weights(sums, row, n_columns)
    elif selection == "forward_selection":
        found = _forward(sums, n_columns)
    else:
        found = _lasso_path(sums, n_columns)
    return np.sort(found)


def _highest_weights(sums: WeightedSums, row: NDArray[np.float64], n_columns: int) -> NDArray[np.int64]:
    weights, _ = sums.ridge(np.arange(len(row), dtype=np.int64), _SELECTION_ALPHA)
    return np.argsort(-np.abs(weights * row), kind="stable")[:n_columns]


def _forward(sums: WeightedSums, n_columns: int) -> NDArray[np.int64]:
    p = len(sums.means)
    columns, answers = sums.columns.copy(), sums.answers.copy()
    own = np.diag(columns).copy()
    found: list[int] = []
    for _ in range(min(n_columns, p)):
        left = np.diag(columns)
        useful = left > _SPENT * own
        # What a column still adds to the sum of squares explained, beside those already chosen.
        gains = np.where(useful, answers**2 / np.where(useful, left, 1.0), 0.0)
        gains[found] = -1.0
        best = int(np.argmax(gains))
        found.append(best)
        if useful[best]:
            # Take the chosen column's part out of all others.
            share = columns[best] / columns[best, best]
            answers -= share * answers[best]
            columns -= np.outer(columns[best], share)
    return np.array(found, dtype=np.int64)


def _lasso_path(sums: WeightedSums, n_columns: int) -> NDArray[np.int64]:
    from sklearn.linear_model import lars_path_gram  # noqa: PLC0415 - heavy: loaded when used

    p = len(sums.means)
    # The number of draws scales the penalties only, and of the path we read where weights are zero.
    _, _, path = lars_path_gram(sums.answers, sums.columns, n_samples=1, method="lasso")
    nonzero = np.arange(p, dtype=np.int64)
    for step in range(path.shape[1] - 1, 0, -1):
        nonzero = np.flatnonzero(path[:, step])
        if len(nonzero) <= n_columns:
            break
    return nonzero
