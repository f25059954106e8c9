"""Least squares of every feature on all others at once, each row predicted without itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.association_nulls import explained_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Places = NDArray[np.intp]

RIDGE = 1e-6
"""Added to the diagonal of the correlations, so that copies and one-hot sets can be inverted."""

FULL_SHARE = 1 / 3
"""Columns per row up to which every feature is regressed on all others."""

LIKELY = 1e-4
"""Chance of a pair's dependence from which one is a partner of the other in a wide table: choosing the strongest of
many in the rows that they are then judged on would make independent features look redundant."""

MOST_PREDICTORS = 12
_ROWS_PER_COLUMN = 10
_GAIN = 1e-3
_DONE = 0.97


def left_out(columns: Numbers, owner: Places, p_value: Numbers) -> Numbers:
    """Prediction of every column from the columns of all other features, with the predicted row left out.

    With C = X'X / n + RIDGE and P its inverse, the residual of feature g on all others is E = X P[:, g] P[g, g]^-1, its
    leverage h_i = x_i' P x_i / n - e_i' P[g, g] e_i / n, and the residual without row i is e_i / (1 - h_i - 1 / n).
    Where there are more columns than FULL_SHARE of the rows, a feature is regressed on those only that go with it at a
    chance of 1 in 10,000, at most one in ten rows.

    Args:
        columns: Standardised; float64, (n, q).
        owner: Feature of each column; intp, (q,).
        p_value: Of every pair of features; float64, (f, f).

    Returns:
        float64, (n, q).
    """
    n, q = columns.shape
    predicted = np.zeros_like(columns)
    if q <= FULL_SHARE * n:
        _fill(predicted, columns, owner, None)
        return predicted
    likely = np.nan_to_num(p_value, nan=1.0) <= LIKELY
    most = max(n // _ROWS_PER_COLUMN, 1)
    for feature in np.unique(owner).tolist():
        own = np.flatnonzero(owner == feature)
        partners = np.flatnonzero(likely[feature][owner] & (owner != feature))
        if not len(partners):
            continue
        strength = np.abs(columns[:, own].T @ columns[:, partners]).max(axis=0)
        chosen = np.concatenate([own, partners[np.argsort(-strength, kind="stable")[:most]]])
        part = np.zeros((n, len(chosen)))
        _fill(part, columns[:, chosen], owner[chosen], feature)
        predicted[:, own] = part[:, : len(own)]
    return predicted


def _fill(predicted: Numbers, columns: Numbers, owner: Places, only: int | None) -> None:
    n = len(columns)
    precision = np.linalg.inv(columns.T @ columns / n + RIDGE * np.eye(columns.shape[1]))
    projected = columns @ precision
    leverage = (projected * columns).sum(axis=1) / n
    for feature in np.unique(owner).tolist() if only is None else [only]:
        own = np.flatnonzero(owner == feature)
        inner = precision[np.ix_(own, own)]
        residual = np.linalg.solve(inner, projected[:, own].T).T
        rest = 1.0 - 1.0 / n - leverage + ((residual @ inner) * residual).sum(axis=1) / n
        predicted[:, own] = columns[:, own] - residual / np.maximum(rest, RIDGE)[:, None]


def strongest_predictors(columns: Numbers, owner: Places, feature: int, r_squared: float) -> tuple[int, ...]:
    """Few features that a feature's columns follow from, by forward selection, ascending.

    Each step adds the feature with the column that explains most of what is left; it ends when a step would be no
    surprise by chance, when 97 % of what all others predict is reached, or with MOST_PREDICTORS.

    Args:
        columns: Standardised; float64, (n, q).
        owner: Feature of each column; intp, (q,).
        feature: The feature to explain.
        r_squared: What all others predict.
    """
    n = len(columns)
    left = columns[:, owner == feature].copy()
    start = float((left**2).sum())
    others = np.unique(owner[owner != feature])
    if not start > 0.0 or not len(others):
        return ()
    rest = columns[:, owner != feature].copy()
    by = owner[owner != feature]
    chosen: list[int] = []
    while len(chosen) < min(MOST_PREDICTORS, len(others)):
        lengths = (rest**2).sum(axis=0)
        usable = lengths > 1e-9 * n  # what is left of a column that the chosen ones explain is rounding
        gains = np.where(usable, ((rest.T @ left) ** 2).sum(axis=1) / np.where(usable, lengths, 1.0), 0.0)
        best = int(by[int(gains.argmax())])
        own = by == best
        q, _ = np.linalg.qr(rest[:, own & usable])
        before = float((left**2).sum())
        left = left - q @ (q.T @ left)
        after = float((left**2).sum())
        gain = np.array([1.0 - after / before if before > 0 else 0.0])
        tail = explained_tail(gain, np.array([float(q.shape[1])]), np.array([float(n - len(chosen))]))[0]
        if tail * len(others) > _GAIN:
            break
        chosen.append(best)
        rest = rest - q @ (q.T @ rest)
        rest[:, own] = 0.0
        if 1.0 - after / start >= _DONE * r_squared:
            break
    return tuple(sorted(chosen))
