"""LIME's local linear surrogate: the fit, and what says how far it can be trusted.

The surrogate is a ridge regression of the model's answers on columns that describe the draws, weighted by closeness to
the explained row (Ribeiro, Singh & Guestrin 2016, section 3.4; numbers as in the lime package). In the discretised mode
a column is 1 where a draw agrees with the row; `lime_kernel` computes the same for those, compiled.

Errors and stability come from a bootstrap over 50 blocks of the sample, at no further model evaluation. A resample is
not refitted: with A = Zc'WZc + alpha I (Zc the columns less their weighted means) and g_b = Zc_b'W_b r_b the gradient
of block b at the fit with residuals r, a resample that holds block b n_b times has the weights

    weights + A^-1 sum over b of (n_b - 1) g_b

to first order (one step of Newton's method), and the variance of that over all resamples is known in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

RIDGE_ALPHA = 1.0
N_BLOCKS = 50
# Blocks that the held-out fit uses; the rest of the sample judges it.
N_FIT_BLOCKS = 40
_N_RESAMPLES = 64
_TOP = 3


def kernel_width(p: int) -> float:
    """Width of the exponential kernel for p columns: 0.75 sqrt(p)."""
    return 0.75 * float(np.sqrt(p))


def closeness(design: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each draw: sqrt(exp(-d^2 / width^2)), d the Euclidean distance to the row.

    Args:
        design: Columns of each draw, the row itself first; float64, (m, p).

    Returns:
        float64, (m,), in (0, 1].
    """
    return weights_at(((design - design[0]) ** 2).sum(axis=1), design.shape[1])


def weights_at(squared_distances: NDArray[np.float64], p: int) -> NDArray[np.float64]:
    """Weight of draws at these squared distances from the row, over p columns; float64, same shape, in (0, 1]."""
    return np.asarray(np.exp(-squared_distances / (2.0 * kernel_width(p) ** 2)))


def block_starts(m: int) -> NDArray[np.int64]:
    """Where the blocks of m draws begin, and the end of the last; int64, (N_BLOCKS + 1,)."""
    return np.linspace(0, m, N_BLOCKS + 1).astype(np.int64)


def draw_resamples(generator: np.random.Generator) -> NDArray[np.float64]:
    """Times that each resample holds each block, less 1; float64, (resamples, N_BLOCKS)."""
    counts = generator.multinomial(N_BLOCKS, [1 / N_BLOCKS] * N_BLOCKS, size=_N_RESAMPLES)
    return counts.astype(np.float64) - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """A fitted surrogate.

    Attributes:
        weights: Coefficient of each column, in output units per unit of the column; float64, (p,).
        intercept: In output units.
        standard_errors: From the bootstrap over blocks of the sample; float64, (p,).
        diagnostics: `fidelity` (weighted R2 on the fifth of the sample that was left out of a fit), `r2` (weighted R2
            on the sample itself, lime's score), `stability_top3_jaccard` (mean overlap of the three largest weights
            between a resample and the fit), `stability_sign_flips` (share of the three largest weights that change
            sign in a resample), `intercept`, `local_prediction` (the surrogate's answer for the row itself).
    """

    weights: NDArray[np.float64]
    intercept: float
    standard_errors: NDArray[np.float64]
    diagnostics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedSums:
    """Everything a linear fit needs of a weighted sample, less its weighted means.

    Attributes:
        columns: Zc'WZc; float64, (p, p).
        answers: Zc'Wy; float64, (p,).
        squares: yc'Wyc.
        means: Weighted mean of each column; float64, (p,).
        mean_answer: Weighted mean of the answers.
    """

    columns: NDArray[np.float64]
    answers: NDArray[np.float64]
    squares: float
    means: NDArray[np.float64]
    mean_answer: float

    @classmethod
    def of(
        cls, design: NDArray[np.float64], answers: NDArray[np.float64], sample_weights: NDArray[np.float64]
    ) -> WeightedSums:
        """The sums of m draws: design (m, p), answers (m,), weights (m,)."""
        mass = sample_weights.sum()
        means = sample_weights @ design / mass
        mean_answer = float(sample_weights @ answers / mass)
        centred, relative = design - means, answers - mean_answer
        weighted = centred * sample_weights[:, None]
        return cls(
            columns=weighted.T @ centred,
            answers=weighted.T @ relative,
            squares=float(sample_weights @ relative**2),
            means=means,
            mean_answer=mean_answer,
        )

    def ridge(self, chosen: NDArray[np.int64], alpha: float = RIDGE_ALPHA) -> tuple[NDArray[np.float64], float]:
        """Ridge weights of all p columns, 0 for those not chosen, and the intercept, which is not shrunk."""
        weights = np.zeros(len(self.means))
        kept = self.columns[np.ix_(chosen, chosen)] + alpha * np.eye(len(chosen))
        weights[chosen] = np.linalg.solve(kept, self.answers[chosen])
        return weights, self.mean_answer - float(self.means @ weights)


