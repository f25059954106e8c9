"""Kernel regressions of the second opinion: Gaussian processes with a free constant, seen through centres.

Scales are those of the largest restricted likelihood (Rasmussen & Williams 2006, section 2.7). Regressions without a
group of rows follow from the one with all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from xaisvc.types.second_opinion import MISMATCH, SMOOTH_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NOISES = tuple(float(v) for v in 10.0 ** np.arange(-1.5, 3.6, 0.5))

_JITTER = 1e-10


def column_parts(
    scores: Floats, codes: NDArray[np.int64], at: Floats, at_codes: NDArray[np.int64], by_level: float
) -> tuple[Floats, Floats]:
    """t_j and e_j of a column between n rows and u centres; see `LinkedPlan`.

    Args:
        scores: Of the rows; float64, (n,).
        codes: Of the rows; int64, (n,).
        at: Scores of the centres; float64, (u,).
        at_codes: Codes of the centres; int64, (u,).
        by_level: As `ComparedColumn.by_level`.

    Returns:
        float64, (n, u) each.
    """
    away = (scores[:, None] - at) / SMOOTH_LENGTH
    near = 1.0 / (1.0 + away**2)
    line = scores[:, None] * at + by_level
    if (codes == 1).all() and (at_codes == 1).all():
        return line, near
    same = (codes[:, None] == at_codes) & (codes[:, None] >= 0)
    return np.where(same, line, 0.0), np.where(same, near, MISMATCH)


def mixed(kernel: Sequence[float], linear: Floats, smooth: Floats) -> Floats:
    """The kernel from its parts."""
    found = kernel[0] * linear
    if kernel[1]:
        found += kernel[1] * smooth
    if kernel[2]:
        found += kernel[2] * np.square(np.square(smooth))
    return found


def likeliest(gram: Floats, responses: Floats, alive: NDArray[np.bool_]) -> tuple[float, Floats]:
    """Smallest negative restricted log likelihood over all noises, added up over responses, and these noises.

    Args:
        gram: Of the kernel between u rows; float64, (u, u).
        responses: float64, (u, m).
        alive: Responses that count; bool, (m,).
    """
    losses = _losses(gram, responses)
    return float(losses.min(axis=0)[alive].sum()), np.array(NOISES)[losses.argmin(axis=0)]


class Regression(NamedTuple):
    """Posterior means of Gaussian processes, with and without each group of rows.

    Attributes:
        slopes: float64, (m, 1 + g, u).
        intercepts: float64, (m, 1 + g).
        variance: Mean posterior variance at the rows; float64, (m,).
        left_out: What each row deviates from the regression without its group; float64, (n, m).
    """

    slopes: Floats
    intercepts: Floats
    variance: Floats
    left_out: Floats


def regress(gram: Floats, prior: Floats, responses: Floats, noise: float, groups: NDArray[np.int64]) -> Regression:
    """Posterior mean of Gaussian processes with a free constant, seen through u centres.

    With G the kernel between n rows and the centres and K that of the centres, f = constant + G s, s drawn with the
    covariance K^-1 (subset of regressors; Rasmussen & Williams 2006, section 8.3.1); with all rows as centres it is the
    process itself. As a ridge regression on F = [G 1] with M = F'F + [noise K, 0], its solution without the rows of a
    group is

        s - M^-1 F_g' (1 - F_g M^-1 F_g')^-1 (y_g - F_g s)

    Args:
        gram: G; float64, (n, u).
        prior: K; float64, (u, u).
        responses: float64, (n, m).
        noise: Variance of the noise in units of the kernel's.
        groups: Group of each row, from 0; int64, (n,).
    """
    n, u = gram.shape
    full = np.concatenate([gram, np.ones((n, 1))], axis=1)
    matrix = full.T @ full
    matrix[:u, :u] += noise * prior
    # Smooth kernels make K all but singular: this much of its trace is far below the noise.
    matrix[np.arange(u), np.arange(u)] += _JITTER * (np.trace(matrix) + noise)
    sides = np.concatenate([full.T, np.eye(u + 1)[:, -1:]], axis=1)
    inverse = np.linalg.solve(matrix, sides)
    hat, of_constant = inverse[:, :n], float(inverse[-1, n])
    found = hat @ responses
    residuals = responses - full @ found
    count = int(groups.max()) + 1
    solutions = np.repeat(found.T[:, None], 1 + count, axis=1)  # (m, 1 + g, u + 1)
    left_out = np.empty_like(residuals)
    for g in range(count):
        own = np.flatnonzero(groups == g)
        inside = np.eye(len(own)) - full[own] @ hat[:, own]
        left_out[own] = np.linalg.solve(inside, residuals[own])
        solutions[:, 1 + g] -= (hat[:, own] @ left_out[own]).T
    centred = responses - found[-1]
    scale = np.maximum((centred * (centred - gram @ found[:u])).sum(axis=0) / noise / (n - 1), 0.0)
    # The trace of F M^-1 F' less what the constant adds to it.
    spread = (np.einsum("nu,un->", full, hat) - float(np.square(hat[-1]).sum()) / of_constant) / n
    return Regression(
        slopes=solutions[:, :, :u],
        intercepts=solutions[:, :, u],
        variance=scale * noise * max(spread, 0.0),
        left_out=left_out,
    )


def _losses(gram: Floats, responses: Floats) -> Floats:
    """Negative restricted log likelihood, its scale profiled out, for every noise; float64, (noises, m)."""
    u = len(gram)
    values, vectors = np.linalg.eigh(gram)
    ones, turned = vectors.sum(axis=0), vectors.T @ responses
    found = []
    for noise in NOISES:
        inverse = 1.0 / (np.maximum(values, 0.0) + noise)
        total = float(ones**2 @ inverse)
        squares = (turned**2).T @ inverse - ((turned.T @ (ones * inverse)) ** 2) / total
        found.append(0.5 * ((u - 1) * np.log(np.maximum(squares, 1e-300)) - np.log(inverse).sum() + np.log(total)))
    return cast("Floats", np.array(found))
