"""Pairs of features whose joint density is not that of a Gaussian copula: squares, rings, rules of categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.copula import CELLS, chance_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTHS = (0.08, 0.12, 0.25, 0.5)
"""Standard deviations of the kernel that smooths counts, on the scale of normal scores."""
TAIL = 0.15
"""The kernel of a row with normal score z is exp(TAIL z^2) times as wide: far out there are fewer rows."""
PRIOR = 0.02
"""Rows that are spread over all cells as if the features were independent: no cell is impossible."""
MAX_CANDIDATES = 64
COARSE = 6
CANDIDATE = 4.0
"""Standard deviations of the chi-squared statistic from which a pair is looked at."""
GAIN_ERRORS, MIN_GAIN = 3.5, 0.01
"""A pair is kept if the held-out log density gains so many standard errors, more where so many pairs are tried that
chance would, and so many nats per row."""
_ALL = CELLS + 1


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows as cells.

    Attributes:
        codes: Cell of each value, `CELLS` for missing; intp, (n, p).
        scores: Normal scores; float64, (n, p).
        smooth: Whether neighbouring cells of a feature are alike; bool, (p,).
        reach: Largest absolute normal score.
    """

    codes: NDArray[np.intp]
    scores: NDArray[np.float64]
    smooth: NDArray[np.bool_]
    reach: float

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Cells:
        """Some of the rows."""
        return Cells(self.codes[rows], self.scores[rows], self.smooth, self.reach)