@dataclass(frozen=True, slots=True)
class _Ridge:
    """What part of a weighted design decides: its sums, and from them its ridge regression on any answers."""

    mass: float
    totals: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def of(cls, design: NDArray[np.float64], weighted: NDArray[np.float64], mass: float) -> _Ridge:
        return cls(mass, weighted.sum(axis=0), weighted.T @ design)

    def __add__(self, other: _Ridge) -> _Ridge:
        return _Ridge(self.mass + other.mass, self.totals + other.totals, self.products + other.products)

    @property
    def means(self) -> NDArray[np.float64]:
        return self.totals / self.mass

    def inverse(self) -> NDArray[np.float64]:
        """(Zc'WZc + alpha I)^-1."""
        centred = self.products - self.mass * np.outer(self.means, self.means)
        return np.asarray(np.linalg.inv(centred + RIDGE_ALPHA * np.eye(len(self.totals))), dtype=np.float64)

    def fit(
        self, inverse: NDArray[np.float64], projected: NDArray[np.float64], total: float
    ) -> tuple[NDArray[np.float64], float]:
        """Weights and intercept from Z'Wy and 1'Wy."""
        weights = inverse @ (projected - self.means * total)
        return weights, total / self.mass - float(self.means @ weights)


class SurrogateFitter:
    """Fits surrogates to samples that share their design and weights, one set of answers after the other.

    What the design decides is worked out once: the weights of a surrogate are then a constant matrix times the answers,
    (Zc'WZc + alpha I)^-1 Zc'W.
    """

    def __init__(
        self, design: NDArray[np.float64], sample_weights: NDArray[np.float64], resamples: NDArray[np.float64]
    ) -> None:
        """Prepares a sample whose first draw is the explained row itself.

        Args:
            design: Columns of each draw; float64, (m, p).
            sample_weights: Closeness of each draw; float64, (m,).
            resamples: See `draw_resamples`.
        """
        self._row = design[0]
        # Columns relative to the row's own: sums of products keep their digits.
        self._design = design - self._row
        self._sample_weights = sample_weights
        weighted = self._design * sample_weights[:, None]
        self._resamples = resamples
        self._starts = block_starts(len(design)).tolist()
        self._split = split = self._starts[N_FIT_BLOCKS]
        self._part = _Ridge.of(self._design[:split], weighted[:split], float(sample_weights[:split].sum()))
        held_out = _Ridge.of(self._design[split:], weighted[split:], float(sample_weights[split:].sum()))
        self._whole = self._part + held_out
        self._part_inverse, self._inverse = self._part.inverse(), self._whole.inverse()

    def fit(self, answers: NDArray[np.float64]) -> Surrogate:
        """The surrogate of one set of answers, float64, (m,)."""
        sample_weights, split = self._sample_weights, self._split
        # Answers relative to the row's own, for the same reason; and a constant model gets exact zeros.
        relative = answers - answers[0]
        pull = sample_weights * relative
        projected = pull[:split] @ self._design[:split]
        total = float(pull[:split].sum())
        part_weights, part_intercept = self._part.fit(self._part_inverse, projected, total)
        held_out = part_intercept + self._design[split:] @ part_weights

        projected = projected + pull[split:] @ self._design[split:]
        weights, intercept = self._whole.fit(self._inverse, projected, total + float(pull[split:].sum()))
        fitted = intercept + self._design @ weights

        pull = sample_weights * (relative - fitted)
        blocks = list(pairwise(self._starts))
        gradients = np.array([pull[start:stop] @ self._design[start:stop] for start, stop in blocks])
        gradients -= np.outer(np.add.reduceat(pull, self._starts[:-1]), self._whole.means)
        moves = gradients @ self._inverse
        offset = intercept + float(answers[0])
        at_zero = offset - float(self._row @ weights)
        return Surrogate(
            weights=weights,
            intercept=at_zero,
            standard_errors=bootstrap_errors(moves, len(answers)),
            diagnostics={
                "fidelity": weighted_r2(relative[split:], held_out, sample_weights[split:]),
                "r2": weighted_r2(relative, fitted, sample_weights),
                **_stability(weights, weights + self._resamples @ moves),
                "intercept": at_zero,
                "local_prediction": offset,
            },
        )


