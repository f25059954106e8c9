"""Sets of features that go together more closely far out than a Gaussian copula allows: a Student copula for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.copula import Shrinkage, choose_shrinkage, link_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

FREEDOMS = (2.0, 3.0, 4.0, 6.0, 9.0, 15.0)
LINKED, LINK_ERRORS = 0.25, 4.0
"""Features are looked at together if a correlation reaches this, and so many of its standard errors without any, and
is no chance among so many features."""
SMALLEST, LARGEST = 2, 32
MIN_GAIN = 7.0
"""Nats of log likelihood over all rows: one parameter gains so much in 1 of 5,000 Gaussian tables."""
GRID = 129
SINGULAR = 1e-4
"""Smallest eigenvalue of a correlation from which there is something left by which tails can be told: copies have heavy
ones as well as light ones."""


@dataclass(frozen=True, slots=True)
class Block:
    """Features under a Student copula.

    Attributes:
        members: Their places; intp, (q,).
        freedom: Degrees of freedom.
        shrinkage: How far their correlations are shrunk.
    """

    members: NDArray[np.intp]
    freedom: float
    shrinkage: Shrinkage


def student_grid(freedom: float, reach: float) -> NDArray[np.float64]:
    """Student scores at `GRID` equally spaced normal scores from -reach to reach; float64, (129,)."""
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - heavy: loaded when used

    half = -np.abs(np.linspace(-reach, reach, GRID))  # the lower tail is exact, the upper one its mirror
    found = np.abs(stdtrit(freedom, ndtr(half)))
    return np.asarray(np.where(np.linspace(-reach, reach, GRID) < 0, -found, found))


def student_scores(scores: NDArray[np.float64], grid: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Student scores of normal scores, along straight lines of a grid; same shape."""
    return np.asarray(np.interp(scores, np.linspace(-reach, reach, len(grid)), grid))


def student_surprise(
    normal: NDArray[np.float64], student: NDArray[np.float64], precision: NDArray[np.float64], freedom: float
) -> NDArray[np.float64]:
    """Minus the log density of a block on the scale of normal scores, without a constant; float64, (n,).

    (nu + q)/2 log(1 + t P t / nu) - (nu + 1)/2 sum_j log(1 + t_j^2 / nu) + sum_j z_j^2 / 2

    Args:
        normal: z; float64, (n, q).
        student: t; float64, (n, q).
        precision: P, inverse of the correlation of the block; float64, (q, q).
        freedom: nu.
    """
    q = normal.shape[1]
    form = np.einsum("ij,ij->i", student @ precision, student)
    joint = (freedom + q) / 2 * np.log1p(np.maximum(form, 0.0) / freedom)
    margins = (freedom + 1) / 2 * np.log1p(student**2 / freedom).sum(axis=1)
    return np.asarray(joint - margins + 0.5 * (normal**2).sum(axis=1))


def correlation_precision(scores: NDArray[np.float64], shrinkage: Shrinkage) -> tuple[NDArray[np.float64], float]:
    """Inverse and log determinant of the shrunk correlation of normal scores of q features."""
    q = scores.shape[1]
    correlation = np.corrcoef(scores.T) * shrinkage.mask(np.arange(q)) + 1e-6 * np.eye(q)
    return np.asarray(np.linalg.inv(correlation), dtype=np.float64), float(np.linalg.slogdet(correlation)[1])


def find_blocks(scores: NDArray[np.float64], reach: float, smooth: NDArray[np.bool_]) -> tuple[Block, ...]:
    """Sets of linked features that a Student copula describes better than a Gaussian one.

    Linked is whoever a chain of correlations leads to. The degrees of freedom have the largest likelihood on a grid.

    Args:
        scores: Normal scores of n rows; float64, (n, p).
        reach: Largest absolute normal score.
        smooth: Which features may take part: numbers with many values and no equation; bool, (p,).
    """
    n = len(scores)
    places = np.flatnonzero(smooth & (scores.std(axis=0) > 0))
    if len(places) < SMALLEST:
        return ()
    least = max(LINKED, LINK_ERRORS / np.sqrt(n), link_threshold(n, len(places)))
    linked = np.abs(np.corrcoef(scores[:, places].T)) >= least
    blocks = []
    for members in _components(linked):
        if not SMALLEST <= len(members) <= LARGEST:
            continue
        own = places[members]
        shrinkage = choose_shrinkage(scores[:, own])
        freedom = _freedom(scores[:, own], reach, shrinkage)
        if freedom is not None:
            blocks.append(Block(own, freedom, shrinkage))
    return tuple(blocks)


def _components(linked: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    from scipy.sparse import csr_array  # noqa: PLC0415 - heavy: loaded when used
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - heavy: loaded when used

    count, label = connected_components(csr_array(linked), directed=False)
    return [np.flatnonzero(label == mark) for mark in range(count)]


def _freedom(scores: NDArray[np.float64], reach: float, shrinkage: Shrinkage) -> float | None:
    """Degrees of freedom of a block; None if the Gaussian copula does as well, or its features are copies."""
    from scipy.special import gammaln  # noqa: PLC0415 - heavy: loaded when used

    n, q = scores.shape
    if np.linalg.eigvalsh(np.corrcoef(scores.T))[0] < SINGULAR:
        return None
    precision, log_det = correlation_precision(scores, shrinkage)
    gaussian = -0.5 * (np.einsum("ij,ij->i", scores @ precision, scores) - (scores**2).sum(axis=1)) - 0.5 * log_det
    best: tuple[float, float] | None = None
    for nu in FREEDOMS:
        student = student_scores(scores, student_grid(nu, reach), reach)
        constant = gammaln((nu + q) / 2) + (q - 1) * gammaln(nu / 2) - q * gammaln((nu + 1) / 2) - 0.5 * log_det
        density = constant - student_surprise(scores, student, precision, nu) + 0.5 * (scores**2).sum(axis=1)
        gain = density - gaussian
        mean = float(gain.mean())
        if mean * n > MIN_GAIN and (best is None or mean > best[0]):
            best = (mean, nu)
    return None if best is None else best[1]