def find_pairs(cells: Cells, barred: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pairs whose joint density is better described by their own table than by a Gaussian copula.

    Candidates have the largest chi-squared statistic on a coarse grid, at most 64. Of those that gain on held-out rows
    (two halves), the forest with the largest total gain is kept: the sum over a forest is a density (Chow and Liu
    1968).

    Args:
        cells: n rows of p features.
        barred: Features that may not be part of a pair; bool, (p,).

    Returns:
        The pairs, intp, (e, 2), and the width of the kernel of each, float64, (e,).
    """
    gains: list[tuple[float, float, int, int]] = []
    errors = max(GAIN_ERRORS, chance_errors(cells.codes.shape[1]))
    half = np.arange(len(cells.codes)) % 2 == 0
    parts = (cells.take(half), cells.take(~half))
    for a, b in _candidates(cells, barred):
        best = max((*_gain(parts, a, b, width, errors), width) for width in _widths(cells, a, b))
        mean, low, width = best
        if low > 0 and mean > MIN_GAIN:
            gains.append((mean, width, a, b))
    gains.sort(key=lambda gain: (-gain[0], gain[2], gain[3]))
    label = list(range(cells.codes.shape[1]))
    pairs, widths = [], []
    for _, width, a, b in gains:
        if label[a] != label[b]:
            old = label[b]
            label = [label[a] if mark == old else mark for mark in label]
            pairs.append((a, b))
            widths.append(width)
    return np.array(pairs, dtype=np.intp).reshape(-1, 2), np.array(widths)


def _widths(cells: Cells, a: int, b: int) -> tuple[float, ...]:
    return WIDTHS if cells.smooth[a] or cells.smooth[b] else WIDTHS[:1]


def _candidates(cells: Cells, barred: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs of features that are not independent on a coarse grid, the least independent ones first."""
    n, p = cells.codes.shape
    coarse = _coarse(cells)
    ones = np.zeros((n, p * COARSE), dtype=np.float32)
    ones[np.arange(n)[:, None], np.arange(p) * COARSE + coarse] = 1.0
    counts = (ones.T @ ones).astype(np.float64)
    margin = np.diag(counts)
    expected = np.outer(margin, margin) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(expected > 0, (counts - expected) ** 2 / expected, 0.0)
    chi = np.add.reduceat(
        np.add.reduceat(parts, np.arange(0, p * COARSE, COARSE), 0), np.arange(0, p * COARSE, COARSE), 1
    )
    used = (margin.reshape(p, COARSE) > 0).sum(axis=1)
    freedom = np.maximum(np.outer(used - 1, used - 1), 1)
    strength = (chi - freedom) / np.sqrt(2 * freedom)
    strength[barred] = strength[:, barred] = 0.0
    a, b = np.triu_indices(p, 1)
    ranked = np.lexsort((b, a, -strength[a, b]))[:MAX_CANDIDATES]
    return [(int(a[i]), int(b[i])) for i in ranked if strength[a[i], b[i]] > CANDIDATE]


def _coarse(cells: Cells) -> NDArray[np.intp]:
    """A coarse cell of each value: five of about as many rows, and one for missing; intp, (n, p)."""
    n, p = cells.codes.shape
    found = np.empty((n, p), dtype=np.intp)
    for j in range(p):
        count = np.bincount(cells.codes[:, j], minlength=_ALL)
        below = np.cumsum(count[:CELLS]) - count[:CELLS] / 2
        level = np.minimum(below / max(count[:CELLS].sum(), 1) * (COARSE - 1), COARSE - 2).astype(np.intp)
        found[:, j] = np.append(level, COARSE - 1)[cells.codes[:, j]]
    return found


def _gain(parts: tuple[Cells, Cells], a: int, b: int, width: float, errors: float) -> tuple[float, float]:
    """Held-out gain in log density per row over the Gaussian copula: mean, and mean less some standard errors."""
    gains = []
    for fit, test in (parts, parts[::-1]):
        table = pair_table(fit, a, b, width)
        gains.append(-table[test.codes[:, a], test.codes[:, b]])
    gain = np.concatenate(gains)
    mean = float(gain.mean())
    return mean, mean - errors * float(gain.std()) / np.sqrt(len(gain))


def pair_table(cells: Cells, a: int, b: int, width: float, kept: float = 1.0) -> NDArray[np.float64]:
    """How much less likely the cells of a pair are than under the Gaussian copula of the pair; float64, (c, c).

    log(Gaussian copula density at the cells' mean scores) - log(smoothed count x n / (smoothed counts of the margins)).

    Args:
        cells: n rows.
        a: The first feature.
        b: The second feature.
        width: Standard deviation of the smoothing kernel on the scale of normal scores.
        kept: What the density's Gaussian copula has of the pair's correlation, in [0, 1].
    """
    n = len(cells.codes)
    one, other = cells.codes[:, a], cells.codes[:, b]
    counts = np.bincount(one * _ALL + other, minlength=_ALL * _ALL).reshape(_ALL, _ALL)
    left = _kernel(cells, width) if cells.smooth[a] else np.eye(_ALL)
    right = _kernel(cells, width) if cells.smooth[b] else np.eye(_ALL)
    joint = left @ counts @ right.T
    independent = np.outer(left @ counts.sum(axis=1), right @ counts.sum(axis=0)) / n
    tiny = 1e-12
    ratio = (joint + PRIOR * (independent / n + tiny)) / ((1 + PRIOR / n) * independent + PRIOR * tiny)
    za, zb = _cell_scores(cells, a), _cell_scores(cells, b)
    return np.asarray(_gaussian_pair(cells.scores[:, a], cells.scores[:, b], za, zb, kept) - np.log(ratio))


def _kernel(cells: Cells, width: float) -> NDArray[np.float64]:
    """Smoothing of counts along the scale of scores: columns sum to 1, missing stays missing; float64, (c, c)."""
    step = 2 * cells.reach / CELLS
    centre = (np.arange(CELLS) + 0.5) * step - cells.reach
    distance = (centre[:, None] - centre) / (width * np.exp(TAIL * centre**2))
    found = np.zeros((_ALL, _ALL))
    found[:CELLS, :CELLS] = np.exp(-0.5 * distance**2)
    found[CELLS, CELLS] = 1.0
    return np.asarray(found / found.sum(axis=0))


def _cell_scores(cells: Cells, j: int) -> NDArray[np.float64]:
    """Normal score that stands for each cell of a feature; float64, (c,)."""
    step = 2 * cells.reach / CELLS
    found = np.append((np.arange(CELLS) + 0.5) * step - cells.reach, 0.0)
    if not cells.smooth[j]:
        count = np.bincount(cells.codes[:, j], minlength=_ALL)
        total = np.bincount(cells.codes[:, j], cells.scores[:, j], minlength=_ALL)
        found = np.where(count > 0, total / np.maximum(count, 1), 0.0)
    return found


def _gaussian_pair(
    x: NDArray[np.float64], y: NDArray[np.float64], za: NDArray[np.float64], zb: NDArray[np.float64], kept: float
) -> NDArray[np.float64]:
    """Log density of the Gaussian copula with `kept` of the correlation of x and y, at every two scores."""
    size = np.sqrt(float(x @ x) * float(y @ y))
    r = kept * float(np.clip(x @ y / size, -0.999, 0.999)) if size > 0 else 0.0
    left = 1 - r**2
    u, v = za[:, None], zb[None, :]
    return np.asarray(-0.5 * np.log(left) - (r**2 * (u**2 + v**2) - 2 * r * u * v) / (2 * left))
