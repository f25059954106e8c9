"""Features that follow from others by a linear equation in the values or in their logarithms: sums, ratios, rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.copula import Shrinkage, choose_shrinkage, precision_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_EQUATIONS = 16
LEFT = 0.5
"""An equation leaves at most this share of the variance, on rows that it was not fitted to."""
BETTER = 0.4
"""It leaves at most this share of what the Gaussian copula leaves."""
FINEST = 1e-5
"""Smallest standard deviation of what is left, in standard deviations of the feature: float32 data hold no more."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which features have an equation.

    Attributes:
        features: Each feature and whether its equation holds for logarithms, in the order in which they were found.
        shrinkages: How far covariances of values, and those of logarithms, are shrunk.
    """

    features: tuple[tuple[int, bool], ...]
    shrinkages: tuple[Shrinkage, Shrinkage]


@dataclass(frozen=True, slots=True)
class Equations:
    """Linear equations; see `xaisvc.types.support.Density`."""

    targets: NDArray[np.intp]
    logs: NDArray[np.bool_]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    spreads: NDArray[np.float64]
    centres: NDArray[np.float64]

    @classmethod
    def none(cls, p: int) -> Equations:
        """No equation among p features."""
        return cls(
            np.zeros(0, np.intp), np.zeros(0, bool), np.zeros((0, p)), np.zeros(0), np.zeros(0), np.zeros((0, p))
        )


def find_equations(
    values: NDArray[np.float64], scores: NDArray[np.float64], numbers: NDArray[np.bool_], shrinkage: Shrinkage
) -> Chosen:
    """Features with an equation, and whether it holds for logarithms.

    One feature after the other, always the one of which an equation leaves least, compared with the Gaussian copula,
    among those that have none yet. Fitted to one half of the rows and judged on the other.

    Args:
        values: n rows; float64, (n, p).
        scores: Their normal scores; float64, (n, p).
        numbers: Which features are numbers; bool, (p,).
        shrinkage: How far the scores' covariances are shrunk.
    """
    n, p = values.shape
    found: list[tuple[int, bool]] = []
    spaces = [_space(values, numbers, logs=logs) for logs in (False, True)]
    half = np.arange(n) % 2 == 0
    shrinkages = tuple(
        choose_shrinkage(np.where(use, space, 0.0)) if use.any() else Shrinkage.plain(p, 1.0) for space, use in spaces
    )
    while len(found) < MAX_EQUATIONS:
        taken = np.zeros(p, dtype=bool)
        taken[[j for j, _ in found]] = True
        copula = _left(scores, precision_of(scores[half], ~taken, shrinkage), half)
        best: tuple[float, int, bool] | None = None
        for logs, ((space, use), own) in enumerate(zip(spaces, shrinkages, strict=True)):
            left = _left(space, precision_of(space[half], use & ~taken, own), half)
            score = np.where(use & ~taken & (left < LEFT), left / np.maximum(copula, 1e-12), np.inf)
            j = int(np.argmin(score))
            if score[j] < BETTER and (best is None or score[j] < best[0]):
                best = (float(score[j]), j, logs == 1)
        if best is None:
            break
        found.append((best[1], best[2]))
    return Chosen(tuple(found), (shrinkages[0], shrinkages[1]))


def fit_equations(values: NDArray[np.float64], numbers: NDArray[np.bool_], chosen: Chosen) -> Equations:
    """The equations of chosen features.

    Args:
        values: n rows; float64, (n, p).
        numbers: Which features are numbers; bool, (p,).
        chosen: Which features.
    """
    p = values.shape[1]
    if not chosen.features:
        return Equations.none(p)
    taken = np.zeros(p, dtype=bool)
    rows: list[tuple[NDArray[np.float64], float, float, NDArray[np.float64]]] = []
    for j, logs in chosen.features:
        raw, use = _raw(values, numbers, logs=logs)
        centre = np.where(use, np.nan_to_num(np.nanmean(np.where(use, raw, 0.0), axis=0)), 0.0)
        filled = np.where(np.isnan(raw), centre, raw)
        spread = filled.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        precision = precision_of((filled - centre) / scale, use & ~taken, chosen.shrinkages[logs])
        weight = np.zeros(p)
        if precision[j, j] > 0:
            weight = precision[j] / precision[j, j] / scale * scale[j]
        weight[j] = 1.0
        offset = -float(weight @ centre)
        left = filled @ weight + offset
        rows.append((weight, offset, max(float(left.std()), FINEST * float(scale[j])), centre))
        taken[j] = True
    return Equations(
        targets=np.array([j for j, _ in chosen.features], dtype=np.intp),
        logs=np.array([logs for _, logs in chosen.features], dtype=bool),
        weights=np.array([row[0] for row in rows]),
        offsets=np.array([row[1] for row in rows]),
        spreads=np.array([row[2] for row in rows]),
        centres=np.array([row[3] for row in rows]),
    )


def _raw(
    values: NDArray[np.float64], numbers: NDArray[np.bool_], *, logs: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values or their logarithms, zeros for features that have none, and which have."""
    known = ~np.isnan(values)
    use = numbers & known.any(axis=0)
    if not logs:
        return np.where(use, values, 0.0), use
    use &= np.where(known, values, np.inf).min(axis=0) > 0
    return np.where(use, np.log(np.where(use & known, values, 1.0)) + np.where(known, 0.0, np.nan), 0.0), use


def _space(
    values: NDArray[np.float64], numbers: NDArray[np.bool_], *, logs: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Standardised values or logarithms with 0 for missing, and which features have them."""
    raw, use = _raw(values, numbers, logs=logs)
    known = ~np.isnan(raw)
    mean = np.where(known, raw, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, raw - mean, 0.0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return centred / np.where(spread > 0, spread, 1.0), use & (spread > 0)


def _left(space: NDArray[np.float64], precision: NDArray[np.float64], fitted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each column's variance that the others leave, on the rows that were not fitted; float64, (p,)."""
    test = space[~fitted]
    diagonal = np.diag(precision)
    left = test @ precision / np.where(diagonal > 0, diagonal, 1.0)
    variance = test.var(axis=0)
    share = left.var(axis=0) / np.where(variance > 0, variance, 1.0)
    return np.where((diagonal > 0) & (variance > 0), share, 1.0)