def fit_surrogate(
    design: NDArray[np.float64],
    answers: NDArray[np.float64],
    sample_weights: NDArray[np.float64],
    resamples: NDArray[np.float64],
    chosen: NDArray[np.int64] | None = None,
) -> Surrogate:
    """Fits the surrogate to a sample whose first draw is the explained row itself.

    Args:
        design: Columns of each draw; float64, (m, p).
        answers: f of each draw; float64, (m,).
        sample_weights: Closeness of each draw; float64, (m,).
        resamples: See `draw_resamples`.
        chosen: Columns that may have a weight; all if None.
    """
    if chosen is None:
        return SurrogateFitter(design, sample_weights, resamples).fit(answers)
    found = SurrogateFitter(design[:, chosen], sample_weights, resamples).fit(answers)
    weights, standard_errors = np.zeros(design.shape[1]), np.zeros(design.shape[1])
    weights[chosen], standard_errors[chosen] = found.weights, found.standard_errors
    return replace(found, weights=weights, standard_errors=standard_errors)


def bootstrap_errors(moves: NDArray[np.float64], m: int) -> NDArray[np.float64]:
    """Standard errors from what each block adds to the weights.

    The variance over resamples is that of the blocks, times blocks / (blocks - 1), as their number is small, and
    m / (m - q - 1), as q weights and an intercept have made the residuals of m draws smaller than they are.

    Args:
        moves: A^-1 g_b of each block; float64, (blocks, q).
        m: Draws.

    Returns:
        float64, (q,).
    """
    blocks, q = moves.shape
    scale = blocks / (blocks - 1) * m / (m - q - 1)
    return np.asarray(np.sqrt(scale * ((moves - moves.mean(axis=0)) ** 2).sum(axis=0)))


def weighted_r2(
    answers: NDArray[np.float64], fitted: NDArray[np.float64], sample_weights: NDArray[np.float64]
) -> float:
    """Weighted share of the variance that the fit explains; 1 for a constant that is met, 0 for one that is not."""
    centre = float(sample_weights @ answers) / float(sample_weights.sum())
    left = float(sample_weights @ (answers - fitted) ** 2)
    total = float(sample_weights @ (answers - centre) ** 2)
    if total == 0.0:
        return 1.0 if left == 0.0 else 0.0
    return 1.0 - left / total


def _stability(weights: NDArray[np.float64], resampled: NDArray[np.float64]) -> dict[str, float]:
    top, others = _largest(weights[None])[0], _largest(resampled)
    common = (others[:, :, None] == top).sum(axis=(1, 2))
    flips = np.sign(resampled[:, top]) != np.sign(weights[top])
    return {
        "stability_top3_jaccard": float(np.mean(common / (2 * len(top) - common))),
        "stability_sign_flips": float(flips.mean()),
    }


def _largest(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places of the largest weights by size in each line; of equals, the first."""
    return np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :_TOP]
